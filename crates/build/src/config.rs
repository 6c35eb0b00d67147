//! Instructions that change no file: they act on the image's config alone.

use tare_dockerfile::{Command, Healthcheck, HealthcheckTest};
use tare_oci::{History, ImageConfig, RunConfig};

use crate::go;

/// The search path of an image that has none.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The words of a command; the shell form gets the shell in front.
pub(crate) fn words(command: &Command, run: &RunConfig) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(line) => shell(run).into_iter().chain([line.clone()]).collect(),
    }
}

/// The shell in force.
pub(crate) fn shell(run: &RunConfig) -> Vec<String> {
    run.shell.clone().unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()])
}

/// A health check as the config has it.
pub(crate) fn healthcheck(check: &Healthcheck) -> tare_oci::Healthcheck {
    let Healthcheck::Test(HealthcheckTest {
        command,
        interval,
        timeout,
        start_period,
        start_interval,
        retries,
    }) = check
    else {
        return tare_oci::Healthcheck { test: vec!["NONE".to_owned()], ..tare_oci::Healthcheck::default() };
    };
    let test = match command {
        Command::Exec(words) => std::iter::once("CMD".to_owned()).chain(words.iter().cloned()).collect(),
        // The image's shell is looked up when the check runs.
        Command::Shell(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
    };
    let time = |time: &Option<u64>| time.and_then(|ns| i64::try_from(ns).ok()).unwrap_or(0);
    tare_oci::Healthcheck {
        test,
        interval: time(interval),
        timeout: time(timeout),
        start_period: time(start_period),
        start_interval: time(start_interval),
        retries: retries.map_or(0, i64::from),
    }
}

/// `EXPOSE`'s port with its protocol in lower case, `tcp` if it has none; ranges unfolded. `None` if it is no port.
pub(crate) fn ports(text: &str) -> Option<Vec<String>> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return None;
    }
    // A host part, as in 8000:80, is accepted and means nothing.
    let container = ports.rsplit(':').next()?;
    let (first, last) = container.split_once('-').unwrap_or((container, container));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then(|| (first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

/// The absolute folder that `path` means in `current`.
pub(crate) fn absolute(current: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{current}/{path}") };
    format!("/{}", crate::place::clean(&joined).to_string_lossy())
}

/// What `WORKDIR path` makes of `current`: an absolute path stays as it is written.
pub(crate) fn workdir(current: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { absolute(current, path) }
}

/// A health check as the history has it.
pub(crate) fn shown_healthcheck(check: &tare_oci::Healthcheck) -> String {
    let times = [check.interval, check.timeout, check.start_period, check.start_interval];
    let times: Vec<String> = times.iter().map(|time| format!("{:?}", go::duration(*time))).collect();
    format!("&{{{} {} {}}}", go::quoted(&check.test), times.join(" "), go::rune(check.retries))
}

/// Who made a line of the history, by BuildKit's name.
pub(crate) const COMMENT: &str = "buildkit.dockerfile.v0";

/// Adds a line to the image's history.
pub(crate) fn history(
    config: &mut ImageConfig,
    created_by: String,
    created: Option<String>,
    empty_layer: bool,
) {
    config.history.push(History {
        created,
        created_by,
        comment: COMMENT.to_owned(),
        empty_layer,
        ..History::default()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_folders() {
        assert_eq!(ports("80"), Some(vec!["80/tcp".to_owned()]));
        assert_eq!(ports("53-54/UDP"), Some(vec!["53/udp".to_owned(), "54/udp".to_owned()]));
        assert_eq!(ports("http"), None);
        assert_eq!(workdir("/a", "b/../c"), "/a/c");
        assert_eq!((workdir("/a", "/b/"), absolute("/a", "/b/")), ("/b/".into(), "/b".into()));
        assert_eq!(workdir("", "x"), "/x");
        assert_eq!(workdir("/a", "../../.."), "/");
    }

    #[test]
    fn health_checks() {
        assert_eq!(healthcheck(&Healthcheck::None).test, ["NONE"]);
        let command = Command::Shell("curl x".into());
        let test = HealthcheckTest {
            command,
            interval: Some(90_000_000_000),
            timeout: None,
            start_period: Some(1_500_000_000),
            start_interval: None,
            retries: Some(2),
        };
        let check = healthcheck(&Healthcheck::Test(test));
        assert_eq!(shown_healthcheck(&check), r#"&{["CMD-SHELL" "curl x"] "1m30s" "0s" "1.5s" "0s" '\x02'}"#);
    }
}
