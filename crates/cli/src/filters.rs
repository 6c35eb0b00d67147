//! `--filter key=value`, given any number of times: values of one key are alternatives, keys are all required
//! (labels too: each one given must match).

use std::collections::BTreeMap;

use crate::error::Failure;

/// Parsed filters.
#[derive(Debug, Default, Clone)]
pub(crate) struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads the flags; a key that the command does not know is refused, as in Docker.
    pub(crate) fn parse(flags: &[String], known: &[&str]) -> anyhow::Result<Filters> {
        let mut filters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for flag in flags {
            let Some((key, value)) = flag.split_once('=') else {
                return Err(Failure::new(format!(
                    "invalid filter '{flag}': bad format of filter (expected name=value)"
                ))
                .into());
            };
            let key = key.trim().to_ascii_lowercase();
            if !known.contains(&key.as_str()) {
                return Err(Failure::new(format!("invalid filter '{key}'"))
                    .with_hint(format!("this command filters by {}", known.join(", ")))
                    .into());
            }
            filters.entry(key).or_default().push(value.trim().to_owned());
        }
        Ok(Filters(filters))
    }

    /// The values given for a key.
    pub(crate) fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether a key was given.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// True without the key, else if any of its values passes.
    pub(crate) fn any(&self, key: &str, mut passes: impl FnMut(&str) -> bool) -> bool {
        !self.has(key) || self.values(key).iter().any(|value| passes(value))
    }

    /// `true`, `1`, `false`, `0` of a key; `None` if not given.
    pub(crate) fn flag(&self, key: &str) -> anyhow::Result<Option<bool>> {
        self.values(key)
            .last()
            .map(|value| match value.as_str() {
                "true" | "1" | "True" | "TRUE" | "t" => Ok(true),
                "false" | "0" | "False" | "FALSE" | "f" => Ok(false),
                other => Err(Failure::new(format!("invalid filter '{key}={other}'")).into()),
            })
            .transpose()
    }

    /// Every `label=key` or `label=key=value` given is there.
    pub(crate) fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").iter().all(|wanted| has_label(labels, wanted))
            && !self.values("label!").iter().any(|unwanted| has_label(labels, unwanted))
    }

    /// A name filter: the value is part of the name, or a pattern with `^` and `$`.
    pub(crate) fn names(&self, key: &str, name: &str) -> bool {
        self.any(key, |value| name_matches(value, name))
    }
}

fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
        None => labels.contains_key(wanted),
    }
}

/// Docker takes a regular expression here; what people write is a part of a name, with anchors at most.
fn name_matches(pattern: &str, name: &str) -> bool {
    let (pattern, start) = match pattern.strip_prefix('^') {
        Some(rest) => (rest.trim_start_matches('/'), true),
        None => (pattern.trim_start_matches('/'), false),
    };
    let (pattern, end) = match pattern.strip_suffix('$') {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    if pattern.contains(".*") {
        return glob(&pattern.replace(".*", "*"), name, start, end);
    }
    match (start, end) {
        (true, true) => name == pattern,
        (true, false) => name.starts_with(pattern),
        (false, true) => name.ends_with(pattern),
        (false, false) => name.contains(pattern),
    }
}

fn glob(pattern: &str, name: &str, start: bool, end: bool) -> bool {
    let open = if start { "" } else { "*" };
    let close = if end { "" } else { "*" };
    wildcard(&format!("{open}{pattern}{close}"), name)
}

/// Shell wildcards `*` and `?`, as `reference=` filters have them.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == '?' || (pattern[p] == text[t] && pattern[p] != '*')) {
            p += 1;
            t += 1;
        } else if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(flags: &[&str]) -> anyhow::Result<Filters> {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Filters::parse(&flags, &["name", "label", "dangling"])
    }

    #[test]
    fn keys_are_checked() {
        assert!(filters(&["nope=1"]).is_err());
        assert!(filters(&["name"]).is_err());
        assert_eq!(filters(&["dangling=true"]).unwrap().flag("dangling").unwrap(), Some(true));
        assert!(filters(&["dangling=x"]).unwrap().flag("dangling").is_err());
    }

    #[test]
    fn names_match_parts_and_anchors() {
        let matches =
            |pattern: &str, name: &str| filters(&[&format!("name={pattern}")]).unwrap().names("name", name);
        assert!(matches("we", "web_1"));
        assert!(matches("^/web$", "web"));
        assert!(!matches("^web$", "web_1"));
        assert!(matches("^w.*1$", "web_1"));
        assert!(!matches("x", "web"));
    }

    #[test]
    fn all_labels_are_required() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
        assert!(filters(&["label=a=1", "label=b"]).unwrap().labels(&labels));
        assert!(!filters(&["label=a=1", "label=c"]).unwrap().labels(&labels));
    }

    #[test]
    fn wildcards() {
        assert!(wildcard("post*", "postgres"));
        assert!(wildcard("*:1?", "img:17"));
        assert!(!wildcard("a*b", "ac"));
        assert!(wildcard("*", ""));
    }
}
