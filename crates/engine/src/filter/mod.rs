//! Filters of lists, prunes and events: what `--filter key=value` and the API's `filters` mean, one type per object.
//!
//! A key that an object does not have is an error: what it was meant to keep would be shown, or deleted.

mod containers;
mod events;
mod images;
mod moment;
mod networks;
mod pattern;
mod prune;
mod volumes;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::state::error::{Error, Result};

pub use containers::ContainerFilter;
pub use events::{EventFilter, Happened};
pub use images::{ImageFilter, is_name};
pub use moment::{duration, moment};
pub use networks::NetworkFilter;
pub use pattern::name_matches;
pub use prune::{
    ContainerPrune, ImagePrune, NetworkPrune, SystemPrune, SystemVolumes, UnusedImages, UnusedVolumes,
    VolumePrune,
};
pub use volumes::VolumeFilter;

/// Filters as given: values of one key are alternatives, keys are all required (labels too: each one must match).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads `key=value` texts.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text without `=`.
    pub fn from_texts(texts: &[String]) -> Result<Filters> {
        let mut filters = Filters::default();
        for text in texts {
            let (key, value) = text.split_once('=').ok_or_else(|| {
                Error::invalid(format!("invalid filter '{text}': bad format of filter (expected name=value)"))
            })?;
            filters.add(&key.trim().to_ascii_lowercase(), value.trim());
        }
        Ok(filters)
    }

    /// Reads the API's form: `{"label": ["a=b"]}`, or the older `{"label": {"a=b": true}}`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for anything else.
    pub fn from_json(json: &Json) -> Result<Filters> {
        let wrong = || Error::invalid(format!("invalid filters: {json}"));
        let mut filters = Filters::default();
        for (key, values) in json.as_object().ok_or_else(wrong)? {
            match values {
                Json::Array(values) => {
                    for value in values {
                        filters.add(key, value.as_str().ok_or_else(wrong)?);
                    }
                }
                Json::Object(values) => {
                    let chosen = values.iter().filter(|(_, chosen)| chosen.as_bool() == Some(true));
                    chosen.for_each(|(value, _)| filters.add(key, value));
                }
                _ => return Err(wrong()),
            }
        }
        Ok(filters)
    }

    fn add(&mut self, key: &str, value: &str) {
        self.0.entry(key.to_owned()).or_default().push(value.to_owned());
    }

    /// Refuses keys that an object does not have.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the key, and those that there are.
    pub fn only(self, known: &[&str]) -> Result<Filters> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(self),
            Some(key) => Err(Error::Invalid {
                message: format!("invalid filter '{key}'"),
                hint: Some(format!("this command filters by {}", known.join(", "))),
            }),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values given for a key.
    #[must_use]
    pub fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether a key was given.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// True without the key, else if any of its values passes.
    pub fn any(&self, key: &str, mut passes: impl FnMut(&str) -> bool) -> bool {
        !self.has(key) || self.values(key).iter().any(|value| passes(value))
    }

    /// `true`, `1`, `false`, `0` of a key; `None` if not given.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other value, and for values that contradict each other.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        let read = |value: &String| match value.as_str() {
            "true" | "1" | "True" | "TRUE" | "t" => Ok(true),
            "false" | "0" | "False" | "FALSE" | "f" => Ok(false),
            other => Err(Error::invalid(format!("invalid filter '{key}={other}'"))),
        };
        let values = self.values(key).iter().map(read).collect::<Result<Vec<bool>>>()?;
        match values.first() {
            Some(first) if values.iter().any(|value| value != first) => Err(Error::invalid(format!(
                "invalid filter '{key}=[{}]': only one value is expected",
                self.values(key).join(" ")
            ))),
            first => Ok(first.copied()),
        }
    }

    /// Every `label=key` or `label=key=value` given is there, and no `label!=` is.
    #[must_use]
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").iter().all(|wanted| has_label(labels, wanted))
            && !self.values("label!").iter().any(|unwanted| has_label(labels, unwanted))
    }

    /// A name filter: a regular expression for a part of the name.
    #[must_use]
    pub fn names(&self, key: &str, name: &str) -> bool {
        self.any(key, |value| name_matches(value, name))
    }
}

fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
        None => labels.contains_key(wanted),
    }
}

/// Shell wildcards `*` and `?`, as `reference=` filters have them.
#[must_use]
pub fn wildcard(pattern: &str, text: &str) -> bool {
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

    fn filters(texts: &[&str]) -> Result<Filters> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Filters::from_texts(&texts)?.only(&["name", "label", "label!", "dangling"])
    }

    #[test]
    fn keys_and_values_are_checked() {
        assert!(filters(&["nope=1"]).is_err());
        assert!(filters(&["name"]).is_err());
        assert_eq!(filters(&["dangling=true"]).unwrap().flag("dangling").unwrap(), Some(true));
        assert!(filters(&["dangling=x"]).unwrap().flag("dangling").is_err());
        assert!(filters(&["dangling=true", "dangling=false"]).unwrap().flag("dangling").is_err());
    }

    #[test]
    fn both_forms_of_the_api_are_what_texts_are() {
        let texts = filters(&["label=a=1", "name=x"]).unwrap();
        for json in [
            serde_json::json!({"label": ["a=1"], "name": ["x"]}),
            serde_json::json!({"label": {"a=1": true}, "name": {"x": true, "y": false}}),
        ] {
            assert_eq!(Filters::from_json(&json).unwrap(), texts);
        }
        for json in
            [serde_json::json!(["a"]), serde_json::json!({"label": "a"}), serde_json::json!({"label": [1]})]
        {
            assert!(Filters::from_json(&json).is_err(), "{json}");
        }
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
    fn all_labels_are_required_and_none_that_is_excluded() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
        assert!(filters(&["label=a=1", "label=b"]).unwrap().labels(&labels));
        assert!(!filters(&["label=a=1", "label=c"]).unwrap().labels(&labels));
        assert!(!filters(&["label=a=1", "label!=b"]).unwrap().labels(&labels));
        assert!(filters(&["label!=a=2"]).unwrap().labels(&labels));
    }

    #[test]
    fn wildcards() {
        assert!(wildcard("post*", "postgres"));
        assert!(wildcard("*:1?", "img:17"));
        assert!(!wildcard("a*b", "ac"));
        assert!(wildcard("*", ""));
    }
}
