//! A hash for tables that requests fill: nobody outside can aim at a place in them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

/// Drawn once in a process.
static KEYS: LazyLock<[u64; 2]> = LazyLock::new(|| {
    let draw = || RandomState::new().build_hasher().finish();
    [draw() | 1, draw() | 1]
});

/// The key of this process, to be fetched once per request.
pub(super) fn keys() -> [u64; 2] {
    *KEYS
}

pub(super) fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

/// The hash of some bytes.
pub(super) fn of(bytes: &[u8], keys: [u64; 2]) -> u64 {
    let mut state = keys[0] ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), keys[1]);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(fold(state ^ u64::from_le_bytes(last), keys[1]), keys[0])
}
