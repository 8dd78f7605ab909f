//! A stop flag for threads: set once, waited for with a time-out.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::sync::{lock, wait_while};

/// A flag that threads wait on instead of sleeping. Once raised it stays raised.
#[derive(Clone, Default)]
pub struct Stop {
    inner: Arc<StopInner>,
}

/// A registered callback of [`Stop::when_raised`]. Dropping it removes the callback.
pub struct WhenRaised {
    stop: Stop,
    key: u64,
}

#[derive(Default)]
struct StopInner {
    state: Mutex<State>,
    raised: Condvar,
}

#[derive(Default)]
struct State {
    raised: bool,
    next_key: u64,
    wakers: Vec<(u64, Waker)>,
}

type Waker = Arc<dyn Fn() + Send + Sync>;

impl Stop {
    /// Raises the flag and wakes every thread that waits on it.
    pub fn raise(&self) {
        let mut state = self.lock();
        state.raised = true;
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.inner.raised.notify_all();
        for (_, wake) in wakers {
            wake();
        }
    }

    /// Whether the flag was raised.
    pub fn is_raised(&self) -> bool {
        self.lock().raised
    }

    /// Calls `wake` once when the flag is raised, immediately if it is raised already. For threads that wait on something else,
    /// such as a GStreamer bus. The callback runs on the raising thread and must not block.
    pub fn when_raised(&self, wake: impl Fn() + Send + Sync + 'static) -> WhenRaised {
        let mut state = self.lock();
        let key = state.next_key;
        state.next_key += 1;
        if state.raised {
            drop(state);
            wake();
        } else {
            state.wakers.push((key, Arc::new(wake)));
        }
        WhenRaised {
            stop: self.clone(),
            key,
        }
    }

    /// Waits at most `limit` for the flag. True if it was raised.
    pub fn wait(&self, limit: Duration) -> bool {
        let state = self.lock();
        wait_while(&self.inner.raised, state, limit, |state| !state.raised).raised
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stop")
            .field("raised", &self.is_raised())
            .finish()
    }
}

impl Drop for WhenRaised {
    fn drop(&mut self) {
        let mut state = self.stop.lock();
        let gone: Vec<_> = state
            .wakers
            .extract_if(.., |(key, _)| *key == self.key)
            .collect();
        drop(state);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_thread_wakes_when_the_flag_is_raised() {
        let stop = Stop::default();
        let waiting = stop.clone();
        let thread = std::thread::spawn(move || waiting.wait(Duration::from_secs(60)));
        stop.raise();
        assert!(thread.join().expect("the thread ends"));
        assert!(stop.is_raised());
    }

    #[test]
    fn a_wait_ends_at_its_limit() {
        assert!(!Stop::default().wait(Duration::from_millis(1)));
    }

    #[test]
    fn a_callback_runs_once_and_can_be_removed() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let (stop, calls) = (Stop::default(), Arc::new(AtomicU32::new(0)));
        let count = |calls: &Arc<AtomicU32>| {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, Ordering::Relaxed);
            }
        };
        drop(stop.when_raised(count(&calls)));
        let kept = stop.when_raised(count(&calls));
        stop.raise();
        stop.raise();
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        let late = stop.when_raised(count(&calls));
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        drop((kept, late));
    }
}
