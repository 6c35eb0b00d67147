//! What can go wrong in the engine. Messages name the object; the CLI adds prefixes, hints and exit codes.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::monitor_fault::MonitorFault;
use tare_monitor::refusal::Refusal;
use tare_monitor::status::Failure;
use tare_words::message::Quoted;
use tare_words::near::Missing;

/// Engine errors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Only root can have what was asked for.
    #[error("containers need root, and this is user {user}")]
    NotRoot {
        /// The process's effective user.
        user: u32,
    },
    /// No container of that name or id.
    #[error("No such container: {0}")]
    NoSuchContainer(Missing),
    /// No volume of that name.
    #[error("get {0}: no such volume")]
    NoSuchVolume(Missing),
    /// No network of that name or id.
    #[error("network {0} not found")]
    NoSuchNetwork(Missing),
    /// No local image of that name.
    #[error("No such image: {0}")]
    NoSuchImage(Missing),
    /// An id prefix that fits several objects.
    #[error("{what} id prefix {prefix:?} is ambiguous: it fits {count} of them")]
    Ambiguous {
        /// `container`, `network`.
        what: &'static str,
        /// What was given.
        prefix: String,
        /// How many it fits.
        count: usize,
    },
    /// The name is another container's.
    #[error("Conflict. The container name \"/{name}\" is already in use by container \"{holder}\"")]
    NameInUse {
        /// The name.
        name: String,
        /// The id that has it.
        holder: String,
    },
    /// A name with characters that names cannot have.
    #[error("Invalid {what} name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    InvalidName {
        /// `container`, `volume`, `network`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A network or volume name that is taken.
    #[error("{what} with name {name} already exists")]
    Exists {
        /// `network`, `volume`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Something is used by something else and stays.
    #[error("{what} {name} is in use by {}", holders.join(", "))]
    InUse {
        /// `volume`, `network`, `image`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Containers that use it.
        holders: Vec<String>,
    },
    /// A container that is on a network already.
    #[error("endpoint with name {container} already exists in network {network}")]
    EndpointExists {
        /// Its name.
        container: String,
        /// The network's.
        network: String,
    },
    /// The operation needs a running container.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// The operation needs a stopped one.
    #[error(
        "cannot remove container \"{0}\": container is running: stop the container before removing or force remove"
    )]
    StillRunning(String),
    /// The operation needs a container that is not paused.
    #[error("container {0} is paused, unpause it first")]
    Paused(String),
    /// It is frozen already.
    #[error("container {0} is already paused")]
    AlreadyPaused(String),
    /// It is not frozen.
    #[error("container {0} is not paused")]
    NotPaused(String),
    /// A path that is not in a container.
    #[error("Could not find the file {} in container {container}", path.display())]
    NoSuchPath {
        /// The container's name.
        container: String,
        /// As it was given.
        path: PathBuf,
    },
    /// The address that was asked for is another container's.
    #[error("address {address} of network {network} is in use")]
    AddressInUse {
        /// The network's name.
        network: String,
        /// What was asked for.
        address: Ipv4Addr,
    },
    /// Every address of a network is given away.
    #[error("network {network} has no free address in {subnet}")]
    NoFreeAddress {
        /// The network's name.
        network: String,
        /// Its subnet.
        subnet: String,
    },
    /// Every subnet of the default pools is a network's, or the host's.
    #[error("network {0}: every default subnet is in use")]
    NoFreeSubnet(String),
    /// A network's subnet is another's, at least in part.
    #[error("network {network}: subnet {subnet} overlaps with network {other}")]
    Overlap {
        /// The network's name.
        network: String,
        /// What was asked for.
        subnet: String,
        /// Whose it is.
        other: String,
    },
    /// A network that is always there.
    #[error("{0} is a pre-defined network and cannot be removed")]
    Predefined(String),
    /// A network without addresses.
    #[error("network {0} has no bridge")]
    NoBridge(String),
    /// A container, or a network, that has no endpoints.
    #[error("container {container} cannot be connected to {network}")]
    NotConnectable {
        /// The container's name.
        container: String,
        /// The network's.
        network: String,
    },
    /// A container that is not on a network.
    #[error("container {container} is not connected to network {network}")]
    NotConnected {
        /// The container's name.
        container: String,
        /// The network's.
        network: String,
    },
    /// Every range of user IDs is a container's.
    #[error("no block of 65536 user IDs is free for a user namespace")]
    NoFreeUserIds {
        /// The next step.
        hint: String,
    },
    /// No name could be made up.
    #[error("no free made-up name was found; give one with --name")]
    NoFreeName,
    /// A container that runs already.
    #[error("container {0} runs already")]
    RunsAlready(String),
    /// A linked container that does not run.
    #[error("Cannot link to a non running container: /{0}")]
    LinkNotRunning(String),
    /// A signal for a container that does not run.
    #[error("Cannot kill container: {name}: container {id} is not running")]
    NotKillable {
        /// As it was given.
        name: String,
        /// Its ID.
        id: String,
    },
    /// A container that keeps no log.
    #[error("container {0} has no log (log driver none)")]
    NoLog(String),
    /// An image that is not for the platform that was asked for.
    #[error("image {image} is for {have}, not for {wanted}")]
    OtherPlatform {
        /// The image.
        image: String,
        /// What it is for.
        have: Box<tare_oci::Platform>,
        /// What was asked for.
        wanted: String,
    },
    /// Something of Docker's that tare does not have, or not on this machine.
    #[error("{message}")]
    NotSupported {
        /// What, naming the object.
        message: String,
        /// What to take instead.
        hint: Option<String>,
    },
    /// The request makes no sense as it stands.
    #[error("{message}")]
    Invalid {
        /// What is wrong, naming the object.
        message: String,
        /// The next step.
        hint: Option<String>,
    },
    /// The container could not start.
    #[error("{}", .0.message)]
    StartFailed(Failure),
    /// The monitor said no.
    #[error("container {id}: its monitor refused: {refusal}")]
    Refused {
        /// Container id.
        id: String,
        /// Why.
        refusal: Refusal,
    },
    /// The monitor cannot be talked with, or went away.
    #[error("container {id}: its monitor {fault}")]
    Monitor {
        /// Container id.
        id: String,
        /// What it did.
        fault: MonitorFault,
    },
    /// The state database.
    #[error("state database {path}: {}", Quoted(source))]
    Database {
        /// File.
        path: PathBuf,
        /// SQLite's word.
        source: rusqlite::Error,
    },
    /// The state database is a newer tare's.
    #[error("{path} has format {found}; this tare knows formats up to {known}: use a newer tare")]
    NewerDatabase {
        /// File.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A container's status file that this tare cannot read.
    #[error("container {id}: {}", Quoted(source))]
    StatusFile {
        /// Container id.
        id: String,
        /// The file, and why.
        source: tare_monitor::Error,
    },
    /// A stored object that this tare cannot read.
    #[error("state of {what} {id} cannot be read: {}", Quoted(source))]
    Stored {
        /// Kind.
        what: &'static str,
        /// Id.
        id: String,
        /// Why.
        source: serde_json::Error,
    },
    /// I/O on one of tare's own files, or one named by the user.
    #[error("{action} {path}: {}", Quoted(source))]
    Io {
        /// `create`, `read`…
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// From the image store.
    #[error(transparent)]
    Image(#[from] tare_image::Error),
    /// From the network.
    #[error(transparent)]
    Network(#[from] tare_network::Error),
    /// From the runtime.
    #[error(transparent)]
    Runtime(#[from] tare_runtime::Error),
    /// From the monitor's files.
    #[error(transparent)]
    Status(#[from] tare_monitor::Error),
}

impl Error {
    /// The next step for the user, where there is one to name.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRoot { .. } => {
                Some("the same command with sudo before it; `tare doctor` says what else is needed".into())
            }
            Self::Invalid { hint, .. } | Self::NotSupported { hint, .. } => hint.clone(),
            Self::NoFreeUserIds { hint } => Some(hint.clone()),
            Self::NoFreeSubnet(_) => Some("`tare network prune` frees unused ones, or give --subnet".into()),
            Self::Overlap { .. } => Some("choose another --subnet, or leave it out".into()),
            Self::RunsAlready(name) => Some(format!("`tare attach {name}`")),
            Self::LinkNotRunning(name) => Some(format!("`tare start {name}` first")),
            Self::NoLog(_) => Some("`tare attach` shows what it writes from now on".into()),
            Self::OtherPlatform { image, wanted, .. } => {
                Some(format!("`tare pull --platform {wanted} {image}` gets the other one"))
            }
            Self::NoSuchContainer(missing)
            | Self::NoSuchVolume(missing)
            | Self::NoSuchNetwork(missing)
            | Self::NoSuchImage(missing) => missing.hint(),
            Self::StartFailed(failure) => failure.hint.clone(),
            Self::NoFreeAddress { .. } => {
                Some("remove containers, or make a network with a larger --subnet".into())
            }
            Self::NameInUse { name, .. } => {
                Some(format!("remove it first (`tare rm -f {name}`) or choose another --name"))
            }
            Self::StillRunning(name) => Some(format!("`tare stop {name}`, or `tare rm -f {name}`")),
            Self::NotRunning(name) => {
                Some(format!("`tare start {name}`; `tare logs {name}` says why it ended"))
            }
            Self::Stored { what: "container", id, .. } | Self::StatusFile { id, .. } => Some(format!(
                "a newer tare may be able to read it; `tare rm -f {}` removes the container",
                id.get(..12).unwrap_or(id)
            )),
            Self::Stored { what: "volume", id, .. } => Some(format!("`tare volume rm -f {id}` removes it")),
            Self::Stored { what: "network", id, .. } => {
                Some(format!("`tare network rm -f {}` removes it", id.get(..12).unwrap_or(id)))
            }
            Self::Database { path, source } if is_damaged(source) => Some(format!(
                "move {0}, {0}-wal and {0}-shm away to begin with an empty one; folders of containers and volumes stay",
                path.display()
            )),
            _ => None,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), hint: None }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    error.sqlite_error_code().is_some_and(|code| matches!(code, DatabaseCorrupt | NotADatabase))
}

/// Results of the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;
