//! Filters of image lists.

use jiff::Zoned;
use tare_image::{Image, Store};
use tare_oci::Reference;

use super::{Filters, moment, wildcard};
use crate::state::error::{Error, Result};

/// Images that a list shows.
#[derive(Debug, Default, Clone)]
pub struct ImageFilter {
    filters: Filters,
    dangling: Option<bool>,
    /// Seconds since 1970.
    until: Option<i64>,
}

impl ImageFilter {
    /// Reads filters; times before now are counted from `now`.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn new(filters: Filters, now: &Zoned) -> Result<Self> {
        let filters = filters.only(&["dangling", "label", "reference", "before", "since", "until"])?;
        let dangling = filters.flag("dangling")?;
        let mut until = None;
        for text in filters.values("until") {
            let at = moment(text, now)
                .ok_or_else(|| Error::invalid(format!("invalid filter 'until={text}': it is no time")))?;
            until = Some(until.map_or(at.as_second(), |other: i64| other.min(at.as_second())));
        }
        Ok(Self { filters, dangling, until })
    }

    /// Leaves those that match, whatever their names.
    ///
    /// # Errors
    /// The image of `before=` or `since=` is not there; image store errors.
    pub fn apply(&self, store: &Store, images: &mut Vec<Image>) -> Result<()> {
        for name in self.filters.values("before") {
            let bound = store.require(name)?.created;
            images.retain(|image| image.created < bound);
        }
        for name in self.filters.values("since") {
            let bound = store.require(name)?.created;
            images.retain(|image| image.created > bound);
        }
        images.retain(|image| {
            self.until.is_none_or(|until| image.created < until)
                && self.dangling.is_none_or(|wanted| image.is_dangling() == wanted)
                && self.filters.labels(&image.config.config.labels)
        });
        Ok(())
    }

    /// Whether `reference=` takes a name.
    #[must_use]
    pub fn takes_name(&self, repository: &str, tag: &str) -> bool {
        self.filters.any("reference", |pattern| is_name(pattern, repository, tag))
    }
}

/// Whether a pattern or a name means `repository:tag`.
#[must_use]
pub fn is_name(pattern: &str, repository: &str, tag: &str) -> bool {
    let whole = format!("{repository}:{tag}");
    if pattern.contains(['*', '?']) {
        return wildcard(pattern, repository) || wildcard(pattern, &whole);
    }
    match pattern.parse::<Reference>() {
        Ok(reference) if reference.tag().is_none() || !pattern.contains(':') => {
            reference.familiar_repository() == repository
        }
        Ok(reference) => reference.familiar() == whole,
        Err(_) => false,
    }
}
