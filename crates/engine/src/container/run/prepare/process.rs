//! The first process of a container, and what each further one has in common with it.

use tare_runtime as rt;
use tare_sys::caps::CapSet;

use crate::config::{Capability, ContainerConfig, Seccomp, Ulimit};
use crate::state::record::Record;

/// The system call filter of a container.
pub(crate) fn seccomp(config: &ContainerConfig) -> rt::Seccomp {
    match (&config.seccomp, config.privileged) {
        (_, true) | (Seccomp::Unconfined, _) => rt::Seccomp::Unconfined,
        (Seccomp::Default, _) => rt::Seccomp::Default,
        (Seccomp::Profile(text), _) => rt::Seccomp::Profile(text.clone()),
    }
}

/// `hostname` is what the container is called, by itself or by the one whose network it uses.
pub(crate) fn process(record: &Record, hostname: &str) -> rt::Process {
    let config = &record.config;
    let entrypoint = config.entrypoint.iter().flatten();
    let mut process = rt::Process::new(entrypoint.chain(config.cmd.iter().flatten()).cloned());
    process.env = environment(record, hostname);
    process.cwd.clone_from(&config.working_dir);
    process.user.clone_from(&config.user);
    process.terminal = config.tty;
    process.capabilities = capabilities(config);
    process.no_new_privileges = config.no_new_privileges;
    process.rlimits = config.ulimits.iter().map(rlimit).collect();
    process.oom_score_adj = config.oom_score_adj;
    process.additional_gids.clone_from(&config.group_add);
    process
}

/// The environment as the first process gets it: PATH, HOSTNAME and TERM come first and may be overridden in their place.
fn environment(record: &Record, hostname: &str) -> Vec<String> {
    const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut env = vec![PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if record.config.tty {
        env.push("TERM=xterm".into());
    }
    for own in &record.config.env {
        set_variable(&mut env, own);
    }
    env
}

/// Sets `NAME=value` where NAME stands already, else at the end; `NAME` alone takes the variable away.
pub(crate) fn set_variable(env: &mut Vec<String>, text: &str) {
    let name = text.split('=').next().unwrap_or(text);
    let place = env.iter().position(|e| e.split('=').next() == Some(name));
    match (place, text.contains('=')) {
        (Some(place), true) => text.clone_into(&mut env[place]),
        (Some(place), false) => drop(env.remove(place)),
        (None, true) => env.push(text.to_owned()),
        (None, false) => {}
    }
}

fn capabilities(config: &ContainerConfig) -> Vec<String> {
    let dropped = |name: &String| config.cap_drop.iter().any(|drop| drop.full_name() == *name);
    let mut set: Vec<String> = if config.privileged || config.cap_add.contains(&Capability::All) {
        CapSet::all().names()
    } else if config.cap_drop.contains(&Capability::All) {
        Vec::new()
    } else {
        rt::default_capabilities()
    };
    set.retain(|name| !dropped(name));
    for added in config.cap_add.iter().filter(|added| **added != Capability::All).map(Capability::full_name) {
        if !set.contains(&added) {
            set.push(added);
        }
    }
    set
}

fn rlimit(limit: &Ulimit) -> rt::Rlimit {
    let value = |v: i64| u64::try_from(v).unwrap_or(u64::MAX);
    rt::Rlimit { name: limit.name.clone(), soft: value(limit.soft), hard: value(limit.hard) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_set_in_their_place() {
        let mut env = vec!["PATH=/bin".to_owned(), "A=1".to_owned()];
        for text in ["B=2", "PATH=/x", "A", "C", "B=3", "D="] {
            set_variable(&mut env, text);
        }
        assert_eq!(env, ["PATH=/x", "B=3", "D="]);
    }

    #[test]
    fn capabilities_follow_add_and_drop() {
        let with = |add: &[&str], drop: &[&str]| {
            let list = |names: &[&str]| names.iter().map(|name| Capability::read(name).unwrap()).collect();
            capabilities(&ContainerConfig {
                cap_add: list(add),
                cap_drop: list(drop),
                ..ContainerConfig::default()
            })
        };
        assert_eq!(with(&[], &[]).len(), 14);
        assert_eq!(with(&["NET_ADMIN"], &["ALL"]), ["CAP_NET_ADMIN"]);
        assert!(!with(&[], &["CAP_CHOWN"]).contains(&"CAP_CHOWN".to_owned()));
        assert!(with(&["ALL"], &["SYS_ADMIN"]).len() > 30);
    }
}
