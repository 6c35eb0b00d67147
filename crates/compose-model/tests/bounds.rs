//! Files that nobody would write by hand: deep, long, and made to grow. They end in an answer, and not in a full stack.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tare_compose_model::{EnvFileFormat, Files, LoadOptions, Project, Source, load, parse_env_file};

struct None;

impl Files for None {
    fn read(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn exists(&self, _: &Path) -> bool {
        false
    }
}

fn project(text: &str) -> Result<Project, String> {
    let env = [("A", "value"), ("EMPTY", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let options = LoadOptions {
        sources: vec![Source::Text { name: PathBuf::from("/p/compose.yaml"), text: text.to_owned() }],
        project_directory: PathBuf::from("/p"),
        env: BTreeMap::from(env),
        ..LoadOptions::default()
    };
    load(&options, &None).map(|(project, _)| project).map_err(|error| error.to_string())
}

/// Services `s0`, `s1`… each with what `more` says of it.
fn services(count: usize, more: impl Fn(usize) -> String) -> String {
    let mut text = "services:\n".to_owned();
    for number in 0..count {
        writeln!(text, "  s{number}: {{image: i{}}}", more(number)).expect("a String takes it");
    }
    text
}

#[test]
fn a_hundred_thousand_services_that_wait_for_each_other() {
    const COUNT: usize = 100_000;
    let last = COUNT - 1;
    let chain = |number: usize| {
        if number == last { String::new() } else { format!(", depends_on: [s{}]", number + 1) }
    };
    assert_eq!(project(&services(COUNT, chain)).map(|project| project.services.len()), Ok(COUNT));
    let circle = |number: usize| format!(", depends_on: [s{}]", (number + 1) % 1000);
    let error = project(&services(1000, circle)).expect_err("a circle");
    assert!(error.contains("s0 -> s1") || error.contains("s0"), "{error}");
}

#[test]
fn services_that_extend_each_other_end() {
    let chain = |count: usize| {
        move |number: usize| {
            if number + 1 == count {
                String::new()
            } else {
                format!(", extends: {{service: s{}}}", number + 1)
            }
        }
    };
    assert!(project(&services(100, chain(100))).is_ok());
    let error = project(&services(5000, chain(5000))).expect_err("too many");
    assert!(error.contains("more than 100 services extend one another"), "{error}");
}

#[test]
fn defaults_inside_defaults_end() {
    let nested = |depth: usize| {
        format!("services: {{a: {{image: '{}x{}'}}}}", "${N:-".repeat(depth), "}".repeat(depth))
    };
    assert!(project(&nested(50)).is_ok());
    let error = project(&nested(50_000)).expect_err("too deep");
    assert!(error.contains("nested more than 100 deep"), "{error}");
}

/// Files by path.
struct Folder(BTreeMap<PathBuf, String>);

impl Files for Folder {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }
}

#[test]
fn files_that_include_the_next_twice_end() {
    let file = |number: usize| PathBuf::from(format!("/p/{number}.yaml"));
    let twice = |number: usize| {
        format!("include: [{0}.yaml, ./{0}.yaml]\nservices: {{a: {{image: a}}}}\n", number + 1)
    };
    let mut files: BTreeMap<PathBuf, String> = (0..30).map(|number| (file(number), twice(number))).collect();
    files.insert(file(30), "services: {a: {image: a}}".to_owned());
    let options = LoadOptions {
        sources: vec![Source::File(file(0))],
        project_directory: PathBuf::from("/p"),
        ..LoadOptions::default()
    };
    let error = load(&options, &Folder(files)).expect_err("too many").to_string();
    assert!(error.contains("more than 1000 files are included"), "{error}");
}

/// Pieces of Compose files, put together by chance.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("services:\n  a:\n    ".to_owned()),
        Just("image: x\n    ".to_owned()),
        Just("ports: [\"80:80\", 81]\n    ".to_owned()),
        Just("environment: {A: $A, B: '${EMPTY:-b}'}\n    ".to_owned()),
        Just("volumes: [./a:/b:ro, v:/c]\n    ".to_owned()),
        Just("depends_on: [b]\n  b: {build: .}\nvolumes: {v: }\n".to_owned()),
        "[ -~\n]{0,12}",
        "(\\$\\{?[A-Z]{0,2}(:?[-+?])?){1,3}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_file_ends_in_an_answer_that_loads_again(text in pieces()) {
        let Ok(read) = project(&text) else { return Ok(()) };
        let printed = read.to_yaml();
        prop_assert_eq!(project(&printed).map(|again| again.to_yaml()), Ok(printed));
    }

    #[test]
    fn values_in_quotes_are_read_back(values in proptest::collection::vec("[ -~\n\t]{0,20}", 0..8)) {
        let mut text = String::new();
        for (number, value) in values.iter().enumerate() {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
            writeln!(text, "V{number}=\"{quoted}\"").expect("a String takes it");
        }
        let read = parse_env_file(Path::new(".env"), &text, EnvFileFormat::Compose, &BTreeMap::new());
        let read: Vec<String> = read.expect("quoted values").into_values().flatten().collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn any_env_file_ends_in_an_answer(text in "([A-Z]{0,2}[=: ]?['\"$#\\\\a-z{}\n]{0,6}){0,8}") {
        for format in [EnvFileFormat::Compose, EnvFileFormat::Raw] {
            if let Ok(content) = parse_env_file(Path::new(".env"), &text, format, &BTreeMap::new()) {
                prop_assert!(content.keys().all(|key| !key.contains('\n')));
            }
        }
    }
}
