//! What a device's report says of the document of a rollout.

use super::journal_lines::Entry;
use super::{DeviceView, Outcome};
use crate::fleet::{DocumentHash, FirmwarePhase, Phase, Reported};

/// The result that the view shows of the document with this generation and hash; absent while there is none.
pub(super) fn result(view: &DeviceView, generation: u64, hash: &DocumentHash) -> Option<Outcome> {
    let report = view.reported.as_ref()?;
    if is_about(report, generation, hash) {
        return match report.phase {
            Phase::Applied => Some(Outcome::Applied),
            Phase::Rejected => Some(Outcome::Rejected),
            Phase::Reverted => Some(Outcome::Reverted),
            Phase::Conflict => Some(Outcome::Conflict),
            Phase::Waiting | Phase::Applying | Phase::Probation | Phase::Unknown => None,
        };
    }
    // The device has gone on to another document after this one.
    view.has_applied(hash).then_some(Outcome::Applied)
}

/// The same for a document that orders the firmware of generation `firmware`: the device has finished when that is confirmed.
pub(super) fn result_with_firmware(
    view: &DeviceView,
    entry: &Entry,
    firmware: Option<u64>,
) -> Option<Outcome> {
    let outcome = result(view, entry.generation, &entry.hash)?;
    let (Outcome::Applied, Some(generation)) = (outcome, firmware) else {
        return Some(outcome);
    };
    let reported = &view.reported.as_ref()?.firmware;
    if reported.generation != Some(generation) {
        return None;
    }
    match reported.phase {
        FirmwarePhase::Confirmed => Some(Outcome::Applied),
        FirmwarePhase::Failed => Some(Outcome::NotInstalled),
        FirmwarePhase::RolledBack => Some(Outcome::RolledBack),
        _ => None,
    }
}

/// The reason that a device gives for its firmware, in one line.
pub(super) fn firmware_reason(view: &DeviceView) -> String {
    let reported = view.reported.as_ref();
    let error = reported.and_then(|report| report.firmware.error.as_ref());
    error.map_or_else(
        || "the device gives no reason".to_owned(),
        ToString::to_string,
    )
}

/// A device that can't read a document reports no hash, and its generation only if it can read that.
fn is_about(report: &Reported, generation: u64, hash: &DocumentHash) -> bool {
    match &report.sha256 {
        Some(reported) => reported == hash,
        None => report.generation == Some(generation),
    }
}

/// The reasons that a device gives, in one line.
pub(super) fn reasons(view: &DeviceView) -> String {
    let errors = view.reported.iter().flat_map(|report| &report.errors);
    let told: Vec<String> = errors.map(ToString::to_string).collect();
    match told.is_empty() {
        true => "the device gives no reason".to_owned(),
        false => told.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::FleetTopic;

    #[test]
    fn each_phase_of_our_document_is_a_result_or_none() {
        let ours = DocumentHash::of(b"ours");
        let other = DocumentHash::of(b"other");
        let report = |phase: &str,
                      sha256: Option<&DocumentHash>,
                      generation: u64,
                      applied: Option<&DocumentHash>| {
            let mut view = DeviceView::default();
            let value = serde_json::json!({ "schema": 1, "generation": generation, "phase": phase, "sha256": sha256, "applied_sha256": applied });
            view.take(FleetTopic::Reported, value.to_string().as_bytes());
            assert!(view.reported.is_some());
            result(&view, 5, &ours)
        };
        for (phase, outcome) in [
            ("waiting", None),
            ("applying", None),
            ("probation", None),
            ("applied", Some(Outcome::Applied)),
            ("rejected", Some(Outcome::Rejected)),
            ("conflict", Some(Outcome::Conflict)),
            ("reverted", Some(Outcome::Reverted)),
            ("later", None),
        ] {
            assert_eq!(report(phase, Some(&ours), 5, None), outcome, "{phase}");
            assert_eq!(
                report(phase, Some(&other), 5, None),
                None,
                "{phase} of another"
            );
        }
        assert_eq!(
            report("rejected", None, 5, None),
            Some(Outcome::Rejected),
            "unreadable"
        );
        assert_eq!(report("rejected", None, 4, None), None, "an older one");
        assert_eq!(
            report("applying", Some(&other), 6, Some(&ours)),
            Some(Outcome::Applied)
        );
        assert_eq!(result(&DeviceView::default(), 5, &ours), None);
    }
}
