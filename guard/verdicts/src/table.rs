//! Every verdict of one process, shared by all its threads.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::held::{Entry, Held, PLACES, Place, Stripe};
use crate::interned::Interned;
use crate::key::{Hash, Key, Range, Seeds};
use crate::standing::Standing;
use crate::subject::{Cut, Subject};
use crate::wire::Kind;

pub(crate) const STRIPES: usize = 1024;
const SWEPT: usize = 32;

/// How a table is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// 128 random bits, so that nobody outside can make two keys meet.
    pub seeds: [u64; 2],
    /// Verdicts that are held at most; further ones are refused and counted.
    pub most: usize,
}

/// A stream that has to end, and why. The caller ends it: no lock is held.
pub struct Ending {
    /// What to tell it.
    pub standing: Arc<Standing>,
    /// Whom to tell.
    pub stream: Arc<dyn Cut>,
}

/// The verdicts about every key, and whoever is known by these keys.
///
/// Reading is safe from any thread at any time. Changes are too, and are seen in the order in which
/// they were made; snapshots belong to one thread.
pub struct Table {
    pub(crate) seeds: Seeds,
    pub(crate) most: usize,
    pub(crate) stripes: Box<[Mutex<Stripe>]>,
    pub(crate) addresses: Interned,
    workloads: Interned,
    /// How many keys of each [`Place`] have verdicts.
    places: Box<[AtomicU32]>,
    reasons: Mutex<HashSet<Arc<str>>>,
    pub(crate) entries: AtomicUsize,
    pub(crate) round: AtomicU32,
    /// Entries that the current snapshot, or a change since, spoke of.
    pub(crate) in_round: AtomicUsize,
    pub(crate) refused: AtomicU64,
    pub(crate) refused_in_round: AtomicU64,
    pub(crate) swept: AtomicUsize,
    /// Milliseconds of the monotonic clock plus one; 0 for never.
    confirmed: AtomicU64,
}

