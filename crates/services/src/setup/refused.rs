//! Refusals as Setup gets them: the sentence of whoever refuses, the kind of failure, and a status of
//! HTTP for those who speak no more than that.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use framework::{DcfError, ScfError};
use meter::{Denied, Failure, GateError};
use security::Refusal;

use crate::change::ChangeError;
use crate::disk::noted;
use crate::vault::MakeError;

/// An answer that says no.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    error: Box<api::Error>,
}

impl Refused {
    fn new(status: StatusCode, failure: api::Failure, message: impl Into<String>) -> Self {
        let error = api::Error { failure, message: message.into(), wants_login: false, plan: None };
        Self { status, error: Box::new(error) }
    }

    /// The request makes no sense.
    pub fn request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, api::Failure::Failed, message)
    }

    /// A body beyond its limit.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("the meter takes at most {limit} bytes here");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, api::Failure::Failed, message)
    }

    /// Too much is going on.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, api::Failure::Failed, message)
    }

    /// Logging in could help.
    pub fn wants_login(message: impl Into<String>) -> Self {
        let mut refused = Self::new(StatusCode::UNAUTHORIZED, api::Failure::Denied, message);
        refused.error.wants_login = true;
        refused
    }

    /// Another protocol, a newer Setup, a typing error.
    pub fn no_such_route() -> Self {
        let message = "this meter knows no such request: a newer Setup may be needed, or an older one";
        Self::new(StatusCode::NOT_FOUND, api::Failure::Failed, message)
    }

    /// A task of the meter's has broken down.
    pub fn broken() -> Self {
        let message = "the meter could not finish this request, because of an error of its own: see its output";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, api::Failure::Failed, message)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.error)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, 11.6.1: a 401 names what it wants.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        if refusal.wants_login() {
            return Self::wants_login(refusal.to_string());
        }
        Self::new(StatusCode::FORBIDDEN, api::Failure::Denied, refusal.to_string())
    }
}

impl From<GateError> for Refused {
    fn from(error: GateError) -> Self {
        let failure = match error.failure() {
            Failure::Failed => api::Failure::Failed,
            Failure::Untrusted => api::Failure::Untrusted,
            Failure::Denied => api::Failure::Denied,
            Failure::PlanChanged => api::Failure::PlanChanged,
            Failure::Usage => api::Failure::Usage,
        };
        let error = noted(error);
        let message = error.to_string();
        let status = match error {
            GateError::Refused(refusal) => return refusal.into(),
            GateError::PlanChanged(plan) => {
                let mut refused = Self::new(StatusCode::CONFLICT, failure, message);
                refused.error.plan = Some(plan);
                return refused;
            }
            GateError::Changing
            | GateError::SecurityChanged
            | GateError::RestoreChanged
            | GateError::ChangeOver
            | GateError::ScheduleExists
            | GateError::ScheduledPackage
            | GateError::SameRelease(_)
            | GateError::NoRoom(_)
            | GateError::UploadUnderWay { .. }
            | GateError::UploadOver
            | GateError::UploadElsewhere(_)
            | GateError::PackageQuota(_) => StatusCode::CONFLICT,
            GateError::Store(_) | GateError::Unreadable(_) | GateError::KeyLost(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, failure, message)
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        let message = denied.to_string();
        match denied {
            Denied::Verdict(_) => Self::wants_login(message),
            Denied::Locked(_) => Self::new(StatusCode::FORBIDDEN, api::Failure::Denied, message),
            Denied::Busy => Self::busy(message),
            Denied::Failed(error) => error.into(),
        }
    }
}

impl From<MakeError> for Refused {
    fn from(error: MakeError) -> Self {
        Self::busy(error.to_string())
    }
}

impl From<ChangeError> for Refused {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Gate(error) => error.into(),
            ChangeError::Vault(_) | ChangeError::Stopped => Self::busy(error.to_string()),
        }
    }
}

impl From<ScfError> for Refused {
    fn from(error: ScfError) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, api::Failure::Failed, error.to_string())
    }
}

impl From<DcfError> for Refused {
    fn from(error: DcfError) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, api::Failure::Failed, error.to_string())
    }
}
