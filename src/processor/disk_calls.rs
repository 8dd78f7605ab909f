//! Calls on the disk of one directory of recordings, each on a thread of its own: bounded in number and in time, so that a disk that does
//! not answer hides the recordings of another one for some seconds at most.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use crate::web::recorder::ViewError;

/// Maximum number of calls at once, with those that nobody waits for any more: as many as requests of the page.
const CALLS: usize = 16;
/// The wait for a call while another one is overdue: the disk has probably gone.
const SHORT: Duration = Duration::from_secs(1);

/// Calls on the disk of a directory.
#[derive(Debug)]
pub(super) struct DiskCalls {
    dir: PathBuf,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    running: AtomicUsize,
    /// Those that nobody waits for any more.
    overdue: AtomicUsize,
}

/// What a call counts for while it runs.
struct Place {
    counts: Arc<Counts>,
    is_overdue: Arc<AtomicBool>,
}

/// A call that runs.
pub(super) struct Running<T> {
    answer: Receiver<Result<T, ViewError>>,
    is_overdue: Arc<AtomicBool>,
    counts: Arc<Counts>,
    deadline: Instant,
    dir: PathBuf,
}

impl DiskCalls {
    /// No calls yet.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            counts: Arc::default(),
        }
    }

    /// Begins a call that is waited for for at most `limit`; for less, while another one is overdue.
    ///
    /// # Errors
    /// If too many calls do not return, or the system gives no thread.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl FnOnce() -> Result<T, ViewError> + Send + 'static,
    ) -> Result<Running<T>, ViewError> {
        let limit = match self.counts.overdue.load(Ordering::Acquire) {
            0 => limit,
            _ => limit.min(SHORT),
        };
        let place = Place {
            counts: self.counts.clone(),
            is_overdue: Arc::default(),
        };
        let is_overdue = place.is_overdue.clone();
        if place.counts.running.fetch_add(1, Ordering::AcqRel) >= CALLS {
            return Err(silent(&self.dir));
        }
        // Without a buffer: a sent answer is one that was taken.
        let (sender, answer) = sync_channel(0);
        let run = move || {
            // Until the answer is taken, or nobody waits for it.
            let _place = place;
            let _ = sender.send(call());
        };
        let thread = std::thread::Builder::new().name("recordings".to_owned());
        if let Err(error) = thread.spawn(run) {
            let dir = self.dir.display();
            return Err(ViewError::Unreadable(format!(
                "no thread to read {dir}: {error}; free memory or raise the limit of tasks"
            )));
        }
        Ok(Running {
            answer,
            is_overdue,
            counts: self.counts.clone(),
            deadline: Instant::now() + limit,
            dir: self.dir.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_overdue.load(Ordering::Acquire) {
            self.counts.overdue.fetch_sub(1, Ordering::AcqRel);
        }
        self.counts.running.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<T> Running<T> {
    /// Its answer. Blocks until its time is up.
    ///
    /// # Errors
    /// Those of the call, or that the disk does not answer.
    pub(super) fn answer(self) -> Result<T, ViewError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.answer.recv_timeout(left) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                self.counts.overdue.fetch_add(1, Ordering::AcqRel);
                // Before the channel is dropped: the thread looks at it when nobody takes its answer.
                self.is_overdue.store(true, Ordering::Release);
                Err(silent(&self.dir))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let reason = "the request failed by an error of the program, which is in its log";
                Err(ViewError::Unreadable(reason.to_owned()))
            }
        }
    }
}

fn silent(dir: &Path) -> ViewError {
    let dir = dir.display();
    ViewError::Unreadable(format!("the disk of {dir} does not answer; check it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stop;
    use crate::base::testing::wait_until;

    const LONG: Duration = Duration::from_secs(60);

    fn told<T>(answer: Result<T, ViewError>) -> String {
        match answer {
            Ok(_) => "an answer".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// A call that returns when `released` is raised.
    fn hang(calls: &DiskCalls, limit: Duration, released: &Stop) -> Result<Running<()>, ViewError> {
        let released = released.clone();
        calls.begin(limit, move || {
            released.wait(LONG);
            Ok(())
        })
    }

    #[test]
    fn an_answer_or_an_error_is_that_of_the_call() {
        let calls = DiskCalls::new(PathBuf::from("/rec"));
        let answer = calls.begin(LONG, || Ok(7)).and_then(Running::answer);
        assert_eq!(answer.expect("an answer"), 7);
        let failed = || Err::<(), _>(ViewError::Unreadable("it is damaged".to_owned()));
        let answer = calls.begin(LONG, failed).and_then(Running::answer);
        assert_eq!(told(answer), "it is damaged");
        wait_until(|| calls.counts.running.load(Ordering::Acquire) == 0);
    }

    #[test]
    fn a_disk_that_does_not_answer_holds_few_threads_and_is_used_again() {
        let calls = DiskCalls::new(PathBuf::from("/rec"));
        let released = Stop::default();
        let hang = |limit| hang(&calls, limit, &released);
        let silent = "the disk of /rec does not answer; check it";
        let running: Vec<_> = (0..CALLS)
            .map(|_| hang(Duration::ZERO).expect("a thread"))
            .collect();
        assert_eq!(told(hang(LONG)), silent);
        for call in running {
            assert_eq!(told(call.answer()), silent);
        }
        assert_eq!(calls.counts.overdue.load(Ordering::Acquire), CALLS);
        assert_eq!(told(hang(LONG)), silent);
        released.raise();
        wait_until(|| calls.counts.running.load(Ordering::Acquire) == 0);
        assert_eq!(calls.counts.overdue.load(Ordering::Acquire), 0);
        assert_eq!(told(hang(LONG).and_then(Running::answer)), "an answer");
    }

    #[test]
    fn while_a_call_is_overdue_others_wait_for_a_short_time() {
        let calls = DiskCalls::new(PathBuf::from("/rec"));
        let released = Stop::default();
        let hang = |limit| hang(&calls, limit, &released);
        let first = hang(Duration::ZERO).expect("a thread");
        assert!(first.answer().is_err());
        let second = hang(LONG).expect("a thread");
        assert!(second.deadline <= Instant::now() + SHORT);
        released.raise();
        let _ = second.answer();
    }
}
