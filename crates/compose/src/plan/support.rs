//! What no plan can be made for, found before anything is done.

use tare_compose_model::{FileReference, MountKind, Project, Service};

use super::PlanError;

/// Checks the services of a plan.
pub(super) fn check(project: &Project, services: &[&str]) -> Result<(), PlanError> {
    for name in services {
        let Some(service) = project.services.get(*name) else { continue };
        if let Some((what, instead)) = unsupported(project, service) {
            return Err(PlanError::Unsupported { service: (*name).to_owned(), what, instead });
        }
    }
    Ok(())
}

/// What the service asks for, and what would do instead.
fn unsupported(project: &Project, service: &Service) -> Option<(String, &'static str)> {
    if let Some(provider) = service.extensions.get("provider") {
        let kind = provider.get("type").and_then(|kind| kind.as_str()).unwrap_or("?");
        let instead = "start what it provides by other means, and give its address in `environment:`";
        return Some((
            format!("a provider (`type: {kind}`), an external program that stands in for it"),
            instead,
        ));
    }
    if service.extensions.contains_key("models") {
        let instead = "run the model as a service of its own, and give its address in `environment:`";
        return Some(("`models:`, which a plugin of Docker's serves".to_owned(), instead));
    }
    let files =
        [("config", &service.configs, &project.configs), ("secret", &service.secrets, &project.secrets)];
    for (kind, used, defined) in files {
        let external =
            |file: &&FileReference| defined.get(&file.source).is_some_and(|object| object.external);
        if let Some(file) = used.iter().find(external) {
            let what = format!("the external {kind} `{}`: only Swarm has those", file.source);
            return Some((what, "give it by `file:` or `environment:`"));
        }
    }
    for mount in &service.volumes {
        let kind = match mount.kind {
            MountKind::Image => "image",
            MountKind::Cluster => "cluster",
            MountKind::Npipe => "npipe",
            MountKind::Bind | MountKind::Volume | MountKind::Tmpfs => continue,
        };
        return Some((
            format!("a mount of `type: {kind}` at {}", mount.target),
            "there are bind, volume and tmpfs",
        ));
    }
    let volumes = service.volumes.iter().filter(|mount| mount.kind == MountKind::Volume);
    for volume in volumes.filter_map(|mount| project.volumes.get(mount.source.as_deref()?)) {
        let driver = volume.driver.as_deref().filter(|driver| !["", "local", "default"].contains(driver));
        if let Some(driver) = driver.filter(|_| !volume.external) {
            return Some((format!("the volume driver `{driver}`"), "there is `local`, with its driver_opts"));
        }
    }
    let port = service.ports.iter().find(|port| port.protocol == "sctp")?;
    Some((format!("the port {}/sctp", port.target), "there are tcp and udp"))
}
