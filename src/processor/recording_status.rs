//! The published state of the recording of a camera, of the states in its directories. Pure.

use std::path::Path;

use crate::event::{self, RecordingStatus};
use crate::record::RecordingState;

/// The recording of a camera in the directory that takes over.
#[derive(Debug)]
pub(super) struct InNext<'a> {
    /// The directory.
    pub(super) dir: &'a Path,
    /// Whether its recorder runs.
    pub(super) runs: bool,
    /// The state there.
    pub(super) state: RecordingState,
    /// Whether it takes what the camera sends now. After a failure of the first directory it does so from the next key frame on.
    pub(super) is_open: bool,
}

/// The state that is published. A camera counts as recorded while one of the directories takes it.
pub(super) fn status(first: RecordingState, next: Option<InNext<'_>>) -> RecordingStatus {
    let Some(next) = next else {
        return of(first);
    };
    match (first, next.state) {
        (
            RecordingState::Failing { reason, .. },
            RecordingState::Failing {
                reason: of_next, ..
            },
        ) => refusal(
            event::RecordingState::Failing,
            format!("{reason}; and the next directory fails: {of_next}"),
        ),
        (RecordingState::Failing { reason, .. }, state) => {
            let dir = next.dir.display();
            match of(state) {
                RecordingStatus {
                    state,
                    reason: None,
                } => RecordingStatus {
                    state,
                    reason: Some(format!("in {dir}, because {reason}")),
                },
                refused => refused,
            }
        }
        // It has just started; the other one records until it has proved to be well.
        (RecordingState::Waiting, state @ (RecordingState::Recording | RecordingState::Armed))
            if next.is_open =>
        {
            of(state)
        }
        // Told now, and not when it is needed.
        (first, RecordingState::Failing { reason, .. }) if !next.runs => {
            let status = of(first);
            let could_not = || format!("{} could not take over: {reason}", next.dir.display());
            RecordingStatus {
                reason: Some(status.reason.unwrap_or_else(could_not)),
                ..status
            }
        }
        (first, _) => of(first),
    }
}

fn of(state: RecordingState) -> RecordingStatus {
    let is = |state| RecordingStatus {
        state: Some(state),
        reason: None,
    };
    match state {
        RecordingState::Waiting => is(event::RecordingState::Waiting),
        RecordingState::Recording => is(event::RecordingState::Recording),
        RecordingState::Armed => is(event::RecordingState::Armed),
        RecordingState::Failing { reason, .. } => refusal(event::RecordingState::Failing, reason),
        RecordingState::NotRecordable { reason } => refusal(event::RecordingState::Refused, reason),
    }
}

/// A state with its reason.
pub(super) fn refusal(state: event::RecordingState, reason: String) -> RecordingStatus {
    RecordingStatus {
        state: Some(state),
        reason: Some(reason),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failing(reason: &str) -> RecordingState {
        RecordingState::Failing {
            since: Duration::ZERO,
            reason: reason.to_owned(),
        }
    }

    fn shown(first: RecordingState, next: Option<(RecordingState, bool)>) -> String {
        told(first, next, true)
    }

    fn told(first: RecordingState, next: Option<(RecordingState, bool)>, runs: bool) -> String {
        let next = next.map(|(state, is_open)| InNext {
            dir: Path::new("/mnt/b"),
            runs,
            state,
            is_open,
        });
        let status = status(first, next);
        let state = status.state.expect("a known one").as_str();
        match status.reason {
            Some(reason) => format!("{state}: {reason}"),
            None => state.to_owned(),
        }
    }

    #[test]
    fn without_a_next_directory_the_state_is_that_of_the_first() {
        use RecordingState::{Armed, NotRecordable, Recording, Waiting};
        assert_eq!(shown(Waiting, None), "waiting");
        assert_eq!(shown(Recording, None), "recording");
        assert_eq!(shown(Armed, None), "armed");
        let full = "the disk is full; free space";
        assert_eq!(shown(failing(full), None), format!("failing: {full}"));
        let reason = "it sends MJPEG".to_owned();
        assert_eq!(
            shown(NotRecordable { reason }, None),
            "refused: it sends MJPEG"
        );
    }

    #[test]
    fn a_camera_in_the_next_directory_is_recorded_and_the_reason_says_where_and_why() {
        use RecordingState::{Armed, Recording, Waiting};
        let full = || failing("the disk is full; free space");
        for (state, is_open, word) in [
            (Recording, true, "recording"),
            (Armed, true, "armed"),
            (Waiting, true, "waiting"),
            // No key frame has come since.
            (Waiting, false, "waiting"),
        ] {
            assert_eq!(
                shown(full(), Some((state, is_open))),
                format!("{word}: in /mnt/b, because the disk is full; free space")
            );
        }
    }

    #[test]
    fn it_fails_only_where_both_fail() {
        let next = Some((failing("can't create /mnt/b"), true));
        assert_eq!(
            shown(failing("the disk is full"), next),
            "failing: the disk is full; and the next directory fails: can't create /mnt/b"
        );
        let next = Some((failing("can't create /mnt/b"), false));
        assert_eq!(shown(RecordingState::Recording, next), "recording");
    }

    #[test]
    fn a_next_directory_whose_recorder_does_not_run_is_told_before_it_is_needed() {
        use RecordingState::{Armed, NotRecordable, Recording, Waiting};
        let refused = "can't create /mnt/b";
        let of = |first| told(first, Some((failing(refused), false)), false);
        let because = "/mnt/b could not take over: can't create /mnt/b";
        assert_eq!(of(Recording), format!("recording: {because}"));
        assert_eq!(of(Armed), format!("armed: {because}"));
        assert_eq!(of(Waiting), format!("waiting: {because}"));
        let reason = "it sends MJPEG".to_owned();
        assert_eq!(of(NotRecordable { reason }), "refused: it sends MJPEG");
        assert_eq!(
            of(failing("the disk is full")),
            "failing: the disk is full; and the next directory fails: can't create /mnt/b"
        );
    }

    #[test]
    fn during_the_trial_of_the_first_directory_it_is_recorded() {
        use RecordingState::{Armed, Recording, Waiting};
        assert_eq!(shown(Waiting, Some((Recording, true))), "recording");
        assert_eq!(shown(Waiting, Some((Armed, true))), "armed");
        assert_eq!(shown(Recording, Some((Waiting, true))), "recording");
        // Of an earlier takeover.
        assert_eq!(shown(Waiting, Some((Recording, false))), "waiting");
    }
}
