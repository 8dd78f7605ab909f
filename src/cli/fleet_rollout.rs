//! `nvr fleet lint`, `plan`, `apply`, `halt` and `rollback`.

use clap::Args;

use super::fleet_flags::{FleetFlags, Form, KeyFlags, LimitFlags, SelectionFlags, ids, interrupt};
use super::out;
use crate::bus::FleetTopic;
use crate::fleet::desk::{
    self, DeskError, Exit, FleetFile, Journal, JournalFolder, Limits, Linted, Operation, Plan,
    Session, Signer,
};

/// The topics that a rollout follows.
const FOLLOWED: [FleetTopic; 3] = [
    FleetTopic::Desired,
    FleetTopic::Reported,
    FleetTopic::Presence,
];

/// Options of `nvr fleet lint`.
#[derive(Debug, Args)]
pub(super) struct LintArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    selection: SelectionFlags,

    /// Accept logins in plain text in documents
    #[arg(long)]
    allow_plain_secrets: bool,

    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

/// Options of `nvr fleet plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    what: WhatFlags,

    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

/// What is published.
#[derive(Debug, Args)]
struct WhatFlags {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    selection: SelectionFlags,

    #[command(flatten)]
    keys: KeyFlags,

    /// Publish also documents again that a device has refused
    #[arg(long)]
    retry: bool,

    /// Accept logins in plain text in documents
    #[arg(long)]
    allow_plain_secrets: bool,
}

/// Options of `nvr fleet apply`.
#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    what: WhatFlags,

    #[command(flatten)]
    limits: LimitFlags,

    /// Go on with the rollout that was not finished, with its own documents and limits
    #[arg(long, conflicts_with_all = ["dry_run", "retry"])]
    resume: bool,

    /// Show what would be published, and publish nothing
    #[arg(long)]
    dry_run: bool,
}

/// Options of `nvr fleet halt`.
#[derive(Debug, Args)]
pub(super) struct HaltArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    keys: KeyFlags,

    /// Take the documents back also where they were applied
    #[arg(long)]
    revert_applied: bool,

    /// The rollout [default: the one that is not finished, else the last one]
    #[arg(long, value_name = "ID")]
    rollout: Option<String>,
}

/// Options of `nvr fleet rollback`.
#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    keys: KeyFlags,

    #[command(flatten)]
    limits: LimitFlags,

    /// The rollout before which the documents were as they shall be again [default: the last finished one]
    #[arg(long, value_name = "ID")]
    before: Option<String>,

    /// Show what would be published, and publish nothing
    #[arg(long)]
    dry_run: bool,
}

/// Checks the fleet.
pub(super) fn lint(args: &LintArgs) -> Result<Exit, DeskError> {
    let fleet = args.fleet.fleet()?;
    let devices = args.selection.of(&fleet)?;
    match desk::lint(&fleet, &devices, args.allow_plain_secrets) {
        Ok(linted) => {
            let summary = linted.summary();
            let Linted {
                documents,
                warnings,
            } = linted;
            if args.format == Form::Json {
                let warnings: Vec<_> = warnings.iter().map(|one| one.to_json()).collect();
                let devices: Vec<_> = documents.keys().collect();
                out::line(
                    serde_json::json!({ "devices": devices, "problems": [], "warnings": warnings }),
                );
                return Ok(Exit::Done);
            }
            for warning in &warnings {
                out::error(format_args!("warning: {warning}"));
            }
            out::line(format_args!("{summary}, every document is valid"));
            Ok(Exit::Done)
        }
        Err(problems) if args.format == Form::Json => {
            let problems: Vec<_> = problems.iter().map(|one| one.to_json()).collect();
            out::line(serde_json::json!({ "problems": problems }));
            Ok(Exit::Usage)
        }
        Err(problems) => Err(problems.into()),
    }
}

/// Shows what would change.
pub(super) async fn plan(args: &PlanArgs) -> Result<Exit, DeskError> {
    let fleet = args.what.fleet.fleet()?;
    let (session, plan) = planned(&args.what, &fleet, &args.what.keys.signer()?, None).await?;
    show(&plan, args.format);
    session.close().await;
    Ok(Exit::Done)
}

