//! Waiting for another thread, but not past cancellation or a deadline.
//!
//! [`Awaited`] is something that threads change and wait for. [`Gate`] lets one of them have it at a time.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use depsync_engine::context::{Context, HookGuard};
use depsync_engine::error::Result;

/// The longest wait between two looks at the context, if nothing changes. A cancellation wakes whoever waits.
const SLICE: Duration = Duration::from_secs(2);
/// The shortest: what is left of a deadline may be nothing.
const LEAST: Duration = Duration::from_millis(1);

/// A value, and a bell that is rung when it has changed.
#[derive(Debug)]
pub(crate) struct Awaited<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T: Send + 'static> Awaited<T> {
    pub(crate) fn new(value: T) -> Arc<Self> {
        Arc::new(Self { value: Mutex::new(value), changed: Condvar::new() })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings the bell.
    pub(crate) fn ring(&self) {
        self.changed.notify_all();
    }

    /// Rings the bell when the context is cancelled, while the guard lives.
    pub(crate) fn ring_on_cancel(self: &Arc<Self>, cx: &Context) -> HookGuard {
        let of_hook = Arc::clone(self);
        cx.cancel().on_cancel(move || {
            drop(of_hook.lock());
            of_hook.ring();
        })
    }

    /// Waits for the bell, for a while, and not past the deadline.
    pub(crate) fn wait<'a>(&'a self, cx: &Context, value: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let slice = cx.time_left().unwrap_or(SLICE).min(SLICE).max(LEAST);
        self.changed.wait_timeout(value, slice).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A value that one thread has at a time. None while somebody has it.
#[derive(Debug)]
pub(crate) struct Gate<T: Send + 'static>(Arc<Awaited<Option<T>>>);

impl<T: Default + Send + 'static> Default for Gate<T> {
    fn default() -> Self {
        Self(Awaited::new(Some(T::default())))
    }
}

impl<T: Send + 'static> Gate<T> {
    /// Waits until nobody else has it, but not past the context's cancellation or deadline.
    pub(crate) fn enter(&self, cx: &Context) -> Result<Inside<'_, T>> {
        let _hook = self.0.ring_on_cancel(cx);
        let mut value = self.0.lock();
        loop {
            cx.check()?;
            if let Some(had) = value.take() {
                return Ok(Inside { gate: self, had: Some(had) });
            }
            value = self.0.wait(cx, value);
        }
    }
}

/// The value while this thread has it.
#[derive(Debug)]
pub(crate) struct Inside<'a, T: Send + 'static> {
    gate: &'a Gate<T>,
    had: Option<T>,
}

impl<T: Send + 'static> Deref for Inside<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.had.as_ref().expect("because it is given back when this is dropped")
    }
}

impl<T: Send + 'static> DerefMut for Inside<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.had.as_mut().expect("because it is given back when this is dropped")
    }
}

impl<T: Send + 'static> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        *self.gate.0.lock() = self.had.take();
        self.gate.0.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::error::ErrorKind;
    use std::time::Instant;

    #[test]
    fn one_at_a_time_and_a_deadline_and_a_cancellation_are_kept() {
        let gate = Gate::<u32>::default();
        let mut inside = gate.enter(&Context::new()).expect("nobody has it");
        *inside += 1;
        let began = Instant::now();
        let soon = Context::new().with_deadline(began + Duration::from_millis(30));
        assert_eq!(gate.enter(&soon).expect_err("late").kind(), ErrorKind::DeadlineExceeded);
        let cx = Context::new();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| gate.enter(&cx).map(drop).expect_err("cancelled").kind());
            std::thread::sleep(Duration::from_millis(30));
            cx.cancel().cancel();
            assert_eq!(waits.join().expect("no panic"), ErrorKind::Cancelled);
        });
        assert!(began.elapsed() < SLICE, "woken, not timed out");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| gate.enter(&Context::new()).map(|inside| *inside));
            std::thread::sleep(Duration::from_millis(30));
            drop(inside);
            assert_eq!(waits.join().expect("no panic").expect("its turn"), 1);
        });
        assert!(began.elapsed() < SLICE, "woken, not timed out");
    }
}
