//! How the API tells that something failed: a status by the error's kind, and the message.

use serde::Serialize;
use tare_words::ErrorKind;

/// The body of an answer with a status of 400 and more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorResponse {
    /// What went wrong.
    pub message: String,
}

/// The HTTP status of a kind, as Docker's daemon chooses it.
#[must_use]
pub fn status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::BadParameter => 400,
        ErrorKind::Forbidden => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::Conflict | ErrorKind::InUse => 409,
        // Not in HTTP: nobody is there to read it.
        ErrorKind::Cancelled => 499,
        ErrorKind::System => 500,
        ErrorKind::NotImplemented => 501,
        ErrorKind::Unavailable => 503,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_dockers() {
        assert_eq!(status(tare_engine::Error::NoSuchContainer("x".into()).kind()), 404);
        assert_eq!(status(tare_engine::Error::Paused("x".into()).kind()), 409);
        let body = ErrorResponse { message: "No such container: x".into() };
        assert_eq!(serde_json::to_string(&body).unwrap(), r#"{"message":"No such container: x"}"#);
    }
}
