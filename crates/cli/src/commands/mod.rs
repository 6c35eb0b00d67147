//! The commands, one file each, and the table that names them.
//!
//! `docker container ls` and `docker ps` are one entry with two names. Parsers are built when a command runs, not before.

mod attach;
mod build;
mod builder;
mod commit;
mod completion;
pub(crate) mod compose;
mod container_list;
mod context;
mod cp;
mod create;
mod diff;
mod disk_usage;
mod each;
mod events;
mod exec;
mod export;
mod history;
mod image_list;
mod image_prune;
mod image_remove;
mod import;
mod info;
mod inspect;
mod kill;
mod load;
mod login;
mod logs;
mod manifest;
pub(crate) mod monitor;
mod network;
mod network_connect;
mod pause;
mod port;
mod prune;
mod pull;
mod push;
mod rename;
mod restart;
mod rm;
mod run;
pub(crate) mod run_flags;
mod save;
mod search;
mod shell_init;
mod start;
mod stats;
mod stop;
mod system;
mod tag;
mod top;
mod update;
pub(crate) mod version;
mod volume;
mod wait;

pub(crate) use pull::{pull_image, pull_options};

use crate::session::Session;

/// What runs a command: the words after its name; the exit code.
type Run = fn(&Session, &[String]) -> anyhow::Result<u8>;

/// One command.
pub(crate) struct Command {
    /// Its names, the short one first.
    pub(crate) names: &'static [&'static str],
    /// One line of help.
    pub(crate) about: &'static str,
    /// What runs it.
    pub(crate) run: Run,
}

impl Command {
    /// Its first name.
    pub(crate) fn name(&self) -> &'static str {
        self.names[0]
    }
}

const fn command(names: &'static [&'static str], about: &'static str, run: Run) -> Command {
    Command { names, about, run }
}

