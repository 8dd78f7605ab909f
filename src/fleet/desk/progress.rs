//! The words for the progress of a rollout.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rivals::rival;
use super::sighting::{firmware_reason, reasons};
use super::{DeviceView, Outcome, RetainedDocument, Rollout, State};
use crate::fleet::DocumentHash;

/// A line about a device that has not applied. `documents` are the one that others published, and ours.
pub(super) fn told_outcome(
    device: &str,
    outcome: Outcome,
    view: &DeviceView,
    documents: Option<(&RetainedDocument, &DocumentHash)>,
    timeout: Duration,
) -> String {
    let word = outcome.as_str();
    match outcome {
        Outcome::Conflict => match documents.and_then(|(theirs, ours)| rival(theirs, ours)) {
            Some(other) => format!(
                "{device}: {word}: {other} came between; look at `nvr fleet plan` and apply again"
            ),
            None => format!("{device}: {word}: {}", reasons(view)),
        },
        Outcome::TimedOut => {
            let timeout = humantime::format_duration(timeout);
            format!("{device}: {word}: no result within {timeout} online")
        }
        Outcome::NeverOnline => format!("{device}: waiting: offline since the publication"),
        Outcome::WentOffline => {
            format!("{device}: waiting: it went offline before it had a result")
        }
        Outcome::NotInstalled | Outcome::RolledBack => {
            format!("{device}: {word}: {}", firmware_reason(view))
        }
        Outcome::Applied | Outcome::Rejected | Outcome::Reverted => {
            format!("{device}: {word}: {}", reasons(view))
        }
    }
}

/// Number of devices by state and outcome.
pub(super) fn outcomes(rollout: &Rollout) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for (_, state) in rollout.states() {
        let word = match state {
            State::Pending => "pending",
            State::InFlight => "in-flight",
            State::Finished(outcome) => outcome.as_str(),
        };
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

/// The numbers in one line.
pub(super) fn summary(outcomes: &BTreeMap<&'static str, usize>, after: Duration) -> String {
    let parts: Vec<String> = outcomes
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    format!("{} after {} s", parts.join(", "), after.as_secs())
}
