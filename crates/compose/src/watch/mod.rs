//! `watch`: what `develop.watch` asks for when a file changes.
//!
//! ```text
//! tree (inotify) → a batch, once it is quiet → rules → per service: rebuild, or copy and then restart or exec
//! ```

mod act;
mod error;
mod rules;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tare_compose_model::WatchAction;

pub use error::WatchError;

use self::rules::Rule;
use self::tree::Tree;
use crate::execute::HookOutput;
use crate::session::{Listener, Session};

/// A batch is done when nothing changed for this long: editors write in several steps, and tools many files at once.
const QUIET: Duration = Duration::from_millis(150);

/// …or when it is this old: something that writes all the time would put it off for ever.
const LONGEST: Duration = Duration::from_secs(2);

/// How long a wait goes on, in milliseconds, before it looks whether it is over.
const SLICE: u32 = 100;

/// What a watch tells.
#[derive(Debug)]
pub enum News<'a> {
    /// A part of the file has no effect, as a sentence.
    Remark(&'a str),
    /// From now on changes are seen.
    Enabled,
    /// Changes are brought into a service's containers.
    Syncing {
        /// The service.
        service: &'a str,
        /// How many.
        changes: usize,
    },
    /// A service's containers were restarted.
    Restarted(&'a str),
    /// A service is about to be rebuilt.
    Rebuilding(&'a str),
    /// It was.
    Rebuilt(&'a str),
    /// An action failed; the watch goes on.
    Failed(WatchError),
}

/// Hears of a watch, also what `sync+exec` prints.
pub trait Watcher: HookOutput {
    /// Something happened.
    fn news(&self, news: News<'_>);
}

/// What becomes of images that a rebuild replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// They go, unless something uses them.
    Remove,
    /// They stay.
    Keep,
}

/// A project under watch.
pub struct Watch<'a, L> {
    session: &'a Session<'a, L>,
    rules: Vec<Rule>,
    watcher: &'a dyn Watcher,
    replaced: Replaced,
}

impl<'a, L: Listener> Watch<'a, L> {
    /// Finds the rules of the given services, or of all. Restarts tell the session's listener.
    ///
    /// # Errors
    /// There are none.
    pub fn new(
        session: &'a Session<'a, L>,
        services: &[String],
        watcher: &'a dyn Watcher,
        replaced: Replaced,
    ) -> Result<Self, WatchError> {
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        let (rules, remarks) = rules::rules(session.project(), services, &read);
        remarks.iter().for_each(|remark| watcher.news(News::Remark(remark)));
        if rules.is_empty() {
            return Err(WatchError::NoRules);
        }
        Ok(Self { session, rules, watcher, replaced })
    }

    /// The rules as lines.
    #[must_use]
    pub fn describe(&self) -> String {
        self.rules.iter().map(|rule| format!("{}\n", describe(rule))).collect()
    }

    /// Copies what shall be there at the start, then acts on every change until `is_over`.
    ///
    /// # Errors
    /// Those of inotify. A failed action is told, and the watch goes on.
    pub fn run(&self, is_over: &(dyn Fn() -> bool + Sync)) -> Result<(), WatchError> {
        let rules = &self.rules;
        let roots: BTreeSet<PathBuf> = rules.iter().map(|rule| rule.path.clone()).collect();
        // A folder that every rule about it leaves out needs no watch; there may be thousands (node_modules).
        let skip = |folder: &Path| {
            let mut about = rules.iter().filter(|rule| folder.starts_with(&rule.path)).peekable();
            about.peek().is_some() && about.all(|rule| rule.is_ignored(folder))
        };
        let mut tree = Tree::new(roots.into_iter().collect(), skip)?;
        self.watcher.news(News::Enabled);
        self.first_sync();
        while !is_over() {
            let mut batch = tree.wait(SLICE)?;
            if batch.is_empty() {
                continue;
            }
            let began = Instant::now();
            let mut last = began;
            while last.elapsed() < QUIET && began.elapsed() < LONGEST && !is_over() {
                let more = tree.wait(SLICE)?;
                if !more.is_empty() {
                    last = Instant::now();
                    batch.extend(more);
                }
            }
            self.act(&batch);
        }
        Ok(())
    }

    fn first_sync(&self) {
        for rule in self.rules.iter().filter(|rule| rule.initial_sync) {
            let files = tree::files(&rule.path, &|path| rule.is_ignored(path));
            let files: Vec<&Path> =
                files.iter().map(PathBuf::as_path).filter(|path| rule.wants(path)).collect();
            if !files.is_empty()
                && let Err(error) = self.sync(&rule.service, &act::pairs(rule, &files))
            {
                self.watcher.news(News::Failed(error));
            }
        }
    }

    /// What a batch of changes means for each service.
    fn act(&self, batch: &BTreeSet<PathBuf>) {
        let mut services: Vec<&str> = self.rules.iter().map(|rule| rule.service.as_str()).collect();
        services.dedup();
        for service in services {
            let touched: Vec<(&Rule, Vec<&Path>)> = self
                .rules
                .iter()
                .filter(|rule| rule.service == service)
                .map(|rule| {
                    (rule, batch.iter().map(PathBuf::as_path).filter(|path| rule.wants(path)).collect())
                })
                .filter(|(_, paths): &(_, Vec<&Path>)| !paths.is_empty())
                .collect();
            if let Err(error) = self.service(service, &touched) {
                self.watcher.news(News::Failed(error));
            }
        }
    }
}

fn describe(rule: &Rule) -> String {
    let action = match rule.action {
        WatchAction::Rebuild => "rebuild",
        WatchAction::Sync => "sync",
        WatchAction::Restart => "restart",
        WatchAction::SyncRestart => "sync+restart",
        WatchAction::SyncExec => "sync+exec",
    };
    format!("watch {} for {}: {action}", rule.path.display(), rule.service)
}
