//! The lines that a shell reads once: they make it ask tare.

use std::path::{Path, PathBuf};

use clap_complete::env::{EnvCompleter as _, Fish, Zsh};

use super::VARIABLE;

/// A shell that can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The lines for one shell.
pub(crate) fn lines(shell: Shell, names: &[&str]) -> std::io::Result<String> {
    match shell {
        Shell::Bash => Ok(bash(names)),
        Shell::Zsh => {
            let mut text = format!("#compdef {}\n", names.join(" "));
            for name in names {
                let one = written(|out| Zsh.write_registration(VARIABLE, name, name, name, out))?;
                text.push_str(one.trim_start_matches('#').split_once('\n').map_or("", |(_, rest)| rest));
            }
            Ok(text)
        }
        Shell::Fish => names
            .iter()
            .map(|name| written(|out| Fish.write_registration(VARIABLE, name, name, name, out)))
            .collect(),
    }
}

fn written(write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> std::io::Result<String> {
    let mut out = Vec::new();
    write(&mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// bash breaks words at `:` and `=`, which are in names of images and in values; so the line is split here, and what
/// stands before the last break of a word is taken off again.
fn bash(names: &[&str]) -> String {
    format!(
        r#"_tare() {{
  local line="${{COMP_LINE:0:COMP_POINT}}" words reply IFS=$' \t\n'
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  local current="${{words[${{#words[@]}}-1]}}"
  reply="$(_CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$((${{#words[@]}} - 1)) {VARIABLE}=bash "${{words[0]}}" -- "${{words[@]}}" 2>/dev/null)"
  IFS=$'\n'
  COMPREPLY=($reply)
  local broken="${{current%"${{current##*[:=]}}"}}"
  [[ $COMP_WORDBREAKS == *:* && -n $broken ]] && COMPREPLY=("${{COMPREPLY[@]#"$broken"}}")
  [[ ${{#COMPREPLY[@]}} -eq 1 && ${{COMPREPLY[0]}} == *[=/:] ]] && compopt -o nospace
}}
complete -o bashdefault -o nosort -F _tare {names}
"#,
        names = names.join(" "),
    )
}

/// The names under which tare is reached: the one it was called by, and those on PATH that are this very file.
pub(crate) fn own_names(program: &'static str) -> Vec<&'static str> {
    let own = std::env::current_exe().and_then(std::fs::canonicalize).ok();
    let is_own =
        |name: &&str| own.is_some() && on_path(name).and_then(|path| std::fs::canonicalize(path).ok()) == own;
    let mut names = vec![program];
    names.extend(
        ["tare", "docker", "docker-compose"].into_iter().filter(|name| *name != program && is_own(name)),
    );
    names
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| Path::is_file(path))
}
