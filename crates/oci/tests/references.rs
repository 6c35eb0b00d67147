//! What is printed of a reference, a platform or a manifest is read back as the same.

use proptest::prelude::*;
use tare_oci::{Digest, ManifestOrIndex, Platform, Reference};

proptest! {
    #[test]
    fn names_are_read_back(
        domain in "(|localhost:5000/|registry\\.example/|\\[::1\\]:80/|docker\\.io/|index\\.docker\\.io/)",
        path in "[a-z0-9]{1,5}((__|-{1,3}|[._])[a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,5}){0,3}",
        tag in "(|:[A-Za-z0-9_][A-Za-z0-9_.-]{0,12})",
        content in proptest::option::of(any::<[u8; 8]>()),
    ) {
        let digest = content.map(|bytes| format!("@{}", Digest::of(&bytes))).unwrap_or_default();
        let text = format!("{domain}{path}{tag}{digest}");
        // Without a registry, a first part like `a.b` is one, which has another grammar.
        prop_assume!(!domain.is_empty() || !path.split('/').next().unwrap_or_default().contains('.'));
        let reference: Reference = text.parse().expect("a name by the grammar");
        for name in [reference.canonical(), reference.familiar(), reference.to_string()] {
            let again = name.parse::<Reference>();
            prop_assert_eq!(again.as_ref(), Ok(&reference), "{}", name);
        }
    }

    #[test]
    fn any_text_ends_in_an_answer_without_dots_for_folders(text in "[a-zA-Z0-9._/:@\\[\\]-]{0,40}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert!(reference.path().split('/').all(|part| !["", ".", ".."].contains(&part)));
            prop_assert_eq!(reference.canonical().parse::<Reference>(), Ok(reference));
        }
        if let Ok(platform) = text.parse::<Platform>() {
            prop_assert_eq!(platform.to_string().parse::<Platform>().ok(), Some(platform));
        }
    }

    #[test]
    fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ManifestOrIndex::parse(&bytes, "application/vnd.oci.image.index.v1+json");
    }
}

#[test]
fn deep_json_is_an_error_and_not_a_full_stack() {
    for open in ["[", "{\"a\":", "{\"manifests\":["] {
        let text = open.repeat(100_000);
        assert!(ManifestOrIndex::parse(text.as_bytes(), "").is_err());
        assert!(tare_oci::ImageConfig::from_json(text.as_bytes()).is_err());
    }
}
