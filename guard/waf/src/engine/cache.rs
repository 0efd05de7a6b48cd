//! What earlier requests of this thread found out about values that come again.
//!
//! Gated rules ask one value at a time and nothing else, so which of them a
//! value can match never changes while the plan lives. A browser's headers are
//! the same at every request; they are scanned once.

use super::hash;

/// Sets of this many entries; a new one takes the place of one that was not used lately.
const WAYS: usize = 4;
const SETS: usize = 256;
/// Values up to this long are kept.
pub(super) const LONGEST: usize = 512;
/// A value is kept when it comes for the second time; so many first times are remembered.
const DOORS: usize = 4096;

#[derive(Clone, Default)]
struct Known {
    hash: u64,
    place: u16,
    used: bool,
    value: Box<[u8]>,
    open: Box<[u64]>,
}

/// The candidates of values by their place. Whole values are compared: a hash decides nothing.
pub(super) struct Cache {
    all: Vec<Known>,
    doors: Vec<u16>,
}

impl Cache {
    pub fn new() -> Self {
        Self {
            all: vec![Known::default(); WAYS * SETS],
            doors: vec![0; DOORS],
        }
    }

    fn find(&self, hash: u64, place: u16, value: &[u8]) -> Option<usize> {
        let first = hash as usize % SETS * WAYS;
        (first..first + WAYS).find(|at| {
            let known = &self.all[*at];
            known.hash == hash && known.place == place && *known.value == *value
        })
    }

    /// The gates a value opens at its place, if they are known.
    pub fn get(&mut self, hash: u64, place: u16, value: &[u8]) -> Option<&[u64]> {
        let at = self.find(mixed(hash, place), place, value)?;
        self.all[at].used = true;
        Some(&self.all[at].open)
    }

    /// Note which gates a value opens.
    pub fn put(&mut self, hash: u64, place: u16, value: &[u8], open: &[u64]) {
        let hash = mixed(hash, place);
        if let Some(at) = self.find(hash, place, value) {
            self.all[at].open.copy_from_slice(open);
            return;
        }
        let door = &mut self.doors[(hash >> 40) as usize % DOORS];
        if *door != hash as u16 {
            *door = hash as u16;
            return;
        }
        let first = hash as usize % SETS * WAYS;
        let set = &mut self.all[first..first + WAYS];
        let at = set.iter().position(|known| !known.used).unwrap_or_else(|| {
            for known in set.iter_mut() {
                known.used = false;
            }
            (hash >> 32) as usize % WAYS
        });
        set[at] = Known {
            hash,
            place,
            used: true,
            value: value.into(),
            open: open.into(),
        };
    }
}

fn mixed(hash: u64, place: u16) -> u64 {
    hash::fold(hash ^ u64::from(place), 0x9e37_79b9_7f4a_7c15)
}
