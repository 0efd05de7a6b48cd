//! Tokens that were verified, so that a signature is checked once and not at each request.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use crate::token::{LONGEST_TOKEN, Verified};

const SHARDS: usize = 64;
/// Bytes at the end of a token by which it is found: its signature, which no two of ours share.
const TELLING: usize = 32;

/// A verified token with what its owner keeps beside it.
#[derive(Debug)]
pub struct Known<S, V = Verified> {
    token: Box<[u8]>,
    /// What it says.
    pub verified: V,
    /// What its owner keeps beside it.
    pub slot: S,
}

/// The token that one thread looked at last: a client's next request mostly brings it again, and then
/// nothing is hashed and no lock taken.
#[derive(Debug)]
pub struct Latest<S, V = Verified>(RefCell<Option<Arc<Known<S, V>>>>);

impl<S, V> Latest<S, V> {
    /// Nothing was looked at yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// What is known about exactly these bytes, here or in `cache`.
    pub fn get(&self, cache: &TokenCache<S, V>, token: &[u8]) -> Option<Arc<Known<S, V>>> {
        let mut last = self.0.borrow_mut();
        if last.as_ref().is_none_or(|one| *one.token != *token) {
            *last = Some(cache.get(token)?);
        }
        last.clone()
    }

    /// `token` is known from now on, here and in `cache`.
    pub fn put(
        &self,
        cache: &TokenCache<S, V>,
        token: &[u8],
        verified: V,
        slot: S,
    ) -> Arc<Known<S, V>> {
        let known = cache.put(token, verified, slot);
        *self.0.borrow_mut() = Some(Arc::clone(&known));
        known
    }
}

impl<S, V> Default for Latest<S, V> {
    fn default() -> Self {
        Self::new()
    }
}

struct Shard<S, V> {
    known: HashMap<u64, Arc<Known<S, V>>>,
    /// In the order they came; the oldest goes first.
    order: VecDeque<u64>,
}

/// Bounded: `most` tokens in all.
pub struct TokenCache<S, V = Verified> {
    hasher: RandomState,
    shards: Box<[Mutex<Shard<S, V>>]>,
    each: usize,
}

impl<S, V> TokenCache<S, V> {
    /// Holds `most` tokens at most.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let shard = || {
            Mutex::new(Shard {
                known: HashMap::new(),
                order: VecDeque::new(),
            })
        };
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
            each: (most / SHARDS).max(1),
        }
    }

    /// What is known about exactly these bytes. Whether it still holds is the caller's to ask.
    pub fn get(&self, token: &[u8]) -> Option<Arc<Known<S, V>>> {
        let hash = self.hash(token);
        let shard = self
            .shard(hash)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        shard
            .known
            .get(&hash)
            .filter(|one| *one.token == *token)
            .cloned()
    }

    /// `token` is known from now on, unless it is longer than any of ours.
    pub fn put(&self, token: &[u8], verified: V, slot: S) -> Arc<Known<S, V>> {
        let made = Arc::new(Known {
            token: token.into(),
            verified,
            slot,
        });
        if token.len() > LONGEST_TOKEN {
            return made;
        }
        let hash = self.hash(token);
        let mut shard = self
            .shard(hash)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if shard.known.insert(hash, Arc::clone(&made)).is_none() {
            shard.order.push_back(hash);
        }
        let gone = if shard.order.len() > self.each {
            shard.order.pop_front()
        } else {
            None
        };
        let gone = gone.and_then(|old| shard.known.remove(&old));
        drop(shard);
        drop(gone);
        made
    }

    /// How many tokens are known.
    #[must_use]
    pub fn len(&self) -> usize {
        let count = |one: &Mutex<Shard<S, V>>| {
            one.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .known
                .len()
        };
        self.shards.iter().map(count).sum()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whoever sends other bytes before the same end finds nothing, for all of them are compared.
    fn hash(&self, token: &[u8]) -> u64 {
        self.hasher
            .hash_one(&token[token.len().saturating_sub(TELLING)..])
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard<S, V>> {
        &self.shards[usize::try_from(hash >> 58).unwrap_or_default() % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_what_it_was_told_and_not_more_than_it_may() {
        let cache = TokenCache::new(640);
        for index in 0..5_000u32 {
            cache.put(&index.to_be_bytes(), crate::token::tests_empty(), index);
        }
        assert!(cache.len() <= 640);
        let last = cache.get(&4_999u32.to_be_bytes()).unwrap();
        assert_eq!(last.slot, 4_999);
        assert!(cache.get(b"other").is_none());
    }
}
