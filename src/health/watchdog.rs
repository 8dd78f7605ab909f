//! systemd's watchdog, fed only while every stage makes progress.
//!
//! A stuck source is first restarted alone. If that does not help, or another stage is stuck, the watchdog is not fed any more,
//! and systemd restarts the process. Without systemd, only the log and `/healthz` report it.

use std::collections::BTreeMap;
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::{error, info, warn};

use crate::base::{Heartbeats, Stuck};

/// The result of a check of the heartbeats.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All stages make progress. The watchdog was fed.
    Healthy,
    /// These stages are stuck and were not restarted yet: restart each alone. The watchdog was fed.
    Restart(Vec<Stuck>),
    /// These stages did not recover. The watchdog was not fed.
    Unrecoverable(Vec<Stuck>),
}

/// Checks the heartbeats every [`Watchdog::interval`] and feeds systemd.
#[derive(Debug)]
pub struct Watchdog {
    heartbeats: Heartbeats,
    feeds: bool,
    interval: Duration,
    restarted: BTreeMap<String, Duration>,
}

impl Watchdog {
    /// A watchdog of `heartbeats`. Feeds systemd if `enabled` and if systemd requests it (`WATCHDOG_USEC`).
    pub fn new(heartbeats: Heartbeats, enabled: bool) -> Self {
        const INTERVAL: Duration = Duration::from_secs(1);
        let asked = sd_notify::watchdog_enabled().filter(|_| enabled);
        match asked {
            Some(limit) => info!(limit_s = limit.as_secs_f64(), "feeding systemd's watchdog"),
            None => info!(enabled, "systemd's watchdog is not used"),
        }
        Self {
            heartbeats,
            feeds: asked.is_some(),
            // systemd recommends half of the limit; a quarter leaves time for the restart of one source.
            interval: asked.map_or(INTERVAL, |limit| (limit / 4).min(INTERVAL)),
            restarted: BTreeMap::new(),
        }
    }

    /// The interval between two checks.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Whether systemd expects to be fed.
    pub fn feeds(&self) -> bool {
        self.feeds
    }

    /// Checks all stages. `restartable` tells which stages can be restarted alone.
    pub fn check(&mut self, restartable: impl Fn(&str) -> bool) -> Verdict {
        let stuck = self.heartbeats.stuck();
        self.restarted
            .retain(|stage, _| stuck.iter().any(|one| one.stage == *stage));
        let (recoverable, unrecoverable): (Vec<_>, Vec<_>) = stuck
            .into_iter()
            .partition(|one| restartable(&one.stage) && self.may_recover(one));
        if !unrecoverable.is_empty() {
            for one in &unrecoverable {
                error!(
                    stage = one.stage,
                    silent_s = one.silent_for.as_secs(),
                    limit_s = one.limit.as_secs(),
                    "stage is stuck; no longer feeding the watchdog"
                );
            }
            return Verdict::Unrecoverable(unrecoverable);
        }
        if self.feeds {
            notify(NotifyState::Watchdog);
        }
        let to_restart: Vec<_> = recoverable
            .into_iter()
            .filter(|one| !self.restarted.contains_key(&one.stage))
            .collect();
        if to_restart.is_empty() {
            return Verdict::Healthy;
        }
        for one in &to_restart {
            warn!(
                stage = one.stage,
                silent_s = one.silent_for.as_secs(),
                limit_s = one.limit.as_secs(),
                "stage is stuck; restarting it alone"
            );
            self.restarted.insert(one.stage.clone(), one.silent_for);
        }
        Verdict::Restart(to_restart)
    }

    /// Whether the stage may still recover: after a restart it has its own limit again.
    fn may_recover(&self, stuck: &Stuck) -> bool {
        self.restarted
            .get(&stuck.stage)
            .is_none_or(|at| stuck.silent_for.saturating_sub(*at) <= stuck.limit)
    }
}

/// Tells systemd that start-up is complete.
pub fn notify_ready() {
    notify(NotifyState::Ready);
}

/// Tells systemd that the process is ending in an orderly way.
pub fn notify_stopping() {
    notify(NotifyState::Stopping);
}

/// Sets the line that `systemctl status` shows.
pub fn notify_status(line: &str) {
    notify(NotifyState::Status(line));
}

fn notify(state: NotifyState<'_>) {
    if let Err(err) = sd_notify::notify(&[state]) {
        warn!(%err, "systemd's notify socket can't be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;

    const LIMIT: Duration = Duration::from_secs(5);

    fn is_source(stage: &str) -> bool {
        stage.starts_with("source")
    }

    #[test]
    fn a_stuck_source_is_restarted_once_and_then_given_up() {
        let clock = Clock::by_hand();
        let heartbeats = Heartbeats::new(clock.clone());
        let source = heartbeats.stage("source 3", LIMIT);
        let mut watchdog = Watchdog::new(heartbeats, true);
        assert_eq!(watchdog.check(is_source), Verdict::Healthy);
        clock.advance(LIMIT + Duration::from_secs(1));
        assert!(
            matches!(watchdog.check(is_source), Verdict::Restart(stuck) if stuck[0].stage == "source 3")
        );
        assert_eq!(
            watchdog.check(is_source),
            Verdict::Healthy,
            "its restart has time"
        );
        clock.advance(LIMIT + Duration::from_secs(1));
        assert!(
            matches!(watchdog.check(is_source), Verdict::Unrecoverable(stuck) if stuck[0].stage == "source 3")
        );
        source.beat();
        assert_eq!(watchdog.check(is_source), Verdict::Healthy);
    }

    #[test]
    fn a_stage_that_can_not_be_restarted_starves_the_watchdog_at_once() {
        let clock = Clock::by_hand();
        let heartbeats = Heartbeats::new(clock.clone());
        let _worker = heartbeats.stage("detect", LIMIT);
        let mut watchdog = Watchdog::new(heartbeats, true);
        clock.advance(LIMIT * 2);
        assert!(
            matches!(watchdog.check(is_source), Verdict::Unrecoverable(stuck) if stuck[0].stage == "detect")
        );
    }
}
