//! What the tests of the store and of the registry client share.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::Path;

use tare_image::{Image, Store};
use tare_oci::{ImageConfig, Reference};

pub(crate) fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

/// A store in a temporary folder.
pub(crate) fn store() -> (tempfile::TempDir, Store) {
    let tmp = tempfile::tempdir().unwrap();
    let store = Store::open(&tmp.path().join("tare")).unwrap();
    (tmp, store)
}

/// An image of one layer for each of `files`, which hold that many bytes that do not compress.
pub(crate) fn image(store: &Store, tag: &str, files: &[(&str, usize)]) -> Image {
    let mut layers = Vec::new();
    for (file, size) in files {
        let staging = store.new_layer().unwrap();
        std::fs::write(staging.diff().join(file), noise(file, *size)).unwrap();
        layers.push(staging.commit().unwrap().diff_id);
    }
    let config = ImageConfig {
        os: "linux".into(),
        architecture: tare_oci::Platform::host().architecture,
        created: Some("2024-01-02T03:04:05Z".into()),
        author: tag.into(),
        ..ImageConfig::default()
    };
    store.create_image(&config, &layers, &[name(tag)]).unwrap()
}

pub(crate) fn noise(seed: &str, size: usize) -> Vec<u8> {
    let mut x =
        seed.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |x, b| (x ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
            | 1;
    let mut out = Vec::with_capacity(size + 8);
    while out.len() < size {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        out.extend(x.to_le_bytes());
    }
    out.truncate(size);
    out
}

/// Names under a folder.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut out: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    out.sort();
    out
}
