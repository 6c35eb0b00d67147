//! Dockerfiles: parsing, directives, expansion, triggers. A parsed instruction's text is one that parses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_dockerfile::{Expander, parse, parse_trigger};

fuzz_target!(|text: &str| {
    let lookup = |name: &str| match name {
        "A" => Some("value".to_owned()),
        "EMPTY" => Some(String::new()),
        "PATH" => Some("/usr/bin:/bin".to_owned()),
        _ => None,
    };
    let expander = Expander::new(&lookup, '\\');
    for expanded in [expander.word(text), expander.heredoc(text)].into_iter().flatten() {
        // Each variable and default stands once in the text: what comes out is bounded by what goes in.
        assert!(expanded.len() <= text.len() * 16 + 16, "{} of {}", expanded.len(), text.len());
    }
    let _ = expander.words(text);
    let _ = parse_trigger(text);
    if let Ok(dockerfile) = parse(text) {
        let lines = text.lines().count() as u64 + 1;
        for stage in &dockerfile.stages {
            assert!(stage.span.first as u64 <= lines && stage.span.last as u64 <= lines);
        }
    }
});
