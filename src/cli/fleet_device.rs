//! `nvr fleet status`, `show`, `command`, `remove` and `simulate`.

use std::time::Duration;

use clap::Args;

use super::fleet_flags::{
    FleetFlags, Form, OperatorFlags, PublisherFlags, SelectionFlags, complete, ids, interrupt,
};
use super::out;
use crate::bus::FleetTopic;
use crate::fleet::desk::{
    self, CommandRequest, DeskError, Exit, Operation, Session, SimulateOptions, read_status,
    status_json, status_text,
};
use crate::fleet::{Response, Verb};

/// Topics that stay on the broker.
const RETAINED: [FleetTopic; 4] = [
    FleetTopic::Desired,
    FleetTopic::Reported,
    FleetTopic::Presence,
    FleetTopic::Capabilities,
];
/// Period of `status --watch`.
const WATCH_PERIOD: Duration = Duration::from_secs(5);

/// Options of `nvr fleet status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    selection: SelectionFlags,

    /// Show it again every five seconds, until SIGINT
    #[arg(long)]
    watch: bool,

    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

/// Options of `nvr fleet show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    /// Id of the device
    device: String,
}

/// Options of `nvr fleet command`.
#[derive(Debug, Args)]
pub(super) struct CommandArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    publisher: PublisherFlags,

    /// Id of the device
    device: String,

    /// What it does: ping, identify, snapshot, pause, resume, restart-source, restart, logs, doctor or reboot
    #[arg(value_parser = verb)]
    verb: Verb,

    /// Arguments of the verb, such as source=3, role=wall, lines=50 or limit=30s
    #[arg(value_name = "NAME=VALUE")]
    args: Vec<String>,

    /// Maximum time until the answer
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Options of `nvr fleet remove`.
#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    operator: OperatorFlags,

    /// Id of the device; it need not be in the file any more
    device: String,

    /// Remove it although it is online
    #[arg(long)]
    force: bool,
}

/// Options of `nvr fleet simulate`.
#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    selection: SelectionFlags,

    /// Simulate only the first so many devices of the file [default: all]
    #[arg(long, value_name = "N")]
    devices: Option<usize>,

    /// Time from a document to its result
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    apply_time: Duration,

    /// Revert documents that contain this text
    #[arg(long, value_name = "TEXT")]
    reverts: Option<String>,
}

fn verb(text: &str) -> Result<Verb, String> {
    let known = Verb::ALL.into_iter().find(|verb| verb.as_str() == text);
    known.ok_or_else(|| format!("must be one of {}", Verb::ALL.map(Verb::as_str).join(", ")))
}

/// Shows the devices.
pub(super) async fn status(args: &StatusArgs) -> Result<Exit, DeskError> {
    let fleet = args.fleet.fleet()?;
    let ids = ids(&args.selection.of(&fleet)?);
    let followed = [
        FleetTopic::Desired,
        FleetTopic::Reported,
        FleetTopic::Presence,
    ];
    let mut session = Session::open(&args.fleet.broker(&fleet)?, &ids, &followed).await?;
    let mut end = std::pin::pin!(interrupt());
    let is_complete = loop {
        let status = read_status(&mut session, &ids).await;
        match args.format {
            Form::Json => out::line(status_json(&status)),
            Form::Text => status_text(&status).iter().for_each(out::line),
        }
        if !args.watch {
            break status.is_complete();
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_PERIOD) => {}
            () = &mut end => break status.is_complete(),
        }
    };
    session.close().await;
    Ok(complete(is_complete))
}

/// Shows one device.
pub(super) async fn show(args: &ShowArgs) -> Result<Exit, DeskError> {
    let fleet = args.fleet.fleet()?;
    let device = [args.device.clone()];
    let session = Session::open(&args.fleet.broker(&fleet)?, &device, &RETAINED).await?;
    let view = session
        .views()
        .get(&args.device)
        .cloned()
        .unwrap_or_default();
    let shown = desk::show(&args.device, &view);
    out::line(format_args!("{shown:#}"));
    session.close().await;
    Ok(complete(view.has_answered()))
}

/// Sends a command.
pub(super) async fn command(args: &CommandArgs) -> Result<Exit, DeskError> {
    let fleet = args.fleet.fleet()?;
    let signer = args.publisher.keys.signer()?;
    let followed = [FleetTopic::Presence, FleetTopic::Response];
    let device = [args.device.clone()];
    let mut session = Session::open(&args.fleet.broker(&fleet)?, &device, &followed).await?;
    let request = CommandRequest {
        device: args.device.clone(),
        verb: args.verb,
        args: args.args.clone(),
        limit: args.timeout,
    };
    let answer = desk::command(
        &mut session,
        &request,
        &signer,
        &args.fleet.audit(&args.publisher.operator),
    )
    .await;
    session.close().await;
    let Response {
        ok, error, data, ..
    } = answer?;
    if let Some(data) = data {
        out::line(format_args!("{data:#}"));
    }
    match error.filter(|_| !ok) {
        Some(error) => Err(DeskError::Device(format!(
            "{}: {} ({})",
            args.device, error.message, error.code
        ))),
        None if ok => {
            out::line(format_args!("{}: done", args.device));
            Ok(Exit::Done)
        }
        None => Err(DeskError::Device(format!("{} has refused", args.device))),
    }
}

/// Clears a device's topics.
pub(super) async fn remove(args: &RemoveArgs) -> Result<Exit, DeskError> {
    let fleet = args.fleet.fleet()?;
    let device = [args.device.clone()];
    let session = Session::open(&args.fleet.broker(&fleet)?, &device, &RETAINED).await?;
    let (signer, audit) = (desk::Signer::default(), args.fleet.audit(&args.operator));
    let mut say = |line: &str| out::line(line);
    let mut operation = Operation {
        session,
        signer: &signer,
        audit: &audit,
        say: &mut say,
    };
    let cleared = desk::remove(&mut operation, &args.device, args.force).await;
    operation.session.close().await;
    for topic in cleared? {
        out::line(format_args!("cleared {topic}"));
    }
    Ok(Exit::Done)
}

/// Runs simulated devices until SIGTERM or SIGINT.
pub(super) async fn simulate(args: &SimulateArgs) -> Result<Exit, DeskError> {
    let fleet = args.fleet.fleet()?;
    let mut devices = ids(&args.selection.of(&fleet)?);
    devices.truncate(args.devices.unwrap_or(usize::MAX));
    let options = SimulateOptions {
        devices,
        apply_time: args.apply_time,
        reverts: args.reverts.clone(),
    };
    let mut say = |line: &str| out::line(line);
    desk::simulate(&args.fleet.broker(&fleet)?, &options, interrupt(), &mut say).await?;
    Ok(Exit::Done)
}
