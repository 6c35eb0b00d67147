//! The options of logs besides their bounds: which labels and variables entries carry, their tag, how output is taken.

use std::collections::BTreeMap;

use super::size;

/// What is filled into a tag.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tagged<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) image: &'a str,
    pub(crate) image_id: &'a str,
}

impl Tagged<'_> {
    fn places(&self) -> [(&'static str, &str); 5] {
        [
            ("{{.ID}}", self.id.get(..12).unwrap_or(self.id)),
            ("{{.FullID}}", self.id),
            ("{{.Name}}", self.name),
            ("{{.ImageName}}", self.image),
            ("{{.ImageFullID}}", self.image_id),
        ]
    }

    /// A tag as the entries have it.
    pub(crate) fn fill(&self, tag: &str) -> String {
        self.places().iter().fold(tag.to_owned(), |text, (place, value)| text.replace(place, value))
    }
}

/// Looks at each option's value.
///
/// # Errors
/// What is wrong with one.
pub(crate) fn check(options: &BTreeMap<String, String>) -> Result<(), String> {
    let get = |key: &str| options.get(key).map(String::as_str);
    for (key, instead) in [("labels-regex", "labels"), ("env-regex", "env")] {
        if get(key).is_some() {
            return Err(format!("log opt {key} is not supported: name them one by one with {instead}"));
        }
    }
    if let Some(tag) = get("tag") {
        let empty = Tagged { id: "", name: "", image: "", image_id: "" };
        if empty.fill(tag).contains("{{") {
            let places = empty.places().map(|(place, _)| place).join(", ");
            return Err(format!("log opt tag: {tag:?}: there are {places}"));
        }
    }
    let compressed = match get("compress") {
        None | Some("false" | "0" | "f" | "F" | "False" | "FALSE") => false,
        Some("true" | "1" | "t" | "T" | "True" | "TRUE") => true,
        Some(text) => return Err(format!("log opt compress: {text:?} is neither true nor false")),
    };
    let files = get("max-file").and_then(|text| text.parse::<u32>().ok()).unwrap_or(1);
    if compressed && (files < 2 || get("max-size").is_none()) {
        return Err("compress cannot be true when max-file is less than 2 or max-size is not set".to_owned());
    }
    match (get("mode"), get("max-buffer-size")) {
        (None | Some("" | "blocking"), Some(_)) => {
            Err("logger: max-buffer-size option is only supported with 'mode=non-blocking'".to_owned())
        }
        (Some("non-blocking"), Some(text)) if size::parse(text).is_none() => {
            Err(format!("log opt max-buffer-size: {text:?} is no size"))
        }
        (None | Some("" | "blocking" | "non-blocking"), _) => Ok(()),
        (Some(mode), _) => Err(format!("logger: logging mode not supported: {mode}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<(), String> {
        check(&pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn values_are_looked_at() {
        for good in [
            &[("tag", "{{.Name}}/x")][..],
            &[("compress", "true"), ("max-file", "2"), ("max-size", "1m")],
            &[("compress", "false")],
            &[("mode", "non-blocking"), ("max-buffer-size", "1m")],
        ] {
            assert_eq!(read(good), Ok(()), "{good:?}");
        }
        for bad in [
            &[("tag", "{{.Bogus}}")][..],
            &[("compress", "true")],
            &[("compress", "true"), ("max-file", "1"), ("max-size", "1m")],
            &[("compress", "maybe")],
            &[("mode", "bogus")],
            &[("max-buffer-size", "1m")],
            &[("mode", "non-blocking"), ("max-buffer-size", "x")],
            &[("env-regex", "^A")],
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tags_are_filled() {
        let tagged = Tagged { id: "0123456789abcdef", name: "web", image: "img", image_id: "sha256:1" };
        assert_eq!(tagged.fill("{{.Name}}/{{.ID}}"), "web/0123456789ab");
    }
}