/// Every command but `compose`.
pub(crate) static TABLE: &[Command] = &[
    command(&["run", "container run"], "Create and run a new container from an image", run::main),
    command(&["exec", "container exec"], "Execute a command in a running container", exec::main),
    command(
        &["ps", "container ls", "container ps", "container list"],
        "List containers",
        container_list::main,
    ),
    command(
        &["build", "image build", "buildx build", "builder build"],
        "Build an image from a Dockerfile",
        build::main,
    ),
    command(&["pull", "image pull"], "Download an image from a registry", pull::main),
    command(&["push", "image push"], "Upload an image to a registry", push::main),
    command(&["images", "image ls", "image list"], "List images", image_list::main),
    command(&["login"], "Authenticate to a registry", login::login),
    command(&["logout"], "Log out from a registry", login::logout),
    command(&["search"], "Search Docker Hub for images", search::main),
    command(&["version"], "Show the version information", version::main),
    command(&["info", "system info"], "Display system-wide information", info::main),
    command(&["attach", "container attach"], "Attach local streams to a running container", attach::main),
    command(&["commit", "container commit"], "Create a new image from a container's changes", commit::main),
    command(&["cp", "container cp"], "Copy files between a container and the local filesystem", cp::main),
    command(&["create", "container create"], "Create a new container", create::main),
    command(&["diff", "container diff"], "Inspect changes to files on a container's filesystem", diff::main),
    command(&["events", "system events"], "Get real time events", events::main),
    command(
        &["export", "container export"],
        "Export a container's filesystem as a tar archive",
        export::main,
    ),
    command(&["history", "image history"], "Show the history of an image", history::main),
    command(&["import", "image import"], "Import a tarball to create a filesystem image", import::main),
    command(&["inspect"], "Return low-level information on objects", inspect::any),
    command(&["kill", "container kill"], "Kill one or more running containers", kill::main),
    command(&["load", "image load"], "Load an image from a tar archive or STDIN", load::main),
    command(&["logs", "container logs"], "Fetch the logs of a container", logs::main),
    command(&["pause", "container pause"], "Pause all processes within one or more containers", pause::pause),
    command(&["port", "container port"], "List port mappings of a container", port::main),
    command(&["rename", "container rename"], "Rename a container", rename::main),
    command(&["restart", "container restart"], "Restart one or more containers", restart::main),
    command(&["rm", "container rm", "container remove"], "Remove one or more containers", rm::main),
    command(&["rmi", "image rm", "image remove"], "Remove one or more images", image_remove::main),
    command(&["save", "image save"], "Save one or more images to a tar archive", save::main),
    command(&["start", "container start"], "Start one or more stopped containers", start::main),
    command(&["stats", "container stats"], "Display a live stream of resource usage statistics", stats::main),
    command(&["stop", "container stop"], "Stop one or more running containers", stop::main),
    command(&["tag", "image tag"], "Create a tag that refers to an image", tag::main),
    command(&["top", "container top"], "Display the running processes of a container", top::main),
    command(
        &["unpause", "container unpause"],
        "Unpause all processes within one or more containers",
        pause::unpause,
    ),
    command(&["update", "container update"], "Update configuration of one or more containers", update::main),
    command(
        &["wait", "container wait"],
        "Block until containers stop, then print their exit codes",
        wait::main,
    ),
    command(&["container inspect"], "Display detailed information on containers", inspect::containers),
    command(&["container prune"], "Remove all stopped containers", prune::containers),
    command(&["image inspect"], "Display detailed information on images", inspect::images),
    command(
        &["manifest inspect"],
        "Display an image manifest, or manifest list, as a registry has it",
        manifest::inspect,
    ),
    command(&["image prune"], "Remove unused images", image_prune::main),
    command(&["volume ls", "volume list"], "List volumes", volume::list),
    command(&["volume create"], "Create a volume", volume::create),
    command(&["volume inspect"], "Display detailed information on volumes", inspect::volumes),
    command(&["volume rm", "volume remove"], "Remove one or more volumes", volume::remove),
    command(&["volume prune"], "Remove unused local volumes", volume::prune),
    command(&["network ls", "network list"], "List networks", network::list),
    command(&["network create"], "Create a network", network::create),
    command(&["network inspect"], "Display detailed information on networks", inspect::networks),
    command(&["network rm", "network remove"], "Remove one or more networks", network::remove),
    command(&["network prune"], "Remove all unused networks", network::prune),
    command(&["network connect"], "Connect a container to a network", network_connect::connect),
    command(&["network disconnect"], "Disconnect a container from a network", network_connect::disconnect),
    command(&["system df"], "Show disk usage", system::disk_usage),
    command(
        &["system boot"],
        "Start the containers that start with the machine by their restart policy",
        system::boot,
    ),
    command(
        &["system shutdown"],
        "Stop all containers in order, to be started again by `system boot`",
        system::shutdown,
    ),
    command(&["system prune"], "Remove unused data", prune::system),
    command(&["builder prune", "buildx prune"], "Remove build cache", builder::prune),
    command(&["buildx version"], "Show the builder's version", builder::version),
    command(&["context ls", "context list"], "List contexts", context::list),
    command(&["context inspect"], "Display detailed information on contexts", context::inspect),
    command(&["context show"], "Print the name of the current context", context::show),
    command(
        &["shell-init"],
        "Print the shell line that makes docker and docker-compose mean tare",
        shell_init::main,
    ),
    command(&["completion"], "Print a completion script for a shell", completion::main),
];

/// Groups and what they are for.
pub(crate) const GROUPS: &[(&str, &str)] = &[
    ("container", "Manage containers"),
    ("image", "Manage images"),
    ("manifest", "Manage manifests"),
    ("volume", "Manage volumes"),
    ("network", "Manage networks"),
    ("system", "Manage tare"),
    ("builder", "Manage builds"),
    ("buildx", "Manage builds"),
    ("context", "Manage contexts"),
];

/// The command of a full name, `volume ls`.
pub(crate) fn named(name: &str) -> Option<&'static Command> {
    TABLE.iter().find(|command| command.names.contains(&name))
}

/// Whether a word begins two-word commands.
pub(crate) fn is_group(word: &str) -> bool {
    GROUPS.iter().any(|(group, _)| *group == word)
}

/// Every name there is, for suggestions and completion.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|command| command.names.iter().copied()).chain(std::iter::once("compose"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut all: Vec<&str> = names().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
