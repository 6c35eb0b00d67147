//! What a prune takes, and so what it keeps. All of it is known, and all that is wrong with it found, before anything goes.

use std::collections::BTreeMap;

use jiff::{Timestamp, Zoned};
use tare_image::Image;

use super::{Filters, moment};
use crate::Container;
use crate::network::Network;
use crate::state::error::{Error, Result};
use crate::volume::Volume;

/// `label=`, `label!=` and `until=`, which most objects have.
#[derive(Debug, Default, Clone)]
struct Aged {
    filters: Filters,
    until: Option<Timestamp>,
}

impl Aged {
    fn new(filters: Filters, known: &[&str], now: &Zoned) -> Result<Aged> {
        let filters = filters.only(known)?;
        let until = match filters.values("until") {
            [] => None,
            [text] => Some(moment(text, now).ok_or_else(|| Error::Invalid {
                message: format!("invalid filter 'until={text}': it is no time"),
                hint: Some(
                    "use a time like 2026-01-31T12:00:00Z, a Unix time, or a duration like 10m".to_owned(),
                ),
            })?),
            _ => return Err(Error::invalid("more than one until filter specified")),
        };
        Ok(Aged { filters, until })
    }

    fn takes(&self, labels: &BTreeMap<String, String>, created: Timestamp) -> bool {
        self.filters.labels(labels) && self.until.is_none_or(|until| created < until)
    }
}

const AGED: [&str; 3] = ["until", "label", "label!"];

/// Containers that a prune takes, of those that do not run.
#[derive(Debug, Default, Clone)]
pub struct ContainerPrune(Aged);

impl ContainerPrune {
    /// Reads filters; times before now are counted from `now`.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn new(filters: Filters, now: &Zoned) -> Result<Self> {
        Aged::new(filters, &AGED, now).map(Self)
    }

    /// Whether it takes this one.
    #[must_use]
    pub fn takes(&self, container: &Container) -> bool {
        self.0.takes(&container.config.labels, container.created)
    }
}

/// Networks that a prune takes, of those that no container uses.
#[derive(Debug, Default, Clone)]
pub struct NetworkPrune(Aged);

impl NetworkPrune {
    /// Reads filters.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn new(filters: Filters, now: &Zoned) -> Result<Self> {
        Aged::new(filters, &AGED, now).map(Self)
    }

    /// Whether it takes this one.
    #[must_use]
    pub fn takes(&self, network: &Network) -> bool {
        self.0.takes(&network.labels, network.created)
    }
}

/// Which unused images a prune takes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum UnusedImages {
    /// Those without a name.
    #[default]
    Dangling,
    /// All (`--all`).
    All,
}

/// Images that a prune takes, of those that no container uses.
#[derive(Debug, Default, Clone)]
pub struct ImagePrune {
    aged: Aged,
    /// Which of them.
    pub which: UnusedImages,
}

impl ImagePrune {
    /// Reads filters. `dangling=` says the same as the flag, and must not contradict it.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn new(filters: Filters, which: UnusedImages, now: &Zoned) -> Result<Self> {
        let aged = Aged::new(filters, &["until", "label", "label!", "dangling"], now)?;
        let which = match (aged.filters.flag("dangling")?, which) {
            (Some(true), UnusedImages::All) => {
                return Err(Error::invalid("conflicting options: --all and --filter dangling=true"));
            }
            (Some(false), _) => UnusedImages::All,
            (_, which) => which,
        };
        Ok(Self { aged, which })
    }

    /// Whether it takes this one, as far as filters say.
    #[must_use]
    pub fn takes(&self, image: &Image) -> bool {
        let created = Timestamp::from_second(image.created).unwrap_or(Timestamp::UNIX_EPOCH);
        self.aged.takes(&image.config.config.labels, created)
            && (self.which == UnusedImages::All || image.is_dangling())
    }
}

/// Which unused volumes a prune takes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum UnusedVolumes {
    /// Those that were made for a container without a name of their own.
    #[default]
    Anonymous,
    /// All (`--all`).
    All,
}

/// Volumes that a prune takes, of those that no container mounts.
#[derive(Debug, Clone)]
pub struct VolumePrune {
    filters: Filters,
    which: UnusedVolumes,
}

impl VolumePrune {
    /// Reads filters. `all=` is the flag's other form.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn new(filters: Filters, which: UnusedVolumes) -> Result<Self> {
        let filters = filters.only(&["label", "label!", "all"])?;
        let which = match (filters.flag("all")?, which) {
            (Some(_), UnusedVolumes::All) => {
                return Err(Error::invalid(
                    "conflicting options: cannot specify both --all and --filter all=",
                ));
            }
            (Some(true), _) => UnusedVolumes::All,
            (_, which) => which,
        };
        Ok(Self { filters, which })
    }

    /// Whether named volumes are taken too.
    #[must_use]
    pub fn which(&self) -> UnusedVolumes {
        self.which
    }

    /// Whether it takes this one.
    #[must_use]
    pub fn takes(&self, volume: &Volume) -> bool {
        (self.which == UnusedVolumes::All || volume.is_anonymous()) && self.filters.labels(&volume.labels)
    }
}

