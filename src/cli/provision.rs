//! `nvr provision`: takes over the file that gives a box its identity and its network.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::agent::{ProvisionOptions, run_provision};
use crate::config::Environment;

/// Options of `nvr provision`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ProvisionArgs {
    /// Folder that is looked at, not below it; repeatable [default: /data, /boot, /boot/efi, /boot/firmware, then USB sticks]
    #[arg(long = "from", value_name = "DIR")]
    from: Vec<PathBuf>,
    /// Look at this block device only, such as /dev/sda1
    #[arg(long, value_name = "DEVICE", conflicts_with = "from")]
    device: Option<PathBuf>,
    /// Folder of the documents and of the trusted keys
    #[arg(long, value_name = "DIR", default_value = "/var/lib/nvr/agent")]
    state_dir: PathBuf,
    /// Root of the system whose run/systemd and etc are written
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// If a file was taken over, restart the services of the network and the time, and the agent
    #[arg(long)]
    restart_services: bool,
}

const AFTER_HELP: &str = "\
A file nvr-provision.toml is checked, moved to the folder of the state and removed. Without one, the network and the time of the last one are
given to the system; the unit nvr-provision.service does so at each start. Exit code 2 means that the file has problems; each is in the log, and
on the monitor where the agent runs with --setup-notice.

docs/provisioning.md describes the file:

  device = \"dock-box-1\"
  keys = [\"MCowBQYDK2VwAyEA...\"]
  [mqtt]
  host = \"mqtts://mqtt.example.com\"
  username = \"dock-box-1\"
  password = { file = \"mqtt-password\" }
  [files]
  mqtt-password = \"...\"
  [network]
  address = \"10.0.0.5/24\"
  gateway = \"10.0.0.1\"
  [time]
  zone = \"Europe/Berlin\"

Examples:
  nvr provision
  nvr provision --from ./stick --state-dir ./state --root ./root";

/// Folders of the data and the boot partition, as images mount them.
const FOLDERS: [&str; 4] = ["/data", "/boot", "/boot/efi", "/boot/firmware"];

/// Takes over a file, if there is one.
pub(super) fn main(args: ProvisionArgs) -> anyhow::Result<ExitCode> {
    let sticks = args.from.is_empty();
    let folders = match sticks {
        true => FOLDERS.map(PathBuf::from).to_vec(),
        false => args.from,
    };
    let options = ProvisionOptions {
        folders,
        device: args.device,
        sticks,
        state_dir: args.state_dir,
        root: args.root,
        restart_services: args.restart_services,
    };
    Ok(match run_provision(&options, &Environment::of_process())? {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(2),
    })
}
