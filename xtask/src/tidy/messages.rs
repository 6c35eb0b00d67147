//! The rules about errors: the texts of all variants, and that every error has a kind.

use std::collections::BTreeSet;

use super::Finding;
use super::files::Source;
use super::scan::code_only;

/// Errors about one value: whoever meets one carries it in an error of its own, which has the kind.
const VALUES: [&str; 10] = [
    "DigestError",
    "ExpandError",
    "ParseErrorKind",
    "ParseMacError",
    "ParseProtocolError",
    "PlatformError",
    "QuantityError",
    "ReferenceError",
    "StoreFailure",
    "TemplateError",
];

/// All findings about errors.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("crates/")) {
        found.extend(texts(source));
    }
    found.extend(kinds(sources));
    found
}

/// The texts in `#[error(…)]` attributes.
fn texts(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, _) in source.text.match_indices("#[error(") {
        let rest = &source.text[at + "#[error(".len()..];
        let Some(text) = literal(rest) else { continue };
        let line = source.text[..at].matches('\n').count() + 1;
        if let Some(objection) = objection(text) {
            found.push(Finding { path: source.path.clone(), line, text: format!("{text:?}: {objection}") });
        }
    }
    found
}

fn objection(text: &str) -> Option<&'static str> {
    if text.contains("{source") {
        return Some("a cause is quoted by `Quoted(source)`, or left to the chain of causes");
    }
    if text.contains("os error") {
        return Some("the system's numbers are not for people");
    }
    if text.ends_with(['.', '!']) {
        return Some("a message is no sentence with an end: causes may follow");
    }
    if text.starts_with("failed to ") || text.starts_with("could not ") || text.starts_with("Cannot use ") {
        return Some("one style: `cannot …`");
    }
    None
}

/// The string literal at the start of an attribute's text.
fn literal(rest: &str) -> Option<&str> {
    let inner = rest.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return inner.get(..at),
            _ => {}
        }
    }
    None
}

/// Error types without a `kind`, which callers, exit codes and statuses of an API go by.
fn kinds(sources: &[Source]) -> Vec<Finding> {
    let mut kinded = BTreeSet::new();
    let mut errors = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("crates/")) {
        let Some(krate) = source.path.split('/').nth(1) else { continue };
        let code = code_only(&source.text);
        let mut of = None;
        let mut derived = false;
        for (number, line) in code.lines().enumerate() {
            if let Some(name) = line.strip_prefix("impl ").and_then(|rest| rest.strip_suffix(" {")) {
                of = Some(name.to_owned());
            }
            if line.contains("pub fn kind(&self) -> ErrorKind") {
                kinded.extend(of.clone().map(|name| (source.path.clone(), krate.to_owned(), name)));
            }
            derived |= line.starts_with("#[derive(") && line.contains("Error)]");
            derived &= !line.starts_with("pub(crate) ") && !line.starts_with("pub(super) ");
            let public = line.strip_prefix("pub enum ").or_else(|| line.strip_prefix("pub struct "));
            if let Some(rest) = public {
                let name = rest.split(['(', ' ', '<', ';']).next().unwrap_or(rest);
                if derived && !VALUES.contains(&name) {
                    errors.push((krate.to_owned(), name.to_owned(), source.path.clone(), number + 1));
                }
                derived = false;
            }
        }
    }
    // Where a crate has several of one name, each has its kind in its own file.
    let alone = |krate: &str, name: &str| {
        errors.iter().filter(|(other, error, ..)| other == krate && error == name).count() == 1
    };
    let has_kind = |krate: &str, name: &str, path: &str| {
        kinded.iter().any(|(file, other, kinded)| {
            other == krate && kinded == name && (file == path || alone(krate, name))
        })
    };
    let without = errors.iter().filter(|(krate, name, path, _)| !has_kind(krate, name, path));
    without
        .cloned()
        .map(|(_, name, path, line)| Finding {
            path,
            line,
            text: format!("{name} has no `kind`, by which callers tell what to do about it"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let source = Source { path: "crates/x/src/error.rs".into(), text: text.into() };
        check(&[source]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn texts_have_one_style() {
        let with = |text: &str| found(&format!("#[error(\"{text}\")]\n")).len();
        assert_eq!(with("cannot read {path}"), 0);
        assert_eq!(with("{path} is \\\"odd\\\""), 0);
        for bad in ["x: {source}", "x (os error 2)", "an end.", "failed to read x"] {
            assert_eq!(with(bad), 1, "{bad}");
        }
    }

    #[test]
    fn errors_have_a_kind() {
        let error = "#[derive(Debug, thiserror::Error)]\npub enum Error {\n}\n";
        assert!(found(error)[0].contains("Error has no `kind`"));
        let kind = "impl Error {\n    pub fn kind(&self) -> ErrorKind {\n    }\n}\n";
        assert!(found(&format!("{error}{kind}")).is_empty());
        assert!(found("#[derive(Debug)]\npub enum Kind {\n}\n").is_empty());
    }
}
