//! What a registry serves: manifests, indexes, configs, challenges.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_oci::{ImageConfig, ManifestOrIndex, Platform};

fuzz_target!(|bytes: &[u8]| {
    for kind in ["", "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"] {
        if let Ok(ManifestOrIndex::Index(index)) = ManifestOrIndex::parse(bytes, kind) {
            let _ = index.choose(&Platform::host());
            let _ = index.platforms();
        }
    }
    if let Ok(config) = ImageConfig::from_json(bytes) {
        let written = config.to_json().expect("what was read is written");
        let again = ImageConfig::from_json(&written).expect("what was written is read");
        assert_eq!(again.to_json().expect("written again"), written);
        let _ = (config.config.exposed(), config.config.argv(), config.platform().normalised());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = tare_image::fuzzing::challenge(text);
    }
});
