//! The host's IDs of containers with a user namespace: a block of 65536 users and groups for each, which nothing else
//! uses, neither another container, nor a user of the host, nor what `/etc/subuid` gives to one.
//!
//! A block stays the container's until it is removed. Files on disk do not depend on it: they have the owners that the
//! container sees, and the runtime's mounts map them.

use std::path::Path;

use crate::Engine;
use crate::config::{ContainerConfig, NamespaceMode, NetworkMode, UsernsMode};
use crate::state::error::{Error, Result};
use crate::state::record::Record;
use crate::state::user_ids::{UserIds, WIDTH};

/// systemd's table of IDs has no use for these (its own containers end below them); the last block below 2³¹ is that of
/// «foreign» images.
const POOL: (u32, u32) = (0x7000_0000, 0x7ffe_0000);
/// A user of this name in both files gives the pool instead.
const OWN_NAME: &str = "tare";
const SUBUID: &str = "/etc/subuid";
const SUBGID: &str = "/etc/subgid";
/// Docker's settings, of which `userns-remap` is obeyed.
const DAEMON_JSON: &str = "/etc/docker/daemon.json";

impl Engine {
    /// Which user namespace the container shall have, the default settled; an error if it cannot.
    pub(crate) fn settle_userns(&self, config: &ContainerConfig) -> Result<UsernsMode> {
        let wanted = match config.userns {
            UsernsMode::Default if is_remapped(Path::new(DAEMON_JSON)) => UsernsMode::Auto,
            UsernsMode::Default | UsernsMode::Host => UsernsMode::Host,
            UsernsMode::Auto => UsernsMode::Auto,
        };
        if wanted == UsernsMode::Auto {
            check(config)?;
        }
        Ok(wanted)
    }
}

/// Docker's refusals, in its words.
fn check(config: &ContainerConfig) -> Result<()> {
    let hint = || Some("`--userns=host` runs it without a user namespace".to_owned());
    let refuse = |message: &str| Err(Error::Invalid { message: message.into(), hint: hint() });
    if config.privileged {
        return refuse(
            "privileged mode is incompatible with user namespaces. You must run the container in the host namespace \
             when running privileged mode",
        );
    }
    if config.network == NetworkMode::Host {
        return refuse("cannot share the host's network namespace when user namespaces are enabled");
    }
    if config.pid_mode == NamespaceMode::Host {
        return refuse("cannot share the host PID namespace when user namespaces are enabled");
    }
    let network = match &config.network {
        NetworkMode::Container(name) => Some(name.as_str()),
        _ => None,
    };
    let shared = [network, config.pid_mode.container(), config.ipc_mode.container()];
    if let Some(name) = shared.into_iter().flatten().next() {
        return refuse(&format!(
            "cannot share namespaces of container {name}: it does not have the same user namespace"
        ));
    }
    Ok(())
}

/// `"userns-remap": "default"`, or any other user: each container has IDs of its own here.
fn is_remapped(daemon_json: &Path) -> bool {
    let Ok(text) = tare_sys::bounded::text(daemon_json) else { return false };
    let settings: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    settings.get("userns-remap").and_then(|user| user.as_str()).is_some_and(|user| !user.is_empty())
}

/// Finds a free block. `id` decides where to look first, so that state folders which do not know of each other hardly
/// ever choose the same.
pub(crate) fn choose(id: &str, others: &[Record]) -> Result<UserIds> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let host =
        Host { subordinate: [read(SUBUID), read(SUBGID)], users: [read("/etc/passwd"), read("/etc/group")] };
    let taken: Vec<u32> = others.iter().filter_map(|other| Some(other.user_ids?.first)).collect();
    host.choose(id, &taken).ok_or_else(|| Error::NoFreeUserIds {
        hint: format!("a larger range for {OWN_NAME} in {SUBUID} and {SUBGID}, or fewer containers"),
    })
}

/// What the host's files say.
struct Host {
    /// `/etc/subuid` and `/etc/subgid`.
    subordinate: [String; 2],
    /// `/etc/passwd` and `/etc/group`.
    users: [String; 2],
}

