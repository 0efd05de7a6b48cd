//! Verdicts as a table holds them, and one of the parts it is cut into.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Weak};

use crate::bucket::Bucket;
use crate::key::{Hash, Range};
use crate::standing::{Effect, Standing};
use crate::subject::Subject;
use crate::wire::{self, Kind};

/// One verdict without its key.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub id: [u8; 16],
    pub since_ms: i64,
    pub expires_ms: i64,
    pub reason: Arc<str>,
    pub bucket: Option<Arc<Bucket>>,
    /// The snapshot that spoke of it last.
    pub round: u32,
    pub place: Place,
    pub kind: u8,
    pub effect: u8,
    pub score: u8,
}

/// How long the prefix of a range is; 0 for everything that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Place(pub u16);

/// Different [`Place`]s there are.
pub(crate) const PLACES: usize = 2 * 129 + 1;

impl Place {
    pub(crate) fn of(range: Option<Range>) -> Self {
        range.map_or(Self(0), |one| Self::at(one.v6, one.length))
    }

    pub(crate) fn at(v6: bool, length: u8) -> Self {
        Self(1 + u16::from(length) + if v6 { 129 } else { 0 })
    }
}

impl Entry {
    pub(crate) fn over(&self, now_ms: i64) -> bool {
        self.expires_ms != 0 && self.expires_ms <= now_ms
    }

    /// Whether both say the same, whatever snapshot they came with.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let rate = |one: &Self| {
            one.bucket
                .as_ref()
                .map(|bucket| (bucket.rate, bucket.per_ms))
        };
        self.id == other.id
            && self.effect == other.effect
            && self.score == other.score
            && self.since_ms == other.since_ms
            && self.expires_ms == other.expires_ms
            && self.reason == other.reason
            && rate(self) == rate(other)
    }

    /// What it comes to for somebody who proved who he is at `auth_ms`; None when it is over or
    /// satisfied.
    pub(crate) fn standing(&self, auth_ms: Option<i64>, now_ms: i64) -> Option<Standing> {
        if self.over(now_ms) {
            return None;
        }
        let effect = match wire::Effect::try_from(i32::from(self.effect)).ok()? {
            wire::Effect::Unspecified => return None,
            wire::Effect::Deny => Effect::Deny,
            wire::Effect::StepUp => Effect::StepUp,
            wire::Effect::Limit => Effect::Limit,
            wire::Effect::Score => Effect::Score,
            wire::Effect::Known => Effect::Known,
        };
        if effect == Effect::StepUp && auth_ms.is_some_and(|at| at >= self.since_ms) {
            return None;
        }
        Some(Standing {
            effect,
            verdict: self.id,
            kind: Kind::try_from(i32::from(self.kind)).unwrap_or(Kind::Unspecified),
            reason: Arc::clone(&self.reason),
            since_ms: self.since_ms,
            risk: if effect == Effect::Score {
                self.score
            } else {
                0
            },
            until_ms: if self.expires_ms == 0 {
                i64::MAX
            } else {
                self.expires_ms
            },
            known: effect == Effect::Known,
            limits: self.bucket.iter().cloned().collect(),
            otherwise: None,
        })
    }
}

/// The verdicts about one key: nearly always one.
#[derive(Debug)]
pub(crate) enum Held {
    One(Entry),
    More(Vec<Entry>),
}

impl Held {
    /// None of no entries.
    pub(crate) fn new(mut entries: Vec<Entry>) -> Option<Self> {
        if entries.len() > 1 {
            entries.shrink_to_fit();
            return Some(Self::More(entries));
        }
        entries.pop().map(Self::One)
    }

    pub(crate) fn all(&self) -> &[Entry] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(all) => all,
        }
    }

    pub(crate) fn all_mut(&mut self) -> &mut [Entry] {
        match self {
            Self::One(one) => std::slice::from_mut(one),
            Self::More(all) => all,
        }
    }

    pub(crate) fn with(self, entry: Entry) -> Self {
        match self {
            Self::One(one) => Self::More(vec![one, entry]),
            Self::More(mut all) => {
                all.push(entry);
                Self::More(all)
            }
        }
    }

    pub(crate) fn into_all(self) -> Vec<Entry> {
        match self {
            Self::One(one) => vec![one],
            Self::More(all) => all,
        }
    }
}

/// Hashes are random already.
#[derive(Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, value: u64) {
        self.0 ^= value;
    }
}

pub(crate) type Map<T> = HashMap<Hash, T, BuildHasherDefault<AsIs>>;

/// One part of the table: its verdicts, and who asked about the keys in it.
#[derive(Default)]
pub(crate) struct Stripe {
    pub held: Map<Box<Held>>,
    pub subjects: Map<Vec<Weak<Subject>>>,
}

impl Stripe {
    /// From now on a verdict about `hash` finds `subject`.
    pub(crate) fn register(&mut self, hash: Hash, subject: &Arc<Subject>) {
        let known = self.subjects.entry(hash).or_default();
        if known.len() == known.capacity() {
            known.retain(|one| one.strong_count() > 0);
        }
        known.push(Arc::downgrade(subject));
    }

    /// Forgets subjects that are gone.
    pub(crate) fn tidy(&mut self) {
        self.subjects.retain(|_, known| {
            known.retain(|one| one.strong_count() > 0);
            !known.is_empty()
        });
        if self.subjects.capacity() > 64 + 4 * self.subjects.len() {
            self.subjects.shrink_to_fit();
        }
    }
}
