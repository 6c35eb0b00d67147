//! The image config: what Docker calls an image's JSON. Its digest is the image ID.
//!
//! Fields that tare does not know are ignored on reading. A pulled image keeps its config byte for byte in the store;
//! only new images are written from this type.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Digest, Platform};

/// A whole image config (OCI image spec, `config.md`, with Docker's additions).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Processor, in Go's names.
    #[serde(default)]
    pub architecture: String,
    /// Author, as `MAINTAINER` or `commit --author` gave it.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// Message of `docker commit`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// What a container of this image runs, and how.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: RunConfig,
    /// Time of creation, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Version of Docker that built it.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub docker_version: String,
    /// One entry for each step, the oldest first.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// Operating system.
    #[serde(default)]
    pub os: String,
    /// The layers, lowest first.
    #[serde(default)]
    pub rootfs: RootFs,
    /// Variant of the processor.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// The layers of an image, as digests of their uncompressed tar streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default = "layers_type")]
    pub kind: String,
    /// Diff IDs, lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
}

fn layers_type() -> String {
    "layers".to_owned()
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: layers_type(), diff_ids: Vec::new() }
    }
}

/// One step of an image's making.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Time, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The instruction.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// Who made it.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// `buildkit.dockerfile.v0` and the like.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// What a container of an image runs: the `config` object, in Docker's spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// `USER`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `EXPOSE`: `80/tcp`.
    #[serde(with = "set_as_map", skip_serializing_if = "BTreeSet::is_empty")]
    pub exposed_ports: BTreeSet<String>,
    /// `ENV`: `NAME=value`, in order.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// `ENTRYPOINT`; `None` when unset.
    #[serde(deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// `CMD`; `None` when unset.
    #[serde(deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// `VOLUME`.
    #[serde(with = "set_as_map", skip_serializing_if = "BTreeSet::is_empty")]
    pub volumes: BTreeSet<String>,
    /// `WORKDIR`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// `LABEL`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `STOPSIGNAL`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Seconds from the stop signal to SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// `HEALTHCHECK`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// `ONBUILD`: instructions for a build from this image.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// `SHELL`.
    #[serde(deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Windows: whether `Cmd` is escaped already.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
}

/// A health check. Times are nanoseconds, as in Docker's JSON; 0 means «inherit, or the default».
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `[]` inherit, `["NONE"]`, `["CMD", args…]` or `["CMD-SHELL", line]`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Between two probes.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// Of one probe.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// From the start, while failures do not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between two probes during the start period.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make a container unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}

impl ImageConfig {
    /// What the image runs on.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            variant: (!self.variant.is_empty()).then(|| self.variant.clone()),
            ..Platform::new(&self.os, &self.architecture)
        }
    }

    /// The config as JSON; its digest is the image ID.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads a config.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

impl RunConfig {
    /// The value of an environment variable; the last one wins.
    #[must_use]
    pub fn env_value(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find_map(|e| e.strip_prefix(name)?.strip_prefix('='))
    }

    /// Sets an environment variable in place, or adds it at the end.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let line = format!("{name}={value}");
        let same = |e: &String| e.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with('='));
        match self.env.iter_mut().find(|e| same(e)) {
            Some(slot) => *slot = line,
            None => self.env.push(line),
        }
    }

    /// The exposed ports as numbers and protocols (`tcp` when none is given); ranges are unfolded.
    #[must_use]
    pub fn exposed(&self) -> Vec<(u16, String)> {
        let mut out = Vec::new();
        for spec in &self.exposed_ports {
            let (ports, protocol) = spec.split_once('/').unwrap_or((spec, "tcp"));
            let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
            if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
                out.extend((first..=last).map(|p| (p, protocol.to_lowercase())));
            }
        }
        out
    }

    /// Entrypoint and command in one: what runs when nothing else is said.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        let parts = [self.entrypoint.as_deref(), self.cmd.as_deref()];
        parts.into_iter().flatten().flatten().cloned().collect()
    }
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

/// Docker's `StrSlice`: a list, or one word.
fn words<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        List(Vec<String>),
        One(String),
    }
    Ok(Option::<Words>::deserialize(d)?.map(|w| match w {
        Words::List(list) => list,
        Words::One(word) => vec![word],
    }))
}

/// Go's `map[string]struct{}`: `{"80/tcp": {}}`.
mod set_as_map {
    use super::{BTreeMap, BTreeSet, Deserialize, Deserializer, Serializer};

    #[derive(serde::Serialize)]
    struct Empty {}

    pub(super) fn serialize<S: Serializer>(set: &BTreeSet<String>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(set.iter().map(|k| (k, Empty {})))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeSet<String>, D::Error> {
        let map = Option::<BTreeMap<String, serde::de::IgnoredAny>>::deserialize(d)?;
        Ok(map.unwrap_or_default().into_keys().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSTGRES: &str = r#"{"architecture":"amd64","os":"linux","created":"2024-05-14T00:00:00Z","moby.buildkit.x":1,
        "config":{"ExposedPorts":{"5432/tcp":{},"53/udp":{},"90-92":{}},"Env":["PATH=/bin","PGDATA=/a=b"],
        "Entrypoint":["docker-entrypoint.sh"],"Cmd":["postgres"],"Volumes":{"/var/lib/postgresql/data":{}},
        "OnBuild":null,"Labels":null,"StopSignal":"SIGINT","Shell":null,
        "Healthcheck":{"Test":["CMD-SHELL","x"],"Interval":5000000000,"Retries":3}},
        "history":[{"created":"2024-05-14T00:00:00Z","created_by":"x","empty_layer":true}],
        "rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}"#;

    #[test]
    fn reads_and_writes_dockers_json() {
        let config = ImageConfig::from_json(POSTGRES.as_bytes()).unwrap();
        let run = &config.config;
        assert_eq!(run.env_value("PGDATA"), Some("/a=b"));
        assert_eq!(run.env_value("PG"), None);
        assert_eq!(run.argv(), ["docker-entrypoint.sh", "postgres"]);
        assert_eq!(run.healthcheck.as_ref().unwrap().interval, 5_000_000_000);
        let ports = run.exposed();
        assert!(ports.contains(&(5432, "tcp".into())) && ports.contains(&(91, "tcp".into())), "{ports:?}");
        assert!(run.volumes.contains("/var/lib/postgresql/data"));
        let json = config.to_json().unwrap();
        assert_eq!(ImageConfig::from_json(&json).unwrap(), config);
        assert!(String::from_utf8(json).unwrap().contains(r#""5432/tcp":{}"#));
    }

    #[test]
    fn set_env_replaces_in_place() {
        let mut run = RunConfig { env: vec!["A=1".into(), "AB=2".into()], ..RunConfig::default() };
        run.set_env("A", "3");
        run.set_env("C", "4");
        assert_eq!(run.env, ["A=3", "AB=2", "C=4"]);
    }

    #[test]
    fn takes_a_word_for_a_list() {
        let run: RunConfig = serde_json::from_str(r#"{"Cmd":"sh","Entrypoint":[]}"#).unwrap();
        assert_eq!(run.cmd, Some(vec!["sh".to_owned()]));
        assert_eq!(run.entrypoint, Some(vec![]));
    }
}
