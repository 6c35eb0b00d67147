//! Image references: what is printed of one is one again, in full and in short.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_oci::{Digest, Platform, Reference};

fuzz_target!(|text: &str| {
    let _ = text.parse::<Digest>();
    if let Ok(platform) = text.parse::<Platform>() {
        let again: Platform = platform.to_string().parse().expect("a platform's own name");
        assert_eq!(again, platform);
    }
    let Ok(reference) = text.parse::<Reference>() else { return };
    for name in [reference.canonical(), reference.familiar(), reference.to_string()] {
        assert_eq!(name.parse().as_ref(), Ok(&reference), "{name}");
    }
    assert!(reference.path().split('/').all(|part| !matches!(part, "" | "." | "..")));
});
