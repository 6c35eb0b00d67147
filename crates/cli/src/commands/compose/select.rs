//! Which containers a command means: those of the project, of some services, or one by its number.

use tare_compose::observe_engine::{is_oneoff, number_of, of_project, service_of};
use tare_engine::Container;

use super::project::{Context, Target, no_such_service};
use crate::commands;
use crate::error::Failure;

/// Whether containers of `run` are meant too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OneOffs {
    Include,
    Exclude,
}

/// The containers of the given services, or of all.
pub(super) fn containers(
    context: &Context<'_>,
    target: &Target,
    services: &[String],
    oneoffs: OneOffs,
) -> anyhow::Result<Vec<Container>> {
    let mut all = of_project(context.engine()?, &target.name)?;
    if oneoffs == OneOffs::Exclude {
        all.retain(|container| !is_oneoff(container));
    }
    for service in services {
        let known = match &target.project {
            Some(project) => project.services.contains_key(service),
            None => all.iter().any(|container| service_of(container) == service),
        };
        if !known {
            return Err(match &target.project {
                Some(project) => no_such_service(project, service),
                None => Failure::new(format!("no such service: {service}")).into(),
            });
        }
    }
    if !services.is_empty() {
        all.retain(|container| services.iter().any(|service| service == service_of(container)));
    }
    Ok(all)
}

/// The containers that a command acts on: of the given services, or of all that the project has with the profiles that
/// are on. Orphans and services of profiles that are off are not meant.
pub(super) fn acted_on(
    context: &Context<'_>,
    target: &Target,
    services: &[String],
    oneoffs: OneOffs,
) -> anyhow::Result<Vec<Container>> {
    let mut all = containers(context, target, services, oneoffs)?;
    if let Some(project) = &target.project {
        all.retain(|container| project.services.contains_key(service_of(container)));
    }
    Ok(all)
}

/// One running container of a service: the n-th, or the first with index 0.
pub(super) fn one(context: &Context<'_>, service: &str, index: u32) -> anyhow::Result<Container> {
    let target = context.target()?;
    let all = containers(context, &target, &[service.to_owned()], OneOffs::Exclude)?;
    let mut fitting = all.into_iter().filter(|container| index == 0 || number_of(container) == index);
    let first = fitting.next();
    let best = match first {
        Some(container) if !container.state.is_active() => {
            Some(fitting.find(|other| other.state.is_active()).unwrap_or(container))
        }
        other => other,
    };
    best.ok_or_else(|| {
        let text = if index == 0 {
            format!("service \"{service}\" is not running")
        } else {
            format!("service \"{service}\" has no container #{index}")
        };
        Failure::new(text).with_hint(format!("`docker compose up -d {service}` starts it")).into()
    })
}

/// Runs one of docker's own commands.
pub(super) fn docker(context: &Context<'_>, name: &str, words: &[String]) -> anyhow::Result<u8> {
    match commands::named(name) {
        Some(command) => (command.run)(context.session, words),
        None => Err(Failure::new(format!("docker {name} does not exist")).into()),
    }
}
