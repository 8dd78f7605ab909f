//! What the subcommands of `nvr fleet` that publish need: fleet, keys, audit file, journals, and the terminal as operator.

use super::fleet_flags::{FleetFlags, Form, PublisherFlags, interrupt, terminal};
use super::out;
use crate::bus::FleetTopic;
use crate::fleet::desk::{
    self, Ask, Audit, DeskError, Exit, FleetFile, Journal, JournalFolder, Limits, Operation,
    Operator, Plan, Session, Signer,
};

/// The topics that a rollout follows.
const FOLLOWED: [FleetTopic; 3] = [
    FleetTopic::Desired,
    FleetTopic::Reported,
    FleetTopic::Presence,
];

/// What each subcommand that publishes needs.
pub(super) struct Desk<'a> {
    flags: &'a FleetFlags,
    pub(super) fleet: FleetFile,
    pub(super) signer: Signer,
    pub(super) audit: Audit,
    pub(super) folder: JournalFolder,
}

impl<'a> Desk<'a> {
    /// Reads the fleet and the keys.
    pub(super) fn open(
        flags: &'a FleetFlags,
        PublisherFlags { operator, keys }: &PublisherFlags,
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
    pub(super) async fn follow(&self, journal: &Journal) -> Result<Session, DeskError> {
        let devices = journal.entries().iter();
        let devices: Vec<String> = devices.map(|entry| entry.device.clone()).collect();
        self.session(&devices).await
    }

    /// The means of an act.
    pub(super) fn operation<'b>(
        &'b self,
        session: Session,
        say: &'b mut dyn FnMut(&str),
    ) -> Operation<'b> {
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
        self.carry_out(session, Work::Begin(plan, limits)).await
    }

    /// Goes on with the rollout that was not finished.
    pub(super) async fn resume(&self) -> Result<Exit, DeskError> {
        let Some(journal) = self.folder.unfinished()? else {
            return Err(nothing_unfinished());
        };
        self.folder.pause().withdraw(journal.id())?;
        let session = self.follow(&journal).await?;
        self.carry_out(session, Work::GoOn(Box::new(journal))).await
    }

    /// Runs a rollout with the terminal as its operator.
    async fn carry_out(&self, session: Session, work: Work<'_>) -> Result<Exit, DeskError> {
        let mut say = |line: &str| out::line(line);
        let operation = self.operation(session, &mut say);
        let mut ask = terminal();
        let operator = Operator {
            interrupt: interrupt(),
            ask: ask.as_mut().map(|ask| ask as Ask<'_>),
        };
        let end = match work {
            Work::Begin(plan, limits) => {
                desk::apply(operation, &self.folder, plan, limits, operator).await?
            }
            Work::GoOn(journal) => desk::resume(operation, *journal, operator).await?,
        };
        Ok(end.exit)
    }
}

/// A rollout that begins, or goes on.
enum Work<'a> {
    Begin(&'a Plan, &'a Limits),
    GoOn(Box<Journal>),
}

/// The error where a rollout is needed and none is unfinished.
pub(super) fn nothing_unfinished() -> DeskError {
    let message = "there is no unfinished rollout; begin one with `nvr fleet apply`";
    DeskError::Usage(message.to_owned())
}

/// Shows a plan.
pub(super) fn show(plan: &Plan, format: Form) {
    match format {
        Form::Json => out::line(plan.to_json()),
        Form::Text => plan.lines().iter().for_each(out::line),
    }
}
