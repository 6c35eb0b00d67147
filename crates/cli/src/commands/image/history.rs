//! `docker history`.

use tare_image::HistoryEntry;

use crate::commands::container::list::ellipsis;
use crate::output::view::{Row, Shape, View};
use crate::output::{human, print};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Format output using a custom template
    #[arg(long)]
    format: Option<String>,
    /// Print sizes and dates in human readable format
    #[arg(short = 'H', long, default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    human: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    /// Image
    #[arg(value_name = "IMAGE")]
    name: String,
}

const VIEW: View = View {
    headers: &[
        ("ID", "IMAGE"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ],
    default: "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    quiet: "{{.ID}}",
    raw: None,
};

/// `docker history`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("history"), args)?;
    let store = session.engine()?.images()?;
    let image = store.require(&line.name)?;
    let rows: Vec<Row> = store.history(&image).iter().map(|entry| row(entry, &line)).collect();
    print(&VIEW.render(&rows, Shape { format: line.format.as_deref(), quiet: line.quiet })?)?;
    Ok(0)
}

fn row(entry: &HistoryEntry, line: &Line) -> Row {
    let created = jiff::Timestamp::from_second(entry.created).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let id = entry.id.map(|id| if line.no_trunc { id.to_string() } else { id.short() });
    let by = entry.created_by.replace('\t', " ");
    Row::new([
        ("ID", id.unwrap_or_else(|| "<missing>".to_owned())),
        ("CreatedSince", if line.human { human::ago(created) } else { human::rfc3339(created) }),
        ("CreatedAt", human::rfc3339(created)),
        ("CreatedBy", if line.no_trunc { by } else { ellipsis(&by, 45) }),
        ("Size", if line.human { human::size_short(entry.size) } else { entry.size.to_string() }),
        ("Comment", entry.comment.clone()),
    ])
}
