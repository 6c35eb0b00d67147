//! What the errors of the crates below mean for the person at the terminal: exit codes and «hint:» lines.

use tare_compose::discovery::Error as DiscoveryError;
use tare_compose::select::{Error as SelectError, NoSuchService};
use tare_compose::session::Error as SessionError;
use tare_compose::signals::Error as SignalError;
use tare_compose::watch::WatchError;
use tare_engine::Error as EngineError;
use tare_monitor::status::FailureKind;
use tare_words::ErrorKind;

/// The exit code of an error that carries none of its own: what could not be started has Docker's codes, all else that
/// of its kind.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<tare_build::Error>() {
            // Also where a step's program is not there.
            return 1;
        }
        if let Some(EngineError::StartFailed(failure)) = cause.downcast_ref::<EngineError>() {
            return failure.kind.exit_code();
        }
        if let Some(runtime) = runtime(cause) {
            // `exec` fails with 1 where it is not the program; `run` and `create` lay their 125 over that.
            return match FailureKind::of(runtime) {
                kind @ (FailureKind::NotFound | FailureKind::NotExecutable) => kind.exit_code(),
                FailureKind::PortInUse | FailureKind::Setup => 1,
            };
        }
    }
    exit_code(kind(error))
}

/// The exit code of a kind: Docker has one for all failures, but a shell calls what Ctrl-C ended 130.
fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Cancelled => 130,
        ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::InUse
        | ErrorKind::BadParameter
        | ErrorKind::Forbidden
        | ErrorKind::NotImplemented
        | ErrorKind::Unavailable
        | ErrorKind::System => 1,
    }
}

/// Of which kind an error is: that of the first below it that has one.
pub(crate) fn kind(error: &anyhow::Error) -> ErrorKind {
    error.chain().find_map(kind_of).unwrap_or(ErrorKind::System)
}

fn kind_of(cause: &(dyn std::error::Error + 'static)) -> Option<ErrorKind> {
    macro_rules! of {
        ($($error:ty),+ $(,)?) => {
            $(if let Some(error) = cause.downcast_ref::<$error>() {
                return Some(error.kind());
            })+
        };
    }
    of!(
        EngineError,
        SessionError,
        WatchError,
        tare_build::Error,
        tare_build::WrittenError,
        tare_compose::execute::HookError,
        tare_compose::execute::ExecuteError,
        tare_compose::discovery::Error,
        tare_compose::plan::PlanError,
        tare_compose::select::Error,
        tare_compose::select::NoSuchService,
        tare_compose::signals::Error,
        tare_compose::execute::StepError,
        tare_compose_model::Error,
        tare_dockerfile::ParseError,
        tare_image::Error,
        tare_image::auth::KeepError,
        tare_image::RegistryError,
        tare_network::Error,
        tare_runtime::Error,
    );
    cause.downcast_ref::<std::io::Error>().map(ErrorKind::of_io)
}

/// The runtime's error, wherever it is wrapped.
fn runtime<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a tare_runtime::Error> {
    match cause.downcast_ref::<EngineError>() {
        Some(EngineError::Runtime(runtime)) => Some(runtime),
        Some(_) => None,
        None => cause.downcast_ref::<tare_runtime::Error>(),
    }
}

/// What may help.
pub(crate) fn hints(error: &anyhow::Error) -> Vec<String> {
    let mut hints = Vec::new();
    for cause in error.chain() {
        hints.extend(cause.downcast_ref::<WatchError>().and_then(WatchError::hint));
        hints.extend(cause.downcast_ref::<DiscoveryError>().and_then(DiscoveryError::hint));
        hints.extend(cause.downcast_ref::<SelectError>().and_then(SelectError::hint));
        hints.extend(cause.downcast_ref::<SignalError>().and_then(SignalError::hint));
        hints.extend(cause.downcast_ref::<NoSuchService>().and_then(NoSuchService::hint));
        if let Some(session) = cause.downcast_ref::<SessionError>() {
            hints.extend(session.hints());
        }
        if let Some(engine) = cause.downcast_ref::<EngineError>() {
            hints.extend(engine.hint());
        }
        let image = match cause.downcast_ref::<EngineError>() {
            Some(EngineError::Image(image)) => Some(image),
            _ => cause.downcast_ref::<tare_image::Error>(),
        };
        hints.extend(image.and_then(tare_image::Error::hint));
        if let Some(written) = cause.downcast_ref::<tare_build::WrittenError>() {
            hints.extend(written.hint().map(str::to_owned));
        }
        let build = cause.downcast_ref::<tare_build::Error>();
        let boxed = || cause.downcast_ref::<Box<tare_build::Error>>().map(AsRef::as_ref);
        if let Some(build) = build.or_else(boxed) {
            hints.extend(build.hint());
            hints.extend(mistrust(build));
        }
    }
    hints.dedup();
    hints
}

/// A RUN step that does not trust a certificate although it was given the host's authorities by variables.
fn mistrust(error: &tare_build::Error) -> Option<String> {
    let tare_build::Error::RunFailed { tail, .. } = error else { return None };
    tare_engine::diagnose::is_tls_mistrust(tail).then(|| {
        "this program reads its own list of authorities, not SSL_CERT_FILE: COPY your CA into \
         /usr/local/share/ca-certificates and RUN update-ca-certificates before this step"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_monitor::status::Failure;

    #[test]
    fn failures_to_start_have_dockers_codes() {
        let failure =
            Failure { kind: FailureKind::NotFound, message: "no".into(), hint: Some("mend it".into()) };
        let error = anyhow::Error::new(EngineError::StartFailed(failure));
        assert_eq!(code(&error), 127);
        assert_eq!(hints(&error), ["mend it"]);
        assert_eq!(code(&anyhow::Error::new(EngineError::NoSuchContainer("x".into()))), 1);
    }
}
