//! The rollout: stages, waits and limits. No I/O and no clock: time is passed in, as the time since the start.
//!
//! The first stages have the size of the canary until that many devices have applied. Devices that are online come first, so that
//! a stage tells something. A stage ends when each of its devices has finished, or is offline and was waited for.

use std::time::Duration;

use super::Limits;

/// What became of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The document is its last known good one.
    Applied,
    /// It refused the document.
    Rejected,
    /// Another document came between.
    Conflict,
    /// The document failed on trial.
    Reverted,
    /// The firmware was not installed.
    NotInstalled,
    /// The former firmware runs again.
    RolledBack,
    /// It was online, and had no result in time.
    TimedOut,
    /// It was not online since the publication, and waits.
    NeverOnline,
    /// It was online, and left before it had a result. It waits.
    WentOffline,
}

impl Outcome {
    /// Whether it counts as a failure. A device that is offline has not failed.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Rejected
                | Self::Conflict
                | Self::Reverted
                | Self::NotInstalled
                | Self::RolledBack
                | Self::TimedOut
        )
    }

    /// Whether the device may still apply the document.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::NeverOnline | Self::WentOffline)
    }

    /// The word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
            Self::Reverted => "reverted",
            Self::NotInstalled => "not-installed",
            Self::RolledBack => "rolled-back",
            Self::TimedOut => "timed-out",
            Self::NeverOnline => "never-online",
            Self::WentOffline => "went-offline",
        }
    }
}

/// How far a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its document is not published yet.
    Pending,
    /// Its document is published, and there is no result yet.
    InFlight,
    /// It has finished, or is not waited for any more.
    Finished(Outcome),
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Publish the documents of a stage.
    Publish {
        /// Number of the stage, from 1.
        stage: u32,
        /// Its devices.
        devices: Vec<String>,
    },
    /// A stage has ended; the next one follows after a wait.
    Soak(Duration),
    /// A stage has ended; the next one follows after [`Rollout::go_on`].
    Pause,
    /// The rollout has ended.
    End(End),
}

/// How a rollout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every document is published, and every device has finished or waits.
    Done,
    /// No device of the canary is online; the other documents are not published.
    Stalled,
    /// There were too many failures. What was not applied is to be taken back.
    Stopped,
}

#[derive(Debug, Clone)]
struct Device {
    id: String,
    state: State,
    is_online: bool,
    /// Since the publication.
    was_online: bool,
    /// Time online since the publication, up to `online_from`.
    online_for: Duration,
    online_from: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Ready,
    Flight { since: Duration },
    Soak { until: Duration },
    Paused,
    Ended,
}

/// A rollout.
#[derive(Debug, Clone)]
pub struct Rollout {
    limits: Limits,
    devices: Vec<Device>,
    phase: Phase,
    stage: u32,
    is_held: bool,
}

impl Rollout {
    /// A rollout to `devices` in this order.
    pub fn new(devices: impl IntoIterator<Item = String>, limits: Limits) -> Self {
        let pending = devices.into_iter().map(|id| (id, State::Pending));
        Self::restore(pending, 0, limits, Duration::ZERO)
    }

    /// A rollout that goes on after `stage` stages. Waits begin anew.
    pub fn restore(
        devices: impl IntoIterator<Item = (String, State)>,
        stage: u32,
        limits: Limits,
        now: Duration,
    ) -> Self {
        let devices: Vec<Device> = devices
            .into_iter()
            .map(|(id, state)| Device {
                id,
                state,
                is_online: false,
                was_online: false,
                online_for: Duration::ZERO,
                online_from: now,
            })
            .collect();
        let is_in_flight = devices.iter().any(|device| device.state == State::InFlight);
        Self {
            limits,
            phase: match is_in_flight {
                true => Phase::Flight { since: now },
                false => Phase::Ready,
            },
            devices,
            stage,
            is_held: false,
        }
    }

    /// The devices and their states.
    pub fn states(&self) -> impl Iterator<Item = (&str, State)> {
        self.devices
            .iter()
            .map(|device| (&*device.id, device.state))
    }

    /// The state of a device of the rollout.
    pub fn state(&self, device: &str) -> Option<State> {
        let device = self.devices.iter().find(|one| one.id == device)?;
        Some(device.state)
    }

    /// Number of devices with a state.
    pub fn count(&self, is_wanted: impl Fn(State) -> bool) -> usize {
        self.devices
            .iter()
            .filter(|device| is_wanted(device.state))
            .count()
    }

    /// A device came to the broker, or left it.
    pub fn online(&mut self, device: &str, is_online: bool, now: Duration) {
        let Some(device) = self.devices.iter_mut().find(|one| one.id == device) else {
            return;
        };
        if device.state != State::Pending {
            device.pass(now);
            device.was_online |= is_online;
        }
        device.is_online = is_online;
    }

