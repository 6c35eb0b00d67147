//! Where a command is meant to act. Docker's client goes to another machine when a flag, a variable or the current
//! context says so; tare acts on this one only. A command that was meant for another must not act here: it is refused
//! before the state is opened, and says what named the other machine.

use crate::docker_config;
use crate::error::Failure;

/// Docker's name for the endpoint that is this machine, unless `DOCKER_HOST` says otherwise.
const DEFAULT: &str = "default";

/// Where Docker's daemon listens on its own machine.
const OWN_SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/docker.sock"];

/// What the global flags say of it; empty values count as not given, as with Docker.
#[derive(Debug, Default, Clone)]
pub(crate) struct Destination {
    /// `-H`, `--host`.
    pub(crate) host: Option<String>,
    /// `-c`, `--context`.
    pub(crate) context: Option<String>,
    /// The first of the flags that ask for TLS, by its name.
    pub(crate) tls: Option<&'static str>,
}

/// What Docker reads beside the flags.
#[derive(Debug, Default)]
struct Surroundings {
    host: Option<String>,
    context: Option<String>,
    /// The first variable that asks for TLS, by its name.
    tls: Option<&'static str>,
    /// The current context of `config.json`.
    configured: Option<String>,
}

impl Surroundings {
    fn read() -> Surroundings {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        // What is no UTF-8 names no socket of ours either.
        let text = |name| variable(name).map(|value| value.to_string_lossy().into_owned());
        let (host, context) = (text("DOCKER_HOST"), text("DOCKER_CONTEXT"));
        let configured =
            if host.is_none() && context.is_none() { docker_config::current_context() } else { None };
        let tls = ["DOCKER_TLS_VERIFY", "DOCKER_TLS"].into_iter().find(|name| variable(name).is_some());
        Surroundings { host, context, tls, configured }
    }
}

/// What names another machine, and how to be rid of it.
#[derive(Debug, PartialEq, Eq)]
struct Elsewhere {
    said: String,
    hint: String,
}

impl Destination {
    /// Fails unless this machine is meant.
    pub(crate) fn require_here(&self) -> anyhow::Result<()> {
        if self.host.is_some() && self.context.is_some() {
            return Err(
                Failure::usage(1, "conflicting options: cannot specify both --host and --context").into()
            );
        }
        self.require(&Surroundings::read())
    }

    /// Fails if a flag names another machine: for what is about this one by itself.
    pub(crate) fn require_no_flag(&self) -> anyhow::Result<()> {
        self.require(&Surroundings::default())
    }

    fn require(&self, around: &Surroundings) -> anyhow::Result<()> {
        match self.elsewhere(around) {
            None => Ok(()),
            Some(Elsewhere { said, hint }) => {
                Err(Failure::new(format!("{said} names another Docker, and tare acts on this machine alone"))
                    .with_hint(hint)
                    .into())
            }
        }
    }

    /// The name of the context that Docker would use, for `docker context`.
    pub(crate) fn context_name(&self) -> String {
        let around = Surroundings::read();
        self.context_of(&around).map_or(DEFAULT, |(name, _)| name).to_owned()
    }

    /// In Docker's order: a flag, `DOCKER_HOST` (which is the default context's), `DOCKER_CONTEXT`, `config.json`.
    fn context_of<'a>(&'a self, around: &'a Surroundings) -> Option<(&'a str, &'static str)> {
        if let Some(context) = &self.context {
            return Some((context, "--context"));
        }
        if self.host.is_some() || around.host.is_some() {
            return None;
        }
        let variable = around.context.as_deref().map(|name| (name, "DOCKER_CONTEXT"));
        variable.or_else(|| around.configured.as_deref().map(|name| (name, "currentContext")))
    }

    fn elsewhere(&self, around: &Surroundings) -> Option<Elsewhere> {
        if let Some((context, from)) = self.context_of(around).filter(|(name, _)| *name != DEFAULT) {
            return Some(match from {
                "--context" => named(format!("--context {context}"), "leave --context out"),
                "DOCKER_CONTEXT" => named(format!("DOCKER_CONTEXT={context}"), "`unset DOCKER_CONTEXT`"),
                _ => named(
                    format!("the current context, {context:?}"),
                    "`export DOCKER_CONTEXT=default`, or take \"currentContext\" out of Docker's config.json,",
                ),
            });
        }
        if let Some(host) = &self.host {
            if !is_own(host) {
                return Some(named(format!("--host {host}"), "leave --host out"));
            }
        } else if let Some(host) = &around.host
            && !is_own(host)
        {
            return Some(named(format!("DOCKER_HOST={host}"), "`unset DOCKER_HOST`"));
        }
        if let Some(flag) = self.tls {
            return Some(named(flag.to_owned(), &format!("leave {flag} out")));
        }
        around.tls.map(|name| named(name.to_owned(), &format!("`unset {name}`")))
    }
}

fn named(said: String, how: &str) -> Elsewhere {
    Elsewhere { said, hint: format!("{how} to act on this machine; nothing was done") }
}

/// Whether a host is the socket of this machine's daemon, whose place tare takes.
fn is_own(host: &str) -> bool {
    host.strip_prefix("unix://").is_some_and(|path| path.is_empty() || OWN_SOCKETS.contains(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(flags: &Destination, around: &Surroundings) -> Option<String> {
        flags.elsewhere(around).map(|elsewhere| elsewhere.said)
    }

    fn text(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    #[test]
    fn this_machines_own_socket_is_here() {
        let nothing = Surroundings::default();
        for host in ["unix:///var/run/docker.sock", "unix:///run/docker.sock", "unix://"] {
            let flags = Destination { host: text(host), ..Destination::default() };
            assert_eq!(said(&flags, &nothing), None, "{host}");
            let around =
                Surroundings { host: text(host), configured: text("prod"), ..Surroundings::default() };
            assert_eq!(said(&Destination::default(), &around), None, "DOCKER_HOST goes before config.json");
        }
        let flags = Destination { context: text("default"), ..Destination::default() };
        let around = Surroundings { context: text("prod"), configured: text("prod"), ..nothing };
        assert_eq!(said(&flags, &around), None);
    }

    #[test]
    fn what_names_another_machine_is_named() {
        let none = Destination::default();
        for host in
            ["ssh://prod", "tcp://127.0.0.1:2375", "unix:///run/user/1000/docker.sock", "/run/docker.sock"]
        {
            let around = Surroundings { host: text(host), ..Surroundings::default() };
            assert_eq!(said(&none, &around), Some(format!("DOCKER_HOST={host}")));
            let flags = Destination { context: text("default"), ..Destination::default() };
            assert_eq!(
                said(&flags, &around),
                Some(format!("DOCKER_HOST={host}")),
                "the default context has it"
            );
        }
        let own = Surroundings { host: text("unix:///var/run/docker.sock"), ..Surroundings::default() };
        let flags = Destination { host: text("ssh://prod"), ..Destination::default() };
        assert_eq!(said(&flags, &own), text("--host ssh://prod"));
        let flags = Destination { context: text("prod"), ..Destination::default() };
        assert_eq!(said(&flags, &own), text("--context prod"));
        let around = Surroundings { configured: text("prod"), ..Surroundings::default() };
        assert_eq!(said(&none, &around), text("the current context, \"prod\""));
        let around = Surroundings { tls: Some("DOCKER_TLS_VERIFY"), ..Surroundings::default() };
        assert_eq!(said(&none, &around), text("DOCKER_TLS_VERIFY"));
        let flags = Destination { tls: Some("--tls"), ..Destination::default() };
        assert_eq!(said(&flags, &Surroundings::default()), text("--tls"));
    }
}
