//! The builds of a project as a file for `docker buildx bake`, as `build --print` shows it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use tare_build::{CachePolicy, PullPolicy};
use tare_compose_model::{Build, Project, Service, Ulimit};

use super::Options;
use crate::labels;

/// The file's text for these services.
#[must_use]
pub fn bake(project: &Project, services: &[String], options: &Options) -> String {
    let mut targets = Map::new();
    for name in services {
        let Some(service) = project.services.get(name) else { continue };
        if let Some(build) = &service.build {
            targets
                .insert(target_name(name), Value::Object(target(project, (name, service), build, options)));
        }
    }
    let names: Vec<&String> = targets.keys().collect();
    let file = json!({"group": {"default": {"targets": names}}, "target": targets});
    serde_json::to_string_pretty(&file).unwrap_or_default()
}

/// A target's name has no dots.
fn target_name(service: &str) -> String {
    service.replace('.', "_")
}

fn target(
    project: &Project,
    (name, service): (&str, &Service),
    build: &Build,
    options: &Options,
) -> Map<String, Value> {
    let mut target = Map::new();
    let mut put = |key: &str, value: Value| {
        let is_empty = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if !is_empty {
            target.insert(key.to_owned(), value);
        }
    };
    let context = build.context.clone().unwrap_or_else(|| project.working_dir.display().to_string());
    put("context", json!(context));
    put("contexts", contexts(build));
    match &build.dockerfile_inline {
        Some(text) => put("dockerfile-inline", json!(text)),
        None => {
            let file = build.dockerfile.as_deref().unwrap_or("Dockerfile");
            let folder = Path::new(&context);
            let path = if folder.is_dir() { folder.join(file) } else { file.into() };
            put("dockerfile", json!(path));
        }
    }
    let mut args = build.args.clone();
    args.extend(options.args.iter().cloned());
    let given = args.iter().filter_map(|(key, value)| Some((key.clone(), json!(value.as_ref()?))));
    put("args", Value::Object(given.collect()));
    let mut all: BTreeMap<String, String> = build.labels.clone().into_iter().collect();
    all.extend(labels::image(project, name));
    put("labels", json!(all));
    let image = service.image_name(&project.name, name);
    let tags: Vec<&String> = build.tags.iter().chain([&image]).collect();
    put("tags", json!(tags));
    put("cache-from", json!(build.cache_from));
    put("cache-to", json!(build.cache_to));
    put("target", json!(build.target));
    put("secret", json!(secrets(project, build)));
    let agents = build.ssh.iter().map(|(id, path)| (id, path.clone()));
    let given =
        options.ssh.iter().map(|(id, path)| (id, path.as_ref().map(|path| path.display().to_string())));
    let ssh: Vec<String> =
        agents.chain(given).map(|(id, path)| format!("{id}={}", path.unwrap_or_default())).collect();
    put("ssh", json!(ssh));
    put("platforms", json!(platforms(service, build)));
    put("pull", json!(build.pull || options.pull == PullPolicy::Always));
    put("no-cache", json!(build.no_cache || options.cache == CachePolicy::Ignore));
    put("network", json!(build.network));
    put("shm-size", json!(build.shm_size.map(|size| size.0.to_string())));
    put("ulimits", json!(ulimits(build)));
    let privileged = build.privileged.then(|| "security.insecure".to_owned());
    let entitlements: Vec<&String> = build.entitlements.iter().chain(&privileged).collect();
    put("entitlements", json!(entitlements));
    let hosts = build.extra_hosts.iter().map(|(name, list)| (name.clone(), json!(list.join(","))));
    put("extra-hosts", Value::Object(hosts.collect()));
    put("output", json!(["type=docker"]));
    target
}

fn contexts(build: &Build) -> Value {
    let place = |place: &String| match place.strip_prefix("service:") {
        Some(service) => format!("target:{}", target_name(service)),
        None => place.clone(),
    };
    let all = build.additional_contexts.iter().map(|(name, text)| (name.clone(), json!(place(text))));
    Value::Object(all.collect())
}

fn secrets(project: &Project, build: &Build) -> Vec<String> {
    let of = |reference: &tare_compose_model::FileReference| {
        let object = project.secrets.get(&reference.source)?;
        let id = reference.target.as_ref().unwrap_or(&reference.source);
        match (&object.file, &object.environment) {
            (Some(file), _) => Some(format!("id={id},type=file,src={}", file.display())),
            (None, Some(variable)) => Some(format!("id={id},type=env,env={variable}")),
            (None, None) => None,
        }
    };
    build.secrets.iter().filter_map(of).collect()
}

fn platforms(service: &Service, build: &Build) -> Vec<String> {
    if build.platforms.is_empty() {
        service.platform.clone().into_iter().collect()
    } else {
        build.platforms.clone()
    }
}

fn ulimits(build: &Build) -> Vec<String> {
    let one = |(name, limit): (&String, &Ulimit)| match limit {
        Ulimit::Single(both) => format!("{name}={both}"),
        Ulimit::Range { soft, hard } => format!("{name}={soft}:{hard}"),
    };
    build.ulimits.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_becomes_a_target() {
        let project: Project = serde_json::from_str(
            r#"{"name": "p", "secrets": {"s": {"name": "s", "environment": "TOKEN"}},
                "services": {"a.b": {"build": {"context": "/nonexistent/src", "dockerfile": "d/File", "args": {"A": "1", "B": null},
                "target": "t", "secrets": [{"source": "s"}], "additional_contexts": {"base": "service:c"}}}}}"#,
        )
        .unwrap();
        let options = Options { cache: CachePolicy::Ignore, ..Options::default() };
        let file: Value = serde_json::from_str(&bake(&project, &["a.b".to_owned()], &options)).unwrap();
        assert_eq!(file["group"]["default"]["targets"], json!(["a_b"]));
        let mut target = file["target"]["a_b"].clone();
        assert_eq!(target["labels"]["com.docker.compose.service"], "a.b");
        target.as_object_mut().unwrap().remove("labels");
        let expected = json!({"contexts": {"base": "target:c"}, "dockerfile": "d/File", "context": "/nonexistent/src",
            "args": {"A": "1"}, "tags": ["p-a.b"], "target": "t", "secret": ["id=s,type=env,env=TOKEN"],
            "no-cache": true, "output": ["type=docker"]});
        assert_eq!(target, expected);
    }
}
