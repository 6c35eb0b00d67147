//! Docker's commands that tare does not have. Each is refused by one line that says so, with its reason: «unknown command», or
//! a guess at another command, would send people looking for a mistake of their own.

use crate::commands;
use crate::error::Failure;

/// Why none of swarm's commands are here.
const SWARM: &str = "there are no clusters, only this machine";
/// Why builders cannot be chosen.
const BUILDERS: &str = "there is one builder, tare itself: nothing is to be created, chosen or stopped";

/// Commands by their words, and why they are not here. One word stands for all that begins with it.
const ABSENT: &[(&str, &str)] = &[
    ("swarm", SWARM),
    ("node", SWARM),
    ("service", SWARM),
    ("stack", SWARM),
    ("secret", SWARM),
    ("config", SWARM),
    ("plugin", "nothing can be plugged in"),
    ("trust", "signatures of images are not checked"),
    ("checkpoint", "running containers are not saved to disk"),
    ("bake", "builds of several targets in one file are not read"),
    ("manifest annotate", "lists of images are not made"),
    ("manifest create", "lists of images are not made"),
    ("manifest push", "lists of images are not made"),
    ("manifest rm", "lists of images are not made"),
    ("buildx bake", "builds of several targets in one file are not read"),
    ("buildx create", BUILDERS),
    ("buildx dial-stdio", BUILDERS),
    ("buildx inspect", BUILDERS),
    ("buildx ls", BUILDERS),
    ("buildx rm", BUILDERS),
    ("buildx stop", BUILDERS),
    ("buildx use", BUILDERS),
    ("buildx du", "the size of the build cache is a line of «system df»"),
    ("buildx history", "past builds are not recorded"),
    ("buildx imagetools", "lists of images are not made"),
];

/// The error for a command of Docker's that is not here.
pub(crate) fn refusal(program: &str, operands: &[&str]) -> Option<Failure> {
    let first = *operands.first()?;
    if commands::is_group(first) && operands.len() < 2 {
        return None;
    }
    let two = operands.iter().take(2).copied().collect::<Vec<_>>().join(" ");
    // `builder` is `buildx` by its older name.
    let name = two.strip_prefix("builder ").map_or_else(|| two.clone(), |word| format!("buildx {word}"));
    let (_, why) = ABSENT.iter().find(|(absent, _)| *absent == name || *absent == first)?;
    let typed = if commands::is_group(first) { two.as_str() } else { first };
    Some(Failure::usage(1, format!("{program}: not in tare: {typed}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_here_is_not_said_to_be_absent() {
        for name in commands::names() {
            let words: Vec<&str> = name.split(' ').collect();
            assert!(refusal("docker", &words).is_none(), "{name}");
        }
        assert!(refusal("docker", &["quux"]).is_none());
        assert!(refusal("docker", &["buildx"]).is_none());
    }
}
