//! The control plane's clock, as far as it is known: verdicts expire by it, not by ours.

use std::sync::atomic::{AtomicI64, Ordering};

/// The control plane's time from our monotonic one.
#[derive(Debug)]
pub struct ServerClock {
    offset_ms: AtomicI64,
}

impl ServerClock {
    /// Until something better is known the control plane's clock is our own.
    #[must_use]
    pub fn new(wall_ms: i64, mono_ms: u64) -> Self {
        Self {
            offset_ms: AtomicI64::new(wall_ms - signed(mono_ms)),
        }
    }

    /// A message said `time_ms` when our monotonic clock was at `mono_ms`.
    pub fn learn(&self, time_ms: i64, mono_ms: u64) {
        self.offset_ms
            .store(time_ms.saturating_sub(signed(mono_ms)), Ordering::Relaxed);
    }

    /// Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self, mono_ms: u64) -> i64 {
        self.offset_ms
            .load(Ordering::Relaxed)
            .saturating_add(signed(mono_ms))
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
