//! `.env` files, in both formats.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tare_compose_model::{EnvFileFormat, parse_env_file};

fuzz_target!(|text: &str| {
    let env = BTreeMap::from([("A".to_owned(), "value".to_owned())]);
    for format in [EnvFileFormat::Compose, EnvFileFormat::Raw] {
        let Ok(content) = parse_env_file(Path::new(".env"), text, format, &env) else { continue };
        assert!(content.keys().all(|key| !key.is_empty() && !key.contains(['=', '\n'])));
        assert!(content.len() <= text.lines().count());
    }
});
