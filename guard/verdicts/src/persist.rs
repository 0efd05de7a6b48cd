//! The last table as bytes, for the disk: known at once after a restart, and stale until confirmed.
//!
//! A line of its own at the front, then gRPC-framed entries, then a checksum. Names are not in it:
//! the hashes of the table are, with the seeds under which they were made.

use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

use prost::Message;
use siphasher::sip::SipHasher13;

use crate::session::Session;
use crate::table::{Entry, Settings, Table};

const MARK: &[u8; 8] = b"ostiary1";
const CHECK: usize = 8;

/// Why a file is of no use; nothing of it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged(pub &'static str);

impl fmt::Display for Damaged {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the stored verdicts are not usable: {}", self.0)
    }
}

impl std::error::Error for Damaged {}

#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(fixed64, repeated, tag = "1")]
    seeds: Vec<u64>,
    #[prost(string, tag = "2")]
    epoch: String,
    #[prost(uint64, tag = "3")]
    applied: u64,
    #[prost(message, repeated, tag = "4")]
    entries: Vec<Row>,
}

#[derive(Clone, PartialEq, Message)]
struct Row {
    #[prost(fixed64, tag = "1")]
    one: u64,
    #[prost(fixed64, tag = "2")]
    two: u64,
    #[prost(bytes = "vec", tag = "3")]
    id: Vec<u8>,
    #[prost(int64, tag = "4")]
    since_ms: i64,
    #[prost(int64, tag = "5")]
    expires_ms: i64,
    #[prost(string, tag = "6")]
    reason: String,
    #[prost(uint32, tag = "7")]
    rate: u32,
    #[prost(uint32, tag = "8")]
    per_ms: u32,
    #[prost(uint32, tag = "9")]
    kind: u32,
    #[prost(uint32, tag = "10")]
    effect: u32,
    #[prost(uint32, tag = "11")]
    score: u32,
    /// 0 for none; else the length plus one, plus 1000 for IPv6.
    #[prost(uint32, tag = "12")]
    range: u32,
}

/// Everything that `table` and `session` know.
#[must_use]
pub fn dump(table: &Table, session: &Session) -> Vec<u8> {
    let mut stored = Stored {
        seeds: table.seeds().to_vec(),
        epoch: session.epoch().to_owned(),
        applied: session.applied(),
        entries: Vec::with_capacity(table.entries()),
    };
    table.each(|hash, entry| stored.entries.push(row(hash, entry)));
    let mut made = MARK.to_vec();
    stored.encode(&mut made).unwrap_or_default();
    let sum = checksum(&made);
    made.extend_from_slice(&sum.to_le_bytes());
    made
}

/// The table of [`dump`], not confirmed, with room for `most` verdicts.
pub fn load(bytes: &[u8], most: usize) -> Result<(Arc<Table>, Session), Damaged> {
    let body = bytes
        .strip_prefix(MARK)
        .ok_or(Damaged("it begins wrongly"))?;
    let (body, sum) = body
        .split_last_chunk::<CHECK>()
        .ok_or(Damaged("it is cut off"))?;
    if checksum(&bytes[..bytes.len() - CHECK]) != u64::from_le_bytes(*sum) {
        return Err(Damaged("its checksum is wrong"));
    }
    let stored = Stored::decode(body).map_err(|_| Damaged("it cannot be read"))?;
    let seeds = stored
        .seeds
        .try_into()
        .map_err(|_| Damaged("it has no seeds"))?;
    let table = Table::new(Settings { seeds, most });
    for row in stored.entries {
        let entry = entry(&table, &row).ok_or(Damaged("one of its entries makes no sense"))?;
        if !table.take_back((row.one, row.two), entry) {
            return Err(Damaged("it does not fit into this table"));
        }
    }
    Ok((table, Session::resume(stored.epoch, stored.applied)))
}

fn row(hash: (u64, u64), entry: &Entry) -> Row {
    Row {
        one: hash.0,
        two: hash.1,
        id: entry.id.to_vec(),
        since_ms: entry.since_ms,
        expires_ms: entry.expires_ms,
        reason: entry.reason.to_string(),
        rate: entry.rate,
        per_ms: entry.per_ms,
        kind: u32::from(entry.kind),
        effect: u32::from(entry.effect),
        score: u32::from(entry.score),
        range: entry.range.map_or(0, |(v6, length)| {
            u32::from(length) + 1 + if v6 { 1000 } else { 0 }
        }),
    }
}

fn entry(table: &Table, row: &Row) -> Option<Entry> {
    let v6 = row.range >= 1000;
    let length = row.range.checked_sub(if v6 { 1001 } else { 1 });
    let range = match row.range {
        0 => None,
        _ => Some((v6, u8::try_from(length?).ok().filter(|one| *one <= 128)?)),
    };
    Some(Entry {
        id: row.id.as_slice().try_into().ok()?,
        since_ms: row.since_ms,
        expires_ms: row.expires_ms,
        reason: table.interned_reason(&row.reason),
        rate: row.rate,
        per_ms: row.per_ms,
        round: 0,
        kind: u8::try_from(row.kind).ok()?,
        effect: u8::try_from(row.effect).ok()?,
        score: u8::try_from(row.score).ok().filter(|one| *one <= 100)?,
        range,
    })
}

/// Against a disk that lost something, not against a writer: the folder is nobody else's.
fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    hasher.write(bytes);
    hasher.finish()
}
