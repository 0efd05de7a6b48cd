//! The last table as bytes, for a start without the control plane.
//!
//! Names are not in it, hashes and their seeds are: keep the file to yourself (mode 0600).

use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::bucket::Bucket;
use crate::held::{Entry, PLACES, Place};
use crate::key::Hash;
use crate::table::{Settings, Table, lock};

const MAGIC: &[u8; 8] = b"ostiaryV";
const VERSION: u8 = 1;
const SUM: usize = 16;

/// Why the bytes are no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damaged {
    /// Something else altogether, or nothing.
    NotOurs,
    /// Of another version of the guard.
    Version(u8),
    /// Not what was written.
    Checksum,
    /// Written wrongly.
    Content,
}

impl fmt::Display for Damaged {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => write!(out, "the saved verdicts are no table of verdicts"),
            Self::Version(other) => write!(out, "the saved verdicts have version {other}, not 1"),
            Self::Checksum => write!(out, "the saved verdicts are damaged: the checksum differs"),
            Self::Content => write!(out, "the saved verdicts make no sense"),
        }
    }
}

impl std::error::Error for Damaged {}

/// What [`load`] made of bytes. The table is never confirmed.
pub struct Loaded {
    /// Empty if the bytes are damaged.
    pub table: Arc<Table>,
    /// What to go on from, for [`crate::Session::new`].
    pub resume: Option<(String, u64)>,
    /// Why the table is empty.
    pub problem: Option<Damaged>,
}

/// `table` as bytes, as of `applied` (epoch, sequence); None when it is not complete.
#[must_use]
pub fn dump(table: &Table, applied: Option<(&str, u64)>) -> Vec<u8> {
    let (epoch, seq) = applied.unwrap_or_default();
    let mut out = Vec::with_capacity(96 * table.entries() + 128);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend(table.seeds.0.iter().flat_map(|seed| seed.to_le_bytes()));
    put_text(&mut out, epoch);
    out.extend_from_slice(&seq.to_le_bytes());
    for stripe in &table.stripes {
        let stripe = lock(stripe);
        for (hash, held) in &stripe.held {
            held.all()
                .iter()
                .for_each(|entry| put_entry(&mut out, *hash, entry));
        }
    }
    let sum = checksum(&out);
    out.extend_from_slice(&sum);
    out
}

/// The table that [`dump`] wrote, with its seeds instead of those in `settings`; an empty one, and
/// why, if the bytes are anything else.
#[must_use]
pub fn load(bytes: &[u8], settings: Settings) -> Loaded {
    match read(bytes, settings) {
        Ok((table, resume)) => Loaded {
            table,
            resume,
            problem: None,
        },
        Err(problem) => Loaded {
            table: Table::new(settings),
            resume: None,
            problem: Some(problem),
        },
    }
}

type Read = (Arc<Table>, Option<(String, u64)>);

fn read(bytes: &[u8], settings: Settings) -> Result<Read, Damaged> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(Damaged::NotOurs)?;
    let version = *rest.first().ok_or(Damaged::NotOurs)?;
    if version != VERSION {
        return Err(Damaged::Version(version));
    }
    let (body, sum) = bytes
        .split_at_checked(bytes.len().saturating_sub(SUM))
        .unwrap_or_default();
    if checksum(body) != sum {
        return Err(Damaged::Checksum);
    }
    let mut from = Reader(body.get(MAGIC.len() + 1..).unwrap_or_default());
    let seeds = [from.u64()?, from.u64()?];
    let epoch = from.text()?.to_owned();
    let seq = from.u64()?;
    let table = Table::new(Settings { seeds, ..settings });
    while !from.0.is_empty() {
        let (hash, entry) = entry(&mut from, &table)?;
        table.hold(hash, entry);
    }
    // A table that lost something is not what the sequence says.
    let whole = !epoch.is_empty() && table.refused.load(Ordering::Acquire) == 0;
    Ok((table, whole.then_some((epoch, seq))))
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).unwrap_or(0);
    out.push(length);
    out.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
}

fn put_entry(out: &mut Vec<u8>, hash: Hash, entry: &Entry) {
    out.extend_from_slice(&hash.0.to_le_bytes());
    out.extend_from_slice(&hash.1.to_le_bytes());
    out.extend_from_slice(&entry.id);
    out.extend_from_slice(&entry.since_ms.to_le_bytes());
    out.extend_from_slice(&entry.expires_ms.to_le_bytes());
    out.extend_from_slice(&entry.place.0.to_le_bytes());
    out.extend_from_slice(&[entry.kind, entry.effect, entry.score]);
    put_text(out, &entry.reason);
    let (rate, per_ms) = entry
        .bucket
        .as_ref()
        .map_or((0, 0), |one| (one.rate, one.per_ms));
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&per_ms.to_le_bytes());
}

fn entry(from: &mut Reader<'_>, table: &Table) -> Result<(Hash, Entry), Damaged> {
    let hash = (from.u64()?, from.u64()?);
    let id = *from.take()?;
    let since_ms = i64::from_le_bytes(*from.take()?);
    let expires_ms = i64::from_le_bytes(*from.take()?);
    let place = Place(u16::from_le_bytes(*from.take()?));
    let [kind, effect, score] = *from.take()?;
    let reason = table.reason(from.text()?);
    let rate = u32::from_le_bytes(*from.take()?);
    let per_ms = u32::from_le_bytes(*from.take()?);
    if usize::from(place.0) >= PLACES || effect > 4 || score > 100 {
        return Err(Damaged::Content);
    }
    let bucket = (rate > 0).then(|| Arc::new(Bucket::new(rate, per_ms)));
    let entry = Entry {
        id,
        since_ms,
        expires_ms,
        reason,
        bucket,
        round: 0,
        place,
        kind,
        effect,
        score,
    };
    Ok((hash, entry))
}

fn checksum(bytes: &[u8]) -> [u8; SUM] {
    let mut hasher = SipHasher24::new();
    hasher.write(bytes);
    hasher.finish128().as_bytes()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], Damaged> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Damaged::Content)?;
        self.0 = rest;
        Ok(head)
    }

    fn u64(&mut self) -> Result<u64, Damaged> {
        Ok(u64::from_le_bytes(*self.take()?))
    }

    fn text(&mut self) -> Result<&'a str, Damaged> {
        let [length] = *self.take()?;
        let (text, rest) = self
            .0
            .split_at_checked(usize::from(length))
            .ok_or(Damaged::Content)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Damaged::Content)
    }
}
