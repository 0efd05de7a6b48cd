//! How verdicts come into a table and out of it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use crate::bucket::Bucket;
use crate::held::{Entry, Held, Place};
use crate::key::{Hash, LONGEST_KEY, Range};
use crate::subject::Subject;
use crate::table::{Ending, Table, lock};
use crate::wire::{self, Change, Kind, Lift, Verdict, What};

/// What became of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    New,
    Same,
    Refused,
}

impl Table {
    /// Puts or lifts. It holds when this returns; the streams that have to end are returned, each
    /// one that is linked now unless it was told before. `Err` says what is wrong with the change;
    /// nothing happened then.
    pub fn apply(&self, change: &Change, now_ms: i64) -> Result<Vec<Ending>, &'static str> {
        match &change.what {
            Some(What::Put(verdict)) => self.put(verdict, now_ms),
            Some(What::Lift(lift)) => self.lift(lift, now_ms),
            None => Err("a change that says nothing"),
        }
    }

    /// `verdict` holds when this returns, in place of one with the same id about the same key, or it
    /// is counted as refused because the table is full.
    pub fn put(&self, verdict: &Verdict, now_ms: i64) -> Result<Vec<Ending>, &'static str> {
        let (hash, range) = locate(self, verdict.kind, &verdict.key)?;
        let entry = self.entry(verdict, range)?;
        if self.hold(hash, entry) != Put::New {
            return Ok(Vec::new());
        }
        Ok(self.concerned(hash, range, now_ms))
    }

    /// The verdict of that id about that key holds no longer when this returns.
    pub fn lift(&self, lift: &Lift, now_ms: i64) -> Result<Vec<Ending>, &'static str> {
        let id = id_of(&lift.id)?;
        let (hash, range) = locate(self, lift.kind, &lift.key)?;
        self.remove(hash, |entry| entry.id == id);
        Ok(self.concerned(hash, range, now_ms))
    }

    /// From now on [`Table::put`] says what a snapshot holds.
    pub fn begin_snapshot(&self) {
        self.round.fetch_add(1, Ordering::AcqRel);
        self.in_round.store(0, Ordering::Release);
        self.refused_in_round.store(0, Ordering::Release);
    }

    /// Takes away what was not put since [`Table::begin_snapshot`]; what was is never missing
    /// meanwhile. Returns the streams that have to end: a milder verdict may speak now.
    pub fn end_snapshot(&self, now_ms: i64) -> Vec<Ending> {
        let round = self.round.load(Ordering::Acquire);
        let old = |entry: &Entry| entry.round != round;
        let (mut touched, mut ranges) = (Vec::new(), false);
        for stripe in &self.stripes {
            let gone: Vec<Hash> = {
                let stripe = lock(stripe);
                let outdated = |held: &Held| held.all().iter().any(old);
                let found = stripe.held.iter().filter(|(_, held)| outdated(held));
                found.map(|(hash, _)| *hash).collect()
            };
            for hash in gone {
                ranges |= self.remove(hash, old) != Place(0);
                touched.extend(self.known_by(hash));
            }
        }
        if ranges {
            touched.extend(self.addresses.within(None));
        }
        // Only now: what stands in between was never said.
        let endings = self.rethink(touched, now_ms);
        let refused = self.refused_in_round.load(Ordering::Acquire);
        self.refused.store(refused, Ordering::Release);
        endings
    }

    /// Lets everybody think again whom a verdict about `hash` is about. A range is about every
    /// address in it that is here.
    fn concerned(&self, hash: Hash, range: Option<Range>, now_ms: i64) -> Vec<Ending> {
        let wide = range.filter(|range| range.length < if range.v6 { 128 } else { 32 });
        let subjects = if let Some(range) = wide {
            self.addresses.within(Some(range))
        } else {
            self.known_by(hash)
        };
        self.rethink(subjects, now_ms)
    }

    fn known_by(&self, hash: Hash) -> Vec<Arc<Subject>> {
        let stripe = self.stripe(hash);
        let known = stripe.subjects.get(&hash);
        known
            .into_iter()
            .flatten()
            .filter_map(Weak::upgrade)
            .collect()
    }

    pub(crate) fn hold(&self, hash: Hash, mut entry: Entry) -> Put {
        let mut stripe = self.stripe(hash);
        if let Some(held) = stripe.held.get_mut(&hash)
            && let Some(old) = held.all_mut().iter_mut().find(|one| one.id == entry.id)
        {
            if old.round != entry.round {
                self.in_round.fetch_add(1, Ordering::AcqRel);
            }
            let same = old.same(&entry);
            keep_bucket(old, &mut entry);
            *old = entry;
            return if same { Put::Same } else { Put::New };
        }
        let full = self.in_round.load(Ordering::Acquire) >= self.most
            || self.entries.load(Ordering::Acquire) >= self.most.saturating_mul(2);
        if full {
            self.refused.fetch_add(1, Ordering::AcqRel);
            self.refused_in_round.fetch_add(1, Ordering::AcqRel);
            return Put::Refused;
        }
        self.entries.fetch_add(1, Ordering::AcqRel);
        self.in_round.fetch_add(1, Ordering::AcqRel);
        let place = entry.place;
        let new = if let Some(held) = stripe.held.remove(&hash) {
            held.with(entry)
        } else {
            self.place(place).fetch_add(1, Ordering::AcqRel);
            Held::One(entry)
        };
        stripe.held.insert(hash, Box::new(new));
        Put::New
    }

    /// Takes away the entries about `hash` that are `gone`; says where they stood.
    pub(crate) fn remove(&self, hash: Hash, gone: impl Fn(&Entry) -> bool) -> Place {
        let round = self.round.load(Ordering::Acquire);
        let mut stripe = self.stripe(hash);
        let Some(held) = stripe.held.remove(&hash) else {
            return Place(0);
        };
        let (out, kept): (Vec<Entry>, Vec<Entry>) = held.into_all().into_iter().partition(gone);
        let counted = out.iter().filter(|one| one.round == round).count();
        self.entries.fetch_sub(out.len(), Ordering::AcqRel);
        self.in_round.fetch_sub(counted, Ordering::AcqRel);
        let place = out.first().map_or(Place(0), |one| one.place);
        if let Some(held) = Held::new(kept) {
            stripe.held.insert(hash, Box::new(held));
        } else {
            self.place(place).fetch_sub(1, Ordering::AcqRel);
            if stripe.held.capacity() > 64 + 4 * stripe.held.len() {
                stripe.held.shrink_to_fit();
            }
        }
        place
    }

    /// What is wrong with `verdict`, if anything: [`Table::put`] would say the same.
    pub fn check(verdict: &Verdict) -> Result<(), &'static str> {
        check_place(verdict.kind, &verdict.key)?;
        id_of(&verdict.id)?;
        let effect = wire::Effect::try_from(verdict.effect).unwrap_or_default();
        if effect == wire::Effect::Unspecified {
            return Err("an unknown effect");
        }
        let is_key = verdict.kind == wire::Kind::ApiKey as i32;
        if effect == wire::Effect::Known && !is_key {
            return Err("an effect that is for API keys only");
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
        Ok(())
    }

    /// What is wrong with `lift`, if anything: [`Table::lift`] would say the same.
    pub fn check_lift(lift: &Lift) -> Result<(), &'static str> {
        check_place(lift.kind, &lift.key)?;
        id_of(&lift.id).map(|_| ())
    }

    fn entry(&self, verdict: &Verdict, range: Option<Range>) -> Result<Entry, &'static str> {
        Self::check(verdict)?;
        let limit = verdict.effect == wire::Effect::Limit as i32;
        Ok(Entry {
            id: id_of(&verdict.id)?,
            since_ms: verdict.since_ms,
            expires_ms: verdict.expires_ms,
            reason: self.reason(&verdict.reason),
            bucket: limit.then(|| Arc::new(Bucket::new(verdict.rate, verdict.per_ms))),
            round: self.round.load(Ordering::Acquire),
            place: Place::of(range),
            kind: u8::try_from(verdict.kind).unwrap_or_default(),
            effect: u8::try_from(verdict.effect).unwrap_or_default(),
            score: u8::try_from(verdict.score).unwrap_or(100),
        })
    }
}

