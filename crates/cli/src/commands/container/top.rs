//! `docker top`: the container's processes, read from /proc. Only for options of `ps`, of which there are many, `ps` itself
//! is asked, as Docker does.

use anyhow::Context as _;
use tare_engine::Engine;

use crate::error::Failure;
use crate::output::{print, table};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Container, then options of ps
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CONTAINER")]
    words: Vec<String>,
}

/// `docker top`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let path = session.path("top");
    let line: Line = crate::flags::parse(&path, args)?;
    crate::flags::refuse_leading_flag(&path, &line.words)?;
    let (container, options) = line.words.split_first().context("no container")?;
    if !options.is_empty() {
        let shown = by_ps(&session.engine()?.pids(container)?, options)?;
        print(&table::align_wide(&shown, 20))?;
        return Ok(0);
    }
    let mut text = "UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD\n".to_owned();
    rows(session.engine()?, container)?.iter().for_each(|row| text.push_str(row));
    print(&table::align_wide(&text, 20))?;
    Ok(0)
}

/// What the host's `ps` shows of these processes.
fn by_ps(pids: &[i32], options: &[String]) -> anyhow::Result<String> {
    let output = std::process::Command::new("ps").args(options).output().context("cannot run ps")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or_default().trim_start_matches("error: ");
        return Err(Failure::new(format!("ps: error: {said}")).into());
    }
    only(pids, &String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| Failure::new("Couldn't find PID field in ps output").into())
}

/// The title and the lines of these processes, cells separated by tabs. The last column may hold blanks.
fn only(pids: &[i32], table: &str) -> Option<String> {
    let mut lines = table.lines();
    let titles: Vec<&str> = lines.next()?.split_whitespace().collect();
    let pid_column = titles.iter().position(|title| *title == "PID")?;
    let mut text = format!("{}\n", titles.join("\t"));
    for line in lines {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let is_one = |cell: &&str| cell.parse().is_ok_and(|pid: i32| pids.contains(&pid));
        if cells.len() >= titles.len() && cells.get(pid_column).is_some_and(is_one) {
            let (own, last) = cells.split_at(titles.len() - 1);
            text.extend(own.iter().map(|cell| format!("{cell}\t")));
            text.push_str(&crate::output::shown::cell(&last.join(" ")));
            text.push('\n');
        }
    }
    Some(text)
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
    let command = crate::output::shown::cell(&command);
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

    #[test]
    fn lines_of_other_processes_are_left_out() {
        let ps = "  PID COMMAND\n    1 /sbin/init\n   42 sleep 30\n   43 sh -c true\n";
        assert_eq!(super::only(&[42, 43], ps).unwrap(), "PID\tCOMMAND\n42\tsleep 30\n43\tsh -c true\n");
        assert_eq!(super::only(&[42], "COMMAND\nsleep 30\n"), None);
    }
}
