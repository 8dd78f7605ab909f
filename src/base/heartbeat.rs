//! Heartbeats: each stage proves its progress, and stuck stages can be named.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::Clock;
use super::sync::lock;

/// All stages of a process.
#[derive(Debug, Clone)]
pub struct Heartbeats {
    clock: Clock,
    stages: Arc<Mutex<BTreeMap<u64, Arc<Stage>>>>,
    next: Arc<AtomicU64>,
}

/// The heartbeat of one stage. Dropping it ends the watch of the stage.
#[derive(Debug)]
pub struct Heartbeat {
    key: u64,
    stage: Arc<Stage>,
    all: Heartbeats,
}

/// A stage without progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Its name.
    pub stage: String,
    /// Time since its last progress.
    pub silent_for: Duration,
    /// Its limit.
    pub limit: Duration,
}

#[derive(Debug)]
struct Stage {
    name: String,
    limit: Duration,
    beat_ns: AtomicU64,
}

/// Marks a stage that waits for work.
const IDLE: u64 = u64::MAX;

impl Heartbeats {
    /// No stages yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            stages: Arc::default(),
            next: Arc::default(),
        }
    }

    /// Adds a stage. From now on it must beat at least every `limit`.
    pub fn stage(&self, name: impl Into<String>, limit: Duration) -> Heartbeat {
        let stage = Arc::new(Stage {
            name: name.into(),
            limit,
            beat_ns: AtomicU64::new(self.now_ns()),
        });
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(key, stage.clone());
        Heartbeat {
            key,
            stage,
            all: self.clone(),
        }
    }

    /// All stages beyond their limit.
    pub fn stuck(&self) -> Vec<Stuck> {
        let now = self.now_ns();
        self.lock()
            .values()
            .filter_map(|stage| {
                let beat = stage.beat_ns.load(Ordering::Acquire);
                let silent_for = Duration::from_nanos(now.saturating_sub(beat));
                (beat != IDLE && silent_for > stage.limit).then(|| Stuck {
                    stage: stage.name.clone(),
                    silent_for,
                    limit: stage.limit,
                })
            })
            .collect()
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.clock.now().as_nanos()).unwrap_or(IDLE - 1)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Stage>>> {
        lock(&self.stages)
    }
}

impl Heartbeat {
    /// Records progress, or the start of work after [`Heartbeat::idle`].
    pub fn beat(&self) {
        self.stage
            .beat_ns
            .store(self.all.now_ns(), Ordering::Release);
    }

    /// Marks the stage as waiting for work: until the next beat it can't be stuck.
    pub fn idle(&self) {
        self.stage.beat_ns.store(IDLE, Ordering::Release);
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.all.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_stage_is_named_an_idle_one_is_not() {
        let clock = Clock::by_hand();
        let all = Heartbeats::new(clock.clone());
        let limit = Duration::from_secs(5);
        let (worker, link) = (all.stage("detect", limit), all.stage("mqtt", limit));
        link.idle();
        clock.advance(Duration::from_secs(6));
        assert_eq!(
            all.stuck(),
            [Stuck {
                stage: "detect".to_owned(),
                silent_for: Duration::from_secs(6),
                limit,
            }]
        );
        worker.beat();
        assert_eq!(all.stuck(), []);
        link.beat();
        clock.advance(Duration::from_secs(6));
        assert_eq!(all.stuck().len(), 2);
    }

    #[test]
    fn a_dropped_stage_is_no_longer_watched() {
        let clock = Clock::by_hand();
        let all = Heartbeats::new(clock.clone());
        drop(all.stage("source 3", Duration::from_secs(1)));
        clock.advance(Duration::from_secs(9));
        assert_eq!(all.stuck(), []);
    }
}
