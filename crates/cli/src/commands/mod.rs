//! The commands, one file each, and the table that names them.
//!
//! `docker container ls` and `docker ps` are one entry with two names. Parsers are built when a command runs, not before.

mod build;
mod completion;
pub(crate) mod compose;
pub(crate) mod container;
mod context;
pub(crate) mod debug;
mod each;
pub(crate) mod image;
mod inspect;
mod man;
pub(crate) mod monitor;
mod network;
pub(crate) mod registry;
mod shell_init;
pub(crate) mod spawner;
pub(crate) mod system;
mod volume;

pub(crate) use image::pull::{pull_image, pull_options};

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
    command(&["run", "container run"], "Create and run a new container from an image", container::run::main),
    command(&["exec", "container exec"], "Execute a command in a running container", container::exec::main),
    command(
        &["ps", "container ls", "container ps", "container list"],
        "List containers",
        container::list::main,
    ),
    command(
        &["build", "image build", "buildx build", "builder build"],
        "Build an image from a Dockerfile",
        build::main,
    ),
    command(&["pull", "image pull"], "Download an image from a registry", image::pull::main),
    command(&["push", "image push"], "Upload an image to a registry", image::push::main),
    command(&["images", "image ls", "image list"], "List images", image::list::main),
    command(&["login"], "Authenticate to a registry", registry::login::login),
    command(&["logout"], "Log out from a registry", registry::login::logout),
    command(&["search"], "Search Docker Hub for images", registry::search::main),
    command(&["version"], "Show the version information", system::version::main),
    command(&["info", "system info"], "Display system-wide information", system::info::main),
    command(
        &["attach", "container attach"],
        "Attach local streams to a running container",
        container::attach::main,
    ),
    command(
        &["commit", "container commit"],
        "Create a new image from a container's changes",
        container::commit::main,
    ),
    command(
        &["cp", "container cp"],
        "Copy files between a container and the local filesystem",
        container::cp::main,
    ),
    command(&["create", "container create"], "Create a new container", container::create::main),
    command(
        &["diff", "container diff"],
        "Inspect changes to files on a container's filesystem",
        container::diff::main,
    ),
    command(&["events", "system events"], "Get real time events", system::events::main),
    command(
        &["export", "container export"],
        "Export a container's filesystem as a tar archive",
        container::export::main,
    ),
    command(&["history", "image history"], "Show the history of an image", image::history::main),
    command(
        &["import", "image import"],
        "Import a tarball to create a filesystem image",
        image::import::main,
    ),
    command(&["inspect"], "Return low-level information on objects", inspect::any),
    command(&["kill", "container kill"], "Kill one or more running containers", container::kill::main),
    command(&["load", "image load"], "Load an image from a tar archive or STDIN", image::load::main),
    command(&["logs", "container logs"], "Fetch the logs of a container", container::logs::main),
    command(
        &["pause", "container pause"],
        "Pause all processes within one or more containers",
        container::pause::pause,
    ),
    command(&["port", "container port"], "List port mappings of a container", container::port::main),
    command(&["rename", "container rename"], "Rename a container", container::rename::main),
    command(&["restart", "container restart"], "Restart one or more containers", container::restart::main),
    command(
        &["rm", "container rm", "container remove"],
        "Remove one or more containers",
        container::rm::main,
    ),
    command(&["rmi", "image rm", "image remove"], "Remove one or more images", image::remove::main),
    command(&["save", "image save"], "Save one or more images to a tar archive", image::save::main),
    command(&["start", "container start"], "Start one or more stopped containers", container::start::main),
    command(
        &["stats", "container stats"],
        "Display a live stream of resource usage statistics",
        container::stats::main,
    ),
    command(&["stop", "container stop"], "Stop one or more running containers", container::stop::main),
    command(&["tag", "image tag"], "Create a tag that refers to an image", image::tag::main),
    command(&["top", "container top"], "Display the running processes of a container", container::top::main),
    command(
        &["unpause", "container unpause"],
        "Unpause all processes within one or more containers",
        container::pause::unpause,
    ),
    command(
        &["update", "container update"],
        "Update configuration of one or more containers",
        container::update::main,
    ),
    command(
        &["wait", "container wait"],
        "Block until containers stop, then print their exit codes",
        container::wait::main,
    ),
    command(&["container inspect"], "Display detailed information on containers", inspect::containers),
    command(&["container prune"], "Remove all stopped containers", system::prune::containers),
    command(&["image inspect"], "Display detailed information on images", inspect::images),
    command(
        &["manifest inspect"],
        "Display an image manifest, or manifest list, as a registry has it",
        registry::manifest::inspect,
    ),
    command(&["image prune"], "Remove unused images", image::prune::main),
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
    command(&["network connect"], "Connect a container to a network", network::connect::connect),
    command(&["network disconnect"], "Disconnect a container from a network", network::connect::disconnect),
    command(&["system df"], "Show disk usage", system::service::disk_usage),
    command(
        &["system boot"],
        "Start the containers that start with the machine by their restart policy",
        system::service::boot,
    ),
    command(
        &["system shutdown"],
        "Stop all containers in order, to be started again by `system boot`",
        system::service::shutdown,
    ),
    command(&["doctor"], "Say whether this machine has what containers need", system::doctor::main),
    command(&["system prune"], "Remove unused data", system::prune::system),
    command(&["builder prune", "buildx prune"], "Remove build cache", build::builder::prune),
    command(&["buildx version"], "Show the builder's version", build::builder::version),
    command(&["context create"], "Create a context", context::create),
    command(
        &["context export"],
        "Export a context to a tar archive FILE or a tar stream on STDOUT",
        context::export,
    ),
    command(&["context import"], "Import a context from a tar file", context::import),
    command(&["context rm", "context remove"], "Remove one or more contexts", context::remove),
    command(&["context update"], "Update a context", context::update),
    command(&["context use"], "Set the current docker context", context::use_one),
    command(&["context ls", "context list"], "List contexts", context::list),
    command(&["context inspect"], "Display detailed information on contexts", context::inspect),
    command(&["context show"], "Print the name of the current context", context::show),
    command(
        &["shell-init"],
        "Print the shell line that makes docker and docker-compose mean tare",
        shell_init::main,
    ),
    command(&["man"], "Write the manual pages to a folder", man::main),
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
    TABLE.iter().flat_map(|command| command.names.iter().copied()).chain(["compose", "debug trace"])
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
