//! `docker diff`.

use tare_engine::commit::ChangeKind;

use crate::output::print;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Container
    #[arg(value_name = "CONTAINER")]
    name: String,
}

/// `docker diff`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("diff"), args)?;
    let mut text = String::new();
    for change in session.engine()?.diff(&line.name)? {
        let letter = match change.kind {
            ChangeKind::Changed => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        };
        text.push_str(&format!("{letter} {}\n", change.path.display()));
    }
    print(&text)?;
    Ok(0)
}
