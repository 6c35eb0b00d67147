//! `docker images`.

use tare_engine::filter::{Filters, ImageFilter, is_name};
use tare_image::Image;

use crate::output::view::{Row, Shape, View};
use crate::output::{human, print};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Show all images (default hides intermediate images)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_parser = crate::flags::filter)]
    filter: Vec<String>,
    /// Format output using a custom template
    #[arg(long)]
    format: Option<String>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    #[arg(long, hide = true)]
    tree: bool,
    /// Repository, with or without a tag
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

/// The fields of an image in a list.
pub(crate) const HEADERS: &[(&str, &str)] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("VirtualSize", "VIRTUAL SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("Containers", "CONTAINERS"),
];

const VIEW: View = View {
    headers: HEADERS,
    default: "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    quiet: "{{.ID}}",
    raw: Some(
        "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n",
    ),
};

const WITH_DIGESTS: View = View {
    headers: HEADERS,
    default: "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    quiet: "{{.ID}}",
    raw: Some(
        "repository: {{.Repository}}\ntag: {{.Tag}}\ndigest: {{.Digest}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n",
    ),
};

/// `docker images`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("images"), args)?;
    let why = "an image here has one platform, and no tree of them";
    crate::refused::refuse(&[crate::refused::Flag { name: "--tree", given: line.tree, why }])?;
    let filter = ImageFilter::new(Filters::from_texts(&line.filter)?, &jiff::Zoned::now())?;
    let engine = session.engine()?;
    let store = engine.images()?;
    let mut images = store.list()?;
    filter.apply(store, &mut images)?;
    let mut rows = Vec::new();
    for image in &images {
        rows.extend(
            names(image)
                .into_iter()
                .filter(|name| wanted(name, line.name.as_deref(), &filter))
                .map(|name| row(image, &name, line.no_trunc))
                .map(|mut row| {
                    row.set("Containers", engine.image_users(&image.id).len().to_string());
                    row
                }),
        );
    }
    let view = if line.digests { &WITH_DIGESTS } else { &VIEW };
    let mut text = view.render(&rows, Shape { format: line.format.as_deref(), quiet: line.quiet })?;
    if line.quiet && line.format.is_none() {
        text = unique_lines(&text);
    }
    print(&text)?;
    Ok(0)
}

fn unique_lines(text: &str) -> String {
    let mut seen = std::collections::HashSet::new();
    text.lines().filter(|line| seen.insert(*line)).map(|line| format!("{line}\n")).collect()
}

/// One name of an image as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    repository: String,
    tag: String,
    digest: String,
}

const NONE: &str = "<none>";

/// An image's names: its tags with the digest of the same repository, else the digests, else `<none>`.
fn names(image: &Image) -> Vec<Name> {
    let digests: Vec<(&str, &str)> =
        image.repo_digests.iter().filter_map(|name| name.split_once('@')).collect();
    if !image.repo_tags.is_empty() {
        let split = |tag: &String| {
            let (repository, tag) = split_tag(tag);
            let digest =
                digests.iter().find(|(name, _)| *name == repository).map_or(NONE, |(_, digest)| digest);
            Name { repository, tag, digest: digest.to_owned() }
        };
        return image.repo_tags.iter().map(split).collect();
    }
    if let Some((repository, digest)) = digests.first() {
        return vec![Name {
            repository: (*repository).to_owned(),
            tag: NONE.to_owned(),
            digest: (*digest).to_owned(),
        }];
    }
    vec![Name { repository: NONE.to_owned(), tag: NONE.to_owned(), digest: NONE.to_owned() }]
}

/// Splits `host:5000/name:tag`.
pub(crate) fn split_tag(name: &str) -> (String, String) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository.to_owned(), tag.to_owned()),
        _ => (name.to_owned(), NONE.to_owned()),
    }
}

fn wanted(name: &Name, typed: Option<&str>, filter: &ImageFilter) -> bool {
    typed.is_none_or(|pattern| is_name(pattern, &name.repository, &name.tag))
        && filter.takes_name(&name.repository, &name.tag)
}

/// One row for each name of an image.
pub(crate) fn rows(image: &Image) -> Vec<Row> {
    names(image).iter().map(|name| row(image, name, false)).collect()
}

fn row(image: &Image, name: &Name, whole: bool) -> Row {
    let created = jiff::Timestamp::from_second(image.created).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Row::new([
        ("ID", if whole { image.id.to_string() } else { image.id.short() }),
        ("Repository", name.repository.clone()),
        ("Tag", name.tag.clone()),
        ("Digest", name.digest.clone()),
        ("CreatedSince", if image.created == 0 { "N/A".to_owned() } else { human::ago(created) }),
        ("CreatedAt", human::timestamp(created)),
        ("Size", human::size_short(image.size)),
        ("VirtualSize", human::size(image.size)),
        ("UniqueSize", "N/A".to_owned()),
        ("SharedSize", "N/A".to_owned()),
        ("Containers", "N/A".to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_registries_with_ports() {
        assert_eq!(split_tag("localhost:5000/a:1"), ("localhost:5000/a".into(), "1".into()));
        assert_eq!(split_tag("localhost:5000/a"), ("localhost:5000/a".into(), NONE.into()));
    }

    #[test]
    fn references_filter() {
        let name = Name { repository: "django-sample".into(), tag: "latest".into(), digest: NONE.into() };
        let filters = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            ImageFilter::new(Filters::from_texts(&flags).unwrap(), &jiff::Zoned::now()).unwrap()
        };
        assert!(wanted(&name, Some("django-sample"), &filters(&[])));
        assert!(!wanted(&name, Some("django"), &filters(&[])));
        assert!(wanted(&name, None, &filters(&["reference=django-*"])));
        assert!(!wanted(&name, Some("django-sample:1"), &filters(&[])));
        assert!(wanted(&name, Some("django-sample:latest"), &filters(&[])));
    }
}
