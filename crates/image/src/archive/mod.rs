//! Image archives: `docker save`, `load` and `import`.

mod load;
mod save;

use std::io::Read;

use tare_oci::{History, ImageConfig, Reference};

use crate::{Image, Result, Store};

impl Store {
    /// Makes an image of one layer from a tar of a root file system. `config` gives everything but `rootfs`; a step is
    /// added to its history.
    pub fn import(
        &self,
        reader: &mut (dyn Read + Send),
        config: ImageConfig,
        name: Option<&Reference>,
    ) -> Result<Image> {
        let layer = self.ingest_keeping(reader, "of the imported archive", None)?;
        let mut config = config;
        config.history.push(History {
            created: config.created.clone(),
            comment: config.comment.clone(),
            ..History::default()
        });
        self.create_image(&config, &[layer.diff_id], name.map(std::slice::from_ref).unwrap_or_default())
    }
}
