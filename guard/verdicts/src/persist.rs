//! The last table as bytes, for a start without the control plane.
//!
//! Names are not in it, hashes and their seeds are: keep the file to yourself (mode 0600).

use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::bucket::Bucket;
use crate::held::{Entry, PLACES, Place};
use crate::key::Hash;
use crate::session::Session;
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

/// Everything that `table` and `session` know.
#[must_use]
pub fn dump(table: &Table, session: &Session) -> Vec<u8> {
    let mut out = Vec::with_capacity(100 * table.entries() + 256);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend(table.seeds.0.iter().flat_map(|seed| seed.to_le_bytes()));
    put_text(&mut out, session.epoch());
    out.extend_from_slice(&session.applied().to_le_bytes());
    for stripe in &table.stripes {
        let stripe = lock(stripe);
        for (hash, held) in &stripe.held {
            for entry in held.all() {
                put_entry(&mut out, *hash, entry);
            }
        }
    }
    let sum = checksum(&out);
    out.extend_from_slice(&sum);
    out
}

/// The table of [`dump`], not confirmed, with room for `most` verdicts. If they do not all fit, the
/// session knows nothing and asks for everything.
pub fn load(bytes: &[u8], most: usize) -> Result<(Arc<Table>, Session), Damaged> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(Damaged::NotOurs)?;
    let (version, _) = rest.split_first().ok_or(Damaged::NotOurs)?;
    if *version != VERSION {
        return Err(Damaged::Version(*version));
    }
    let (body, sum) = bytes.split_last_chunk::<SUM>().ok_or(Damaged::Checksum)?;
    if checksum(body) != *sum {
        return Err(Damaged::Checksum);
    }
    let mut from = Reader(body.get(MAGIC.len() + 1..).unwrap_or_default());
    let seeds = [from.u64()?, from.u64()?];
    let epoch = from.text()?.to_owned();
    let seq = from.u64()?;
    let table = Table::new(Settings { seeds, most });
    while !from.0.is_empty() {
        let (hash, entry) = entry(&mut from, &table)?;
        table.hold(hash, entry);
    }
    let whole = !epoch.is_empty() && !table.full();
    let session = if whole {
        Session::resume(epoch, seq)
    } else {
        Session::default()
    };
    Ok((table, session))
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
    if usize::from(place.0) >= PLACES || effect > 5 || score > 100 {
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
