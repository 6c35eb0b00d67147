//! `docker search`.

use tare_engine::filter::Filters;
use tare_image::registry::{SearchResult, search};

use crate::commands::container::list::ellipsis;
use crate::error::Failure;
use crate::output::print;
use crate::output::view::{Row, Shape, View};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Filter output based on conditions provided
    #[arg(short, long, value_parser = crate::flags::filter)]
    filter: Vec<String>,
    /// Pretty-print search using a Go template
    #[arg(long)]
    format: Option<String>,
    /// Max number of search results
    #[arg(long)]
    limit: Option<u32>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Term
    #[arg(value_name = "TERM")]
    term: String,
}

const VIEW: View = View {
    headers: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("StarCount", "STARS"),
        ("IsOfficial", "OFFICIAL"),
    ],
    default: "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
    quiet: "{{.Name}}",
    raw: None,
};

/// `docker search`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("search"), args)?;
    let filters = Filters::from_texts(&line.filter)?.only(&["stars", "is-official"])?;
    if line.limit.is_some_and(|limit| limit > 100) {
        return Err(Failure::new("Limit is outside the range of [1, 100]").into());
    }
    let stars = match filters.values("stars").last() {
        Some(text) => {
            text.parse::<u64>().map_err(|_| Failure::new(format!("invalid filter 'stars={text}'")))?
        }
        None => 0,
    };
    let official = filters.flag("is-official")?;
    let limit = line.limit.filter(|limit| *limit > 0);
    let mut found = search(&line.term, limit, &crate::commands::image::pull::registries())?;
    found.retain(|image| image.star_count >= stars && official.is_none_or(|want| image.is_official == want));
    let rows: Vec<Row> = found.iter().map(|image| row(image, line.no_trunc)).collect();
    print(&VIEW.render(&rows, Shape { format: line.format.as_deref(), quiet: false })?)?;
    Ok(0)
}

fn row(image: &SearchResult, whole: bool) -> Row {
    let description = image.description.replace(['\n', '\r', '\t'], " ");
    Row::new([
        ("Name", image.name.clone()),
        ("Description", if whole { description } else { ellipsis(&description, 45) }),
        ("StarCount", image.star_count.to_string()),
        ("IsOfficial", if image.is_official { "[OK]".to_owned() } else { String::new() }),
    ])
}
