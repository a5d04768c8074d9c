//! Locks that outlive a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The content of a lock. A poisoned one is taken all the same: a panic in one
/// request must not turn every later request into a panic, and every change
/// made under these locks is a single assignment or insertion.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
