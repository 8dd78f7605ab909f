//! Which of two directories records a camera: the first, or the next one as well. Pure: no disk, no clock.
//!
//! The first directory is offered all that the camera sends. When it fails, the next one takes it too, from a key frame on, until the
//! first has passed a trial: it has made durable what came since it was found well, and has dropped nothing meanwhile. So the two
//! overlap at the return, and nothing is lost. A disk that fails again and again never passes, so the directories do not alternate.

use std::time::Duration;

use super::report::{RecordingState, SourceReport};

/// The choice for one camera.
#[derive(Debug, Default)]
pub struct Takeover {
    /// The next directory records.
    taken: Option<Taken>,
    /// What the first directory lacks of former times, and the next one has.
    covered: Covered,
}

/// What the first directory dropped while the next one recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Covered {
    /// Groups of pictures.
    pub groups: u64,
    /// Scenes.
    pub scenes: u64,
}

/// A time in which the next directory records.
#[derive(Debug)]
struct Taken {
    /// What the first directory had dropped at its begin, with what waited for its disk then: the next directory has none of that.
    before: Covered,
    trial: Option<Trial>,
}

/// The first directory was found well at a key frame.
#[derive(Debug)]
struct Trial {
    /// Capture time of the key frame, since the Unix epoch.
    began: Duration,
    dropped_groups: u64,
}

impl Takeover {
    /// Whether the next directory takes the group of pictures that begins with a key frame, by its capture time since the Unix epoch.
    /// `first` is the recording in the first directory before this key frame; `None` if its recorder can't start.
    pub fn key_frame(&mut self, captured_unix: Duration, first: Option<&SourceReport>) -> bool {
        let well = first.filter(|first| !matches!(first.state, RecordingState::Failing { .. }));
        match (&mut self.taken, well) {
            (None, Some(_)) => {}
            (None, None) => {
                let before = first.map(|first| Covered {
                    groups: first.dropped_groups + first.queued_groups,
                    scenes: first.dropped_scenes,
                });
                self.taken = Some(Taken {
                    before: before.unwrap_or_default(),
                    trial: None,
                });
            }
            (Some(taken), None) => taken.trial = None,
            (Some(taken), Some(first)) => {
                if taken.passes(captured_unix, first) {
                    self.covered = self.covered(Some(first));
                    self.taken = None;
                }
            }
        }
        self.is_in_next()
    }

    /// Whether the next directory takes what comes.
    pub fn is_in_next(&self) -> bool {
        self.taken.is_some()
    }

    /// What the first directory has dropped and the next one has. `first` is the recording in the first directory now.
    pub fn covered(&self, first: Option<&SourceReport>) -> Covered {
        let (Some(taken), Some(first)) = (&self.taken, first) else {
            return self.covered;
        };
        let groups = first.dropped_groups.saturating_sub(taken.before.groups);
        let scenes = first.dropped_scenes.saturating_sub(taken.before.scenes);
        Covered {
            groups: self.covered.groups + groups,
            scenes: self.covered.scenes + scenes,
        }
    }
}

impl Taken {
    /// Whether the trial of the first directory, which is well, is over. Begins it otherwise, or begins it again.
    fn passes(&mut self, captured_unix: Duration, first: &SourceReport) -> bool {
        let goes_on = self.trial.as_ref().is_some_and(|trial| {
            // A clock that was set back would make the trial endless.
            trial.dropped_groups == first.dropped_groups && trial.began <= captured_unix
        });
        let Some(trial) = self.trial.as_ref().filter(|_| goes_on) else {
            self.trial = Some(Trial {
                began: captured_unix,
                dropped_groups: first.dropped_groups,
            });
            return false;
        };
        // Where only events are recorded, the first directory holds from the trial on what it needs before the next event.
        let is_armed = first.state == RecordingState::Armed;
        // What seems to be durable of a time to come is from before a clock was set back.
        let until = first.durable_until.filter(|until| *until <= captured_unix);
        is_armed || until.is_some_and(|until| until >= trial.began)
    }
}

#[cfg(test)]
#[path = "takeover_tests.rs"]
mod tests;
