//! `docker top`: the container's processes, read from /proc. Only for options of `ps`, of which there are many, `ps` itself
//! is asked, as Docker does.

use anyhow::Context as _;
use tare_engine::Engine;
use tare_engine::processes::Process;

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
    Ok(engine.processes(container)?.iter().map(row).collect())
}

fn row(process: &Process) -> String {
    let start = process.started.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M");
    let tty = match process.terminal {
        0 => "?".to_owned(),
        device => format!("pts/{}", device & 0xff),
    };
    let user = if process.uid == 0 { "root".to_owned() } else { process.uid.to_string() };
    let used = process.used.as_secs();
    let time = format!("{:02}:{:02}:{:02}", used / 3600, used / 60 % 60, used % 60);
    let command = crate::output::shown::cell(&process.command);
    format!("{user}\t{}\t{}\t0\t{start}\t{tty}\t{time}\t{command}\n", process.pid, process.parent)
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_of_other_processes_are_left_out() {
        let ps = "  PID COMMAND\n    1 /sbin/init\n   42 sleep 30\n   43 sh -c true\n";
        assert_eq!(super::only(&[42, 43], ps).unwrap(), "PID\tCOMMAND\n42\tsleep 30\n43\tsh -c true\n");
        assert_eq!(super::only(&[42], "COMMAND\nsleep 30\n"), None);
    }
}
