//! Flags of Docker's that tare cannot do. One that is taken and does nothing looks as if it had been done; so each is refused
//! by name, unless what it says is what happens anyway.

use tare_oci::Platform;

use crate::error::Failure;

/// A flag that is there to be refused.
pub(crate) struct Flag<'a> {
    /// `--builder`
    pub(crate) name: &'a str,
    /// Whether it was given and asks for something that does not happen.
    pub(crate) given: bool,
    /// What happens instead.
    pub(crate) why: &'a str,
}

/// An error for the first of them that was given.
pub(crate) fn refuse(flags: &[Flag<'_>]) -> anyhow::Result<()> {
    match flags.iter().find(|flag| flag.given) {
        Some(flag) => Err(Failure::new(format!("{} is not supported: {}", flag.name, flag.why))
            .with_hint("leave it out")
            .into()),
        None => Ok(()),
    }
}

/// `--disable-content-trust`, which is on by itself, and the variable `DOCKER_CONTENT_TRUST`.
pub(crate) fn content_trust(disabled: Option<bool>) -> anyhow::Result<()> {
    let is_on = |value: String| matches!(value.as_str(), "1" | "true" | "TRUE" | "True" | "t" | "T");
    let named = match disabled {
        Some(false) => "--disable-content-trust=false",
        None if std::env::var("DOCKER_CONTENT_TRUST").is_ok_and(is_on) => "DOCKER_CONTENT_TRUST",
        _ => return Ok(()),
    };
    let text = format!("{named} is not supported: signatures of images are not checked");
    Err(Failure::new(text).with_hint("name the image by its digest (name@sha256:…), or leave it out").into())
}

/// `--builder`, and the variable `BUILDX_BUILDER`.
pub(crate) fn builder(flag: Option<&str>) -> anyhow::Result<()> {
    let named = flag.map(str::to_owned).or_else(|| std::env::var("BUILDX_BUILDER").ok()).unwrap_or_default();
    if ["", "default"].contains(&named.as_str()) {
        return Ok(());
    }
    let from = if flag.is_some() { "--builder" } else { "BUILDX_BUILDER" };
    Err(Failure::new(format!("no builder {named:?} found ({from})"))
        .with_hint("tare has the builder `default`; nothing was done")
        .into())
}

/// Where an image that is here has not the platform that was asked for.
pub(crate) fn other_platform(image: &str, found: Platform, wanted: &Platform) -> anyhow::Result<()> {
    let found = found.normalised();
    if wanted.clone().normalised() == found {
        return Ok(());
    }
    Err(Failure::new(format!(
        "image with reference {image} was found but its platform ({found}) does not match the specified platform ({wanted})"
    ))
    .into())
}
