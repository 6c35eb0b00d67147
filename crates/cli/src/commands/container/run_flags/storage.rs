//! Mounts: `-v`, `--mount`, `--tmpfs`, `--volumes-from`, and the root's own settings.

use clap::Args;
use tare_engine::config::ContainerConfig;
use tare_engine::config::flags::mounts;

use super::{Host, invalid};
use crate::output::human;
use crate::refused::{Flag, refuse};

/// The mounts' flags.
#[derive(Args, Debug, Clone)]
pub(crate) struct StorageFlags {
    /// Bind mount a volume
    #[arg(short, long, value_name = "list")]
    pub(crate) volume: Vec<String>,
    /// Attach a filesystem mount to the container
    #[arg(long, value_name = "mount")]
    pub(crate) mount: Vec<String>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "list")]
    pub(crate) tmpfs: Vec<String>,
    /// Mount volumes from the specified container(s)
    #[arg(long, value_name = "list")]
    pub(crate) volumes_from: Vec<String>,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "bytes")]
    pub(crate) shm_size: Option<String>,
    #[arg(long, hide = true)]
    volume_driver: Option<String>,
    #[arg(long, hide = true)]
    storage_opt: Vec<String>,
}

impl StorageFlags {
    pub(super) fn apply(&self, config: &mut ContainerConfig, host: &Host<'_>) -> anyhow::Result<()> {
        refuse(&[
            Flag {
                name: "--volume-driver",
                given: self.volume_driver.as_deref().is_some_and(|driver| !["", "local"].contains(&driver)),
                why: "volumes have the driver local",
            },
            Flag {
                name: "--storage-opt",
                given: !self.storage_opt.is_empty(),
                why: "the size of a container's files cannot be limited",
            },
        ])?;
        let folder = host.directory.as_deref();
        for text in &self.volume {
            let read = mounts::volume(text, folder).map_err(|why| invalid("-v, --volume", text, &why))?;
            config.mounts.push(read);
        }
        for text in &self.mount {
            let read = mounts::mount(text, folder).map_err(|why| invalid("--mount", text, &why))?;
            config.mounts.push(read);
        }
        for text in &self.tmpfs {
            config.mounts.push(mounts::tmpfs(text).map_err(|why| invalid("--tmpfs", text, &why))?);
        }
        for text in &self.volumes_from {
            let read = mounts::volumes_from(text).map_err(|why| invalid("--volumes-from", text, &why))?;
            config.volumes_from.push(read);
        }
        let mut targets: Vec<&str> = config.mounts.iter().map(|mount| mount.target.as_str()).collect();
        targets.sort_unstable();
        if let Some(pair) = targets.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(crate::error::Failure::usage(
                crate::error::OWN_FAILURE,
                format!("Duplicate mount point: {}", pair[0]),
            )
            .into());
        }
        config.readonly_rootfs = self.read_only;
        if let Some(text) = &self.shm_size {
            config.shm_size = human::parse_size(text)
                .ok_or_else(|| invalid("--shm-size", text, &format!("invalid size: '{text}'")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, refusal};
    use tare_engine::config::{MountSource, Sharing};

    #[test]
    fn every_kind_of_mount() {
        let read = config(&[
            "-v",
            "./src:/app:ro",
            "--mount=type=volume,source=v,target=/v",
            "--tmpfs=/run:size=64k",
            "--volumes-from",
            "a:ro",
            "--read-only",
            "--shm-size=128m",
            "img",
        ]);
        let targets: Vec<&str> = read.mounts.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(targets, ["/app", "/v", "/run"]);
        assert!(matches!(&read.mounts[0].source, MountSource::Bind { path, .. } if path == "/home/me/src"));
        assert_eq!(
            (read.volumes_from[0].container.as_str(), read.volumes_from[0].sharing),
            ("a", Sharing::ReadOnly)
        );
        assert!(read.readonly_rootfs);
        assert_eq!(read.shm_size, 128 << 20);
    }

    #[test]
    fn the_flag_is_named() {
        for (flag, text) in
            [("--volume", "/h:c"), ("--mount", "src=v"), ("--tmpfs", "t"), ("--volumes-from", ":")]
        {
            assert!(refusal(&[flag, text, "img"]).contains(flag), "{flag}");
        }
        assert!(refusal(&["-v", "/a:/c", "--tmpfs", "/c", "img"]).contains("Duplicate mount point: /c"));
    }
}
