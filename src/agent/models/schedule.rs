//! Which model is fetched next, and when. Pure.

use std::time::Duration;

use super::version::Version;
use crate::base::Backoff;
use crate::fetch::Retry;

/// Waits between attempts.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// The wait after a whole file was fetched in vain: at 1 GiB each, more would be a burden to the network of a site.
const LONG_WAIT: Duration = Duration::from_secs(3600);

/// A model that is to be fetched and installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) version: Version,
    pub(super) url: String,
    pub(super) size: Option<u64>,
    /// Whether an engine is built for it, where this machine can.
    pub(super) builds_engine: bool,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Start(Job),
    Wait(Duration),
    Nothing,
}

/// What is told of a failed attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The model has failed; it is tried again unless that is final.
    Failed,
    /// It goes on: the attempt has brought the file further.
    Nothing,
}

/// The models that are still to be had, in their order.
#[derive(Debug, Default)]
pub(super) struct Schedule(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    job: Job,
    backoff: Backoff,
    due: Duration,
}

impl Schedule {
    /// Takes over `jobs`. Those that were there before keep their waits.
    pub(super) fn set(&mut self, jobs: Vec<Job>, now: Duration) {
        let mut former = std::mem::take(&mut self.0);
        let entries = jobs.into_iter().map(|job| {
            let known = former.iter().position(|entry| entry.job == job);
            match known {
                Some(index) => former.swap_remove(index),
                None => Entry {
                    job,
                    backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
                    due: now,
                },
            }
        });
        self.0 = entries.collect();
    }

    /// The first job that is due, else the time until one is.
    pub(super) fn next(&self, now: Duration) -> Next {
        if let Some(entry) = self.0.iter().find(|entry| entry.due <= now) {
            return Next::Start(entry.job.clone());
        }
        let due = self.0.iter().map(|entry| entry.due).min();
        due.map_or(Next::Nothing, |due| Next::Wait(due - now))
    }

    pub(super) fn has(&self, job: &Job) -> bool {
        self.0.iter().any(|entry| entry.job == *job)
    }

    /// A job has ended for good.
    pub(super) fn remove(&mut self, job: &Job) {
        self.0.retain(|entry| entry.job != *job);
    }

    /// An attempt has failed. `has_received` tells whether it has brought bytes.
    pub(super) fn failed(
        &mut self,
        job: &Job,
        retry: Retry,
        has_received: bool,
        now: Duration,
    ) -> Told {
        let Some(entry) = self.0.iter_mut().find(|entry| entry.job == *job) else {
            return Told::Nothing;
        };
        match retry {
            Retry::Stopped => Told::Nothing,
            Retry::AtOnce => {
                entry.due = now;
                Told::Nothing
            }
            Retry::Backoff(at_least) => {
                if has_received {
                    entry.backoff.succeeded();
                }
                entry.due = now + entry.backoff.next_wait().max(at_least);
                match has_received {
                    true => Told::Nothing,
                    false => Told::Failed,
                }
            }
            Retry::Rarely => {
                entry.due = now + LONG_WAIT;
                Told::Failed
            }
            Retry::Never => {
                self.remove(job);
                Told::Failed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str) -> Job {
        Job {
            version: Version::for_tests(id, id),
            url: format!("https://models.example/{id}"),
            size: None,
            builds_engine: false,
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn wait(schedule: &Schedule, now: Duration) -> Duration {
        match schedule.next(now) {
            Next::Wait(wait) => wait,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn jobs_run_in_their_order_and_a_failed_one_lets_the_others_pass() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.next(at(0)), Next::Nothing);
        schedule.set(vec![job("a"), job("b")], at(0));
        assert_eq!(schedule.next(at(0)), Next::Start(job("a")));
        let backoff = Retry::Backoff(Duration::ZERO);
        assert_eq!(
            schedule.failed(&job("a"), backoff, false, at(0)),
            Told::Failed
        );
        assert_eq!(schedule.next(at(0)), Next::Start(job("b")));
        schedule.remove(&job("b"));
        assert!(wait(&schedule, at(0)) <= at(1));
        assert_eq!(schedule.next(at(1)), Next::Start(job("a")));
        // The same document again changes no wait; another address begins at once.
        schedule.set(vec![job("a")], at(0));
        assert!(wait(&schedule, at(0)) > Duration::ZERO);
        let moved = Job {
            url: "https://other.example/a".to_owned(),
            ..job("a")
        };
        schedule.set(vec![moved.clone()], at(0));
        assert_eq!(schedule.next(at(0)), Next::Start(moved));
    }

    #[test]
    fn waits_grow_to_ten_minutes_and_begin_anew_after_progress() {
        let mut schedule = Schedule::default();
        schedule.set(vec![job("a")], at(0));
        let backoff = Retry::Backoff(Duration::ZERO);
        for _ in 0..20 {
            schedule.failed(&job("a"), backoff, false, at(0));
        }
        let long = wait(&schedule, at(0));
        assert!(long >= at(300) && long <= at(600), "{long:?}");
        let told = schedule.failed(&job("a"), backoff, true, at(0));
        assert_eq!(told, Told::Nothing);
        assert!(wait(&schedule, at(0)) <= at(1));
        schedule.failed(&job("a"), Retry::Backoff(at(50)), false, at(0));
        assert_eq!(wait(&schedule, at(0)), at(50));
    }

    #[test]
    fn a_wrong_file_is_fetched_rarely_and_an_unusable_one_not_again() {
        let mut schedule = Schedule::default();
        schedule.set(vec![job("a"), job("b")], at(0));
        let failed =
            |schedule: &mut Schedule, id, retry| schedule.failed(&job(id), retry, true, at(0));
        assert_eq!(failed(&mut schedule, "a", Retry::AtOnce), Told::Nothing);
        assert_eq!(schedule.next(at(0)), Next::Start(job("a")));
        assert_eq!(failed(&mut schedule, "a", Retry::Rarely), Told::Failed);
        assert_eq!(failed(&mut schedule, "b", Retry::Never), Told::Failed);
        assert_eq!(wait(&schedule, at(0)), LONG_WAIT);
        assert!(schedule.has(&job("a")) && !schedule.has(&job("b")));
        assert_eq!(failed(&mut schedule, "b", Retry::Stopped), Told::Nothing);
    }
}