/// Publishes what has changed.
pub(super) async fn apply(args: &ApplyArgs) -> Result<Exit, DeskError> {
    let fleet = args.what.fleet.fleet()?;
    let signer = args.what.keys.signer()?;
    let folder = JournalFolder::beside(&args.what.fleet.file);
    if args.resume {
        let Some(journal) = folder.unfinished()? else {
            let message = "there is no unfinished rollout; begin one with `nvr fleet apply`";
            return Err(DeskError::Usage(message.to_owned()));
        };
        let session = follow(&args.what.fleet, &fleet, &journal).await?;
        let audit = args.what.fleet.audit();
        let mut say = |line: &str| out::line(line);
        let operation = Operation {
            session,
            signer: &signer,
            audit: &audit,
            say: &mut say,
        };
        return Ok(desk::resume(operation, journal, interrupt()).await?.exit);
    }
    folder.check_free()?;
    let (session, plan) = planned(&args.what, &fleet, &signer, Some(&args.limits.limits())).await?;
    run(
        &args.what.fleet,
        session,
        &plan,
        &args.limits,
        &signer,
        args.dry_run,
    )
    .await
}

async fn run(
    flags: &FleetFlags,
    session: Session,
    plan: &Plan,
    limits: &LimitFlags,
    signer: &Signer,
    dry_run: bool,
) -> Result<Exit, DeskError> {
    show(plan, Form::Text);
    if dry_run || plan.changes.is_empty() {
        session.close().await;
        return Ok(Exit::Done);
    }
    let audit = flags.audit();
    let mut say = |line: &str| out::line(line);
    let operation = Operation {
        session,
        signer,
        audit: &audit,
        say: &mut say,
    };
    let folder = JournalFolder::beside(&flags.file);
    let end = desk::apply(operation, &folder, plan, &limits.limits(), interrupt()).await?;
    Ok(end.exit)
}

/// Takes a rollout back.
pub(super) async fn halt(args: &HaltArgs) -> Result<Exit, DeskError> {
    let fleet = args.fleet.fleet()?;
    let signer = args.keys.signer()?;
    let folder = JournalFolder::beside(&args.fleet.file);
    let unfinished = folder.unfinished()?;
    let journal = match (unfinished, &args.rollout) {
        (Some(journal), None) => journal,
        (Some(journal), Some(id)) if journal.id() == id => journal,
        (_, id) => folder.finished(id.as_deref())?,
    };
    let session = follow(&args.fleet, &fleet, &journal).await?;
    let audit = args.fleet.audit();
    let mut say = |line: &str| out::line(line);
    let operation = Operation {
        session,
        signer: &signer,
        audit: &audit,
        say: &mut say,
    };
    Ok(desk::halt(operation, journal, args.revert_applied)
        .await?
        .exit)
}

/// Rolls out former documents.
pub(super) async fn rollback(args: &RollbackArgs) -> Result<Exit, DeskError> {
    let fleet = args.fleet.fleet()?;
    let signer = args.keys.signer()?;
    let folder = JournalFolder::beside(&args.fleet.file);
    folder.check_free()?;
    let journal = folder.finished(args.before.as_deref())?;
    let session = follow(&args.fleet, &fleet, &journal).await?;
    let plan = desk::roll_back(&journal, session.views(), &signer)?;
    drop(journal);
    run(
        &args.fleet,
        session,
        &plan,
        &args.limits,
        &signer,
        args.dry_run,
    )
    .await
}

/// A connection that follows the devices of a rollout.
async fn follow(
    flags: &FleetFlags,
    fleet: &FleetFile,
    journal: &Journal,
) -> Result<Session, DeskError> {
    let devices: Vec<String> = journal
        .entries()
        .iter()
        .map(|entry| entry.device.clone())
        .collect();
    Session::open(&flags.broker(fleet)?, &devices, &FOLLOWED).await
}

async fn planned(
    what: &WhatFlags,
    fleet: &FleetFile,
    signer: &Signer,
    limits: Option<&Limits>,
) -> Result<(Session, Plan), DeskError> {
    let devices = what.selection.of(fleet)?;
    let linted = desk::lint(fleet, &devices, what.allow_plain_secrets)?;
    for warning in &linted.warnings {
        out::error(format_args!("warning: {warning}"));
    }
    if let Some(limits) = limits {
        limits.check(linted.documents.values())?;
    }
    let ids = ids(&devices);
    let session = Session::open(&what.fleet.broker(fleet)?, &ids, &FOLLOWED).await?;
    let documents: Vec<_> = ids
        .iter()
        .filter_map(|id| Some((id.as_str(), linted.documents.get(id)?)))
        .collect();
    let plan = desk::plan(&documents, session.views(), signer, what.retry)?;
    Ok((session, plan))
}

fn show(plan: &Plan, format: Form) {
    match format {
        Form::Json => out::line(plan.to_json()),
        Form::Text => plan.lines().iter().for_each(out::line),
    }
}
