//! The settings of an agent, and why it can't start.

use std::path::PathBuf;
use std::time::Duration;

use super::identity::DeviceFileError;
use super::provision::ProvisionError;
use super::role_user::RoleUserError;
use crate::bus::BusError;

/// Settings of an agent.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// The folder with `device.toml`, and with the secrets to which documents refer.
    pub config_dir: PathBuf,
    /// The folder of the documents and of everything else that must outlast a restart.
    pub state_dir: PathBuf,
    /// A file with the identity, consumed at the first start.
    pub provision: Option<PathBuf>,
    /// Where a box without an identity shows a notice instead of running with the default one, and one that has an identity shows a refused
    /// provisioning file: the root of the system, with its addresses (`proc`) and the problems of its provisioning (`run`).
    pub setup_root: Option<PathBuf>,
    /// The user of the processor, if it is not to run as the agent's.
    pub processor_user: Option<String>,
    /// The folder with the users and groups of this machine, `/etc`.
    pub etc_dir: PathBuf,
    /// The program that runs the roles: `nvr` itself.
    pub program: PathBuf,
    /// The program that the roles are, where it is another one.
    pub role_program: Option<PathBuf>,
    /// How long a fetched model is kept that no document names.
    pub keep_models: Duration,
    /// Maximum time without a sign of life of a role.
    pub watchdog_limit: Duration,
    /// The command that restarts the machine, with its arguments.
    pub reboot: Vec<String>,
    /// Whether logs are lines of JSON.
    pub json_log: bool,
    /// The board file that the operator names, else that of the image.
    pub board: Option<PathBuf>,
    /// The folder of the kernel's devices, `/sys`.
    pub sys_dir: PathBuf,
    /// The kernel's file with another text after each start of the machine.
    pub boot_id: PathBuf,
}

/// Why an agent can't start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The identity of the box.
    #[error(transparent)]
    Identity(#[from] DeviceFileError),
    /// The provisioning file.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// The user of the processor.
    #[error(transparent)]
    User(#[from] RoleUserError),
    /// The broker's settings (not its absence).
    #[error(transparent)]
    Link(#[from] BusError),
    /// The folder of the state.
    #[error("can't use {}: {source}; give a folder of this user with --state-dir", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Another agent runs.
    #[error("another agent uses {}; stop it, or give this one another --state-dir", path.display())]
    Twin {
        /// The folder.
        path: PathBuf,
    },
    /// No private folder for the notify sockets.
    #[error(
        "no folder for sockets is private to this user; create /run/nvr for this user (RuntimeDirectory=nvr in a unit), or set NVR_RUNTIME_DIR"
    )]
    Folder,
    /// The system refuses signals or sockets.
    #[error("the system refuses a socket or a signal handler: {0}")]
    System(#[from] std::io::Error),
}
