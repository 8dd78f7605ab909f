//! `nvr fleet update`: another firmware for the devices, in the stages of an apply.

use clap::Args;

use super::fleet_desk::Desk;
use super::fleet_flags::{FleetFlags, LimitFlags, PublisherFlags, SelectionFlags, ids};
use crate::fleet::desk::{self, DeskError, Exit};
use crate::fleet::{DocumentHash, FirmwareOrder, FirmwareRef};

/// Options of `nvr fleet update`.
#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    selection: SelectionFlags,

    #[command(flatten)]
    publisher: PublisherFlags,

    #[command(flatten)]
    limits: LimitFlags,

    /// Version of the image, as the image itself names it; devices that run it already install nothing
    // Not `version`, which clap keeps for the program.
    #[arg(long = "version", value_name = "VERSION")]
    image_version: String,

    /// Address of the image: https or http
    #[arg(long)]
    url: String,

    /// SHA-256 of the image
    #[arg(long, value_name = "HEX")]
    sha256: DocumentHash,

    /// Exact length of the image in bytes [default: unknown, at most 4 GiB]
    #[arg(long, value_name = "BYTES")]
    size: Option<u64>,

    /// Order it again where it has failed or was rolled back
    #[arg(long)]
    retry: bool,

    /// Show what would be published, and publish nothing
    #[arg(long)]
    dry_run: bool,
}

/// Publishes the documents of the broker with another firmware.
pub(super) async fn update(args: &UpdateArgs) -> Result<Exit, DeskError> {
    let firmware = FirmwareRef {
        url: args.url.clone(),
        sha256: args.sha256.clone(),
        version: args.image_version.clone(),
        size: args.size,
        generation: None,
    };
    check(&firmware)?;
    let desk = Desk::open(&args.fleet, &args.publisher)?;
    desk.folder.check_free()?;
    let devices = args.selection.of(&desk.fleet)?;
    let session = desk.session(&ids(&devices)).await?;
    let (views, signer) = (session.views(), &desk.signer);
    let plan = desk::plan_update(&desk.fleet, &devices, &firmware, views, signer, args.retry)?;
    let limits = args.limits.limits_of_update();
    desk.roll_out(session, &plan, &limits, args.dry_run).await
}

/// The checks of a device.
fn check(firmware: &FirmwareRef) -> Result<(), DeskError> {
    let document = serde_json::json!({ "schema": 1, "generation": 1, "firmware": firmware });
    let read = FirmwareOrder::read(document.to_string().as_bytes(), "");
    let problems = read.map(|_| ()).map_err(|errors| errors.to_string());
    problems.map_err(DeskError::Usage)
}
