//! Within a crate, too, uses go one way: no circle between modules, and rooms use what stands below them.
//!
//! A module is a file; `crate::`, `super::` and `self::` paths in its code are its uses, tests apart. A module and those in
//! its own folder are one family: a door may use what is behind it, and what is behind may use the door's types.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::files::Source;
use super::rules::test_lines;
use super::scan::code_only;

/// Crate → its rooms (modules at the top of the crate) from the street down: a room may use those that come after it.
/// A crate that is not here has no rooms yet, only the rule against circles.
const ROOMS: [(&str, &[&str]); 1] =
    [("engine", &["system", "filter", "container", "image", "network", "volume", "state", "config"])];

/// Circles that are still to be cut, as `crate: module, module`.
const KNOWN: [&str; 0] = [];

/// Module path in its crate (`rootfs::dev`) → the modules that it uses.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// All findings in all crates.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut crates: BTreeMap<&str, Vec<(&str, &Source)>> = BTreeMap::new();
    for source in sources {
        let Some((name, file)) =
            source.path.strip_prefix("crates/").and_then(|path| path.split_once("/src/"))
        else {
            continue;
        };
        crates.entry(name).or_default().push((file, source));
    }
    crates
        .iter()
        .flat_map(|(name, files)| {
            let graph = graph(files);
            let rooms = ROOMS.iter().find(|(of, _)| of == name).map_or(&[][..], |(_, rooms)| rooms);
            let circles = circles(&graph)
                .into_iter()
                .filter(move |circle| !KNOWN.contains(&format!("{name}: {circle}").as_str()))
                .map(|circle| format!("modules use each other in a circle: {circle}"));
            circles.chain(climbs(&graph, rooms)).map(move |text| Finding {
                path: format!("crates/{name}/src"),
                line: 0,
                text,
            })
        })
        .collect()
}

fn graph(files: &[(&str, &Source)]) -> Graph {
    let names: BTreeSet<String> = files.iter().map(|(file, _)| module(file).join("::")).collect();
    let mut graph = Graph::new();
    for (file, source) in files {
        let name = module(file);
        if name.is_empty() {
            continue;
        }
        let own = name.join("::");
        let uses = used_paths(&own_code(source), &name)
            .into_iter()
            .filter_map(|path| longest_known(&path, &names))
            .filter(|used| !related(&own, used));
        graph.insert(own.clone(), uses.collect());
    }
    graph
}

/// `rootfs/dev.rs` → `rootfs`, `dev`; a folder's `mod.rs` is the folder; the crate's root has no name.
fn module(file: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    if is_folder(file) {
        parts.pop();
    }
    parts
}

fn is_folder(file: &str) -> bool {
    matches!(file.rsplit('/').next(), Some("mod.rs" | "lib.rs" | "main.rs"))
}

/// The file's code without its tests.
fn own_code(source: &Source) -> String {
    let code = code_only(&source.text);
    let tests = test_lines(&source.path, &code);
    code.lines().zip(tests).filter(|(_, test)| !test).map(|(line, _)| format!("{line}\n")).collect()
}

fn longest_known(path: &[String], names: &BTreeSet<String>) -> Option<String> {
    (1..=path.len()).rev().map(|count| path[..count].join("::")).find(|name| names.contains(name))
}

fn related(one: &str, other: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"))
    };
    inside(one, other) || inside(other, one)
}

/// Every path that begins with `crate`, `self` or `super`, from the crate's root.
fn used_paths(code: &str, module: &[&str]) -> Vec<Vec<String>> {
    let words = words(code);
    let mut found = Vec::new();
    for at in 0..words.len() {
        let continued = at > 0 && words[at - 1] == "::";
        if continued || words.get(at + 1) != Some(&"::") {
            continue;
        }
        let mut base: Vec<String> = match words[at] {
            "crate" => Vec::new(),
            "self" | "super" => module.iter().map(|part| (*part).to_owned()).collect(),
            _ => continue,
        };
        let mut next = at;
        while words.get(next) == Some(&"super") {
            base.pop();
            next += 2;
        }
        if words[at] != "super" {
            next += 2;
        }
        tree(&words, next, &base, &mut found);
    }
    found
}

