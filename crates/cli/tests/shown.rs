//! What others chose (names, labels, commands, file names) does nothing to the terminal that it is shown on. Needs root
//! and a static busybox.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use support::Lab;

const TITLE: &str = "x\u{1b}]0;owned\u{7}\u{9b}2J\r";

#[test]
fn escapes_of_labels_and_commands_are_shown_in_tables() {
    let lab = Lab::new();
    let label = format!("evil={TITLE}\nsecond line");
    lab.ok(&["volume", "create", "--label", &label, "vol"]);
    lab.ok(&["create", "--name", "con", "--label", &label, "--network", "none", "busybox", "echo", TITLE]);
    let shown = "x\\u001b]0;owned\\u0007\\u009b2J\\r";
    for words in [
        &["volume", "ls", "--format", "table {{.Name}}\t{{.Labels}}"][..],
        &["ps", "-a", "--no-trunc", "--format", "table {{.Labels}}\t{{.Names}}"],
    ] {
        let said = lab.ok(words);
        assert!(said.contains(&format!("evil={shown}\\nsecond line")), "{said:?}");
    }
    for words in [&["ps", "-a", "--no-trunc"][..], &["volume", "ls"], &["images"], &["history", "busybox"]] {
        let said = lab.ok(words);
        assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{words:?}: {said:?}");
    }
    // A template's output may be meant for a program; JSON says the same in its own way.
    let said = lab.ok(&["volume", "inspect", "--format", "{{index .Labels \"evil\"}}", "vol"]);
    assert_eq!(said, format!("{TITLE}\nsecond line\n"));
    let json: serde_json::Value = serde_json::from_str(&lab.ok(&["volume", "inspect", "vol"])).unwrap();
    assert_eq!(json[0]["Labels"]["evil"], format!("{TITLE}\nsecond line"));
}

#[test]
fn escapes_in_messages_are_shown() {
    let lab = Lab::new();
    let said = lab.fails(1, &["volume", "inspect", TITLE]);
    assert!(said.contains("\\u001b]0;owned\\u0007") && !said.contains('\u{1b}'), "{said:?}");
    let said = lab.fails(125, &["run", "--rm", &format!("busy{TITLE}")]);
    assert!(!said.contains('\u{1b}') && !said.contains('\u{7}'), "{said:?}");
    // What a container writes is its own.
    let words = ["run", "--rm", "--network", "none", "busybox", "sh", "-c", "printf '\\033[31mred\\033[0m'"];
    assert_eq!(lab.ok(&words), "\u{1b}[31mred\u{1b}[0m");
}