impl Host {
    fn choose(&self, id: &str, taken: &[u32]) -> Option<UserIds> {
        let (start, end) = self.pool();
        let reserved = self.reserved();
        let blocks = end.saturating_sub(start) / WIDTH;
        let wish = u32::from_str_radix(id.get(..8)?, 16).ok()?.checked_rem(blocks)?;
        let candidates = (0..blocks).map(|n| start + (wish + n) % blocks * WIDTH);
        let is_free = |first: &u32| {
            let first = u64::from(*first);
            let apart = |(from, to): &(u64, u64)| *to <= first || first + u64::from(WIDTH) <= *from;
            let taken = taken.iter().map(|other| (u64::from(*other), u64::from(*other) + u64::from(WIDTH)));
            reserved.iter().all(apart) && taken.into_iter().all(|block| apart(&block))
        };
        candidates.into_iter().find(is_free).map(|first| UserIds { first })
    }

    /// Where to look: what users and groups of [`OWN_NAME`] have in common, else [`POOL`].
    fn pool(&self) -> (u32, u32) {
        let own =
            |text: &str| ranges(text).find(|(name, ..)| *name == OWN_NAME).map(|(_, from, to)| (from, to));
        let [users, groups] = &self.subordinate;
        let common = own(users).zip(own(groups)).map(|(a, b)| (a.0.max(b.0), a.1.min(b.1)));
        let whole = common.and_then(|(from, to)| Some((u32::try_from(from).ok()?, u32::try_from(to).ok()?)));
        whole.filter(|(from, to)| to.saturating_sub(*from) >= WIDTH).unwrap_or(POOL)
    }

    /// IDs that are somebody's, each from the first to before the last.
    fn reserved(&self) -> Vec<(u64, u64)> {
        let subordinate = self.subordinate.iter().flat_map(|text| ranges(text));
        let others = subordinate.filter(|(name, ..)| *name != OWN_NAME).map(|(_, from, to)| (from, to));
        // The third field is the ID in both.
        let users = self.users.iter().flat_map(|text| text.lines());
        let users =
            users.filter_map(|line| line.split(':').nth(2)?.parse::<u64>().ok()).map(|id| (id, id + 1));
        others.chain(users).collect()
    }
}

/// `name:first:count` lines.
fn ranges(text: &str) -> impl Iterator<Item = (&str, u64, u64)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (first, count) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
        Some((name, first, first.checked_add(count)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(subuid: &str, subgid: &str, passwd: &str) -> Host {
        Host { subordinate: [subuid.into(), subgid.into()], users: [passwd.into(), "root:x:0:\n".into()] }
    }

    #[test]
    fn blocks_do_not_overlap_with_anything() {
        let plain = host("", "", "root:x:0:0::/root:/bin/sh\n");
        assert_eq!(plain.choose("00000000aa", &[]).unwrap().first, POOL.0);
        assert_eq!(plain.choose("00000001aa", &[]).unwrap().first, POOL.0 + WIDTH);
        assert_eq!(plain.choose("00000000aa", &[POOL.0]).unwrap().first, POOL.0 + WIDTH);
        let user = format!("eve:x:{}:{}::/:/bin/sh\n", POOL.0 + 70_000, POOL.0 + 7);
        let others = host(&format!("ana:{}:10\n", POOL.0 + 5), "", &user);
        assert_eq!(others.choose("00000000aa", &[]).unwrap().first, POOL.0 + 2 * WIDTH);
    }

    #[test]
    fn the_search_goes_round_and_ends() {
        let own = host("tare:200000:131072\n", "tare:200000:200000\n", "");
        let [low, high] = [200_000, 200_000 + WIDTH];
        assert_eq!(own.choose("00000001aa", &[]).unwrap().first, high);
        assert_eq!(own.choose("00000001aa", &[high]).unwrap().first, low);
        assert_eq!(own.choose("00000001aa", &[high, low]), None);
        // Too small, or for users only: the usual pool.
        assert_eq!(host("tare:200000:9\n", "tare:200000:9\n", "").pool(), POOL);
        assert_eq!(host("tare:200000:131072\n", "", "").pool(), POOL);
    }

    #[test]
    fn dockers_setting_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("daemon.json");
        assert!(!is_remapped(&file));
        for (text, expected) in
            [(r#"{"userns-remap":"default"}"#, true), (r#"{"userns-remap":""}"#, false), ("{", false)]
        {
            std::fs::write(&file, text).unwrap();
            assert_eq!(is_remapped(&file), expected, "{text}");
        }
    }
}
