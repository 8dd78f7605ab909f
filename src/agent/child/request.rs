//! Requests to a role at its control socket, on a blocking thread.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::agent::cycle::ChildRole;
use crate::control::{Answer, Capabilities, ClientError, Request, Status, find, request};

/// Why a role did not answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::agent) enum RequestError {
    /// It has no socket.
    #[error(
        "the {role} has no control socket; see its log for the reason, and free the folder for sockets"
    )]
    NoSocket {
        /// The role.
        role: ChildRole,
    },
    /// It does not answer.
    #[error("the {role} does not answer: {source}")]
    Client {
        /// The role.
        role: ChildRole,
        /// The reason.
        source: ClientError,
    },
    /// It has answered something else.
    #[error("the {role} has answered in an unknown form; its version is another one")]
    Form {
        /// The role.
        role: ChildRole,
    },
    /// The request was not carried out.
    #[error("the request to the {role} failed")]
    Failed {
        /// The role.
        role: ChildRole,
    },
}

/// Sends a request to the role `role` of the device `device`. Blocks for at most about `limit`.
///
/// # Errors
/// When there is no answer in time.
pub(in crate::agent) fn ask(
    role: ChildRole,
    device: &str,
    wanted: &Request,
    limit: Duration,
) -> Result<Answer, RequestError> {
    let found = find(&role.to_string(), Some(device));
    let socket = found
        .sockets
        .first()
        .ok_or(RequestError::NoSocket { role })?;
    request(socket, wanted, limit).map_err(|source| RequestError::Client { role, source })
}

/// Applies a configuration.
pub(super) fn apply(
    role: ChildRole,
    device: &str,
    document: Value,
    limit: Duration,
) -> JoinHandle<Result<Answer, RequestError>> {
    let device = device.to_owned();
    spawn_blocking(move || ask(role, &device, &Request::Apply { document }, limit))
}

/// The answer to [`status`].
pub(super) type Told = Result<(Box<Status>, Option<Box<Capabilities>>), RequestError>;

/// Asks for the status, and for the abilities if they are not known yet.
pub(super) fn status(
    role: ChildRole,
    device: &str,
    is_known: bool,
    limit: Duration,
) -> JoinHandle<Told> {
    let device = device.to_owned();
    spawn_blocking(move || {
        let status = value(role, &device, &Request::Status, limit)?;
        // Without them the status counts all the same.
        let able = (!is_known).then(|| value(role, &device, &Request::Capabilities, limit).ok());
        Ok((status, able.flatten()))
    })
}

fn value<T: DeserializeOwned>(
    role: ChildRole,
    device: &str,
    wanted: &Request,
    limit: Duration,
) -> Result<T, RequestError> {
    match ask(role, device, wanted, limit)? {
        Answer::Ok(value) => serde_json::from_value(value).map_err(|_| RequestError::Form { role }),
        Answer::Refused(_) => Err(RequestError::Form { role }),
    }
}
