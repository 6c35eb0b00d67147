//! The rules about one file: its size, its name, its first line, and what must not be in it.

use super::Finding;
use super::files::Source;
use super::scan::{code_only, functions};

/// Files over this many lines have more than one subject.
const FILE_LINES: usize = 800;
/// Functions over this many lines fit no screen.
const FUNCTION_LINES: usize = 80;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "misc", "shared", "stuff"];

/// Files that may be longer, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];
/// Functions that may be longer, as `path:name`, each with its reason.
const LONG_FUNCTIONS: [(&str, &str); 0] = [];

/// Something that must not be in the code: how it looks, where it may be, and what to do instead.
struct Ban {
    pattern: &'static str,
    allowed_in: &'static [&'static str],
    in_tests: Tests,
    advice: &'static str,
}

/// Whether a ban holds for test code too.
#[derive(PartialEq)]
enum Tests {
    Banned,
    Allowed,
}

const BANS: [Ban; 11] = [
    Ban {
        pattern: "unsafe",
        allowed_in: &["crates/sys/"],
        in_tests: Tests::Banned,
        advice: "`unsafe` lives in crates/sys alone: add what is needed there, behind owned fds and typed flags",
    },
    Ban {
        pattern: "#[ignore",
        allowed_in: &[],
        in_tests: Tests::Banned,
        advice: "tests are run, mended or removed, never ignored",
    },
    Ban {
        pattern: "todo!",
        allowed_in: &[],
        in_tests: Tests::Banned,
        advice: "leave the feature out instead of a hole in it",
    },
    Ban {
        pattern: "unimplemented!",
        allowed_in: &[],
        in_tests: Tests::Banned,
        advice: "leave the feature out instead of a hole in it",
    },
    Ban {
        pattern: "dbg!",
        allowed_in: &[],
        in_tests: Tests::Banned,
        advice: "left over from a search for a fault",
    },
    Ban { pattern: "println!", allowed_in: PRINTERS, in_tests: Tests::Allowed, advice: PRINTING },
    Ban { pattern: "eprintln!", allowed_in: PRINTERS, in_tests: Tests::Allowed, advice: PRINTING },
    Ban { pattern: "print!", allowed_in: PRINTERS, in_tests: Tests::Allowed, advice: PRINTING },
    Ban { pattern: "eprint!", allowed_in: PRINTERS, in_tests: Tests::Allowed, advice: PRINTING },
    Ban {
        pattern: "process::exit",
        allowed_in: PRINTERS,
        in_tests: Tests::Allowed,
        advice: "libraries do not end the process: return an error and let the command line choose the status",
    },
    Ban {
        pattern: "env::var",
        allowed_in: READERS,
        in_tests: Tests::Allowed,
        advice: "libraries do not read the environment: take the value as a parameter",
    },
];

/// Who talks to the person at the terminal.
const PRINTERS: &[&str] = &["crates/cli/", "xtask/"];
const READERS: &[&str] = &["crates/cli/", "xtask/"];
const PRINTING: &str = "only the command line prints: return what is to be said";

/// All findings in one file.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let code = code_only(&source.text);
    let tests = test_lines(&source.path, &code);
    let mut found = Vec::new();
    found.extend(name(&source.path));
    found.extend(opening(source));
    found.extend(length(source));
    found.extend(long_functions(&source.path, &code));
    for ban in &BANS {
        found.extend(banned(ban, &source.path, &code, &tests));
    }
    found
}

fn finding(path: &str, line: usize, text: String) -> Finding {
    Finding { path: path.to_owned(), line, text }
}

fn name(path: &str) -> Option<Finding> {
    let parts = path.trim_end_matches(".rs").split('/');
    let empty = parts.into_iter().find(|part| EMPTY_NAMES.contains(part))?;
    Some(finding(path, 0, format!("`{empty}` says nothing: name the module after what it is about")))
}

/// Each file opens with a page that says what it is; attributes may come before it.
fn opening(source: &Source) -> Option<Finding> {
    let first = source.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    let opens = first.is_some_and(|line| line.starts_with("//!"));
    (!opens).then(|| {
        finding(&source.path, 1, "begins without a `//!` page that says what the file is".to_owned())
    })
}

fn length(source: &Source) -> Option<Finding> {
    let lines = source.text.lines().count();
    let excused = LONG_FILES.iter().any(|(path, _)| *path == source.path);
    (lines > FILE_LINES && !excused).then(|| {
        finding(&source.path, 0, format!("{lines} lines; {FILE_LINES} are the most: it has a second subject"))
    })
}

fn long_functions(path: &str, code: &str) -> Vec<Finding> {
    functions(code)
        .into_iter()
        .filter(|function| function.lines > FUNCTION_LINES)
        .filter(|function| {
            !LONG_FUNCTIONS.iter().any(|(excused, _)| *excused == format!("{path}:{}", function.name))
        })
        .map(|function| {
            let text =
                format!("`{}` has {} lines; {FUNCTION_LINES} are the most", function.name, function.lines);
            finding(path, function.line, text)
        })
        .collect()
}

fn banned(ban: &Ban, path: &str, code: &str, tests: &[bool]) -> Vec<Finding> {
    if ban.allowed_in.iter().any(|folder| path.starts_with(folder)) {
        return Vec::new();
    }
    code.lines()
        .enumerate()
        .filter(|(number, _)| ban.in_tests == Tests::Banned || !tests[*number])
        .filter(|(_, line)| stands_alone(line, ban.pattern))
        .map(|(number, _)| finding(path, number + 1, format!("`{}`: {}", ban.pattern, ban.advice)))
        .collect()
}

