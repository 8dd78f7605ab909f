//! Takes a rollout back: no device may apply a document later that it has not applied yet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::audit::Act;
use super::journal::{Journal, JournalEnd};
use super::operation::{Operation, devices, some};
use super::take_back::{TakeBack, TakeBackDocument, take_backs};
use super::{DeskError, Exit, RetainedDocument};
use crate::bus::FleetTopic;

/// Maximum time until the broker has confirmed documents.
pub(super) const CONFIRM_LIMIT: Duration = Duration::from_secs(30);
/// Maximum number of rounds. A device may change while its document is taken back.
const ROUNDS: usize = 4;

/// The end of a halt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaltEnd {
    /// For scripts: missing if a device that is online has not confirmed in time.
    pub exit: Exit,
    /// Devices that got their former body as a new generation.
    pub taken_back: Vec<String>,
    /// Devices that had no document before; their topic is empty again.
    pub cleared: Vec<String>,
    /// Devices that have applied the document and keep it.
    pub kept: Vec<String>,
}

/// Takes back the documents of a rollout that were not acknowledged, with `revert_applied` all of them.
///
/// # Errors
/// When the broker does not confirm, or a file can't be written.
pub async fn halt(
    mut apply: Operation<'_>,
    journal: Journal,
    revert_applied: bool,
) -> Result<HaltEnd, DeskError> {
    let end = halt_with(&mut apply, journal, &BTreeMap::new(), revert_applied).await?;
    apply.session.close().await;
    Ok(end)
}

pub(super) async fn halt_with(
    apply: &mut Operation<'_>,
    mut journal: Journal,
    rivals: &BTreeMap<String, RetainedDocument>,
    revert_applied: bool,
) -> Result<HaltEnd, DeskError> {
    journal.begin_halt()?;
    let halts = Act::of_rollout("halt", journal.id());
    apply.audit.write(&[halts])?;
    let done = take_back_all(apply, &journal, rivals, revert_applied).await?;
    let missing = verify(apply, &done, journal.limits().timeout).await;
    let kept: Vec<String> = journal
        .entries()
        .iter()
        .filter(|entry| journal.is_published(&entry.device) && !done.contains_key(&entry.device))
        .map(|entry| entry.device.clone())
        .collect();
    let (mut taken_back, mut cleared) = (Vec::new(), Vec::new());
    for (device, document) in done {
        match document {
            TakeBackDocument::Nothing => cleared.push(device),
            TakeBackDocument::Body(_) | TakeBackDocument::Message(_) => taken_back.push(device),
        }
    }
    (apply.say)(&format!(
        "taken back: {}; cleared: {}; kept: {}; verified on the broker",
        taken_back.len(),
        cleared.len(),
        kept.len()
    ));
    journal.end(JournalEnd::Halted)?;
    let exit = match missing {
        0 => Exit::Done,
        _ => Exit::Missing,
    };
    Ok(HaltEnd {
        exit,
        taken_back,
        cleared,
        kept,
    })
}

/// Takes back until nothing is due. Returns what was published for each device.
async fn take_back_all(
    apply: &mut Operation<'_>,
    journal: &Journal,
    rivals: &BTreeMap<String, RetainedDocument>,
    revert_applied: bool,
) -> Result<BTreeMap<String, TakeBackDocument>, DeskError> {
    let mut done: BTreeMap<String, TakeBackDocument> = BTreeMap::new();
    for _ in 0..ROUNDS {
        while apply.session.try_next().is_some() {}
        let views = apply.session.views();
        let due = take_backs(journal, views, rivals, apply.signer, revert_applied)?;
        if due.is_empty() {
            break;
        }
        publish(apply, journal.id(), &due)?;
        apply.session.confirm(due.len(), CONFIRM_LIMIT).await?;
        done.extend(due.into_iter().map(|one| (one.device, one.document)));
    }
    let left = take_backs(
        journal,
        apply.session.views(),
        rivals,
        apply.signer,
        revert_applied,
    )?;
    // A device without a document before has an empty topic now, which is no document of ours.
    if let Some(first) = left.first() {
        return Err(DeskError::Device(format!(
            "{} of the rollout's documents are still on the broker, the first is that of {}; another desk may work on the fleet",
            left.len(),
            first.device
        )));
    }
    Ok(done)
}

fn publish(apply: &mut Operation<'_>, rollout: &str, due: &[TakeBack]) -> Result<(), DeskError> {
    let act = |one: &TakeBack| {
        let (act, next) = match &one.document {
            TakeBackDocument::Body(next) => ("take-back", Some(next)),
            TakeBackDocument::Message(_) => ("take-back", None),
            TakeBackDocument::Nothing => ("clear", None),
        };
        Act {
            act,
            rollout: Some(rollout.to_owned()),
            device: Some(one.device.clone()),
            generation: next.map(|next| next.generation),
            sha256: next.map(|next| next.hash.clone()),
            detail: None,
        }
    };
    let acts: Vec<Act> = due.iter().map(act).collect();
    apply.audit.write(&acts)?;
    let names: Vec<String> = due.iter().map(|one| one.device.clone()).collect();
    (apply.say)(&format!("taking back {}: {}", due.len(), some(&names)));
    for one in due {
        let message = one.document.message();
        apply
            .session
            .publish(&one.device, FleetTopic::Desired, message);
    }
    Ok(())
}

/// Waits until each device that is online has applied its former body again. Returns the number of those that have not.
async fn verify(
    apply: &mut Operation<'_>,
    done: &BTreeMap<String, TakeBackDocument>,
    limit: Duration,
) -> usize {
    let deadline = Instant::now() + limit;
    loop {
        let views = apply.session.views();
        let waits = |(device, document): &(&String, &TakeBackDocument)| {
            let Some(view) = views.get(*device).filter(|view| view.is_online()) else {
                return false;
            };
            match document {
                TakeBackDocument::Body(next) => !view.has_applied(&next.hash),
                _ => false,
            }
        };
        let waiting: Vec<String> = done
            .iter()
            .filter(waits)
            .map(|(device, _)| device.clone())
            .collect();
        let offline = done
            .keys()
            .filter(|device| views.get(*device).is_none_or(|view| !view.is_online()))
            .count();
        let left = deadline.saturating_duration_since(Instant::now());
        if waiting.is_empty() || left.is_zero() {
            if !waiting.is_empty() {
                (apply.say)(&format!(
                    "{} online, but without the former document yet: {}",
                    devices(waiting.len()),
                    some(&waiting)
                ));
            }
            if offline > 0 {
                (apply.say)(&format!(
                    "{} offline: the former document waits on the broker",
                    devices(offline)
                ));
            }
            return waiting.len();
        }
        let _ = tokio::time::timeout(left, apply.session.next()).await;
    }
}