/// A limit that is put again goes on counting where it was.
fn keep_bucket(old: &Entry, new: &mut Entry) {
    if let (Some(old), Some(new)) = (&old.bucket, &mut new.bucket)
        && (old.rate, old.per_ms) == (new.rate, new.per_ms)
    {
        *new = Arc::clone(old);
    }
}

/// The kind and, of an address, the range.
fn check_place(kind: i32, key: &str) -> Result<(Kind, Option<Range>), &'static str> {
    let kind = Kind::try_from(kind).unwrap_or(Kind::Unspecified);
    if kind == Kind::Unspecified {
        return Err("an unknown kind of key");
    }
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err("a key that is empty or too long");
    }
    if kind != Kind::Address {
        return Ok((kind, None));
    }
    let range = Range::parse(key).ok_or("a key that is no address or range")?;
    Ok((kind, Some(range)))
}

fn locate(table: &Table, kind: i32, key: &str) -> Result<(Hash, Option<Range>), &'static str> {
    let (kind, range) = check_place(kind, key)?;
    let hash = range.map_or_else(
        || table.seeds.named(kind, key),
        |range| table.seeds.range(range),
    );
    Ok((hash, range))
}

fn id_of(bytes: &[u8]) -> Result<[u8; 16], &'static str> {
    bytes.try_into().map_err(|_| "an id that has not 16 bytes")
}

fn is_code(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}
