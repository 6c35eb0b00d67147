//! `COPY` and `ADD`.

use std::fs::File;
use std::path::PathBuf;

use tare_dockerfile::glob::{DoubleStar, Glob};
use tare_dockerfile::{AddCopy, Expander, Node, Source};
use tare_image::LayerStaging;

use crate::cache::KeyHasher;
use crate::chmod::Chmod;
use crate::copy::{Style, Target, Writer};
use crate::error::invalid;
use crate::event::Event;
use crate::executor::{Builder, Stage, Step};
use crate::fetch::{self, Fetched};
use crate::git::Repository;

use crate::io_at::At as _;
use crate::plan;
use crate::remote::{self, GitFolder};
use crate::request::NamedContext;
use crate::select::{self, Kind, Selected};
use crate::sources::{Access, Origin, SourceRoot, mount};
use crate::{Cancel, Error, config, extract, scope, users};

/// A source, found.
enum Item {
    Selected(Box<Selected>),
    /// A local archive that `ADD` unpacks.
    Archive(Box<Selected>),
    Inline {
        name: String,
        text: String,
    },
    Fetched {
        name: String,
        url: String,
        fetched: Fetched,
        /// It is an archive, and `--unpack` is given.
        unpacked: bool,
    },
    Repository {
        repository: Repository,
        commit: String,
        git_folder: GitFolder,
    },
}

/// How and where files are put down.
struct How {
    target: Target,
    owner_text: Option<String>,
    mode: Option<Chmod>,
    parents: bool,
}

