//! What a container has of the host: `--device`, `--pid` and its like, `--cap-add`, `--restart`.

use crate::config::{Capability, Device, IpcMode, NamespaceMode, RestartPolicy};

/// Reads `--restart`: `no`, `always`, `unless-stopped`, `on-failure[:max]`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    match text.split_once(':').unwrap_or((text, "")) {
        ("" | "no", "") => Ok(RestartPolicy::No),
        ("always", "") => Ok(RestartPolicy::Always),
        ("unless-stopped", "") => Ok(RestartPolicy::UnlessStopped),
        ("on-failure", "") => Ok(RestartPolicy::OnFailure { maximum: 0 }),
        ("on-failure", count) => match count.parse() {
            Ok(maximum) => Ok(RestartPolicy::OnFailure { maximum }),
            Err(_) => Err("maximum retry count must be an integer".to_owned()),
        },
        ("no" | "always" | "unless-stopped", _) => {
            Err("maximum retry count can only be used with 'on-failure'".to_owned())
        }
        _ => Err(format!(
            "unknown policy '{text}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )),
    }
}

/// Reads one `--device`: `/dev/x`, `/dev/x:/dev/y`, `/dev/x:rwm`, `/dev/x:/dev/y:r`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn device(text: &str) -> Result<Device, String> {
    let is_permissions = |text: &str| !text.is_empty() && text.bytes().all(|byte| b"rwm".contains(&byte));
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, permissions) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, permissions] if is_permissions(permissions) => (host, host, permissions),
        [host, container] => (host, container, "rwm"),
        [host, container, permissions] => (host, container, permissions),
        _ => return Err(format!("invalid device specification: {text}")),
    };
    if !is_permissions(permissions) {
        return Err(format!("{permissions:?} is not a valid mode"));
    }
    if !host.starts_with('/') || !container.starts_with('/') {
        return Err(format!("{text} is not an absolute path"));
    }
    Ok(Device { host: host.into(), container: container.to_owned(), permissions: permissions.to_owned() })
}

/// Reads `--ipc`: nothing, `private`, `shareable`, `none`, `host`, `container:NAME`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn ipc(text: &str) -> Result<IpcMode, String> {
    match text {
        "" | "private" => Ok(IpcMode::Private),
        "shareable" => Ok(IpcMode::Shareable),
        "none" => Ok(IpcMode::None),
        text => namespace(text).map(IpcMode::from),
    }
}

/// Reads `--pid` and `--uts`: nothing, `host`, `container:NAME`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn namespace(text: &str) -> Result<NamespaceMode, String> {
    match text {
        "" => Ok(NamespaceMode::Private),
        "host" => Ok(NamespaceMode::Host),
        text => match text.strip_prefix("container:") {
            Some(container) if !container.is_empty() => Ok(NamespaceMode::Container(container.to_owned())),
            _ => Err("use host or container:<name|id>".to_owned()),
        },
    }
}

/// Reads the names of `--cap-add` or `--cap-drop`.
///
/// # Errors
/// That there is no capability of this name, in Docker's words.
pub fn capabilities(names: &[String]) -> Result<Vec<Capability>, String> {
    names.iter().map(|name| Capability::read(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_policies() {
        assert_eq!(restart_policy("on-failure:3"), Ok(RestartPolicy::OnFailure { maximum: 3 }));
        assert_eq!(restart_policy("unless-stopped"), Ok(RestartPolicy::UnlessStopped));
        assert!(restart_policy("always:3").is_err() && restart_policy("sometimes").is_err());
    }

    #[test]
    fn devices_and_namespaces() {
        assert_eq!(device("/dev/fuse:r").unwrap().permissions, "r");
        assert_eq!(device("/dev/a:/dev/b:rw").unwrap().container, "/dev/b");
        assert!(device("dev/a").is_err() && device("/dev/a:/dev/b:x").is_err());
        assert_eq!(namespace("container:web"), Ok(NamespaceMode::Container("web".into())));
        assert_eq!(ipc("none"), Ok(IpcMode::None));
        assert!(namespace("private").is_err() && ipc("bogus").is_err());
        assert!(namespace("container:").is_err() && namespace("bogus").is_err());
        assert!(capabilities(&["chown".to_owned(), "x".to_owned()]).is_err());
    }
}
