//! Begins a rollout, or goes on with one.

use super::operation::{Operation, act, devices};
use super::run::Run;
use super::{ApplyEnd, DeskError, Journal, JournalError, JournalFolder, Limits, Operator, Plan};

/// Begins a rollout and runs it to its end, or until the operator interrupts it: it can then be resumed.
///
/// # Errors
/// When a file can't be written, or the broker does not confirm.
pub async fn apply(
    apply: Operation<'_>,
    folder: &JournalFolder,
    plan: &Plan,
    limits: &Limits,
    operator: Operator<'_, impl Future<Output = ()>>,
) -> Result<ApplyEnd, DeskError> {
    let journal = folder.begin(plan, limits, apply.audit.who())?;
    apply.audit.write(&[act("apply", &journal)])?;
    let all = devices(plan.changes.len());
    (apply.say)(&format!("rollout {} to {all}", journal.id()));
    Run::new(apply, journal).run(operator).await
}

/// Goes on with a rollout.
///
/// # Errors
/// When it is being taken back, a file can't be written, or the broker does not confirm.
pub async fn resume(
    apply: Operation<'_>,
    journal: Journal,
    operator: Operator<'_, impl Future<Output = ()>>,
) -> Result<ApplyEnd, DeskError> {
    if journal.is_halting() {
        let id = journal.id().to_owned();
        return Err(JournalError::Halting { id }.into());
    }
    apply.audit.write(&[act("resume", &journal)])?;
    let stage = journal.stage();
    (apply.say)(&format!(
        "rollout {} goes on after stage {stage}",
        journal.id()
    ));
    let mut run = Run::new(apply, journal);
    run.publish_again();
    run.run(operator).await
}
