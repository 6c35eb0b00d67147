//! Whose files are those that a container's root makes in a bind mount: root's, or those of the person whose folder it is.
//!
//! With Docker a container's root leaves root's files in people's folders, which they cannot change or delete. Where that
//! would happen, and only there, the bind is mapped: on disk they are the person's. Whoever else runs in the container
//! sees and makes files as with Docker: a mapped mount has no number for the person, so it is mapped only where the
//! container has no use for that number. It has one if its database has such an account (`node`, 1000), or if it is
//! told of it (`PUID=1000`, `gosu 1000:1000`).

use crate::spec::{RootFs, Spec};
use crate::users;
use std::collections::BTreeSet;
use tare_sys::userns::{self, IdRange};

/// Where people's numbers begin, as in `/etc/login.defs`.
const FIRST_PERSON: u32 = 1000;
/// Not a person.
const NOBODY: u32 = 65534;
/// What root's own files on disk have in a mapped mount: a number that nobody has, since who has it makes root's files.
/// Beyond those of people and of user namespaces.
const ROOTS: u32 = 0x7fff_0000;
/// The same within a user namespace, whose numbers are fewer.
const ROOTS_INSIDE: u32 = 65530;

/// What decides about a container's binds, read when the first one is found that may be mapped.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    used: Option<Used>,
}

/// The numbers that a container uses itself.
#[derive(Debug, Default)]
struct Used {
    /// No bind is mapped: the first process is not root, or nothing can be known.
    is_not_for_root: bool,
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
}

/// The owner of a folder, who is root in its mapped mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Person {
    uid: u32,
    /// `None` leaves groups as they are.
    gid: Option<u32>,
}

impl Owners {
    /// Finds out who a folder's owner is to the container; `None` leaves its mount as it is.
    pub(crate) fn person(&mut self, spec: &Spec, (uid, gid): (u32, u32)) -> Option<Person> {
        if !is_person(uid) {
            return None;
        }
        self.used.get_or_insert_with(|| Used::by(spec)).person(uid, gid)
    }
}

impl Used {
    fn by(spec: &Spec) -> Self {
        let is_not_for_root = Self { is_not_for_root: true, ..Self::default() };
        let Some((passwd, group)) = databases(&spec.root) else { return is_not_for_root };
        let process = &spec.process;
        match users::resolve(&passwd, &group, &process.user, &process.additional_gids) {
            Ok(identity) if identity.uid == 0 => {
                let mut used = Self::default();
                used.groups.extend(identity.groups);
                used.accounts(&passwd, &group);
                used.words(&process.env, &process.args);
                used
            }
            _ => is_not_for_root,
        }
    }

    fn accounts(&mut self, passwd: &str, group: &str) {
        let number =
            |line: &str, field: usize| line.split(':').nth(field).and_then(|id| id.parse::<u32>().ok());
        self.users.extend(passwd.lines().filter_map(|line| number(line, 2)));
        self.groups.extend(passwd.lines().filter_map(|line| number(line, 3)));
        self.groups.extend(group.lines().filter_map(|line| number(line, 2)));
    }

    /// Numbers in the environment (`1000`, `1000:1000`); among arguments only pairs, since `sleep 1000` names nobody.
    fn words(&mut self, env: &[String], args: &[String]) {
        let values = env.iter().filter_map(|pair| Some(pair.split_once('=')?.1));
        let is_pair = |word: &&str| word.contains(':');
        let is_around = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '=' | ';');
        let pairs = args.iter().flat_map(|arg| arg.split(is_around)).filter(is_pair);
        for number in values.chain(pairs).flat_map(|word| word.split(':')).filter_map(|id| id.parse().ok()) {
            self.users.insert(number);
            self.groups.insert(number);
        }
    }

    fn person(&self, uid: u32, gid: u32) -> Option<Person> {
        let is_free = |used: &BTreeSet<u32>, id: u32| is_person(id) && !used.contains(&id);
        let is_mapped = !self.is_not_for_root && is_free(&self.users, uid);
        is_mapped.then(|| Person { uid, gid: Some(gid).filter(|gid| is_free(&self.groups, *gid)) })
    }
}

impl Person {
    /// The maps of users and groups: numbers on disk to those in the container.
    pub(crate) fn maps(self) -> (Vec<IdRange>, Vec<IdRange>) {
        self.maps_with(ROOTS)
    }

    /// The same in a user namespace, by the numbers in there.
    pub(crate) fn maps_inside(self) -> (Vec<IdRange>, Vec<IdRange>) {
        self.maps_with(ROOTS_INSIDE)
    }

    fn maps_with(self, roots: u32) -> (Vec<IdRange>, Vec<IdRange>) {
        let map = |id: Option<u32>| id.map_or_else(userns::identity, |id| userns::promoted(id, roots));
        (map(Some(self.uid)), map(self.gid))
    }
}

fn is_person(id: u32) -> bool {
    id >= FIRST_PERSON && ![NOBODY, ROOTS, ROOTS_INSIDE, u32::MAX].contains(&id)
}

/// The container's `/etc/passwd` and `/etc/group`, before there is a container; `None` if they are there and cannot be
/// read.
fn databases(root: &RootFs) -> Option<(String, String)> {
    Some((users::in_layers(root, "etc/passwd")?, users::in_layers(root, "etc/group")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/:/bin/sh\nnode:x:1000:1000::/:/bin/sh\n";

    fn used(passwd: &str, env: &[&str], args: &[&str]) -> Used {
        let list = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let mut used = Used::default();
        used.accounts(passwd, "staff:x:2000:\n");
        used.words(&list(env), &list(args));
        used
    }

    #[test]
    fn a_person_is_mapped_where_the_container_has_no_use_for_the_number() {
        let person = |gid| Some(Person { uid: 1000, gid });
        assert_eq!(used("", &[], &[]).person(1000, 1000), person(Some(1000)));
        // Files of groups that the container knows stay theirs.
        assert_eq!(used("", &[], &[]).person(1000, 2000), person(None));
        assert_eq!(used("", &[], &[]).person(1000, 100), person(None));
        assert_eq!(used(PASSWD, &[], &[]).person(1000, 1000), None);
        assert_eq!(used(PASSWD, &[], &[]).person(1001, 1001), Some(Person { uid: 1001, gid: Some(1001) }));
        for env in ["PUID=1000", "RUN_AS=1000:1000", "OWNER=1000:100"] {
            assert_eq!(used("", &[env], &[]).person(1000, 1000), None, "{env}");
        }
        for arg in ["1000:1000", "chown -R 1000:1000 /data && exec app", "exec gosu '1000:100' app"] {
            assert_eq!(used("", &[], &["sh", "-c", arg]).person(1000, 1000), None, "{arg}");
        }
        assert_eq!(used("", &["TERM=xterm"], &["sleep", "1000"]).person(1000, 1000), person(Some(1000)));
    }

    #[test]
    fn root_and_the_systems_accounts_are_no_people() {
        let spec = Spec::new(
            "x",
            RootFs { lowers: vec![], upper: "".into(), work: "".into(), volatile: false, readonly: false },
            crate::Process::new(["x"]),
        );
        for owner in [0, 999, NOBODY, ROOTS] {
            assert_eq!(Owners::default().person(&spec, (owner, owner)), None, "{owner}");
        }
        assert!(Owners::default().person(&spec, (1000, 1000)).is_some());
        let spec = Spec { process: crate::Process { user: "1000".into(), ..spec.process.clone() }, ..spec };
        assert_eq!(Owners::default().person(&spec, (1000, 1000)), None);
    }
}
