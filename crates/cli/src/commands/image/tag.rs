//! `docker tag`.

use anyhow::Context as _;
use tare_oci::Reference;

use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Image
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    source: String,
    /// New name
    #[arg(value_name = "TARGET_IMAGE[:TAG]")]
    target: String,
}

/// `docker tag`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("tag"), args)?;
    let target: Reference = reference(&line.target)?;
    session.engine()?.image_tag(&line.source, &target)?;
    Ok(0)
}

/// Reads a name for an image; without a tag it is `latest`.
pub(crate) fn reference(text: &str) -> anyhow::Result<Reference> {
    let reference: Reference =
        text.parse().with_context(|| format!("{text:?} is not a valid repository/tag"))?;
    match (reference.tag(), reference.digest()) {
        (None, None) => Ok(reference.with_tag("latest")?),
        _ => Ok(reference),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn latest_is_the_default_tag() {
        assert_eq!(super::reference("a/b").unwrap().tag(), Some("latest"));
        assert_eq!(super::reference("a/b:1").unwrap().tag(), Some("1"));
        assert!(super::reference("A b").is_err());
    }
}
