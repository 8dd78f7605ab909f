//! Locks and waits that stay usable after a panic.
//!
//! A panic ends one thread (a decoder's callback, a connection), and the others go on. Every value behind such a mutex must
//! therefore be valid after each single change.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks a mutex, also after a thread panicked while it held the lock. Blocks until the lock is free.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a change of the locked value, at most `limit` if there is one. It may also return without a change.
pub fn wait<'a, T>(
    changed: &Condvar,
    value: MutexGuard<'a, T>,
    limit: Option<Duration>,
) -> MutexGuard<'a, T> {
    match limit {
        Some(limit) => {
            let waited = changed.wait_timeout(value, limit);
            waited.unwrap_or_else(PoisonError::into_inner).0
        }
        None => (changed.wait(value)).unwrap_or_else(PoisonError::into_inner),
    }
}

/// Waits while `goes_on` holds of the locked value, at most `limit`.
pub fn wait_while<'a, T>(
    changed: &Condvar,
    value: MutexGuard<'a, T>,
    limit: Duration,
    goes_on: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    let waited = changed.wait_timeout_while(value, limit, goes_on);
    waited.unwrap_or_else(PoisonError::into_inner).0
}
