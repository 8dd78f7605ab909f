//! `nvr fleet lint`, `plan`, `apply`, `halt` and `rollback`.

use clap::Args;

use super::fleet_flags::{
    FleetFlags, Form, KeyFlags, LimitFlags, OperatorFlags, SelectionFlags, ids, interrupt, terminal,
};
use super::out;
use crate::bus::FleetTopic;
use crate::fleet::desk::{
    self, Ask, Audit, DeskError, Exit, FleetFile, Journal, JournalFolder, Limits, Linted,
    Operation, Operator, Plan, Session, Signer,
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
    operator: OperatorFlags,

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
    operator: OperatorFlags,

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
    operator: OperatorFlags,

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
    let what = &args.what;
    let desk = Desk::open(&what.fleet, &what.operator, &what.keys)?;
    let (session, plan) = planned(what, &desk, None).await?;
    show(&plan, args.format);
    session.close().await;
    Ok(Exit::Done)
}

/// Publishes what has changed.
pub(super) async fn apply(args: &ApplyArgs) -> Result<Exit, DeskError> {
    let what = &args.what;
    let desk = Desk::open(&what.fleet, &what.operator, &what.keys)?;
    if args.resume {
        return desk.resume().await;
    }
    desk.folder.check_free()?;
    let limits = args.limits.limits();
    let (session, plan) = planned(what, &desk, Some(&limits)).await?;
    desk.roll_out(session, &plan, &limits, args.dry_run).await
}

/// Takes a rollout back.
pub(super) async fn halt(args: &HaltArgs) -> Result<Exit, DeskError> {
    let desk = Desk::open(&args.fleet, &args.operator, &args.keys)?;
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
    let desk = Desk::open(&args.fleet, &args.operator, &args.keys)?;
    desk.folder.check_free()?;
    let journal = desk.folder.finished(args.before.as_deref())?;
    let session = desk.follow(&journal).await?;
    let plan = desk::roll_back(&journal, session.views(), &desk.signer)?;
    drop(journal);
    desk.roll_out(session, &plan, &args.limits.limits(), args.dry_run)
        .await
}

/// What each subcommand that publishes needs.
pub(super) struct Desk<'a> {
    flags: &'a FleetFlags,
    pub(super) fleet: FleetFile,
    pub(super) signer: Signer,
    audit: Audit,
    pub(super) folder: JournalFolder,
}

impl<'a> Desk<'a> {
    pub(super) fn open(
        flags: &'a FleetFlags,
        operator: &OperatorFlags,
        keys: &KeyFlags,
    ) -> Result<Self, DeskError> {
        Ok(Self {
            flags,
            fleet: flags.fleet()?,
            signer: keys.signer()?.named(operator.name()),
            audit: flags.audit(operator),
            folder: JournalFolder::beside(&flags.file),
        })
    }

    /// A connection that follows these devices.
    pub(super) async fn session(&self, devices: &[String]) -> Result<Session, DeskError> {
        Session::open(&self.flags.broker(&self.fleet)?, devices, &FOLLOWED).await
    }

    /// A connection that follows the devices of a rollout.
    async fn follow(&self, journal: &Journal) -> Result<Session, DeskError> {
        let devices = journal.entries().iter();
        let devices: Vec<String> = devices.map(|entry| entry.device.clone()).collect();
        self.session(&devices).await
    }

    fn operation<'b>(&'b self, session: Session, say: &'b mut dyn FnMut(&str)) -> Operation<'b> {
        Operation {
            session,
            signer: &self.signer,
            audit: &self.audit,
            say,
        }
    }

    /// Publishes a plan in stages, unless it is only to be shown.
    pub(super) async fn roll_out(
        &self,
        session: Session,
        plan: &Plan,
        limits: &Limits,
        dry_run: bool,
    ) -> Result<Exit, DeskError> {
        show(plan, Form::Text);
        if dry_run || plan.changes.is_empty() {
            session.close().await;
            return Ok(Exit::Done);
        }
        let mut say = |line: &str| out::line(line);
        let operation = self.operation(session, &mut say);
        let mut ask = terminal();
        let operator = Operator {
            interrupt: interrupt(),
            ask: ask.as_mut().map(|ask| ask as Ask<'_>),
        };
        let end = desk::apply(operation, &self.folder, plan, limits, operator).await?;
        Ok(end.exit)
    }

    /// Goes on with the rollout that was not finished.
    async fn resume(&self) -> Result<Exit, DeskError> {
        let Some(journal) = self.folder.unfinished()? else {
            let message = "there is no unfinished rollout; begin one with `nvr fleet apply`";
            return Err(DeskError::Usage(message.to_owned()));
        };
        let session = self.follow(&journal).await?;
        let mut say = |line: &str| out::line(line);
        let operation = self.operation(session, &mut say);
        let mut ask = terminal();
        let operator = Operator {
            interrupt: interrupt(),
            ask: ask.as_mut().map(|ask| ask as Ask<'_>),
        };
        Ok(desk::resume(operation, journal, operator).await?.exit)
    }
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

fn show(plan: &Plan, format: Form) {
    match format {
        Form::Json => out::line(plan.to_json()),
        Form::Text => plan.lines().iter().for_each(out::line),
    }
}
