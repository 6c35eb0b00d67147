//! The options of a tmpfs mount: `--tmpfs /t:size=64m,mode=1777`.

use super::size;
use super::written::Reads;

/// What is said of a tmpfs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tmpfs {
    /// At most so much; the kernel takes half of the memory where nothing is said.
    pub size: Option<Share>,
    /// Mode of its root.
    pub mode: Option<u32>,
    /// Owner of its root.
    pub uid: Option<u32>,
    /// Group of its root.
    pub gid: Option<u32>,
    /// Programs may be run from it.
    pub exec: bool,
    /// Nothing may be written to it.
    pub readonly: bool,
}

/// How large a tmpfs may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Bytes.
    Bytes(u64),
    /// Hundredths of the machine's memory.
    Percent(u64),
}

impl Share {
    /// Bytes, on a machine with so much memory; reckoned as the kernel does.
    #[must_use]
    pub fn of(self, memory: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => {
                u64::try_from(u128::from(memory) * u128::from(percent) / 100).unwrap_or(u64::MAX)
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().map(Self::Percent),
            None => size::parse(text).map(Self::Bytes),
        }
    }
}

impl Reads for Tmpfs {
    /// `size=64m,mode=1777,uid=1000,exec`; the option is named that is none, or has a value that it cannot have.
    fn read(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for item in text.split(',').filter(|i| !i.is_empty()) {
            let (key, value) = item.split_once('=').unwrap_or((item, ""));
            let bad = || format!("invalid option {item:?}");
            match key {
                "size" => options.size = Some(Share::parse(value).ok_or_else(bad)?),
                "mode" => options.mode = Some(u32::from_str_radix(value, 8).map_err(|_| bad())?),
                "uid" => options.uid = Some(value.parse().map_err(|_| bad())?),
                "gid" => options.gid = Some(value.parse().map_err(|_| bad())?),
                "exec" => options.exec = true,
                "ro" => options.readonly = true,
                "rw" | "noexec" | "nosuid" | "nodev" | "suid" | "dev" | "nr_inodes" => {}
                _ => return Err(bad()),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = Tmpfs::read("size=64m,mode=700,uid=5,ro").unwrap();
        let wanted = Tmpfs {
            size: Some(Share::Bytes(64 << 20)),
            mode: Some(0o700),
            uid: Some(5),
            readonly: true,
            ..Tmpfs::default()
        };
        assert_eq!(options, wanted);
        assert_eq!(Tmpfs::read(""), Ok(Tmpfs::default()));
    }

    #[test]
    fn a_size_may_be_a_share_of_the_memory() {
        let share = Tmpfs::read("size=50%").unwrap().size.unwrap();
        assert_eq!((share.of(4096), share.of(u64::MAX)), (2048, u64::MAX / 2));
    }

    #[test]
    fn bad_options_are_named() {
        for item in ["size=lots", "size=%", "mode=9", "uid=root", "nope"] {
            assert_eq!(Tmpfs::read(&format!("exec,{item}")), Err(format!("invalid option {item:?}")));
        }
    }
}
