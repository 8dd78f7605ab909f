//! systemd's watchdog, fed only while every stage makes progress.
//!
//! A stuck source is restarted alone first; only when that did not help, or another stage is stuck, the feeding ends, and
//! systemd starts the process anew. Outside systemd the same is logged, and `/healthz` says it.

use std::collections::BTreeMap;
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::{error, info, warn};

use crate::base::{Heartbeats, Stuck};

/// What a check at the heartbeats says should be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything moves: the watchdog was fed, where there is one.
    Healthy,
    /// These stages are stuck and have not been restarted yet: restart each alone. The watchdog was fed once more.
    Restart(Vec<Stuck>),
    /// These did not recover: the watchdog was not fed.
    Unrecoverable(Vec<Stuck>),
}

/// Looks at the heartbeats every [`Watchdog::interval`] and feeds systemd.
#[derive(Debug)]
pub struct Watchdog {
    heartbeats: Heartbeats,
    feeds: bool,
    interval: Duration,
    restarted: BTreeMap<String, Duration>,
}

impl Watchdog {
    /// A watchdog over `heartbeats`; feeds systemd where `enabled` and where systemd asks for it (`WATCHDOG_USEC`).
    pub fn new(heartbeats: Heartbeats, enabled: bool) -> Self {
        const LOOK: Duration = Duration::from_secs(1);
        let asked = sd_notify::watchdog_enabled().filter(|_| enabled);
        match asked {
            Some(limit) => info!(limit_s = limit.as_secs_f64(), "feeding systemd's watchdog"),
            None => info!(enabled, "no watchdog of systemd to feed"),
        }
        Self {
            heartbeats,
            feeds: asked.is_some(),
            // systemd's advice: twice as often as asked for; four times leaves room for a restart of one source.
            interval: asked.map_or(LOOK, |limit| (limit / 4).min(LOOK)),
            restarted: BTreeMap::new(),
        }
    }

    /// How often to check.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Whether systemd waits for our sign of life.
    pub fn feeds(&self) -> bool {
        self.feeds
    }

    /// One check. `restartable` tells which stages can be restarted alone.
    pub fn check(&mut self, restartable: impl Fn(&str) -> bool) -> Verdict {
        let stuck = self.heartbeats.stuck();
        self.restarted
            .retain(|stage, _| stuck.iter().any(|one| one.stage == *stage));
        let (fresh, hopeless): (Vec<_>, Vec<_>) = stuck
            .into_iter()
            .partition(|one| restartable(&one.stage) && self.may_recover(one));
        if !hopeless.is_empty() {
            for one in &hopeless {
                error!(
                    stage = one.stage,
                    silent_s = one.silent_for.as_secs(),
                    limit_s = one.limit.as_secs(),
                    "stage is stuck; no longer feeding the watchdog"
                );
            }
            return Verdict::Unrecoverable(hopeless);
        }
        if self.feeds {
            notify(NotifyState::Watchdog);
        }
        let to_restart: Vec<_> = fresh
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

    /// A restart gets as long as the stage's own limit to show progress.
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

/// Tells systemd that the process is ending by its own will.
pub fn notify_stopping() {
    notify(NotifyState::Stopping);
}

/// The line that `systemctl status` shows.
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