/// What `system prune` takes of each kind.
#[derive(Debug, Clone)]
pub struct SystemPrune {
    /// Containers.
    pub containers: ContainerPrune,
    /// Networks.
    pub networks: NetworkPrune,
    /// Anonymous volumes, if they are asked for.
    pub volumes: Option<VolumePrune>,
    /// Images.
    pub images: ImagePrune,
    /// Whether the build cache goes: it has neither labels nor times to filter by, so that a filter keeps it.
    pub takes_cache: bool,
}

/// Whether `system prune` takes volumes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum SystemVolumes {
    /// It keeps them.
    #[default]
    Keep,
    /// Anonymous ones go (`--volumes`).
    Anonymous,
}

impl SystemPrune {
    /// Reads filters.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn new(filters: Filters, images: UnusedImages, volumes: SystemVolumes, now: &Zoned) -> Result<Self> {
        let filters = filters.only(&AGED)?;
        if volumes == SystemVolumes::Anonymous && filters.has("until") {
            return Err(Error::Invalid {
                message: "the \"until\" filter is not supported with \"--volumes\"".to_owned(),
                hint: Some("prune volumes by themselves: `volume prune`".to_owned()),
            });
        }
        let anonymous = || VolumePrune::new(filters.clone(), UnusedVolumes::Anonymous);
        Ok(Self {
            containers: ContainerPrune::new(filters.clone(), now)?,
            networks: NetworkPrune::new(filters.clone(), now)?,
            volumes: (volumes == SystemVolumes::Anonymous).then(anonymous).transpose()?,
            images: ImagePrune::new(filters.clone(), images, now)?,
            takes_cache: filters.is_empty(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(texts: &[&str]) -> Filters {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Filters::from_texts(&texts).unwrap()
    }

    fn now() -> Zoned {
        Timestamp::from_second(1_000_000).unwrap().to_zoned(jiff::tz::TimeZone::UTC)
    }

    fn volume(labels: &[(&str, &str)]) -> Volume {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Volume { name: "v".to_owned(), labels, options: BTreeMap::new(), created: now().timestamp() }
    }

    #[test]
    fn every_prune_refuses_what_it_does_not_know() {
        for text in ["bogus=1", "name=x", "reference=x"] {
            assert!(ContainerPrune::new(filters(&[text]), &now()).is_err(), "{text}");
            assert!(NetworkPrune::new(filters(&[text]), &now()).is_err(), "{text}");
            assert!(ImagePrune::new(filters(&[text]), UnusedImages::Dangling, &now()).is_err(), "{text}");
            assert!(VolumePrune::new(filters(&[text]), UnusedVolumes::Anonymous).is_err(), "{text}");
            let system = SystemPrune::new(filters(&[text]), UnusedImages::All, SystemVolumes::Keep, &now());
            assert!(system.is_err(), "{text}");
        }
        assert!(NetworkPrune::new(filters(&["dangling=true"]), &now()).is_err());
        assert!(VolumePrune::new(filters(&["until=1h"]), UnusedVolumes::All).is_err());
        assert!(ContainerPrune::new(filters(&["until=nonsense"]), &now()).is_err());
        assert!(ContainerPrune::new(filters(&["until=1h", "until=2h"]), &now()).is_err());
        let both =
            SystemPrune::new(filters(&["until=1h"]), UnusedImages::All, SystemVolumes::Anonymous, &now());
        assert!(both.is_err());
    }

    #[test]
    fn flags_and_filters_must_not_contradict() {
        let images =
            |text: &str, which| ImagePrune::new(filters(&[text]), which, &now()).map(|prune| prune.which);
        assert_eq!(images("dangling=false", UnusedImages::Dangling).unwrap(), UnusedImages::All);
        assert_eq!(images("dangling=true", UnusedImages::Dangling).unwrap(), UnusedImages::Dangling);
        assert!(images("dangling=true", UnusedImages::All).is_err());
        let volumes =
            |text: &str, which| VolumePrune::new(filters(&[text]), which).map(|prune| prune.which());
        assert_eq!(volumes("all=1", UnusedVolumes::Anonymous).unwrap(), UnusedVolumes::All);
        assert_eq!(volumes("all=0", UnusedVolumes::Anonymous).unwrap(), UnusedVolumes::Anonymous);
        assert!(volumes("all=false", UnusedVolumes::All).is_err());
    }

    #[test]
    fn labels_and_ages_decide() {
        let aged = Aged::new(filters(&["until=1h", "label=a"]), &AGED, &now()).unwrap();
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(aged.takes(&labels, at(996_399)));
        assert!(!aged.takes(&labels, at(996_400)));
        assert!(!aged.takes(&BTreeMap::new(), at(0)));
    }

    #[test]
    fn named_volumes_are_taken_only_if_all_are() {
        let anonymous = volume(&[(crate::volume::ANONYMOUS, "")]);
        let by_default = VolumePrune::new(Filters::default(), UnusedVolumes::Anonymous).unwrap();
        assert!(by_default.takes(&anonymous) && !by_default.takes(&volume(&[])));
        let filtered = VolumePrune::new(filters(&["label=x"]), UnusedVolumes::All).unwrap();
        assert!(!filtered.takes(&anonymous) && filtered.takes(&volume(&[("x", "")])));
    }

    #[test]
    fn a_filter_keeps_the_build_cache() {
        let takes = |texts: &[&str]| {
            SystemPrune::new(filters(texts), UnusedImages::All, SystemVolumes::Keep, &now())
                .unwrap()
                .takes_cache
        };
        assert!(takes(&[]) && !takes(&["label=x"]) && !takes(&["until=1h"]));
    }
}