    /// A device has a result. The first one counts, with two exceptions: an applied document can be reverted later, and a device
    /// that waited or was too slow can finish. True if the state has changed.
    pub fn finish(&mut self, device: &str, outcome: Outcome) -> bool {
        let Some(device) = self.devices.iter_mut().find(|one| one.id == device) else {
            return false;
        };
        let is_open = match device.state {
            State::Pending => outcome == Outcome::Conflict,
            State::InFlight => true,
            State::Finished(Outcome::Applied) => {
                matches!(outcome, Outcome::Reverted | Outcome::RolledBack)
            }
            State::Finished(Outcome::TimedOut) => outcome != Outcome::TimedOut,
            State::Finished(former) => former.is_waiting() && former != outcome,
        };
        if is_open {
            device.state = State::Finished(outcome);
        }
        is_open
    }

    /// Moves to `now`. Returns what is to be done; to be called again until there is nothing.
    pub fn advance(&mut self, now: Duration) -> Option<Step> {
        self.time_out(now);
        if self.phase == Phase::Ended {
            return None;
        }
        let (failures, finished) = (self.failures(), self.finished());
        if self.limits.are_reached(failures, finished) {
            return self.end(End::Stopped);
        }
        match self.phase {
            Phase::Flight { .. } if self.count(|state| state == State::InFlight) > 0 => None,
            Phase::Flight { .. } if self.count(|state| state == State::Pending) == 0 => {
                self.end(End::Done)
            }
            Phase::Flight { .. } if self.limits.pause_between_stages => {
                self.phase = Phase::Paused;
                Some(Step::Pause)
            }
            Phase::Flight { .. } => {
                let soak = self.limits.soak;
                self.phase = Phase::Soak { until: now + soak };
                Some(Step::Soak(soak))
            }
            Phase::Soak { until } if now < until => None,
            Phase::Soak { .. } | Phase::Ready if self.is_held => None,
            Phase::Soak { .. } | Phase::Ready => self.next_stage(now),
            Phase::Paused | Phase::Ended => None,
        }
    }

    /// Ends a pause between two stages.
    pub fn go_on(&mut self) {
        if self.phase == Phase::Paused {
            self.phase = Phase::Ready;
        }
    }

    /// Holds the next stage back, or does so no longer. A stage that has begun goes on, and failures still stop the rollout.
    pub fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    fn end(&mut self, end: End) -> Option<Step> {
        self.phase = Phase::Ended;
        Some(Step::End(end))
    }

    fn failures(&self) -> usize {
        self.count(|state| matches!(state, State::Finished(outcome) if outcome.is_failure()))
    }

    /// Devices with a result; those that wait have none.
    fn finished(&self) -> usize {
        self.count(|state| matches!(state, State::Finished(outcome) if !outcome.is_waiting()))
    }

    /// Ends the wait for devices whose time is over.
    fn time_out(&mut self, now: Duration) {
        let limit = self.limits.timeout;
        let stage_age = match self.phase {
            Phase::Flight { since } => now.saturating_sub(since),
            _ => Duration::ZERO,
        };
        for device in &mut self.devices {
            let is_published = match device.state {
                State::InFlight => true,
                State::Finished(outcome) => outcome.is_waiting(),
                State::Pending => false,
            };
            if !is_published {
                continue;
            }
            device.pass(now);
            if device.is_online && device.online_for >= limit {
                device.state = State::Finished(Outcome::TimedOut);
            } else if !device.is_online && device.state == State::InFlight && stage_age >= limit {
                let outcome = match device.was_online {
                    true => Outcome::WentOffline,
                    false => Outcome::NeverOnline,
                };
                device.state = State::Finished(outcome);
            }
        }
    }

    fn next_stage(&mut self, now: Duration) -> Option<Step> {
        let pending = self.count(|state| state == State::Pending);
        if pending == 0 {
            return self.end(End::Done);
        }
        let applied = self.count(|state| state == State::Finished(Outcome::Applied));
        let missing = (self.limits.canary as usize).saturating_sub(applied);
        let is_online = |device: &&Device| device.state == State::Pending && device.is_online;
        let is_any_online = self.devices.iter().any(|device| is_online(&device));
        if missing > 0 && self.stage > 0 && !is_any_online {
            return self.end(End::Stalled);
        }
        let size = match missing {
            0 => self.limits.batch.of(self.devices.len()).max(1),
            missing => missing,
        };
        let is_pending = |device: &Device| device.state == State::Pending;
        let first = |wanted: bool| {
            self.devices
                .iter()
                .enumerate()
                .filter(move |(_, device)| is_pending(device) && device.is_online == wanted)
                .map(|(index, _)| index)
        };
        let chosen: Vec<usize> = first(true).chain(first(false)).take(size).collect();
        self.stage += 1;
        self.phase = Phase::Flight { since: now };
        let devices = chosen.into_iter().filter_map(|index| {
            let device = self.devices.get_mut(index)?;
            device.publish(now);
            Some(device.id.clone())
        });
        Some(Step::Publish {
            stage: self.stage,
            devices: devices.collect(),
        })
    }
}

impl Device {
    fn publish(&mut self, now: Duration) {
        self.state = State::InFlight;
        self.was_online = self.is_online;
        self.online_for = Duration::ZERO;
        self.online_from = now;
    }

    /// Adds the time online up to `now`.
    fn pass(&mut self, now: Duration) {
        if self.is_online {
            self.online_for += now.saturating_sub(self.online_from);
        }
        self.online_from = now;
    }
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "rollout_properties.rs"]
mod properties;
