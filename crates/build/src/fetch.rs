//! `ADD https://…`: the file's name, and its text through the image crate's client.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};

use tare_oci::{Digest, Hasher};

use crate::interruptible::{self, News, Task};
use crate::io_at::At as _;
use crate::request::Request;
use crate::sources::temporary;
use crate::{Cancel, Error};

/// A fetched file.
pub(crate) struct Fetched {
    pub(crate) file: File,
    pub(crate) digest: Digest,
    /// Seconds since 1970.
    pub(crate) mtime: Option<i64>,
}

/// Whether a source is a URL.
pub(crate) fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// The name of the file that a URL leads to; empty if it ends in a slash.
pub(crate) fn file_name(url: &str) -> &str {
    let path = url.split(['#', '?']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    path.split_once('/').map_or("", |(_, path)| path).rsplit('/').next().unwrap_or_default()
}

/// Fetches a file.
pub(crate) fn fetch(request: &Request, url: &str, line: u32, cancel: &Cancel) -> Result<Fetched, Error> {
    // On disk and not in memory: it may be large.
    let folder = temporary(&request.cache_root.join("downloads"))?;
    let path = folder.join("file");
    let file =
        File::options().read(true).write(true).create(true).truncate(true).open(&path).at("make", &path)?;
    // The open file is all that is needed.
    std::fs::remove_dir_all(&folder).at("remove", &folder)?;
    let (registries, from) = (request.pull_options.registries.clone(), url.to_owned());
    let task: Task<tare_image::Result<(File, Option<i64>)>> = Box::new(move |_| {
        let mut file = file;
        tare_image::fetch(&from, &registries, &mut file).map(|mtime| (file, mtime))
    });
    let failed = |reason: String| Error::Fetch { line, url: url.to_owned(), reason };
    let mut outcome = None;
    interruptible::all(vec![task], cancel, |news| {
        if let News::Done(_, fetched) = news {
            outcome = Some(fetched.map_err(|source| failed(source.to_string()))?);
        }
        Ok(())
    })?;
    let (mut file, mtime) = outcome.ok_or_else(|| failed("nothing came".to_owned()))?;
    file.seek(SeekFrom::Start(0)).at("read", &path)?;
    let mut hashed = Hashing(Hasher::new());
    std::io::copy(&mut file, &mut hashed).at("read", &path)?;
    file.seek(SeekFrom::Start(0)).at("read", &path)?;
    Ok(Fetched { file, digest: hashed.0.finish(), mtime })
}

struct Hashing(Hasher);

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_urls() {
        assert_eq!(file_name("https://example.test/a/wait-for-it.sh?x=/y#z"), "wait-for-it.sh");
        assert_eq!(file_name("https://example.test"), "");
        assert_eq!(file_name("https://example.test/a/"), "");
    }
}