/// Whether the pattern is in the line and not only as a part of a longer name (`eprintln!` holds `println!`,
/// `unsafe_code` holds `unsafe`).
fn stands_alone(line: &str, pattern: &str) -> bool {
    let of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(of_name);
        let after = line[at + pattern.len()..].chars().next().is_some_and(of_name);
        // `env::var` stands for `env::var_os` and `env::vars` as well.
        !before && (!after || !pattern.ends_with(of_name) || pattern == "env::var")
    })
}

/// For each line, whether it is test code: in a tests or benches folder, in a file named tests, or in a `mod` behind
/// `#[cfg(test)]` to its closing brace.
pub(crate) fn test_lines(path: &str, code: &str) -> Vec<bool> {
    let count = code.lines().count();
    let in_folder = path.split('/').any(|part| matches!(part, "tests" | "benches" | "examples" | "tests.rs"));
    if in_folder {
        return vec![true; count];
    }
    let mut marks = vec![false; count];
    let mut inside: Option<i64> = None;
    for (number, line) in code.lines().enumerate() {
        if inside.is_none() && line.trim_start().starts_with("#[cfg(test)]") {
            inside = Some(0);
        }
        let Some(depth) = inside else { continue };
        marks[number] = true;
        let opened = i64::try_from(line.matches('{').count()).unwrap_or(i64::MAX);
        let closed = i64::try_from(line.matches('}').count()).unwrap_or(i64::MAX);
        let now = depth + opened - closed;
        let ended = (now <= 0 && closed > 0) || (now == 0 && line.trim_end().ends_with(';'));
        inside = (!ended).then_some(now);
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, text: &str) -> Vec<String> {
        check(&Source { path: path.into(), text: text.into() }).into_iter().map(|f| f.to_string()).collect()
    }

    #[test]
    fn a_good_file_has_no_findings() {
        let text = "//! What it is.\nfn f() {\n    let unsafe_code = \"println! unsafe\"; // todo!\n}\n";
        assert_eq!(texts("crates/image/src/blob.rs", text), Vec::<String>::new());
    }

    #[test]
    fn unsafe_is_for_sys() {
        let text = "//! Page.\nfn f() { unsafe { g() } }\n";
        assert_eq!(texts("crates/sys/src/a.rs", text).len(), 0);
        let found = texts("crates/image/src/a.rs", text);
        assert!(found.len() == 1 && found[0].starts_with("crates/image/src/a.rs:2: `unsafe`"), "{found:?}");
    }

    #[test]
    fn printing_is_for_the_command_line_and_tests() {
        let text = "//! Page.\nfn f() { println!(\"x\"); }\n";
        assert_eq!(texts("crates/cli/src/a.rs", text).len(), 0);
        assert_eq!(texts("crates/engine/tests/a.rs", text).len(), 0);
        assert_eq!(texts("crates/engine/src/a.rs", text).len(), 1);
        let inner = "//! Page.\n#[cfg(test)]\nmod tests {\n    fn f() { println!(\"x\"); }\n}\nfn g() { eprintln!(\"x\") }\n";
        let found = texts("crates/engine/src/a.rs", inner);
        assert!(found.len() == 1 && found[0].contains("a.rs:6: `eprintln!`"), "{found:?}");
    }

    #[test]
    fn a_test_only_item_ends_at_its_semicolon() {
        let text = "//! Page.\n#[cfg(test)]\nuse a::b;\nfn g() { println!(\"x\") }\n";
        assert_eq!(texts("crates/engine/src/a.rs", text).len(), 1);
        let text = "//! Page.\n#[cfg(test)]\nmod tests;\nfn g() { println!(\"x\") }\n";
        assert_eq!(texts("crates/engine/src/a.rs", text).len(), 1);
    }

    #[test]
    fn holes_and_ignored_tests_are_found_anywhere() {
        let text =
            "//! Page.\n#[cfg(test)]\nmod tests {\n    #[ignore = \"slow\"]\n    fn f() { todo!() }\n}\n";
        assert_eq!(texts("crates/cli/src/a.rs", text).len(), 2);
    }

    #[test]
    fn the_environment_is_read_by_the_command_line() {
        let text = "//! Page.\nfn f() { std::env::var_os(\"A\"); std::env::vars(); }\n";
        assert_eq!(texts("crates/engine/src/a.rs", text).len(), 1);
        assert_eq!(texts("crates/cli/src/a.rs", text).len(), 0);
    }

    #[test]
    fn empty_names_are_found_in_files_and_folders() {
        for path in ["crates/image/src/utils.rs", "crates/image/src/common/mod.rs", "crates/misc/src/lib.rs"]
        {
            assert_eq!(texts(path, "//! Page.\n").len(), 1, "{path}");
        }
        assert_eq!(texts("crates/image/src/commons_license.rs", "//! Page.\n").len(), 0);
    }

    #[test]
    fn sizes_are_bounded() {
        let long = format!("//! Page.\n{}", "// x\n".repeat(FILE_LINES));
        assert!(texts("crates/a/src/b.rs", &long)[0].contains("801 lines"));
        let function = format!("//! Page.\nfn f() {{\n{}}}\n", "    a();\n".repeat(FUNCTION_LINES - 1));
        assert!(texts("crates/a/src/b.rs", &function)[0].contains("`f` has 81 lines"));
        let fitting = format!("//! Page.\nfn f() {{\n{}}}\n", "    a();\n".repeat(FUNCTION_LINES - 2));
        assert_eq!(texts("crates/a/src/b.rs", &fitting).len(), 0);
    }

    #[test]
    fn a_file_says_what_it_is() {
        assert_eq!(texts("crates/a/src/b.rs", "fn f() {}\n").len(), 1);
        assert_eq!(texts("crates/a/src/b.rs", "#![allow(x)]\n//! Page.\n").len(), 0);
    }
}
