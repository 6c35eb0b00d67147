//! Which rule a changed path belongs to, and where the path is in the container.

use std::path::{Path, PathBuf};

use tare_compose_model::{Hook, MountKind, Project, Service, WatchAction};
use tare_dockerfile::ignore::{Ignore, Verdict};

/// What editors, version control and operating systems leave beside the files that matter.
const EPHEMERAL: [&str; 12] = [
    "**/.git",
    "**/.hg",
    "**/.svn",
    "**/.idea",
    "**/*~",
    "**/.#*",
    "**/.*.sw?",
    "**/.*.swpx",
    "**/4913",
    "**/*___jb_tmp___",
    "**/*___jb_old___",
    "**/.DS_Store",
];

/// A rule of `develop.watch`.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) service: String,
    /// What is watched: a file or a folder, absolute.
    pub(super) path: PathBuf,
    pub(super) action: WatchAction,
    pub(super) initial_sync: bool,
    pub(super) exec: Option<Hook>,
    target: String,
    ignore: Ignore,
    include: Ignore,
    /// The patterns of the build context's `.dockerignore`, and the context.
    ignored_by_build: Option<(PathBuf, Ignore)>,
    ephemeral: Ignore,
}

impl Rule {
    /// Whether a change of `path` is this rule's business.
    pub(super) fn wants(&self, path: &Path) -> bool {
        let Ok(relative) = path.strip_prefix(&self.path) else { return false };
        let relative = relative.to_string_lossy();
        if relative.is_empty() {
            // The rule names the file itself.
            return true;
        }
        !self.is_ignored(path) && (self.include.is_empty() || takes(&self.include, &relative))
    }

    /// Whether the path, or a folder and so all in it, is left out.
    pub(super) fn is_ignored(&self, path: &Path) -> bool {
        let under = |root: &Path, patterns: &Ignore| {
            path.strip_prefix(root).is_ok_and(|relative| takes(patterns, &relative.to_string_lossy()))
        };
        under(&self.path, &self.ignore)
            || under(&self.path, &self.ephemeral)
            || self.ignored_by_build.as_ref().is_some_and(|(context, patterns)| under(context, patterns))
    }

    /// Where a path of the host is in the container.
    pub(super) fn inside(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.path) {
            Ok(relative) if relative.as_os_str().is_empty() => PathBuf::from(&self.target),
            Ok(relative) => Path::new(&self.target).join(relative),
            Err(_) => PathBuf::from(&self.target),
        }
    }
}

/// The rules of the given services, or of all; and what was left out, as sentences.
pub(super) fn rules(
    project: &Project,
    services: &[String],
    read: &dyn Fn(&Path) -> Option<String>,
) -> (Vec<Rule>, Vec<String>) {
    let (mut rules, mut remarks) = (Vec::new(), Vec::new());
    for (name, service) in &project.services {
        if !services.is_empty() && !services.contains(name) {
            continue;
        }
        for rule in service.develop.iter().flat_map(|develop| &develop.watch) {
            if rule.action == WatchAction::Rebuild && service.build.is_none() {
                remarks.push(format!(
                    "service {name} has no build section: nothing to rebuild for {}",
                    rule.path
                ));
                continue;
            }
            if is_mounted(service, &rule.path) && rule.action == WatchAction::Sync {
                remarks.push(format!(
                    "path '{}' also declared by a bind mount volume, this path won't be monitored!",
                    rule.path
                ));
                continue;
            }
            rules.push(Rule {
                service: name.clone(),
                path: PathBuf::from(&rule.path),
                action: rule.action,
                initial_sync: rule.initial_sync,
                exec: rule.exec.clone(),
                target: rule.target.clone().unwrap_or_default(),
                ignore: patterns(&rule.ignore),
                include: patterns(&rule.include),
                ignored_by_build: ignored_by_build(service, read),
                ephemeral: patterns(&EPHEMERAL),
            });
        }
    }
    (rules, remarks)
}

/// A bind mount shows changes by itself.
fn is_mounted(service: &Service, path: &str) -> bool {
    let binds = service.volumes.iter().filter(|mount| mount.kind == MountKind::Bind);
    binds.filter_map(|mount| mount.source.as_deref()).any(|source| Path::new(path).starts_with(source))
}

fn ignored_by_build(service: &Service, read: &dyn Fn(&Path) -> Option<String>) -> Option<(PathBuf, Ignore)> {
    let build = service.build.as_ref()?;
    let context = PathBuf::from(build.context.as_ref()?);
    let own = build.dockerfile.as_ref().map(|file| context.join(format!("{file}.dockerignore")));
    let text = own.and_then(|path| read(&path)).or_else(|| read(&context.join(".dockerignore")))?;
    let patterns = Ignore::parse(".dockerignore", &text);
    Some((context, patterns))
}

/// `ignore:` and `include:` are written as in an ignore file, one pattern an item.
fn patterns<T: AsRef<str>>(items: &[T]) -> Ignore {
    let lines: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    Ignore::parse("watch", &lines.join("\n"))
}

fn takes(patterns: &Ignore, path: &str) -> bool {
    patterns.verdict(path) != Verdict::Included
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(json: &str) -> Project {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_change_finds_its_rule_and_its_place() {
        let project = project(
            r#"{"name": "p", "services": {"web": {"build": {"context": "/src", "dockerfile": "Dockerfile"},
                "volumes": [{"type": "bind", "source": "/src/bound", "target": "/b"}],
                "develop": {"watch": [
                  {"path": "/src/app", "action": "sync", "target": "/app", "ignore": ["node_modules/"]},
                  {"path": "/src/py", "action": "sync", "target": "/py", "include": ["*.py"]},
                  {"path": "/src/package.json", "action": "rebuild"},
                  {"path": "/src/bound/x", "action": "sync", "target": "/b/x"}]}},
                "plain": {"image": "x", "develop": {"watch": [{"path": "/src", "action": "rebuild"}]}}}}"#,
        );
        let ignored = "\u{feff}app/gen\n**.log";
        let read = |path: &Path| (path == Path::new("/src/.dockerignore")).then(|| ignored.to_owned());
        let (rules, remarks) = rules(&project, &[], &read);
        assert_eq!((rules.len(), remarks.len()), (3, 2), "{remarks:?}");
        let wanted = |path: &str| -> Vec<usize> {
            (0..rules.len()).filter(|index| rules[*index].wants(Path::new(path))).collect()
        };
        assert_eq!(wanted("/src/app/a/b.js"), [0]);
        assert_eq!(wanted("/src/py/a.py"), [1]);
        assert_eq!(wanted("/src/package.json"), [2]);
        for ignored in [
            "/src/app/node_modules/x",
            "/src/app/gen/x",
            "/src/app/a.log",
            "/src/app/.git/index",
            "/src/app/.a.js.swp",
            "/src/py/a.txt",
            "/src/package.json.bak",
            "/elsewhere",
        ] {
            assert_eq!(wanted(ignored), [0; 0], "{ignored}");
        }
        assert_eq!(rules[0].inside(Path::new("/src/app/a/b.js")), Path::new("/app/a/b.js"));
        assert_eq!(rules[0].inside(Path::new("/src/app")), Path::new("/app"));
    }
}
