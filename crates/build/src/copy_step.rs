//! `COPY` and `ADD`.

use std::fs::File;
use std::path::PathBuf;

use tare_dockerfile::glob::is_pattern;
use tare_dockerfile::ignore::Ignore;
use tare_dockerfile::{AddCopy, Expander, Source};
use tare_image::LayerStaging;
use tare_oci::Digest;

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
use crate::{Cancel, Error, config, extract, users};

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
        step: Step,
    ) -> Result<(), Error> {
        let _span = tracing::debug_span!("COPY or ADD").entered();
        let place = (keyword, step);
        let history = self.copy_line(stage, copy, place)?;
        let checksum = self.checksum(stage, copy, place)?;
        // From here on with its value.
        let copy = &AddCopy { checksum, ..copy.clone() };
        let target = self.target(stage, copy, place)?;
        let owner_text = copy.chown.as_ref().map(|text| self.expand(stage, text, place)).transpose()?;
        let owner_text = owner_text.filter(|text| !text.is_empty());
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
        let shallow =
            shallow.map(|digest| shallow_key(stage, copy, (&target, owner_text.as_deref()), &digest));
        if let Some(shallow) = &shallow
            && let Some(deep) = self.cache.same(shallow)?
            && let Some(found) = self.find_result(stage, &deep)?
        {
            self.reuse(stage, deep, found, step);
            self.copy_history(stage, history);
            return Ok(());
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
        if let Some(found) = self.find_result(stage, &key)? {
            self.reuse(stage, key, found, step);
            self.copy_history(stage, history);
            return Ok(());
        }
        let how = How { target, owner_text, mode, parents: copy.parents };
        let staging = self.put_items(stage, items, &how, &origin, step)?;
        self.add_layer(stage, key, staging);
        self.copy_history(stage, history);
        Ok(())
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
        if text.is_empty() {
            return Ok(None);
        }
        let bad = || {
            let reason = format!("--chmod={text}: write it in octal, as 755, or by letters, as u+x,go-w");
            invalid(place.1.line, place.0, reason)
        };
        Chmod::parse(&text).map(Some).ok_or_else(bad)
    }

    fn copy_history(&mut self, stage: &mut Stage, line: String) {
        let created = stage.created.clone();
        config::history(&mut stage.config, line, created, false);
    }

    /// The line for the history, as BuildKit words it: variables replaced, and without `--from`, `--link` and `--exclude`.
    fn copy_line(&self, stage: &Stage, copy: &AddCopy, place: (&'static str, Step)) -> Result<String, Error> {
        let mut words = vec![place.0.to_owned()];
        if copy.parents {
            words.push("--parents".to_owned());
        }
        for (name, text) in [("chown", &copy.chown), ("chmod", &copy.chmod)] {
            if let Some(text) = text {
                let text = self.expand(stage, text, place)?;
                words.extend((!text.is_empty()).then(|| format!("--{name}={text}")));
            }
        }
        let mut inline = Vec::new();
        for source in &copy.sources {
            match source {
                Source::Path(text) => words.push(self.expand(stage, text, place)?),
                Source::Inline(doc) => inline.push(format!("<<{}", doc.name)),
            }
        }
        words.extend(inline);
        words.push(self.expand(stage, &copy.target, place)?);
        Ok(format!("{} # buildkit", words.join(" ")))
    }

    /// `--checksum`, which only what is fetched can have.
    fn checksum(
        &self,
        stage: &Stage,
        copy: &AddCopy,
        place: (&'static str, Step),
    ) -> Result<Option<String>, Error> {
        let Some(text) = &copy.checksum else { return Ok(None) };
        let text = self.expand(stage, text, place)?;
        if text.is_empty() {
            return Ok(None);
        }
        let [Source::Path(source)] = copy.sources.as_slice() else {
            return Err(invalid(place.1.line, place.0, "--checksum takes one source"));
        };
        let source = self.expand(stage, source, place)?;
        if !fetch::is_url(&source) && Repository::parse(&source).is_none() {
            return Err(invalid(place.1.line, place.0, "--checksum is for URLs and repositories"));
        }
        Ok(Some(text))
    }

    fn target(&self, stage: &Stage, copy: &AddCopy, place: (&'static str, Step)) -> Result<Target, Error> {
        let text = self.expand(stage, &copy.target, place)?;
        let is_folder =
            text.ends_with('/') || matches!(text.as_str(), "" | "." | "..") || text.ends_with("/.");
        let path = PathBuf::from(config::absolute(&stage.config.config.working_dir, &text));
        Ok(Target { path, is_folder })
    }

    /// The tree that `--from` names, and a key that stands for all of it; `None` is the context.
    fn copy_source(
        &mut self,
        stage: &Stage,
        copy: &AddCopy,
        step: Step,
    ) -> Result<Option<(LazyRoot, Option<Digest>)>, Error> {
        let Some(name) = &copy.from else { return Ok(None) };
        plan::refuse_variable("COPY", name, step.line)?;
        if let Some(NamedContext::Dir(path)) = self.request.contexts.get(name) {
            return Ok(Some((LazyRoot::Ready(SourceRoot::named(path)?), None)));
        }
        let from = self.source_stage(stage.index, name, step.line)?;
        let place = format!("{name} (--from)");
        // What was made anew has other files under the same key.
        let key = Some(from.files_key).filter(|_| !from.is_anew);
        Ok(Some((LazyRoot::Layers(self.lowers(&from.layers), place), key)))
    }

    fn items(
        &self,
        stage: &Stage,
        keyword: &'static str,
        copy: &AddCopy,
        root: &SourceRoot,
        step: Step,
    ) -> Result<Vec<Item>, Error> {
        let exclude = copy.exclude.iter().map(|text| self.expand(stage, text, (keyword, step)));
        let exclude = Ignore::of_patterns("--exclude", &exclude.collect::<Result<Vec<_>, _>>()?);
        if let Some(fault) = exclude.fault() {
            return Err(invalid(step.line, keyword, format!("--exclude={}: no pattern", fault.text)));
        }
        let mut items = Vec::new();
        for source in &copy.sources {
            let text = match source {
                Source::Path(text) => self.expand(stage, text, (keyword, step))?,
                Source::Inline(doc) => {
                    let lookup = |name: &str| stage.variables.get(name);
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
            if selected.is_empty() && !is_pattern(&text) {
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
        let root = SourceRoot::host(checkout.path(), Ignore::default())?;
        select::select(&root, ".", &Ignore::default())?
            .iter()
            .try_for_each(|all| writer.copy(all, &how.target))
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
        // BuildKit's name for what has none.
        let name = if name.is_empty() { "__unnamed__".to_owned() } else { name };
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

/// A key without a look at the source's files: `digest` stands for all of them.
fn shallow_key(
    stage: &Stage,
    copy: &AddCopy,
    (target, owner): (&Target, Option<&str>),
    digest: &Digest,
) -> Digest {
    let mut key = KeyHasher::new("shallow");
    key.digest(digest).digest(&stage.files_key).field(format!("{copy:?}"));
    key.field(target.path.to_string_lossy().as_bytes()).field(owner.unwrap_or("-"));
    // Those that the copy's texts may use.
    key.list(stage.variables.lines());
    key.finish()
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
                    bounds: extract::Bounds::Folder,
                    cancel: cancel.clone(),
                };
                extract::unpack(Box::new(fetched.file), root, &target.path, &options)
            }
            Self::Fetched { name, mut fetched, .. } => {
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
                    bounds: extract::Bounds::Folder,
                    cancel: cancel.clone(),
                };
                extract::unpack(Box::new(file), root, &target.path, &options)
            }
        }
    }
}
