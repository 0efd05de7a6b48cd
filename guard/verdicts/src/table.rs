//! Every verdict of one process, shared by all its threads.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::bucket::Bucket;
use crate::key::{Hash, Key, LONGEST_KEY, Range, Seeds};
use crate::standing::{Effect, Standing};
use crate::subject::{Cut, Subject};
use crate::wire::{self, Kind, Verdict};

const STRIPES: usize = 1024;
const LENGTHS: usize = 129;

/// How a table is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// 128 random bits.
    pub seeds: [u64; 2],
    /// Verdicts that are held at most; further ones are refused and counted.
    pub most: usize,
}

/// A stream that has to end, and why.
pub struct Ending {
    /// What to tell it.
    pub standing: Arc<Standing>,
    /// Whom to tell.
    pub stream: Arc<dyn Cut>,
}

/// One verdict as it is held.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub id: [u8; 16],
    pub since_ms: i64,
    pub expires_ms: i64,
    pub reason: Arc<str>,
    pub rate: u32,
    pub per_ms: u32,
    pub round: u32,
    pub kind: u8,
    pub effect: u8,
    pub score: u8,
    /// Of a range of addresses that is no single one: its length, and whether it is IPv6.
    pub range: Option<(bool, u8)>,
}

/// Whom a verdict may be about.
#[derive(Clone, Copy)]
enum Whom {
    /// Who is registered under the key.
    Registered,
    /// Every address in the range.
    Within(Range),
    /// Any address: the range is not known any more.
    AnyAddress,
}

/// Hashes are random already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, value: u64) {
        self.0 ^= value;
    }
}

type Map<T> = HashMap<Hash, T, BuildHasherDefault<AsIs>>;

/// The verdicts about one key: nearly always one.
enum Held {
    One(Entry),
    More(Vec<Entry>),
}

impl Held {
    fn all(&self) -> &[Entry] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(all) => all,
        }
    }
}

#[derive(Default)]
struct Stripe {
    held: Map<Box<Held>>,
    subjects: Map<Vec<Weak<Subject>>>,
}

