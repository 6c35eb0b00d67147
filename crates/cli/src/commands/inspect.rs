//! `docker inspect` and its `container`, `image`, `volume` and `network` forms.

use tare_api::lookup::{Kind, Sizes};

use crate::error::{Failure, UNREADABLE_TEMPLATE, report};
use crate::output::{note, print};
use crate::session::Session;
use tare_template::{Data, Format, TemplateError, json, pretty_json};

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
            Some(object) => found.push(tare_template::data(&object)?),
            None => missing.push(absent(name, kind)),
        }
    }
    let mut code = u8::from(!missing.is_empty());
    // What can be shown is, whatever is wrong with others.
    match render(&found, line.format.as_deref()) {
        Ok(text) if text.is_empty() => print("\n")?,
        Ok(text) => print(&text)?,
        Err(error) if error.downcast_ref::<TemplateError>().is_some() => {
            print("\n")?;
            code = code.max(report(&error));
        }
        Err(error) => return Err(error),
    }
    for text in &missing {
        note(text);
    }
    Ok(code)
}

/// The text of a list of objects.
pub(super) fn render(objects: &[Data], format: Option<&str>) -> anyhow::Result<String> {
    let all = || Data::from(objects.to_vec());
    match format {
        None | Some("") => Ok(format!("{}\n", pretty_json(&all()))),
        Some("json") => Ok(format!("{}\n", json(&all()))),
        Some(source) => {
            let template = Format::parse(source)
                .map_err(|error| Failure::new(error.to_string()).with_code(UNREADABLE_TEMPLATE))?;
            let mut text = String::new();
            for object in objects {
                text.push_str(&template.render_typed_or_raw(object)?);
                text.push('\n');
            }
            Ok(text)
        }
    }
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
        let objects = [Data::from(&serde_json::json!({"Id": "a", "State": {"Running": true}}))];
        assert!(render(&objects, None).unwrap().starts_with("[\n    {\n        \"Id\": \"a\",\n"));
        assert_eq!(render(&objects, Some("{{.State.Running}}")).unwrap(), "true\n");
        assert_eq!(render(&objects, Some("{{json .State}}")).unwrap(), "{\"Running\":true}\n");
        assert_eq!(render(&[], None).unwrap(), "[]\n");
        let unreadable = render(&objects, Some("{{nofunc}}")).unwrap_err();
        assert_eq!(crate::error::report(&unreadable), UNREADABLE_TEMPLATE);
    }
}
