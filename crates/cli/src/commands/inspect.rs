//! `docker inspect` and its `container`, `image`, `volume` and `network` forms.

use gotmpl::MissingKey;
use serde::Serialize;
use serde_json::Value as Json;
use tare_api::lookup::{Kind, Sizes};

use crate::error::Failure;
use crate::output::template::{Format, value};
use crate::output::{note, print};
use crate::session::Session;

/// Docker's exit code of `inspect` for a template that cannot be read; one that finds nothing ends with 1.
const UNREADABLE_TEMPLATE: u8 = 64;

#[derive(clap::Parser)]
struct Line {
    /// Format output using a custom template
    #[arg(short, long)]
    format: Option<String>,
    /// Display total file sizes if the type is container
    #[arg(short, long)]
    size: bool,
    /// Only inspect objects of the given type
    #[arg(long = "type")]
    kind: Option<String>,
    #[arg(short, long, hide = true)]
    verbose: bool,
    /// Objects
    #[arg(required = true, value_name = "NAME|ID")]
    names: Vec<String>,
}

/// `docker inspect`.
pub(crate) fn any(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    inspect(session, "inspect", args, Kind::Any)
}

/// `docker container inspect`.
pub(crate) fn containers(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    inspect(session, "container inspect", args, Kind::Container)
}

/// `docker image inspect`.
pub(crate) fn images(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    inspect(session, "image inspect", args, Kind::Image)
}

/// `docker volume inspect`.
pub(crate) fn volumes(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    inspect(session, "volume inspect", args, Kind::Volume)
}

/// `docker network inspect`.
pub(crate) fn networks(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    inspect(session, "network inspect", args, Kind::Network)
}

fn inspect(session: &Session, command: &str, args: &[String], kind: Kind) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path(command), args)?;
    let kind = match line.kind.as_deref() {
        None | Some("") => kind,
        Some("container") => Kind::Container,
        Some("image") => Kind::Image,
        Some("volume") => Kind::Volume,
        Some("network") => Kind::Network,
        Some(other) => return Err(Failure::new(format!("unknown type: {other:?}")).into()),
    };
    let engine = session.engine()?;
    let sizes = if line.size { Sizes::Counted } else { Sizes::Omitted };
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in &line.names {
        match kind.find(engine, name, sizes)? {
            Some(object) => found.push(object),
            None => missing.push(absent(name, kind)),
        }
    }
    print(&render(&found, line.format.as_deref())?)?;
    for text in &missing {
        note(text);
    }
    Ok(u8::from(!missing.is_empty()))
}

/// The text of a list of objects.
pub(super) fn render(objects: &[Json], format: Option<&str>) -> anyhow::Result<String> {
    match format {
        None | Some("") => Ok(format!("{}\n", pretty(&Json::Array(objects.to_vec()))?)),
        Some("json") => Ok(format!("{}\n", Json::Array(objects.to_vec()))),
        Some(source) => {
            let template = Format::parse(source, MissingKey::Error)
                .map_err(|error| Failure::new(error.to_string()).with_code(UNREADABLE_TEMPLATE))?;
            let mut text = String::new();
            for object in objects {
                text.push_str(&template.render(&value(&with_absent(object, source)))?);
                text.push('\n');
            }
            Ok(text)
        }
    }
}

/// Keys that Docker's JSON leaves out where they are not set, and its templates know all the same: (where, key).
const OPTIONAL: [(&str, &str); 13] = [
    ("", "SizeRw"),
    ("", "SizeRootFs"),
    ("", "Variant"),
    ("/State", "Health"),
    ("/Config", "Healthcheck"),
    ("/Config", "ExposedPorts"),
    ("/Config", "Shell"),
    ("/Config", "StopSignal"),
    ("/Config", "StopTimeout"),
    ("/HostConfig", "Init"),
    ("/HostConfig", "Tmpfs"),
    ("/HostConfig", "Sysctls"),
    ("/HostConfig", "Mounts"),
];

/// An object with those of the keys that a template asks for.
fn with_absent(object: &Json, template: &str) -> Json {
    let mut object = object.clone();
    let offer = |place: &mut Json, key: &str, absent: Json| {
        if let Json::Object(fields) = place
            && template.contains(&format!(".{key}"))
        {
            fields.entry(key).or_insert(absent);
        }
    };
    for (place, key) in OPTIONAL {
        if let Some(place) = object.pointer_mut(place) {
            offer(place, key, Json::Null);
        }
    }
    if let Some(Json::Array(mounts)) = object.get_mut("Mounts") {
        for mount in mounts {
            ["Name", "Driver"].into_iter().for_each(|key| offer(mount, key, "".into()));
        }
    }
    object
}

/// JSON indented by four blanks, as Docker prints it.
fn pretty(json: &Json) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    json.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    Ok(String::from_utf8(bytes)?)
}

fn absent(name: &str, kind: Kind) -> String {
    match kind {
        Kind::Any => format!("Error: No such object: {name}"),
        Kind::Container => format!("Error: No such container: {name}"),
        Kind::Image => format!("Error: No such image: {name}"),
        Kind::Volume => format!("Error: get {name}: no such volume"),
        Kind::Network => format!("Error: network {name} not found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_dockers() {
        let objects = [serde_json::json!({"Id": "a", "State": {"Running": true}})];
        assert!(render(&objects, None).unwrap().starts_with("[\n    {\n        \"Id\": \"a\",\n"));
        assert_eq!(render(&objects, Some("{{.State.Running}}")).unwrap(), "true\n");
        assert_eq!(render(&objects, Some("{{json .State}}")).unwrap(), "{\"Running\":true}\n");
        assert!(render(&objects, Some("{{.Nope}}")).is_err());
        let health = "{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}";
        assert_eq!(render(&objects, Some(health)).unwrap(), "none\n");
        let mounts = [serde_json::json!({"Mounts": [{"Type": "bind"}, {"Type": "volume", "Name": "data"}]})];
        let shown = render(&mounts, Some("{{range .Mounts}}{{.Type}}:{{.Name}} {{end}}")).unwrap();
        assert_eq!(shown, "bind: volume:data \n");
        assert_eq!(render(&[], None).unwrap(), "[]\n");
    }
}
