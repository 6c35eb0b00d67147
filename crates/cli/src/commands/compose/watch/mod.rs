//! `compose watch` and `up --watch`: what `develop.watch` asks for when a file changes.
//!
//! ```text
//! tree (inotify) → a batch, once it is quiet → rules → per service: rebuild, or copy and then restart or exec
//! ```

mod act;
mod patterns;
mod rules;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tare_compose::schedule::Cancel;
use tare_compose_model::{Project, WatchAction};

use self::rules::Rule;
use self::tree::Tree;
use super::project::{Context, warn};
use super::up::{self, UpArgs};
use super::work::Work;
use crate::error::{Failure, report};
use crate::output::{note, print_line};

/// A batch is done when nothing changed for this long: editors write in several steps, and tools many files at once.
const QUIET: Duration = Duration::from_millis(150);

/// …or when it is this old: something that writes all the time would put it off for ever.
const LONGEST: Duration = Duration::from_secs(2);

/// How long a wait goes on, in milliseconds, before it looks whether it is over.
const SLICE: u32 = 100;

/// Flags of `watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// Do not build and start services before watching
    #[arg(long)]
    no_up: bool,
    /// Remove the images that rebuilding replaces
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    prune: bool,
    /// Hide the build's output
    #[arg(long)]
    quiet: bool,
    /// Services to watch (default: all)
    services: Vec<String>,
}

/// How a watch goes about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Whether the build's output is shown.
    pub(super) quiet_build: bool,
    /// Whether replaced images are removed.
    pub(super) prune: bool,
}

/// `compose watch`.
pub(super) fn main(context: &Context<'_>, args: &WatchArgs) -> anyhow::Result<u8> {
    let project = context.load(&args.services)?;
    let manner = Manner { quiet_build: args.quiet, prune: args.prune };
    let watch = Watch::new(context, &project, &args.services, manner)?;
    if context.options.dry_run {
        return watch.rules.iter().try_for_each(|rule| print_line(&describe(rule))).map(|()| 0);
    }
    let cancel: Arc<Cancel> = Arc::default();
    if args.no_up {
        let mut work = Work::new(context, &project, "Running");
        work.cancel = Arc::clone(&cancel);
        work.cancel_on_signals()?;
    } else {
        let code = up::run(context, &UpArgs::for_watch(&args.services, args.quiet), &cancel)?;
        if code != 0 {
            return Ok(code);
        }
    }
    watch.run(&|| cancel.is_cancelled())?;
    // As a shell has it of a program that Ctrl-C ended.
    Ok(130)
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

/// A project under watch.
pub(super) struct Watch<'a> {
    context: &'a Context<'a>,
    project: &'a Project,
    rules: Vec<Rule>,
    manner: Manner,
}

impl<'a> Watch<'a> {
    /// Finds the rules of the given services, or of all.
    pub(super) fn new(
        context: &'a Context<'a>,
        project: &'a Project,
        services: &[String],
        manner: Manner,
    ) -> anyhow::Result<Self> {
        let read = |path: &Path| tare_sys::bounded::text(path).ok();
        let (rules, remarks) = rules::rules(project, services, &read);
        remarks.iter().for_each(|remark| warn(remark));
        if rules.is_empty() {
            let text = "none of the selected services is configured for watch";
            return Err(Failure::new(text)
                .with_hint("give a service a `develop:` section with `watch:`")
                .into());
        }
        Ok(Self { context, project, rules, manner })
    }

    /// Copies what shall be there at the start, then acts on every change until `is_over`.
    ///
    /// # Errors
    /// Those of inotify. A failed action is reported, and the watch goes on.
    pub(super) fn run(&self, is_over: &(dyn Fn() -> bool + Sync)) -> anyhow::Result<()> {
        let rules = &self.rules;
        let roots: BTreeSet<PathBuf> = rules.iter().map(|rule| rule.path.clone()).collect();
        // A folder that every rule about it leaves out needs no watch; there may be thousands (node_modules).
        let skip = |folder: &Path| {
            let mut about = rules.iter().filter(|rule| folder.starts_with(&rule.path)).peekable();
            about.peek().is_some() && about.all(|rule| rule.is_ignored(folder))
        };
        let mut tree = Tree::new(roots.into_iter().collect(), skip)?;
        note("Watch enabled");
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
                report(&error);
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
                report(&error);
            }
        }
    }
}
