//! The kinds of errors: what a caller that knows nothing of containers does about one. Exit codes, and statuses of an API,
//! follow from them at the edge.

use tare_image::Error as Image;
use tare_monitor::Error as Monitor;
use tare_monitor::refusal::RefusalKind;
use tare_network::Error as Network;
use tare_runtime::Error as Runtime;

use super::error::Error;

/// What an error is to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// What was named does not exist.
    NotFound,
    /// It contradicts the state of things, and may not at another time.
    Conflict,
    /// Something else uses it.
    InUse,
    /// The request makes no sense, whenever it is made.
    BadParameter,
    /// It is not allowed.
    Forbidden,
    /// Known, and not had here.
    NotImplemented,
    /// Something that it needs cannot be had now.
    Unavailable,
    /// Whoever asked wants it no more.
    Cancelled,
    /// A failure of the system, or of ours.
    System,
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotRoot { .. } => ErrorKind::Forbidden,
            Self::NoSuchContainer(_)
            | Self::NoSuchVolume(_)
            | Self::NoSuchNetwork(_)
            | Self::NoSuchImage(_)
            | Self::NoSuchPath { .. } => ErrorKind::NotFound,
            Self::NameInUse { .. }
            | Self::Exists { .. }
            | Self::EndpointExists { .. }
            | Self::NotRunning(_)
            | Self::StillRunning(_)
            | Self::Paused(_)
            | Self::AlreadyPaused(_)
            | Self::NotPaused(_) => ErrorKind::Conflict,
            Self::InUse { .. } | Self::AddressInUse { .. } => ErrorKind::InUse,
            Self::Ambiguous { .. } | Self::InvalidName { .. } | Self::Invalid { .. } => {
                ErrorKind::BadParameter
            }
            Self::NoFreeAddress { .. } | Self::Monitor { .. } => ErrorKind::Unavailable,
            Self::Refused { refusal, .. } => match refusal.kind {
                RefusalKind::NotRunning => ErrorKind::Conflict,
                RefusalKind::BadParameter => ErrorKind::BadParameter,
                RefusalKind::NotUnderstood | RefusalKind::Newer => ErrorKind::NotImplemented,
                RefusalKind::Failed => ErrorKind::System,
            },
            Self::NewerDatabase { .. } => ErrorKind::NotImplemented,
            Self::StartFailed(failure) => match failure.kind {
                tare_monitor::status::FailureKind::NotFound
                | tare_monitor::status::FailureKind::NotExecutable => ErrorKind::BadParameter,
                tare_monitor::status::FailureKind::PortInUse => ErrorKind::InUse,
                tare_monitor::status::FailureKind::Setup => ErrorKind::System,
            },
            Self::Database { .. } | Self::StatusFile { .. } | Self::Stored { .. } => ErrorKind::System,
            Self::Io { source, .. } => of_io(source),
            Self::Image(error) => of_image(error),
            Self::Network(error) | Self::Status(Monitor::Network(error)) => of_network(error),
            Self::Runtime(error) | Self::Status(Monitor::Runtime(error)) => of_runtime(error),
            Self::Status(_) => ErrorKind::System,
        }
    }
}

fn of_io(error: &std::io::Error) -> ErrorKind {
    match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorKind::Forbidden,
        _ => ErrorKind::System,
    }
}

fn of_image(error: &Image) -> ErrorKind {
    use tare_image::RegistryError as Registry;
    match error {
        Image::NoSuchImage(_) | Image::NoPlatform { .. } => ErrorKind::NotFound,
        Image::Registry(Registry::ManifestUnknown { .. }) => ErrorKind::NotFound,
        Image::Registry(Registry::Denied { .. }) => ErrorKind::Forbidden,
        Image::Registry(_) => ErrorKind::Unavailable,
        Image::InUse { .. } => ErrorKind::InUse,
        Image::Reference(_)
        | Image::Ambiguous { .. }
        | Image::BadLayer { .. }
        | Image::BadArchive(_)
        | Image::MissingKey { .. }
        | Image::Credentials { .. } => ErrorKind::BadParameter,
        Image::NewerDatabase { .. } | Image::Schema1 { .. } | Image::NotLinux { .. } => {
            ErrorKind::NotImplemented
        }
        Image::Io { .. }
        | Image::Database { .. }
        | Image::NoSuchLayer(_)
        | Image::Json { .. }
        | Image::Corrupt { .. } => ErrorKind::System,
    }
}

fn of_network(error: &Network) -> ErrorKind {
    match error {
        Network::PortInUse { .. } => ErrorKind::InUse,
        Network::InterfaceName { .. } => ErrorKind::BadParameter,
        Network::Protocol { .. } => ErrorKind::NotImplemented,
        _ => ErrorKind::System,
    }
}

fn of_runtime(error: &Runtime) -> ErrorKind {
    match error {
        Runtime::NotFound { .. }
        | Runtime::InterpreterNotFound { .. }
        | Runtime::CrlfInterpreter { .. }
        | Runtime::PermissionDenied { .. }
        | Runtime::UserNotFound { .. }
        | Runtime::GroupNotFound { .. }
        | Runtime::Invalid { .. } => ErrorKind::BadParameter,
        _ => ErrorKind::System,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_what_is_carried() {
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let cases: Vec<(Error, ErrorKind)> = vec![
            (Error::NoSuchContainer("x".into()), ErrorKind::NotFound),
            (Error::Image(Image::NoSuchImage("x".into())), ErrorKind::NotFound),
            (Error::io("read", "/x")(missing()), ErrorKind::NotFound),
            (Error::Exists { what: "volume", name: "x".into() }, ErrorKind::Conflict),
            (Error::NotPaused("x".into()), ErrorKind::Conflict),
            (Error::invalid("no"), ErrorKind::BadParameter),
            (
                Error::NoFreeAddress { network: "x".into(), subnet: "10.0.0.0/30".into() },
                ErrorKind::Unavailable,
            ),
            (Error::Runtime(Runtime::NotFound { program: "x".into() }), ErrorKind::BadParameter),
            (Error::Status(Monitor::System { call: "poll", source: missing() }), ErrorKind::System),
        ];
        for (error, kind) in cases {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}
