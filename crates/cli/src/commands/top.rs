//! `docker top`: the container's processes, read from /proc; `ps` need not be there.

use tare_engine::Engine;

use crate::output::{print, table};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Container, then options of ps, which are not needed here
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CONTAINER")]
    words: Vec<String>,
}

/// `docker top`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let path = session.path("top");
    let line: Line = crate::flags::parse(&path, args)?;
    crate::flags::refuse_leading_flag(&path, &line.words)?;
    let mut text = "UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD\n".to_owned();
    rows(session.engine()?, &line.words[0])?.iter().for_each(|row| text.push_str(row));
    print(&table::align_wide(&text, 20))?;
    Ok(0)
}

/// The processes of a container, a line each, with tabs between the cells.
pub(crate) fn rows(engine: &Engine, container: &str) -> anyhow::Result<Vec<String>> {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let uptime: f64 = uptime.split(' ').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0.0);
    // A process may end between the list and the look.
    Ok(engine.pids(container)?.into_iter().filter_map(|pid| row(pid, uptime)).collect())
}

fn row(pid: i32, uptime: f64) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let folder = format!("/proc/{pid}");
    let uid = std::fs::metadata(&folder).ok()?.uid();
    let stat = std::fs::read_to_string(format!("{folder}/stat")).ok()?;
    // The name in parentheses may hold blanks and parentheses itself.
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
    let cpu = (number(11)? + number(12)?) / 100;
    #[expect(clippy::cast_precision_loss, reason = "seconds of a start time are shown in minutes")]
    let age = (uptime - number(19)? as f64 / 100.0).max(0.0);
    let started = jiff::Timestamp::now() - std::time::Duration::from_secs_f64(age);
    let start = started.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M").to_string();
    let command = std::fs::read(format!("{folder}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
    let command = if command.is_empty() { format!("[{name}]") } else { command };
    let tty = match number(4)? {
        0 => "?".to_owned(),
        device => format!("pts/{}", device & 0xff),
    };
    let user = if uid == 0 { "root".to_owned() } else { uid.to_string() };
    let time = format!("{:02}:{:02}:{:02}", cpu / 3600, cpu / 60 % 60, cpu % 60);
    Some(format!("{user}\t{pid}\t{}\t0\t{start}\t{tty}\t{time}\t{command}\n", number(1)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_is_read_from_proc() {
        let row = super::row(std::process::id().try_into().unwrap(), 1e9).unwrap();
        assert_eq!(row.split('\t').count(), 8);
        assert!(super::row(-1, 0.0).is_none());
    }
}