/// See the module.
pub struct Table {
    seeds: Seeds,
    most: usize,
    stripes: Box<[Mutex<Stripe>]>,
    interned: Box<[Mutex<Map<Weak<Subject>>>]>,
    /// How many ranges of each length there are: IPv4, then IPv6.
    lengths: Box<[AtomicU32]>,
    reasons: Mutex<std::collections::HashSet<Arc<str>>>,
    buckets: Mutex<HashMap<[u8; 16], Arc<Bucket>>>,
    entries: AtomicUsize,
    refused: AtomicU64,
    swept: AtomicUsize,
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
            interned: (0..STRIPES).map(|_| Mutex::default()).collect(),
            lengths: (0..2 * LENGTHS).map(|_| AtomicU32::new(0)).collect(),
            reasons: Mutex::default(),
            buckets: Mutex::default(),
            entries: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            swept: AtomicUsize::new(0),
            confirmed: AtomicU64::new(0),
        })
    }

    /// Verdicts held.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Verdicts refused since the last snapshot because the table was full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether something that should be held is not; routes that need trust are denied then.
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

    /// Whoever shows a credential that is known by `keys` and was proved at `auth_time_ms`.
    pub fn credential(
        &self,
        keys: &[Key<'_>],
        auth_time_ms: Option<i64>,
        now_ms: i64,
    ) -> Arc<Subject> {
        let keys = keys.iter().map(|key| self.hash(key)).collect();
        self.introduce(Subject::new(keys, None, auth_time_ms), now_ms)
    }

    /// Whoever comes from `address`; all its connections share one subject.
    pub fn address(&self, address: IpAddr, now_ms: i64) -> Arc<Subject> {
        let hash = self.hash(&Key::Address(address));
        self.shared(hash, Some(address), now_ms)
    }

    /// The workload with this SPIFFE id; all its connections share one subject.
    pub fn workload(&self, spiffe_id: &str, now_ms: i64) -> Arc<Subject> {
        let hash = self.hash(&Key::Named(Kind::Workload, spiffe_id));
        self.shared(hash, None, now_ms)
    }

    fn shared(&self, hash: Hash, address: Option<IpAddr>, now_ms: i64) -> Arc<Subject> {
        let mut known = lock(&self.interned[stripe_of(hash)]);
        if let Some(found) = known.get(&hash).and_then(Weak::upgrade) {
            return found;
        }
        if known.len() == known.capacity() {
            known.retain(|_, one| one.strong_count() > 0);
        }
        let made = Arc::new(Subject::new(Box::new([hash]), address, None));
        known.insert(hash, Arc::downgrade(&made));
        drop(known);
        self.register(&made);
        let _ = made.think(self, now_ms);
        made
    }

    fn introduce(&self, subject: Subject, now_ms: i64) -> Arc<Subject> {
        let made = Arc::new(subject);
        self.register(&made);
        let _ = made.think(self, now_ms);
        made
    }

    /// From now on a verdict about one of its keys finds `subject`.
    fn register(&self, subject: &Arc<Subject>) {
        for hash in &subject.keys {
            let mut stripe = self.stripe(*hash);
            let known = stripe.subjects.entry(*hash).or_default();
            if known.len() == known.capacity() {
                known.retain(|one| one.strong_count() > 0);
            }
            known.push(Arc::downgrade(subject));
        }
    }

    /// What all verdicts about `subject` come to.
    pub(crate) fn read(
        &self,
        subject: &Subject,
        auth_time_ms: Option<i64>,
        now_ms: i64,
    ) -> Option<Standing> {
        let mut known = None;
        for hash in &subject.keys {
            self.read_key(*hash, auth_time_ms, now_ms, &mut known);
        }
        if let Some(whole) = subject.address.map(Range::of) {
            for length in 0..whole.length {
                if self.length(whole.v6, length).load(Ordering::Acquire) > 0 {
                    if let Some(range) = whole.to(length) {
                        self.read_key(self.seeds.range(range), auth_time_ms, now_ms, &mut known);
                    }
                }
            }
        }
        known
    }

    fn read_key(
        &self,
        hash: Hash,
        auth_time_ms: Option<i64>,
        now_ms: i64,
        known: &mut Option<Standing>,
    ) {
        let stripe = self.stripe(hash);
        let Some(held) = stripe.held.get(&hash) else {
            return;
        };
        for entry in held.all() {
            if let Some(one) = self.standing_of(entry, auth_time_ms, now_ms) {
                *known = Some(Standing::join(known.take(), one));
            }
        }
    }

    fn standing_of(&self, entry: &Entry, auth: Option<i64>, now_ms: i64) -> Option<Standing> {
        let until_ms = if entry.expires_ms == 0 {
            i64::MAX
        } else {
            entry.expires_ms
        };
        if until_ms <= now_ms {
            return None;
        }
        let effect = effect_of(entry.effect)?;
        if effect == Effect::StepUp && auth.is_some_and(|at| at >= entry.since_ms) {
            return None;
        }
        let bucket = match effect {
            Effect::Limit => lock(&self.buckets).get(&entry.id).cloned(),
            _ => None,
        };
        Some(Standing {
            effect,
            verdict: entry.id,
            kind: Kind::try_from(i32::from(entry.kind)).unwrap_or(Kind::Unspecified),
            reason: Arc::clone(&entry.reason),
            since_ms: entry.since_ms,
            risk: entry.score,
            until_ms,
            bucket,
        })
    }

    /// `verdict` holds when this returns; what has to end is returned. `Err` says what is wrong.
    pub fn put(
        &self,
        verdict: &Verdict,
        round: u32,
        now_ms: i64,
    ) -> Result<Vec<Ending>, &'static str> {
        let (hash, whom, entry) = self.entry(verdict, round)?;
        if entry.effect == wire::Effect::Limit as u8 {
            let made = Arc::new(Bucket::new(entry.rate, entry.per_ms));
            lock(&self.buckets).entry(entry.id).or_insert(made);
        }
        if !self.hold(hash, entry) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(Vec::new());
        }
        Ok(self.rethink(hash, whom, now_ms))
    }

    /// The verdict `id` about that key holds no longer when this returns.
    pub fn lift(&self, lift: &wire::Lift, now_ms: i64) -> Result<Vec<Ending>, &'static str> {
        let id = id_of(&lift.id)?;
        let (hash, whom) = self.place(lift.kind, &lift.key)?;
        self.drop_entries(hash, |entry| entry.id == id);
        Ok(self.rethink(hash, whom, now_ms))
    }

    /// Takes away what was not put in `round`: the end of a snapshot. Nothing that stays was ever
    /// missing meanwhile.
    pub fn keep_only(&self, round: u32, now_ms: i64) -> Vec<Ending> {
        let mut endings = Vec::new();
        let mut addresses = false;
        for index in 0..STRIPES {
            let gone: Vec<(Hash, bool)> = {
                let stripe = lock(&self.stripes[index]);
                let old = |held: &Held| held.all().iter().any(|one| one.round != round);
                let found = stripe.held.iter().filter(|(_, held)| old(held));
                found
                    .map(|(hash, held)| (*hash, held.all()[0].range.is_some()))
                    .collect()
            };
            for (hash, range) in gone {
                self.drop_entries(hash, |entry| entry.round != round);
                addresses |= range;
                if !range {
                    endings.extend(self.rethink(hash, Whom::Registered, now_ms));
                }
            }
        }
        if addresses {
            endings.extend(self.rethink((0, 0), Whom::AnyAddress, now_ms));
        }
        self.refused.store(0, Ordering::Relaxed);
        endings
    }

    /// Forgets expired verdicts of one part of the table; call it now and then. They do not count
    /// even before.
    pub fn sweep(&self, now_ms: i64) {
        let index = self.swept.fetch_add(1, Ordering::Relaxed) % STRIPES;
        let over = |entry: &Entry| entry.expires_ms != 0 && entry.expires_ms <= now_ms;
        let found: Vec<Hash> = {
            let stripe = lock(&self.stripes[index]);
            let expired = stripe
                .held
                .iter()
                .filter(|(_, held)| held.all().iter().any(over));
            expired.map(|(hash, _)| *hash).collect()
        };
        for hash in found {
            self.drop_entries(hash, over);
        }
        lock(&self.stripes[index]).subjects.retain(|_, known| {
            known.retain(|one| one.strong_count() > 0);
            !known.is_empty()
        });
    }

    fn rethink(&self, hash: Hash, whom: Whom, now_ms: i64) -> Vec<Ending> {
        let mut endings = Vec::new();
        for subject in self.concerned(hash, whom) {
            if let Some((standing, streams)) = subject.think(self, now_ms) {
                endings.extend(streams.into_iter().map(|stream| Ending {
                    standing: Arc::clone(&standing),
                    stream,
                }));
            }
        }
        endings
    }

    fn concerned(&self, hash: Hash, whom: Whom) -> Vec<Arc<Subject>> {
        if let Whom::Registered = whom {
            let stripe = self.stripe(hash);
            let known = stripe.subjects.get(&hash);
            return known
                .into_iter()
                .flatten()
                .filter_map(Weak::upgrade)
                .collect();
        }
        let mut found = Vec::new();
        for stripe in &self.interned {
            let here: Vec<Arc<Subject>> = lock(stripe).values().filter_map(Weak::upgrade).collect();
            found.extend(here.into_iter().filter(|one| match (one.address, whom) {
                (Some(own), Whom::Within(range)) => range.holds(Range::of(own)),
                (own, _) => own.is_some(),
            }));
        }
        found
    }

    pub(crate) fn seeds(&self) -> [u64; 2] {
        self.seeds.0
    }

    /// Every verdict, a part of the table at a time.
    pub(crate) fn each(&self, mut what: impl FnMut(Hash, &Entry)) {
        for stripe in &self.stripes {
            for (hash, held) in &lock(stripe).held {
                held.all().iter().for_each(|entry| what(*hash, entry));
            }
        }
    }

    /// Holds an entry of a table that was stored; False when there is no room.
    pub(crate) fn take_back(&self, hash: Hash, entry: Entry) -> bool {
        if entry.effect == wire::Effect::Limit as u8 {
            let made = Arc::new(Bucket::new(entry.rate, entry.per_ms));
            lock(&self.buckets).insert(entry.id, made);
        }
        self.hold(hash, entry)
    }

    fn hold(&self, hash: Hash, entry: Entry) -> bool {
        let mut stripe = self.stripe(hash);
        let known = stripe
            .held
            .get(&hash)
            .map_or(&[] as &[Entry], |held| held.all());
        let replaces = known.iter().any(|one| one.id == entry.id);
        if !replaces && self.entries.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.entries.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let old = stripe.held.remove(&hash).map(|held| *held);
        let new = match old {
            None => {
                if let Some((v6, length)) = entry.range {
                    self.length(v6, length).fetch_add(1, Ordering::AcqRel);
                }
                Held::One(entry)
            }
            Some(Held::One(one)) if one.id == entry.id => Held::One(entry),
            Some(Held::One(one)) => Held::More(vec![one, entry]),
            Some(Held::More(mut all)) => {
                all.retain(|one| one.id != entry.id);
                all.push(entry);
                Held::More(all)
            }
        };
        stripe.held.insert(hash, Box::new(new));
        true
    }

    fn drop_entries(&self, hash: Hash, gone: impl Fn(&Entry) -> bool) {
        let mut stripe = self.stripe(hash);
        let Some(held) = stripe.held.remove(&hash) else {
            return;
        };
        let mut kept: Vec<Entry> = Vec::new();
        for entry in held.all() {
            if gone(entry) {
                self.entries.fetch_sub(1, Ordering::Relaxed);
                if entry.effect == wire::Effect::Limit as u8 {
                    lock(&self.buckets).remove(&entry.id);
                }
            } else {
                kept.push(entry.clone());
            }
        }
        match kept.len() {
            0 => {
                if let Some((v6, length)) = held.all()[0].range {
                    self.length(v6, length).fetch_sub(1, Ordering::AcqRel);
                }
            }
            1 => {
                let one = kept.swap_remove(0);
                stripe.held.insert(hash, Box::new(Held::One(one)));
            }
            _ => {
                stripe.held.insert(hash, Box::new(Held::More(kept)));
            }
        }
    }

    fn entry(&self, verdict: &Verdict, round: u32) -> Result<(Hash, Whom, Entry), &'static str> {
        let (hash, whom) = self.place(verdict.kind, &verdict.key)?;
        let effect = wire::Effect::try_from(verdict.effect).unwrap_or_default();
        if effect == wire::Effect::Unspecified {
            return Err("an unknown effect");
        }
        if effect == wire::Effect::Limit && (verdict.rate == 0 || verdict.per_ms == 0) {
            return Err("a limit without a rate");
        }
        if verdict.score > 100 {
            return Err("a score over 100");
        }
        if !is_code(&verdict.reason) {
            return Err("a reason that is no code");
        }
        let entry = Entry {
            id: id_of(&verdict.id)?,
            since_ms: verdict.since_ms,
            expires_ms: verdict.expires_ms,
            reason: self.interned_reason(&verdict.reason),
            rate: verdict.rate,
            per_ms: verdict.per_ms,
            round,
            kind: u8::try_from(verdict.kind).unwrap_or_default(),
            effect: effect as u8,
            score: u8::try_from(verdict.score).unwrap_or(100),
            range: match whom {
                Whom::Within(range) => Some((range.v6, range.length)),
                _ => None,
            },
        };
        Ok((hash, whom, entry))
    }

    fn place(&self, kind: i32, key: &str) -> Result<(Hash, Whom), &'static str> {
        let kind = Kind::try_from(kind).unwrap_or(Kind::Unspecified);
        if kind == Kind::Unspecified {
            return Err("an unknown kind of key");
        }
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err("a key that is empty or too long");
        }
        if kind == Kind::Address {
            let range = Range::parse(key).ok_or("a key that is no address or range")?;
            let whole = range.length == if range.v6 { 128 } else { 32 };
            let whom = if whole {
                Whom::Registered
            } else {
                Whom::Within(range)
            };
            return Ok((self.seeds.range(range), whom));
        }
        Ok((self.seeds.named(kind, key), Whom::Registered))
    }

    pub(crate) fn interned_reason(&self, reason: &str) -> Arc<str> {
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

    fn hash(&self, key: &Key<'_>) -> Hash {
        match key {
            Key::Named(kind, name) => self.seeds.named(*kind, name),
            Key::Address(address) => self.seeds.range(Range::of(*address)),
        }
    }

    fn length(&self, v6: bool, length: u8) -> &AtomicU32 {
        &self.lengths[usize::from(v6) * LENGTHS + usize::from(length)]
    }

    fn stripe(&self, hash: Hash) -> MutexGuard<'_, Stripe> {
        lock(&self.stripes[stripe_of(hash)])
    }
}

fn stripe_of(hash: Hash) -> usize {
    usize::try_from(hash.1 % STRIPES as u64).unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn effect_of(number: u8) -> Option<Effect> {
    match wire::Effect::try_from(i32::from(number)).ok()? {
        wire::Effect::Unspecified => None,
        wire::Effect::Deny => Some(Effect::Deny),
        wire::Effect::StepUp => Some(Effect::StepUp),
        wire::Effect::Limit => Some(Effect::Limit),
        wire::Effect::Score => Some(Effect::Score),
    }
}

fn id_of(bytes: &[u8]) -> Result<[u8; 16], &'static str> {
    bytes.try_into().map_err(|_| "an id that has not 16 bytes")
}

fn is_code(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}