/// A path or a tree of paths in braces, from the word at `at`; where it ends.
fn tree(words: &[&str], mut at: usize, base: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = base.to_vec();
    while let Some(word) = words.get(at) {
        match *word {
            "{" => {
                at += 1;
                while words.get(at).is_some_and(|word| *word != "}") {
                    let before = at;
                    at = tree(words, at, &path, found);
                    if words.get(at) == Some(&"as") {
                        at += 2;
                    }
                    if words.get(at) == Some(&",") || at == before {
                        at += 1;
                    }
                }
                return at + 1;
            }
            name if is_name(name) => {
                if name != "self" {
                    path.push(name.to_owned());
                }
                at += 1;
                if words.get(at) != Some(&"::") {
                    break;
                }
                at += 1;
            }
            _ => break,
        }
    }
    found.push(path);
    at
}

fn is_name(word: &str) -> bool {
    word.chars().all(|c| c.is_alphanumeric() || c == '_') && word != "as"
}

/// Names, `::`, and single signs.
fn words(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = match name {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            length => length,
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

/// Modules that reach themselves, each circle once.
fn circles(graph: &Graph) -> Vec<String> {
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    for start in graph.keys() {
        let circle: Vec<&str> = reachable(graph, start)
            .into_iter()
            .filter(|other| reachable(graph, other).contains(start.as_str()))
            .collect();
        if circle.len() > 1 && !told.contains(start.as_str()) {
            told.extend(&circle);
            found.push(circle.join(", "));
        }
    }
    found
}

fn reachable<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::new();
    let mut pending: Vec<&str> = graph.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(name) = pending.pop() {
        if all.insert(name) {
            pending.extend(graph.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    all
}

/// Uses of a room above one's own, and rooms that the table does not have.
fn climbs(graph: &Graph, rooms: &[&str]) -> Vec<String> {
    let room = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    let place = |name: &str| rooms.iter().position(|known| *known == name);
    let mut found = BTreeSet::new();
    for (name, uses) in graph.iter().filter(|_| !rooms.is_empty()) {
        let Some(own) = place(&room(name)) else {
            found.insert(format!("`{}` is not in the table of rooms in xtask", room(name)));
            continue;
        };
        for used in uses.iter().filter(|used| place(&room(used)).is_some_and(|other| other < own)) {
            found.insert(format!("{name} uses {used}, which stands above it in the table of rooms"));
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> =
            files.iter().map(|(file, text)| source(&format!("crates/a/src/{file}"), text)).collect();
        check(&sources).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn circles_are_found_through_braces_and_relative_paths() {
        let files = [
            ("lib.rs", "mod x; mod y; mod z;"),
            ("x.rs", "use crate::{y::{self, Thing as Other}, z};"),
            ("y/mod.rs", "mod inner;"),
            ("y/inner.rs", "fn f() { super::super::z::g() }"),
            ("z.rs", "use super::x::Y;"),
        ];
        assert_eq!(found(&files), ["modules use each other in a circle: x, z"]);
    }

    #[test]
    fn a_circle_is_told_once() {
        let files =
            [("x.rs", "use crate::y::Y;"), ("y.rs", "use crate::{x::X, z};"), ("z.rs", "// use crate::x\n")];
        assert_eq!(found(&files), ["modules use each other in a circle: x, y"]);
    }

    #[test]
    fn a_family_and_tests_make_no_circle() {
        let files = [
            ("x/mod.rs", "use self::inner::I; use crate::y;"),
            ("x/inner.rs", "use super::X;"),
            ("y.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use crate::x; }\n"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }

    #[test]
    fn rooms_use_what_stands_below() {
        let graph = Graph::from([
            ("state::store".to_owned(), BTreeSet::from(["container::create".to_owned()])),
            ("container::create".to_owned(), BTreeSet::from(["state".to_owned()])),
            ("new".to_owned(), BTreeSet::new()),
        ]);
        let found = climbs(&graph, &["container", "state"]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].contains("state::store uses container::create"), "{found:?}");
    }
}