impl Builder<'_> {
    pub(crate) fn copy_step(
        &mut self,
        stage: &mut Stage,
        keyword: &'static str,
        copy: &AddCopy,
        node: &Node,
        step: Step,
    ) -> Result<(), Error> {
        let _span = tracing::debug_span!("COPY or ADD").entered();
        let place = (keyword, step);
        let target = self.target(stage, copy, place)?;
        let owner_text = copy.chown.as_ref().map(|text| self.expand(stage, text, place)).transpose()?;
        let mode = self.copy_mode(stage, copy, place)?;
        let mut key = KeyHasher::new(keyword);
        key.digest(&stage.files_key)
            .field(target.path.to_string_lossy().as_bytes())
            .field([u8::from(target.is_folder), u8::from(copy.parents), copy.unpack.map_or(2, u8::from)])
            .field(owner_text.as_deref().unwrap_or("-"))
            .field(format!("{mode:?}"));
        let source = self.copy_source(stage, copy, step)?;
        let (root, shallow) = match &source {
            Some((root, shallow)) => (Some(root), *shallow),
            None => (None, None),
        };
        // With the source's own key the result may be found without looking at a single file of it.
        let shallow = shallow.map(|digest| {
            let mut key = KeyHasher::new("shallow");
            key.digest(&digest)
                .digest(&stage.files_key)
                .field(format!("{copy:?}"))
                .field(target.path.to_string_lossy().as_bytes());
            key.field(owner_text.as_deref().unwrap_or("-")).field(stage_vars(stage));
            key.finish()
        });
        if let Some(shallow) = &shallow
            && let Some(deep) = self.cache.same(shallow)?
            && let Some(found) = self.find_result(&deep)?
        {
            self.reuse(stage, deep, found, step);
            return self.copy_history(stage, node);
        }
        // Held until the copy is done: the files are read through it.
        let mounted = match root {
            Some(LazyRoot::Layers(lowers, name)) => {
                Some(SourceRoot::layers(self.store, lowers.clone(), name.clone(), step.line)?)
            }
            _ => None,
        };
        let (items, origin) = {
            let root = match root {
                Some(LazyRoot::Ready(root)) => root,
                _ => mounted.as_ref().unwrap_or(&self.context),
            };
            let items = self.items(stage, keyword, copy, root, step)?;
            for item in &items {
                if let (Item::Selected(one), true) = (item, copy.parents) {
                    key.field(one.source.to_string_lossy().as_bytes());
                }
                item.add_to_key(&mut key, root);
            }
            (items, root.origin.clone())
        };
        let key = key.finish();
        if let Some(shallow) = &shallow {
            self.cache.put_same(shallow, &key)?;
        }
        if let Some(found) = self.find_result(&key)? {
            self.reuse(stage, key, found, step);
            return self.copy_history(stage, node);
        }
        let how = How { target, owner_text, mode, parents: copy.parents };
        let staging = self.put_items(stage, items, &how, &origin, step)?;
        self.add_layer(stage, key, staging);
        self.copy_history(stage, node)
    }

    /// Writes what was found into a new layer on top of the stage's.
    fn put_items(
        &self,
        stage: &Stage,
        items: Vec<Item>,
        how: &How,
        origin: &Origin,
        step: Step,
    ) -> Result<LayerStaging, Error> {
        let lowers = self.lowers(&stage.layers);
        let (root, staging) = mount(self.store, lowers, Access::Write, step.line)?;
        let owner = match &how.owner_text {
            Some(text) => Some(users::resolve(&root, text, step.line)?),
            None if *origin == Origin::Layers => None,
            None => Some(users::Owner::ROOT),
        };
        let style = Style { owner, mode: how.mode.clone() };
        let mut writer = Writer::new(&root, style.clone(), self.cancel);
        for item in items {
            if let Item::Repository { repository, commit, git_folder } = &item {
                self.put_repository((repository, commit, *git_folder), &mut writer, how, step)?;
                continue;
            }
            item.write(&mut writer, &root, &how.target, (&style, self.cancel), (how.parents, step.line))?;
        }
        Ok(staging)
    }

    fn copy_mode(
        &self,
        stage: &Stage,
        copy: &AddCopy,
        place: (&'static str, Step),
    ) -> Result<Option<Chmod>, Error> {
        let Some(text) = &copy.chmod else { return Ok(None) };
        let text = self.expand(stage, text, place)?;
        let bad = || {
            let reason = format!("--chmod={text}: write it in octal, as 755, or by letters, as u+x,go-w");
            invalid(place.1.line, place.0, reason)
        };
        Chmod::parse(&text).map(Some).ok_or_else(bad)
    }

    fn copy_history(&mut self, stage: &mut Stage, node: &Node) -> Result<(), Error> {
        let created = stage.created.clone();
        config::history(&mut stage.config, format!("{} # buildkit", node.text), created, false);
        Ok(())
    }

    fn target(&self, stage: &Stage, copy: &AddCopy, place: (&'static str, Step)) -> Result<Target, Error> {
        let text = self.expand(stage, &copy.target, place)?;
        let is_folder = text.ends_with('/')
            || matches!(text.as_str(), "." | "..")
            || text.ends_with("/.")
            || copy.sources.len() > 1;
        let path = PathBuf::from(config::workdir(&stage.config.config.working_dir, &text));
        Ok(Target { path, is_folder })
    }

    /// The tree that `--from` names, and a key that stands for all of it; `None` is the context.
    fn copy_source(
        &mut self,
        stage: &Stage,
        copy: &AddCopy,
        step: Step,
    ) -> Result<Option<(LazyRoot, Option<tare_oci::Digest>)>, Error> {
        let Some(name) = &copy.from else { return Ok(None) };
        plan::refuse_variable("COPY", name, step.line)?;
        if let Some(NamedContext::Dir(path)) = self.request.contexts.get(name) {
            let root = SourceRoot::host(path, tare_dockerfile::ignore::Ignore::default())?;
            return Ok(Some((LazyRoot::Ready(root), None)));
        }
        let from = self.source_stage(stage.index, name, step.line)?;
        let place = format!("{name} (--from)");
        Ok(Some((LazyRoot::Layers(self.lowers(&from.layers), place), Some(from.files_key))))
    }

    fn items(
        &self,
        stage: &Stage,
        keyword: &'static str,
        copy: &AddCopy,
        root: &SourceRoot,
        step: Step,
    ) -> Result<Vec<Item>, Error> {
        let exclude: Vec<Glob> = copy
            .exclude
            .iter()
            .filter_map(|text| Glob::new(text.trim_start_matches('/'), DoubleStar::Deep))
            .collect();
        let mut items = Vec::new();
        for source in &copy.sources {
            let text = match source {
                Source::Path(text) => self.expand(stage, text, (keyword, step))?,
                Source::Inline(doc) => {
                    let lookup = |name: &str| scope::lookup(&stage.config.config, &stage.args, name);
                    let expander = Expander::new(&lookup, self.file.directives.escape);
                    let text = if doc.expand { expander.heredoc(&doc.text()) } else { Ok(doc.text()) };
                    let wrap = |source| Error::Expand { line: step.line, instruction: keyword, source };
                    items.push(Item::Inline { name: doc.name.clone(), text: text.map_err(wrap)? });
                    continue;
                }
            };
            if keyword == "ADD"
                && let Some(repository) = Repository::parse(&text)
            {
                items.push(self.repository(&text, repository, copy, step)?);
                continue;
            }
            if keyword == "ADD" && fetch::is_url(&text) {
                items.push(self.fetch(&text, copy, step)?);
                continue;
            }
            let mut selected = if copy.parents {
                select::select_with_parents(root, &text, &exclude)?
            } else {
                select::select(root, &text, &exclude)?
            };
            if selected.is_empty() {
                return Err(select::explain_missing(root, &text, step.line));
            }
            select::hash_files(&mut selected, root, &self.cache, self.cancel)?;
            for one in selected {
                self.warn_crlf(&one, step);
                items.push(archive_or_files(one, keyword, copy)?);
            }
        }
        Ok(items)
    }

    /// The commit of a repository; it is fetched only if there is no earlier result for it.
    fn repository(
        &self,
        url: &str,
        repository: Repository,
        copy: &AddCopy,
        step: Step,
    ) -> Result<Item, Error> {
        let commit = repository.commit(step.line, self.cancel)?;
        if let Some(expected) = &copy.checksum
            && !(expected.len() >= 7 && commit.starts_with(expected.as_str()))
        {
            let (url, expected) = (url.to_owned(), expected.clone());
            return Err(Error::Checksum { line: step.line, url, expected, found: commit });
        }
        let git_folder = if copy.keep_git_dir { GitFolder::Kept } else { GitFolder::Removed };
        Ok(Item::Repository { repository, commit, git_folder })
    }

    /// Copies what a repository holds.
    fn put_repository(
        &self,
        (repository, commit, git_folder): (&Repository, &str, GitFolder),
        writer: &mut Writer<'_>,
        how: &How,
        step: Step,
    ) -> Result<(), Error> {
        let checkout =
            remote::check_out(self.request, repository, (commit, step.line), git_folder, self.cancel)?;
        let root = SourceRoot::host(checkout.path(), tare_dockerfile::ignore::Ignore::default())?;
        select::select(&root, ".", &[])?.iter().try_for_each(|all| writer.copy(all, &how.target))
    }

    fn fetch(&self, url: &str, copy: &AddCopy, step: Step) -> Result<Item, Error> {
        self.events.event(Event::Download { id: step.id, url });
        let fetched = fetch::fetch(self.request, url, step.line, self.cancel)?;
        let found = fetched.digest.to_string();
        if let Some(expected) = &copy.checksum
            && *expected != found
        {
            return Err(Error::Checksum {
                line: step.line,
                url: url.to_owned(),
                expected: expected.clone(),
                found,
            });
        }
        let name = fetch::file_name(url).to_owned();
        if name.is_empty() && copy.target.ends_with('/') {
            return Err(invalid(
                step.line,
                "ADD",
                format!("{url} has no file name: name the file in the destination"),
            ));
        }
        // Opened anew: what is written of it later begins at its beginning.
        let again = || File::open(crate::place::handle_path(&fetched.file));
        let unpacked = copy.unpack == Some(true)
            && again().and_then(extract::is_archive).at("read", std::path::Path::new(url))?;
        Ok(Item::Fetched { name, url: url.to_owned(), fetched, unpacked })
    }

    /// A script with Windows line ends fails in the container with «no such file», which names the wrong file.
    fn warn_crlf(&self, selected: &Selected, step: Step) {
        for entry in &selected.entries {
            if entry.facts.is_some_and(|facts| facts.crlf_script) {
                let path = selected.source.join(&entry.rel);
                let path = path.to_string_lossy();
                let path = path.trim_end_matches('/');
                let text = format!(
                    "{path} is a script with Windows line ends (CRLF): the container will not find its interpreter"
                );
                let hint = format!("sed -i 's/\\r$//' {path}; and for git: git config core.autocrlf input");
                self.events.event(Event::Warning { line: step.line, text: &text, hint: Some(&hint) });
            }
        }
    }
}

/// A source root that is mounted only when its files are needed.
enum LazyRoot {
    Ready(SourceRoot),
    Layers(Vec<PathBuf>, String),
}

/// The variables that a copy's texts may use.
fn stage_vars(stage: &Stage) -> String {
    let args = stage.args.iter().map(|(name, value)| format!("{name}={value}"));
    stage.config.config.env.iter().cloned().chain(args).collect::<Vec<_>>().join("\0")
}

fn archive_or_files(one: Selected, keyword: &str, copy: &AddCopy) -> Result<Item, Error> {
    let unpack = keyword == "ADD" && !one.is_folder && copy.unpack != Some(false);
    if unpack && let Some(entry) = one.entries.first().filter(|entry| entry.kind == Kind::File) {
        let archive = one.open(entry).and_then(extract::is_archive).map_err(|source| Error::Io {
            action: "read",
            path: one.source.clone(),
            source,
        })?;
        if archive {
            return Ok(Item::Archive(Box::new(one)));
        }
    }
    Ok(Item::Selected(Box::new(one)))
}

impl Item {
    fn add_to_key(&self, key: &mut KeyHasher, root: &SourceRoot) {
        match self {
            Self::Selected(one) => select::add_to_key(key, std::slice::from_ref(one), root),
            Self::Archive(one) => select::add_to_key(key.field("archive"), std::slice::from_ref(one), root),
            Self::Inline { name, text } => {
                key.field("inline").field(name).field(text);
            }
            Self::Fetched { name, fetched, .. } => {
                key.field("url").field(name).digest(&fetched.digest);
            }
            Self::Repository { repository, commit, git_folder } => {
                key.field("git").field(format!("{repository:?} {git_folder:?}")).field(commit);
            }
        }
    }

    fn write(
        self,
        writer: &mut Writer<'_>,
        root: &tare_sys::root::RootDir,
        target: &Target,
        (style, cancel): (&Style, &Cancel),
        (parents, line): (bool, u32),
    ) -> Result<(), Error> {
        match self {
            Self::Selected(one) if parents => writer.copy_with_parents(&one, target),
            Self::Selected(one) => writer.copy(&one, target),
            Self::Inline { name, text } => writer.write(&name, text.as_bytes(), target),
            Self::Fetched { fetched, url, unpacked: true, .. } => {
                writer.make_folder(&target.path)?;
                let owner = style.owner.filter(|owner| *owner != users::Owner::ROOT);
                let options = extract::Options {
                    owner,
                    mode: style.mode.clone(),
                    line,
                    archive: url,
                    cancel: cancel.clone(),
                };
                extract::unpack(Box::new(fetched.file), root, &target.path, &options)
            }
            Self::Fetched { name, mut fetched, url, .. } => {
                let name = if name.is_empty() { url } else { name };
                writer.fetched(&name, &mut fetched.file, fetched.mtime, target)
            }
            // It needs the builder.
            Self::Repository { .. } => Ok(()),
            Self::Archive(one) => {
                let archive = one.source.to_string_lossy().into_owned();
                writer.make_folder(&target.path)?;
                let Some(entry) = one.entries.first() else { return Ok(()) };
                let file = one.open(entry).map_err(|source| Error::Io {
                    action: "open",
                    path: one.source.clone(),
                    source,
                })?;
                // The archive's own owners, unless --chown says otherwise.
                let owner = style.owner.filter(|owner| *owner != users::Owner::ROOT);
                let options = extract::Options {
                    owner,
                    mode: style.mode.clone(),
                    line,
                    archive,
                    cancel: cancel.clone(),
                };
                extract::unpack(Box::new(file), root, &target.path, &options)
            }
        }
    }
}
