//! A rate that all requests under one verdict share.

use std::sync::atomic::{AtomicU64, Ordering};

/// At most `rate` requests in any `per_ms`, smoothed: the generic cell rate algorithm in one word.
#[derive(Debug)]
pub struct Bucket {
    /// As the verdict says it.
    pub(crate) rate: u32,
    pub(crate) per_ms: u32,
    /// Microseconds one request costs.
    cost: u64,
    /// Microseconds that may be used in advance.
    burst: u64,
    /// The time, in microseconds of the monotonic clock, at which nothing is used any more.
    full_at: AtomicU64,
}

impl Bucket {
    /// Full: the first `rate` requests pass at once.
    #[must_use]
    pub fn new(rate: u32, per_ms: u32) -> Self {
        let whole = u64::from(per_ms.max(1)) * 1000;
        let cost = (whole / u64::from(rate.max(1))).max(1);
        let burst = whole - cost.min(whole);
        Self {
            rate,
            per_ms,
            cost,
            burst,
            full_at: AtomicU64::new(0),
        }
    }

    /// Takes one request, or says after how many milliseconds one will pass.
    pub fn take(&self, mono_ms: u64) -> Result<(), u64> {
        let now = mono_ms.saturating_mul(1000);
        let mut known = self.full_at.load(Ordering::Relaxed);
        loop {
            let from = known.max(now);
            if from - now > self.burst {
                return Err((from - now - self.burst).div_ceil(1000));
            }
            let next = from.saturating_add(self.cost);
            match self.full_at.compare_exchange_weak(
                known,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(other) => known = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    #[test]
    fn the_rate_passes_at_once_and_then_one_at_a_time() {
        let bucket = Bucket::new(10, 1000);
        let passed = (0..50).filter(|_| bucket.take(5).is_ok()).count();
        assert_eq!(passed, 10);
        assert_eq!(bucket.take(5), Err(100));
        assert_eq!(bucket.take(105), Ok(()));
        assert!(bucket.take(105).is_err());
    }
}
