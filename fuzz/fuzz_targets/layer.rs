//! Layers: a tar stream becomes a folder, never anything beside it; and what was unpacked packs the same every time.
#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;

#[path = "../tar.rs"]
mod tar;

/// More than this in files is not packed again: sparse files are as large as they like.
const LARGE: u64 = 1 << 20;

fn unpack(stream: &[u8], folder: &Path) -> Option<u64> {
    fs::create_dir(folder).expect("a folder");
    tare_image::fuzzing::unpack(stream, folder).ok()
}

fuzz_target!(|bytes: &[u8]| {
    let stream = tar::with_checksums(bytes);
    let folder = tempfile::Builder::new().prefix("fuzz-layer").tempdir_in(tar::scratch()).expect("a scratch folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("canary"), "alive").expect("a canary");
    let size = unpack(&stream, &at("one"));
    if size.is_some_and(|size| size < LARGE) {
        let first = tare_image::fuzzing::pack(&at("one")).expect("what was unpacked is packed");
        unpack(&first, &at("two")).expect("what was packed is unpacked");
        let second = tare_image::fuzzing::pack(&at("two")).expect("and packed again");
        assert!(first == second, "the second stream is another one");
        fs::remove_dir_all(at("two")).expect("it can be removed");
    }
    fs::remove_dir_all(at("one")).expect("it can be removed");
    assert_eq!(fs::read_to_string(at("canary")).expect("the canary"), "alive");
    assert_eq!(fs::read_dir(folder.path()).expect("the scratch folder").count(), 1, "something came out");
});
