//! Git repositories, as contexts and for `ADD`. The host's git fetches them, with the credentials and the settings that it
//! has for its user.

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Signal, kill_process};

use crate::io_at::At as _;
use crate::{Cancel, Error};

/// How often a builder that waits for git looks whether it is to end.
const BEAT: Duration = Duration::from_millis(20);

/// `https://example.org/repository.git#reference:folder`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    url: String,
    /// A branch, a tag or a commit.
    reference: Option<String>,
    /// The part of it that counts.
    folder: String,
}

impl Repository {
    /// Reads what Docker takes for a repository: ssh and git URLs, `git@host:path`, `github.com/…`, and URLs whose path
    /// ends in `.git`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
        let is_web = (url.starts_with("http://") || url.starts_with("https://")) && url.ends_with(".git");
        let is_short = url.starts_with("github.com/");
        let is_own = ["git://", "ssh://", "git@"].iter().any(|start| url.starts_with(start));
        if !is_web && !is_short && !is_own {
            return None;
        }
        let (reference, folder) = fragment.split_once(':').unwrap_or((fragment, ""));
        let url = if is_short { format!("https://{url}") } else { url.to_owned() };
        let reference = Some(reference).filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self { url, reference, folder: folder.to_owned() })
    }

    fn error(&self, line: u32, reason: impl Into<String>) -> Error {
        Error::Git { line, url: self.url.clone(), reason: reason.into() }
    }

    /// The commit that the reference stands for, as the repository's server says.
    pub(crate) fn commit(&self, line: u32, cancel: &Cancel) -> Result<String, Error> {
        let wanted = self.reference.as_deref().unwrap_or("HEAD");
        if is_commit(wanted) {
            return Ok(wanted.to_owned());
        }
        let peeled = format!("{wanted}^{{}}");
        let listed = self.git(None, &["ls-remote", "--", &self.url, wanted, &peeled], line, cancel)?;
        let names: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once('\t')).collect();
        let places = [
            format!("refs/heads/{wanted}"),
            // The commit of an annotated tag stands beside the tag itself.
            format!("refs/tags/{wanted}^{{}}"),
            format!("refs/tags/{wanted}"),
            wanted.to_owned(),
        ];
        let found = places.iter().find_map(|place| names.iter().find(|(_, name)| name == place));
        match found {
            Some((commit, _)) if is_commit(commit) => Ok((*commit).to_owned()),
            _ => Err(self.error(line, format!("there is no branch, tag or whole commit {wanted:?}"))),
        }
    }

    /// Fetches a commit into a new folder and returns the part of it that counts, which lies in that folder whatever
    /// links the repository holds.
    pub(crate) fn check_out(
        &self,
        commit: &str,
        folder: &Path,
        line: u32,
        cancel: &Cancel,
    ) -> Result<PathBuf, Error> {
        let git = |words: &[&str]| self.git(Some(folder), words, line, cancel);
        git(&["init", "--quiet"])?;
        let shallow = git(&["fetch", "--quiet", "--depth=1", "--no-tags", "--", &self.url, commit]);
        if shallow.is_err() {
            cancel.check().at("fetch into", folder)?;
            // Not every server hands out single commits.
            git(&["fetch", "--quiet", "--", &self.url, "+refs/*:refs/tare/*"])?;
        }
        git(&["-c", "advice.detachedHead=false", "checkout", "--quiet", commit])?;
        if folder.join(".gitmodules").exists() {
            git(&["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"])?;
        }
        let whole = std::fs::canonicalize(folder).at("open", folder)?;
        let part = whole.join(crate::place::clean(&self.folder));
        let part = std::fs::canonicalize(&part)
            .map_err(|_| self.error(line, format!("there is no folder {:?} in it", self.folder)))?;
        if !part.starts_with(&whole) || !part.is_dir() {
            return Err(self.error(line, format!("{:?} is no folder in it", self.folder)));
        }
        Ok(part)
    }

    /// Runs git and returns what it wrote.
    fn git(
        &self,
        folder: Option<&Path>,
        words: &[&str],
        line: u32,
        cancel: &Cancel,
    ) -> Result<String, Error> {
        let (status, out, err) = run(folder, words, cancel).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.error(line, "git is not installed on this machine"),
            _ => self.error(line, error.to_string()),
        })?;
        if status {
            return Ok(out);
        }
        let reason = err.trim().replace('\n', "; ");
        Err(self.error(line, if reason.is_empty() { "git failed".to_owned() } else { reason }))
    }
}

/// Whether a text is a commit's whole name.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.chars().all(|c| c.is_ascii_hexdigit())
}

fn run(folder: Option<&Path>, words: &[&str], cancel: &Cancel) -> io::Result<(bool, String, String)> {
    // Files and not pipes: nobody has to read them while git runs.
    let sink = || rustix::fs::memfd_create("git", MemfdFlags::CLOEXEC).map(File::from);
    let (mut out, mut err) = (sink()?, sink()?);
    let mut command = Command::new("git");
    command
        // A repository may name addresses of its own: those that run commands are none of them.
        .args(["-c", "protocol.ext.allow=never"])
        .args(words)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(err.try_clone()?);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let mut child = command.spawn()?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if cancel.is_cancelled() {
            // It takes its own helpers with it.
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                kill_process(pid, Signal::TERM)?;
            }
            child.wait()?;
            cancel.check()?;
        }
        std::thread::sleep(BEAT);
    };
    let text = |file: &mut File| -> io::Result<String> {
        file.rewind()?;
        let bytes = tare_sys::bounded::read(file, tare_sys::bounded::TEXT)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok((status.success(), text(&mut out)?, text(&mut err)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_repository() {
        let parse = |text: &str| {
            Repository::parse(text)
                .map(|r| format!("{} {} {}", r.url, r.reference.unwrap_or_default(), r.folder))
        };
        assert_eq!(parse("https://h/x.git#v1:sub/dir").as_deref(), Some("https://h/x.git v1 sub/dir"));
        assert_eq!(parse("https://h/x.git#:sub").as_deref(), Some("https://h/x.git  sub"));
        assert_eq!(parse("git@h:x/y#main").as_deref(), Some("git@h:x/y main "));
        assert_eq!(parse("github.com/x/y").as_deref(), Some("https://github.com/x/y  "));
        for other in ["https://h/x.tar.gz", "https://h/x.git.txt", "./github.com", "git", "http://h/#x.git"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
