//! What inspection may cost the process: work that strangers of one address cause, and bytes of bodies
//! that are held.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::settings::HeadSettings;

/// Each source has a slot in each of two tables; who shares one with a busy source has the other.
const SLOTS: usize = 8192;

/// Work in microseconds, as the moment at which a source has paid for all it caused (generic cell rate
/// algorithm, ITU-T I.371).
struct Sources {
    begun: Instant,
    hashers: [RandomState; 2],
    paid: [Box<[AtomicU64]>; 2],
}

fn sources() -> &'static Sources {
    static SOURCES: OnceLock<Sources> = OnceLock::new();
    SOURCES.get_or_init(|| Sources {
        begun: Instant::now(),
        hashers: [RandomState::new(), RandomState::new()],
        paid: std::array::from_fn(|_| (0..SLOTS).map(|_| AtomicU64::new(0)).collect()),
    })
}

/// One stranger's address, an IPv6 network of 64 bits counting as one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stranger {
    slots: [usize; 2],
}

impl Stranger {
    pub(crate) fn new(address: IpAddr) -> Self {
        let key = match address.to_canonical() {
            IpAddr::V4(one) => u64::from(u32::from(one)),
            IpAddr::V6(one) => u64::try_from(u128::from(one) >> 64).unwrap_or(0) | 1 << 63,
        };
        let slot = |hasher: &RandomState| {
            usize::try_from(hasher.hash_one(key) % SLOTS as u64).unwrap_or(0)
        };
        let hashers = &sources().hashers;
        Self {
            slots: [slot(&hashers[0]), slot(&hashers[1])],
        }
    }

    fn cells(self) -> [&'static AtomicU64; 2] {
        let paid = &sources().paid;
        [&paid[0][self.slots[0]], &paid[1][self.slots[1]]]
    }

    /// Whether it caused more work than it may.
    pub(crate) fn is_over(self, bounds: &Bounds) -> bool {
        self.is_over_at(bounds, now_us())
    }

    fn is_over_at(self, bounds: &Bounds, now: u64) -> bool {
        let burst = bounds.wait_us(bounds.source_burst);
        let over = |cell: &AtomicU64| cell.load(Ordering::Relaxed).saturating_sub(now) > burst;
        self.cells().into_iter().all(over)
    }

    /// It caused so many microseconds of work.
    pub(crate) fn charge(self, bounds: &Bounds, micros: u64) {
        self.charge_at(bounds, micros, now_us());
    }

    fn charge_at(self, bounds: &Bounds, micros: u64, now: u64) {
        let wait = bounds.wait_us(micros);
        for cell in self.cells() {
            let add = |paid: u64| Some(paid.max(now).saturating_add(wait));
            let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
    }
}

fn now_us() -> u64 {
    u64::try_from(sources().begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The bounds of one listener.
#[derive(Debug)]
pub(crate) struct Bounds {
    source_rate: u64,
    source_burst: u64,
    buffer_cap: usize,
}

impl Bounds {
    pub(crate) fn new(settings: &HeadSettings) -> Self {
        Self {
            source_rate: settings.source_rate.max(1),
            source_burst: settings.source_burst,
            buffer_cap: settings.buffer_cap,
        }
    }

    /// How long so much work takes to be paid for.
    fn wait_us(&self, micros: u64) -> u64 {
        micros.saturating_mul(1_000_000) / self.source_rate
    }
}

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Bytes of bodies that are held for inspection now.
pub(crate) fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// The bytes that one message holds; given back with it.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    bytes: AtomicUsize,
}

impl Holding {
    /// It holds so many bytes now; false when the process would hold more than it may.
    pub(crate) fn grow_to(&self, bounds: &Bounds, bytes: usize) -> bool {
        let before = self.bytes.load(Ordering::Relaxed);
        let more = bytes.saturating_sub(before);
        if HELD.fetch_add(more, Ordering::Relaxed) + more > bounds.buffer_cap && more > 0 {
            HELD.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.bytes.store(before + more, Ordering::Relaxed);
        true
    }

    /// Nothing is held any more.
    pub(crate) fn release(&self) {
        HELD.fetch_sub(self.bytes.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> Bounds {
        Bounds {
            source_rate: 1000,
            source_burst: 500,
            buffer_cap: 10,
        }
    }

    #[test]
    fn a_source_pays_with_time_and_a_network_of_ipv6_is_one() {
        let (bounds, other) = (bounds(), Stranger::new("192.0.2.9".parse().unwrap()));
        let one = Stranger::new("2001:db8::1".parse().unwrap());
        let same = Stranger::new("2001:db8::ffff".parse().unwrap());
        one.charge_at(&bounds, 400, 0);
        assert!(!one.is_over_at(&bounds, 0));
        same.charge_at(&bounds, 400, 0);
        assert!(one.is_over_at(&bounds, 0) && !other.is_over_at(&bounds, 0));
        assert!(!one.is_over_at(&bounds, 300_000));
    }

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let bounds = bounds();
        let (one, two) = (Holding::default(), Holding::default());
        assert!(one.grow_to(&bounds, 6) && one.grow_to(&bounds, 6));
        assert!(!two.grow_to(&bounds, 5));
        drop(one);
        assert!(two.grow_to(&bounds, 5) && held() == 5);
    }
}
