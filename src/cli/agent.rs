//! `nvr agent`: runs a box by the documents of its fleet.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio::runtime::Builder;

use super::logging::LogFormat;
use crate::agent::{AgentOptions, end_with_agent, run};
use crate::config::Span;

/// Threads that may wait for a role at once: an apply, a status and some commands of each.
const BLOCKING_THREADS: usize = 8;
/// Their stack in bytes. They read and write JSON.
const STACK_BYTES: usize = 512 * 1024;

/// Options of `nvr agent`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct AgentArgs {
    /// Folder with device.toml, and with the secrets that documents refer to
    #[arg(long, value_name = "DIR", default_value = "/etc/nvr")]
    config_dir: PathBuf,
    /// Folder of the documents and of the trusted keys
    #[arg(long, value_name = "DIR", default_value = "/var/lib/nvr/agent")]
    state_dir: PathBuf,
    /// File with the identity of this device, such as /boot/nvr-provision.toml; taken over at the first start, and removed
    #[arg(long, value_name = "FILE")]
    provision: Option<PathBuf>,
    /// Without an identity, show on the monitor that this device is not set up, and wait for `nvr provision`; else the device takes a default id and
    /// a broker on this machine. With an identity, show on the wall why a provisioning file was refused
    #[arg(long)]
    setup_notice: bool,
    /// Root of the system for the notice, for tests
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    setup_root: PathBuf,
    /// Run the processor as this user, with its groups; needs root. The unit uses nvr
    #[arg(long, value_name = "USER")]
    processor_user: Option<String>,
    /// Folder with the users and groups of this machine, for tests
    #[arg(long, value_name = "DIR", default_value = "/etc", hide = true)]
    etc_dir: PathBuf,
    /// Maximum time without a sign of life of a processor or wall before it is started again
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span)]
    watchdog_limit: Span,
    /// File with what the system does not tell of the board, instead of /usr/share/nvr/board.toml; see docs/fleet.md
    #[arg(long, value_name = "FILE", env = "NVR_BOARD")]
    board: Option<PathBuf>,
    /// Folder of the kernel's devices, for tests
    #[arg(long, value_name = "DIR", default_value = "/sys", hide = true)]
    sys_dir: PathBuf,
    /// How long a model that was fetched for a document is kept after the last document that names it
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = span)]
    keep_models: Span,
    /// File of the kernel that differs after each start of the machine, for tests
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/proc/sys/kernel/random/boot_id",
        hide = true
    )]
    boot_id: PathBuf,
    /// Program that runs the roles instead of this one, for tests
    #[arg(long, value_name = "FILE", hide = true)]
    role_program: Option<PathBuf>,
    /// Command that restarts this machine, with its arguments
    #[arg(long, value_name = "COMMAND", default_value = "systemctl reboot")]
    reboot_command: String,
}

const AFTER_HELP: &str = "\
device.toml has the id of the device, the public keys of the fleet, and the broker as in a configuration file:

  device = \"dock-box-1\"            # default: hostname and a part of the machine id
  name = \"Loading dock\"
  identify_led = \"green:status\"   # blinks at the command identify; a name in /sys/class/leds
  keys = [\"MCowBQYDK2VwAyEA...\"]   # without a key, unsigned documents are accepted
  [mqtt]
  host = \"mqtts://mqtt.example.com\"
  username = { file = \"mqtt-user\" }
  password = { file = \"mqtt-password\" }

docs/fleet.md describes the documents, the phases and the commands.

Examples:
  nvr agent
  nvr agent --provision /boot/nvr-provision.toml
  nvr agent --setup-notice --processor-user nvr
  nvr agent --config-dir ./box --state-dir ./box/state";

/// Runs the agent until a signal stops it.
pub(super) fn main(args: AgentArgs, log_format: LogFormat) -> anyhow::Result<ExitCode> {
    if !end_with_agent() {
        return Ok(ExitCode::FAILURE);
    }
    let words = args.reboot_command.split_whitespace();
    let options = AgentOptions {
        config_dir: std::path::absolute(args.config_dir)?,
        state_dir: std::path::absolute(args.state_dir)?,
        provision: args.provision,
        setup_root: args.setup_notice.then_some(args.setup_root),
        processor_user: args.processor_user,
        etc_dir: args.etc_dir,
        program: std::env::current_exe()?,
        keep_models: args.keep_models.0,
        watchdog_limit: args.watchdog_limit.0,
        reboot: words.map(str::to_owned).collect(),
        board: args.board,
        sys_dir: args.sys_dir,
        boot_id: args.boot_id,
        role_program: args.role_program,
        json_log: log_format == LogFormat::Json,
    };
    // One thread: the kernel ends a role with the thread that started it.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_stack_size(STACK_BYTES)
        .build()?;
    let code = runtime.block_on(run(options))?;
    // Does not wait for a role that does not answer.
    runtime.shutdown_background();
    Ok(code)
}

fn span(text: &str) -> Result<Span, String> {
    let duration = humantime::parse_duration(text).map_err(|err| err.to_string())?;
    match duration.is_zero() {
        true => Err("must be above 0".to_owned()),
        false => Ok(Span(duration)),
    }
}
