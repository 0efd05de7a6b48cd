//! Verdicts to test with, and streams that remember what they were told.

#![allow(dead_code)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ostiary_verdicts::wire::{Change, Effect, Kind, Lift, Verdict, What};
use ostiary_verdicts::{Cut, Settings, Standing, Table};

/// A table with room for `most`.
pub fn table(most: usize) -> Arc<Table> {
    Table::new(Settings {
        seeds: [7, 11],
        most,
    })
}

/// 16 bytes from a number.
pub fn id(number: u64) -> Vec<u8> {
    u128::from(number).to_be_bytes().to_vec()
}

/// A verdict without an end, since 1,000.
pub fn verdict(number: u64, kind: Kind, key: &str, effect: Effect) -> Verdict {
    let limit = effect == Effect::Limit;
    Verdict {
        id: id(number),
        kind: kind.into(),
        key: key.into(),
        effect: effect.into(),
        reason: "test".into(),
        source: "test".into(),
        since_ms: 1000,
        expires_ms: 0,
        score: if effect == Effect::Score { 50 } else { 0 },
        rate: if limit { 3 } else { 0 },
        per_ms: if limit { 1000 } else { 0 },
    }
}

/// The end of that verdict.
pub fn lift(number: u64, kind: Kind, key: &str) -> Lift {
    Lift {
        id: id(number),
        kind: kind.into(),
        key: key.into(),
    }
}

/// As a change.
pub fn put(verdict: Verdict) -> Change {
    Change {
        what: Some(What::Put(verdict)),
    }
}

/// Counts how often it was told to end.
#[derive(Default)]
pub struct Stream {
    pub cuts: AtomicUsize,
    pub last: Mutex<Option<Arc<Standing>>>,
}

impl Cut for Stream {
    fn cut(&self, standing: &Arc<Standing>) {
        self.cuts.fetch_add(1, Ordering::AcqRel);
        *self.last.lock().unwrap() = Some(Arc::clone(standing));
    }
}

impl Stream {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn told(&self) -> usize {
        self.cuts.load(Ordering::Acquire)
    }
}
