//! `nvr fleet lint`, `plan`, `apply`, `pause`, `resume`, `halt` and `rollback`.

use clap::Args;

use super::fleet_desk::{Desk, nothing_unfinished, show};
use super::fleet_flags::{
    FleetFlags, Form, LimitFlags, OperatorFlags, PublisherFlags, SelectionFlags, ids,
};
use super::out;
use crate::fleet::desk::{
    self, Act, DeskError, Exit, Found, JournalFolder, Limits, Linted, PauseRequest, Plan, Session,
};

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
    publisher: PublisherFlags,

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

/// Options of `nvr fleet pause`.
#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    operator: OperatorFlags,
}

/// Options of `nvr fleet resume`.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    publisher: PublisherFlags,
}

/// Options of `nvr fleet halt`.
#[derive(Debug, Args)]
pub(super) struct HaltArgs {
    #[command(flatten)]
    fleet: FleetFlags,

    #[command(flatten)]
    publisher: PublisherFlags,

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
    publisher: PublisherFlags,

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
    let what = &args.what;
    let desk = Desk::open(&what.fleet, &what.publisher)?;
    let (session, plan) = planned(what, &desk, None).await?;
    show(&plan, args.format);
    session.close().await;
    Ok(Exit::Done)
}

/// Publishes what has changed.
pub(super) async fn apply(args: &ApplyArgs) -> Result<Exit, DeskError> {
    let what = &args.what;
    let desk = Desk::open(&what.fleet, &what.publisher)?;
    if args.resume {
        return desk.resume().await;
    }
    desk.folder.check_free()?;
    let limits = args.limits.limits();
    let (session, plan) = planned(what, &desk, Some(&limits)).await?;
    desk.roll_out(session, &plan, &limits, args.dry_run).await
}

/// Asks the desk that runs the rollout to wait before its next stage.
pub(super) fn pause(args: &PauseArgs) -> Result<Exit, DeskError> {
    let folder = JournalFolder::beside(&args.fleet.file);
    let id = match folder.find()? {
        Found::Nothing => return Err(nothing_unfinished()),
        Found::Left(journal) => {
            out::line(format_args!(
                "no desk works on rollout {}; it waits for `nvr fleet resume`",
                journal.id()
            ));
            return Ok(Exit::Done);
        }
        Found::Running(id) => id,
    };
    let audit = args.fleet.audit(&args.operator);
    folder.pause().ask(&PauseRequest {
        rollout: id.clone(),
        by: audit.who().to_owned(),
    })?;
    audit.write(&[Act::of_rollout("pause", &id)])?;
    out::line(format_args!(
        "rollout {id} pauses before its next stage; go on with `nvr fleet resume`"
    ));
    Ok(Exit::Done)
}

/// Ends a pause at the desk that runs the rollout. If no desk does, this one goes on with it.
pub(super) async fn resume(args: &ResumeArgs) -> Result<Exit, DeskError> {
    let desk = Desk::open(&args.fleet, &args.publisher)?;
    // What is left is opened again, which needs its lock.
    let running = match desk.folder.find()? {
        Found::Running(id) => Some(id),
        Found::Nothing | Found::Left(_) => None,
    };
    let Some(id) = running else {
        return desk.resume().await;
    };
    if !desk.folder.pause().withdraw(&id)? {
        return Err(DeskError::Usage(format!(
            "another desk works on rollout {id}, and `nvr fleet pause` did not ask it to wait; a desk that asks for Enter wants it on \
             its own terminal"
        )));
    }
    desk.audit.write(&[Act::of_rollout("resume", &id)])?;
    out::line(format_args!(
        "rollout {id} goes on at the desk that runs it"
    ));
    Ok(Exit::Done)
}

/// Takes a rollout back.
pub(super) async fn halt(args: &HaltArgs) -> Result<Exit, DeskError> {
    let desk = Desk::open(&args.fleet, &args.publisher)?;
    let unfinished = desk.folder.unfinished()?;
    let journal = match (unfinished, &args.rollout) {
        (Some(journal), None) => journal,
        (Some(journal), Some(id)) if journal.id() == id => journal,
        (_, id) => desk.folder.finished(id.as_deref())?,
    };
    let session = desk.follow(&journal).await?;
    let mut say = |line: &str| out::line(line);
    let operation = desk.operation(session, &mut say);
    let end = desk::halt(operation, journal, args.revert_applied).await?;
    Ok(end.exit)
}

/// Rolls out former documents.
pub(super) async fn rollback(args: &RollbackArgs) -> Result<Exit, DeskError> {
    let desk = Desk::open(&args.fleet, &args.publisher)?;
    desk.folder.check_free()?;
    let journal = desk.folder.finished(args.before.as_deref())?;
    let session = desk.follow(&journal).await?;
    let plan = desk::roll_back(&journal, session.views(), &desk.signer)?;
    drop(journal);
    desk.roll_out(session, &plan, &args.limits.limits(), args.dry_run)
        .await
}

async fn planned(
    what: &WhatFlags,
    desk: &Desk<'_>,
    limits: Option<&Limits>,
) -> Result<(Session, Plan), DeskError> {
    let devices = what.selection.of(&desk.fleet)?;
    let linted = desk::lint(&desk.fleet, &devices, what.allow_plain_secrets)?;
    for warning in &linted.warnings {
        out::error(format_args!("warning: {warning}"));
    }
    if let Some(limits) = limits {
        limits.check(linted.documents.values())?;
    }
    let ids = ids(&devices);
    let session = desk.session(&ids).await?;
    let documents: Vec<_> = ids
        .iter()
        .filter_map(|id| Some((id.as_str(), linted.documents.get(id)?)))
        .collect();
    let plan = desk::plan(&documents, session.views(), &desk.signer, what.retry)?;
    Ok((session, plan))
}
