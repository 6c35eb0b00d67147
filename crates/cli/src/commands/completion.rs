//! `docker completion`: completes command words, container names and images; the names are asked of tare itself.

use crate::error::Failure;
use crate::output::print;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// bash, zsh or fish
    #[arg(value_name = "SHELL")]
    shell: String,
}

/// `docker completion`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("completion"), args)?;
    let text = match line.shell.as_str() {
        "bash" => bash(),
        "zsh" => format!("autoload -U +X bashcompinit && bashcompinit\n{}", bash()),
        "fish" => fish(),
        other => return Err(Failure::new(format!("no completion for {other}: use bash, zsh or fish")).into()),
    };
    print(&text)?;
    Ok(0)
}

/// The words that may follow a group, or begin a line.
fn words(group: Option<&str>) -> String {
    let mut words: Vec<&str> = super::names()
        .filter_map(|name| match group {
            None => Some(name).filter(|name| !name.contains(' ')),
            Some(group) => name.strip_prefix(group)?.strip_prefix(' '),
        })
        .collect();
    if group.is_none() {
        words.extend(super::GROUPS.iter().map(|(group, _)| *group));
    }
    words.sort_unstable();
    words.dedup();
    words.join(" ")
}

fn bash() -> String {
    let mut groups = String::new();
    for (group, _) in super::GROUPS {
        groups.push_str(&format!("    {group}) words=\"{}\" ;;\n", words(Some(group))));
    }
    format!(
        r#"_tare() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]}}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{top}"
  elif [ "$COMP_CWORD" -eq 2 ] && [[ " {groups_list} " == *" $command "* ]]; then
    case "$command" in
{groups}    esac
  else
    case "$command" in
    start) words="$("${{COMP_WORDS[0]}}" ps -a --format '{{{{.Names}}}}' 2>/dev/null)" ;;
    rm|inspect|logs|rename|commit|cp|diff|export|update|container)
      words="$("${{COMP_WORDS[0]}}" ps -a --format '{{{{.Names}}}}' 2>/dev/null)" ;;
    exec|stop|kill|restart|attach|pause|unpause|port|top|stats|wait)
      words="$("${{COMP_WORDS[0]}}" ps --format '{{{{.Names}}}}' 2>/dev/null)" ;;
    run|create|rmi|push|pull|save|tag|history|image)
      words="$("${{COMP_WORDS[0]}}" images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' 2>/dev/null)" ;;
    volume) words="$("${{COMP_WORDS[0]}}" volume ls -q 2>/dev/null)" ;;
    network) words="$("${{COMP_WORDS[0]}}" network ls --format '{{{{.Name}}}}' 2>/dev/null)" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _tare tare docker
"#,
        top = words(None),
        groups_list = super::GROUPS.iter().map(|(group, _)| *group).collect::<Vec<_>>().join(" "),
    )
}

fn fish() -> String {
    let mut text = String::new();
    for program in ["tare", "docker"] {
        text.push_str(&format!("complete -c {program} -n __fish_use_subcommand -f -a '{}'\n", words(None)));
        for (group, _) in super::GROUPS {
            text.push_str(&format!(
                "complete -c {program} -n '__fish_seen_subcommand_from {group}' -f -a '{}'\n",
                words(Some(group))
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_of_a_group() {
        let words = super::words(Some("volume"));
        assert_eq!(words, "create inspect list ls prune remove rm");
        assert!(super::words(None).split(' ').any(|word| word == "run"));
    }
}
