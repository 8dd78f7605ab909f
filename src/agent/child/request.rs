//! Requests to a role at its control socket, on a blocking thread.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::agent::cycle::ChildRole;
use crate::control::{
    Answer, Capabilities, ClientError, Request, Status, find, request_to, socket_path,
};

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
    /// Another process holds its socket.
    #[error(
        "process {process} answers in place of the {role} of this agent; end process {process}, or give it another --instance-id"
    )]
    Taken {
        /// The role.
        role: ChildRole,
        /// The other process.
        process: i32,
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

/// The process of a role, to which requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::agent) struct Recipient {
    pub(in crate::agent) role: ChildRole,
    /// The instance id with which the process started, a part of the name of its socket.
    pub(in crate::agent) instance: String,
    /// The id of the process.
    pub(in crate::agent) process: i32,
    /// The folder of its socket, where that is not one of the agent's user.
    pub(in crate::agent) folder: Option<PathBuf>,
}

impl Recipient {
    /// Sends a request to this process, and to no other that has the role and the id too. Blocks for at most about `limit`.
    ///
    /// # Errors
    /// When there is no answer in time, or only another process listens.
    pub(in crate::agent) fn ask(
        &self,
        wanted: &Request,
        limit: Duration,
    ) -> Result<Answer, RequestError> {
        let role = self.role;
        let mut failed = RequestError::NoSocket { role };
        let name = role.to_string();
        let sockets = match &self.folder {
            Some(folder) => vec![socket_path(folder, &name, &self.instance)],
            None => find(&name, Some(&self.instance)).sockets,
        };
        for socket in sockets.into_iter().filter(|socket| socket.exists()) {
            match request_to(self.process, &socket, wanted, limit) {
                Ok(answer) => return Ok(answer),
                Err(ClientError::OtherProcess { found, .. }) => {
                    failed = RequestError::Taken {
                        role,
                        process: found,
                    };
                }
                Err(source) => return Err(RequestError::Client { role, source }),
            }
        }
        Err(failed)
    }
}

/// Applies a configuration.
pub(super) fn apply(
    to: Recipient,
    document: Value,
    limit: Duration,
) -> JoinHandle<Result<Answer, RequestError>> {
    spawn_blocking(move || to.ask(&Request::Apply { document }, limit))
}

/// The answer to [`status`].
pub(super) type Told = Result<(Box<Status>, Option<Box<Capabilities>>), RequestError>;

/// Asks for the status, and for the abilities if they are not known yet.
pub(super) fn status(to: Recipient, is_known: bool, limit: Duration) -> JoinHandle<Told> {
    spawn_blocking(move || {
        let status = value(&to, &Request::Status, limit)?;
        // Without them the status counts all the same.
        let able = (!is_known).then(|| value(&to, &Request::Capabilities, limit).ok());
        Ok((status, able.flatten()))
    })
}

fn value<T: DeserializeOwned>(
    to: &Recipient,
    wanted: &Request,
    limit: Duration,
) -> Result<T, RequestError> {
    let role = to.role;
    match to.ask(wanted, limit)? {
        Answer::Ok(value) => serde_json::from_value(value).map_err(|_| RequestError::Form { role }),
        Answer::Refused(_) => Err(RequestError::Form { role }),
    }
}
