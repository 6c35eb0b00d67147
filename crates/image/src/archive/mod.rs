//! Image archives: `docker save`, `load` and `import`.

use std::io::{Read, Write};

use tare_oci::{ImageConfig, Reference};

use crate::{Image, PullProgress, Result, Store};

impl Store {
    /// Loads every image of a `docker save` archive or an OCI layout, compressed or not. Returns their names, or IDs
    /// (`sha256:…`) for those without one.
    pub fn load(&self, reader: &mut (dyn Read + Send), progress: &dyn PullProgress) -> Result<Vec<String>> {
        let _ = (reader, progress);
        todo!()
    }

    /// Writes images, by name or ID, as an archive that is both an OCI layout and a `docker save` archive.
    pub fn save(&self, names: &[&str], out: &mut dyn Write) -> Result<()> {
        let _ = out;
        todo!("{names:?}")
    }

    /// Makes an image of one layer from a tar of a root file system. `config` gives everything but `rootfs`.
    pub fn import(
        &self,
        reader: &mut (dyn Read + Send),
        config: ImageConfig,
        name: Option<&Reference>,
    ) -> Result<Image> {
        let _ = reader;
        todo!("{config:?} {name:?}")
    }
}
