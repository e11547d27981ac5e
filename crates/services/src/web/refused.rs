//! Why a page isn't shown or a form isn't carried out, in the words of whoever decided: a status and headers for
//! programs, the same sentence for people.

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use meter::{Denied, GateError, View};
use security::Refusal;

use super::answer::notice;
use super::fields::FieldsError;
use super::login::challenge;
use super::own::Foreign;
use crate::disk::noted;

/// Seconds after which a busy meter is worth another try: its queue is worked off by then.
const BUSY_SECONDS: HeaderValue = HeaderValue::from_static("5");

#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Decision(#[from] Refusal),
    #[error(transparent)]
    Login(#[from] Denied),
    #[error(transparent)]
    Foreign(#[from] Foreign),
    #[error(transparent)]
    Fields(#[from] FieldsError),
    #[error(transparent)]
    Gate(GateError),
    /// A task of the meter's has broken down.
    #[error("the meter could not finish this request, because of an error of its own: see its output")]
    Broken,
}

impl From<GateError> for Refused {
    fn from(error: GateError) -> Self {
        match noted(error) {
            GateError::Refused(refusal) => Self::Decision(refusal),
            error => Self::Gate(error),
        }
    }
}

impl Refused {
    pub fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Decision(refusal) if refusal.wants_login() => (StatusCode::UNAUTHORIZED, "Login needed"),
            Self::Decision(_) => (StatusCode::FORBIDDEN, "Not allowed"),
            Self::Login(Denied::Verdict(_)) => (StatusCode::UNAUTHORIZED, "Login refused"),
            Self::Login(Denied::Locked(_)) => (StatusCode::TOO_MANY_REQUESTS, "Locked out"),
            Self::Login(Denied::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "Busy"),
            Self::Login(Denied::Failed(_)) | Self::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "Failed"),
            Self::Foreign(_) => (StatusCode::FORBIDDEN, "Not from here"),
            Self::Fields(error) => (error.status(), "Not a form"),
            Self::Gate(error) => (gate_status(error), "Not done"),
        }
    }

    /// The answer.
    pub fn answer(&self, view: &View) -> Response {
        let (status, title) = self.status();
        let mut answer = notice(view, status, title, &self.to_string());
        let headers = answer.headers_mut();
        match self {
            _ if status == StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, challenge(&view.identity.serial));
            }
            Self::Login(Denied::Locked(locked)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(locked.minutes_left * 60));
            }
            Self::Login(Denied::Busy) => {
                headers.insert(RETRY_AFTER, BUSY_SECONDS);
            }
            _ => {}
        }
        answer
    }
}

/// What HTTP calls it when the gate doesn't do what a form asks.
pub(super) fn gate_status(error: &GateError) -> StatusCode {
    match error {
        GateError::Refused(_) => StatusCode::FORBIDDEN,
        GateError::SettingsChanged | GateError::Changing => StatusCode::CONFLICT,
        GateError::Store(_) | GateError::NotErased(_) | GateError::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
