//! Dockerfiles that nobody would write by hand end in an answer, and not in a full stack or memory.

use proptest::prelude::*;
use tare_dockerfile::{ExpandError, Expander, parse, parse_trigger};

fn lookup(name: &str) -> Option<String> {
    match name {
        "A" => Some("value".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

#[test]
fn deep_and_long_files_end() {
    const MANY: usize = 20_000;
    let stages = (0..MANY).map(|number| format!("FROM s{} AS s{number}\n", number.max(1) - 1));
    assert_eq!(parse(&stages.collect::<String>()).map(|file| file.stages.len()), Ok(MANY));
    let heredocs = format!("FROM a\nRUN {}\n{}", "<<E ".repeat(500), "x\nE\n".repeat(500));
    assert!(parse(&heredocs).is_ok());
    // Nothing closes these.
    let _ = parse(&format!("FROM a\nRUN {}", "<<E ".repeat(MANY)));
    assert!(parse(&format!("FROM a\nCMD {}", "[".repeat(MANY))).is_ok(), "the shell gets it");
    assert!(parse_trigger(&"ONBUILD ".repeat(MANY)).is_err());
    let continued = format!("FROM a\nRUN true {}", "\\\n".repeat(MANY));
    assert!(parse(&continued).is_ok());
    let nested = "${N:-".repeat(MANY);
    assert_eq!(Expander::new(&lookup, '\\').heredoc(&nested), Err(ExpandError::TooDeep));
}

/// Pieces of Dockerfiles, put together by chance.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("FROM a AS b\n".to_owned()),
        Just("RUN <<E cat\n".to_owned()),
        Just("E\n".to_owned()),
        Just("COPY --chown=1:2 --from=b [\"x\", \"/y\"]\n".to_owned()),
        Just("# escape=`\n".to_owned()),
        Just("RUN --mount=type=cache,target=/x ".to_owned()),
        "(ENV|ARG|LABEL|USER|CMD|ADD|EXPOSE|ONBUILD|HEALTHCHECK) [ -~\n]{0,12}\n?",
        "[ -~\n\t\u{e9}]{0,12}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_file_ends_in_an_answer(text in pieces()) {
        let lines = text.lines().count() + 1;
        match parse(&text) {
            Ok(file) => for stage in &file.stages {
                prop_assert!(stage.steps.iter().all(|step| step.span.last as usize <= lines));
            },
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        let _ = parse_trigger(&text);
    }

    #[test]
    fn expansion_is_bounded_and_leaves_plain_text_alone(
        text in "(\\$\\{?(A|EMPTY|N)?(:?[-+?]|##?|%%?|//?)?|[a-z'\"}\\\\/ ]){0,20}",
        plain in "[a-z0-9 ./=:-]{0,40}",
    ) {
        let expander = Expander::new(&lookup, '\\');
        if let Ok(value) = expander.word(&text) {
            prop_assert!(value.len() <= 16 * text.len());
        }
        let _ = (expander.heredoc(&text), expander.words(&text));
        prop_assert_eq!(expander.word(&plain), Ok(plain));
    }
}