impl Table {
    /// Empty, and not confirmed.
    #[must_use]
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            seeds: Seeds(settings.seeds),
            most: settings.most,
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            addresses: Interned::default(),
            workloads: Interned::default(),
            places: (0..PLACES).map(|_| AtomicU32::new(0)).collect(),
            reasons: Mutex::default(),
            entries: AtomicUsize::new(0),
            round: AtomicU32::new(0),
            in_round: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            refused_in_round: AtomicU64::new(0),
            swept: AtomicUsize::new(0),
            confirmed: AtomicU64::new(0),
        })
    }

    /// Verdicts held.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Verdicts refused since the last snapshot began because the table was full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether something that should be held is not; routes that need trust are denied then. Only a
    /// snapshot that fits ends this.
    #[must_use]
    pub fn full(&self) -> bool {
        self.refused() > 0
    }

    /// The control plane said at `mono_ms` that this table is what it has.
    pub fn confirm(&self, mono_ms: u64) {
        self.confirmed
            .store(mono_ms.saturating_add(1), Ordering::Release);
    }

    /// Milliseconds since the last confirmation; None when there never was one.
    #[must_use]
    pub fn age_ms(&self, mono_ms: u64) -> Option<u64> {
        let known = self.confirmed.load(Ordering::Acquire);
        (known > 0).then(|| mono_ms.saturating_sub(known - 1))
    }

    /// Whoever shows a credential that is known by `keys` and was proved at `auth_ms` (Unix
    /// milliseconds; None when nobody signed in: no step-up is satisfied then).
    pub fn credential(&self, keys: &[Key<'_>], auth_ms: Option<i64>, now_ms: i64) -> Arc<Subject> {
        let mut hashes: Vec<Hash> = keys.iter().filter_map(|key| self.hash(key)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        let made = Arc::new(Subject::new(hashes.into(), None, auth_ms));
        self.register(&made);
        let _ = made.standing(self, now_ms);
        made
    }

    /// Whoever comes from `address`; all its connections share one subject.
    pub fn address(&self, address: IpAddr, now_ms: i64) -> Arc<Subject> {
        let whole = Range::of(address);
        let hash = self.seeds.range(whole);
        let new = || Subject::new(Box::new([hash]), Some(address), None);
        let made = self
            .addresses
            .get(hash, Some(whole), new, |made| self.register(made));
        let _ = made.standing(self, now_ms);
        made
    }

    /// The workload with this SPIFFE id; all its connections share one subject.
    pub fn workload(&self, spiffe_id: &str, now_ms: i64) -> Arc<Subject> {
        let hash = self.seeds.named(Kind::Workload, spiffe_id);
        let new = || Subject::new(Box::new([hash]), None, None);
        let made = self
            .workloads
            .get(hash, None, new, |made| self.register(made));
        let _ = made.standing(self, now_ms);
        made
    }

    /// What holds for `keys` now, for one question without a subject.
    #[must_use]
    pub fn look_up(&self, keys: &[Key<'_>], auth_ms: Option<i64>, now_ms: i64) -> Option<Standing> {
        let mut known = None;
        for key in keys {
            if let Some(hash) = self.hash(key) {
                self.read_key(hash, auth_ms, now_ms, &mut known);
            }
            if let Some(address) = key.address() {
                self.read_ranges(address, auth_ms, now_ms, &mut known);
            }
        }
        known
    }

    fn register(&self, subject: &Arc<Subject>) {
        for hash in &subject.keys {
            self.stripe(*hash).register(*hash, subject);
        }
    }

    /// What all verdicts about `subject` come to.
    pub(crate) fn read(
        &self,
        subject: &Subject,
        auth_ms: Option<i64>,
        now_ms: i64,
    ) -> Option<Standing> {
        let mut known = None;
        for hash in &subject.keys {
            self.read_key(*hash, auth_ms, now_ms, &mut known);
        }
        if let Some(address) = subject.address {
            self.read_ranges(address, auth_ms, now_ms, &mut known);
        }
        known
    }

    /// The ranges around `address`, without itself; only lengths that exist are tried.
    fn read_ranges(
        &self,
        address: IpAddr,
        auth_ms: Option<i64>,
        now_ms: i64,
        known: &mut Option<Standing>,
    ) {
        let whole = Range::of(address);
        for length in 0..whole.length {
            if self
                .place(Place::at(whole.v6, length))
                .load(Ordering::Acquire)
                == 0
            {
                continue;
            }
            if let Some(range) = whole.to(length) {
                self.read_key(self.seeds.range(range), auth_ms, now_ms, known);
            }
        }
    }

    fn read_key(
        &self,
        hash: Hash,
        auth_ms: Option<i64>,
        now_ms: i64,
        known: &mut Option<Standing>,
    ) {
        let stripe = self.stripe(hash);
        let entries = stripe
            .held
            .get(&hash)
            .map_or(&[] as &[Entry], |held| held.all());
        for one in entries
            .iter()
            .filter_map(|entry| entry.standing(auth_ms, now_ms))
        {
            *known = Some(match known.take() {
                Some(before) => Standing::join(before, one),
                None => one,
            });
        }
    }

    /// Reads all verdicts about each of `subjects` again and tells which streams have to end.
    pub(crate) fn rethink(&self, subjects: Vec<Arc<Subject>>, now_ms: i64) -> Vec<Ending> {
        let mut endings = Vec::new();
        for subject in subjects {
            subject.think(self, now_ms, &mut endings);
        }
        endings
    }

    pub(crate) fn reason(&self, reason: &str) -> Arc<str> {
        let mut known = lock(&self.reasons);
        if let Some(found) = known.get(reason) {
            return Arc::clone(found);
        }
        let made: Arc<str> = reason.into();
        if known.len() < 10_000 {
            known.insert(Arc::clone(&made));
        }
        made
    }

    fn hash(&self, key: &Key<'_>) -> Option<Hash> {
        match key {
            Key::Named(Kind::Address, text) => Range::parse(text).map(|one| self.seeds.range(one)),
            Key::Named(kind, name) => Some(self.seeds.named(*kind, name)),
            Key::Address(address) => Some(self.seeds.range(Range::of(*address))),
        }
    }

    pub(crate) fn place(&self, place: Place) -> &AtomicU32 {
        &self.places[usize::from(place.0).min(PLACES - 1)]
    }

    pub(crate) fn stripe(&self, hash: Hash) -> MutexGuard<'_, Stripe> {
        lock(&self.stripes[stripe_of(hash)])
    }

    /// Forgets expired verdicts, and subjects that are gone, in the next 32 of the 1,024 parts of
    /// the table; each heartbeat does it. Expired verdicts do not count even before.
    pub fn sweep(&self, now_ms: i64) {
        for _ in 0..SWEPT {
            let index = self.swept.fetch_add(1, Ordering::Relaxed) % STRIPES;
            let found: Vec<Hash> = {
                let mut stripe = lock(&self.stripes[index]);
                stripe.tidy();
                let over = |held: &Held| held.all().iter().any(|one| one.over(now_ms));
                let expired = stripe.held.iter().filter(|(_, held)| over(held));
                expired.map(|(hash, _)| *hash).collect()
            };
            for hash in found {
                self.remove(hash, |entry| entry.over(now_ms));
            }
            self.addresses.tidy(index);
            self.workloads.tidy(index);
        }
    }
}

pub(crate) fn stripe_of(hash: Hash) -> usize {
    usize::try_from(hash.1 % STRIPES as u64).unwrap_or_default()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
