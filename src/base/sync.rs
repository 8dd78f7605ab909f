//! Locking of mutexes that stay usable after a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, also after a thread panicked while it held the lock. Blocks until the lock is free.
///
/// A panic ends one thread (a decoder's callback, a connection), and the others go on. Every value behind such a mutex must
/// therefore be valid after each single change.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
