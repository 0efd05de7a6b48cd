//! The messages of `proto/verdicts.proto`, field by field.

use prost::{Enumeration, Message, Oneof};

/// What a verdict is about; the key's form is said in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Kind {
    /// Never valid.
    Unspecified = 0,
    /// Claim `sub`.
    User = 1,
    /// Claim `sid`.
    Session = 2,
    /// Claim `device`.
    Device = 3,
    /// The peer certificate's SPIFFE id.
    Workload = 4,
    /// An address or a range.
    Address = 5,
    /// The key's public id.
    ApiKey = 6,
    /// SHA-256 of the token, hexadecimal.
    Token = 7,
    /// Claim `provider`.
    Provider = 8,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Effect {
    /// Never valid.
    Unspecified = 0,
    /// Refuse.
    Deny = 1,
    /// Sign in again, if the last sign-in was before `since_ms`.
    StepUp = 2,
    /// At most `rate` requests per `per_ms`.
    Limit = 3,
    /// The risk is `score`.
    Score = 4,
    /// Nothing: whoever shows this key is known by it.
    Known = 5,
}

/// One decision.
#[derive(Clone, PartialEq, Message)]
pub struct Verdict {
    /// A UUID's 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// What the key is.
    #[prost(enumeration = "Kind", tag = "2")]
    pub kind: i32,
    /// Whom it is about.
    #[prost(string, tag = "3")]
    pub key: String,
    /// What is done.
    #[prost(enumeration = "Effect", tag = "4")]
    pub effect: i32,
    /// Why, as a code.
    #[prost(string, tag = "5")]
    pub reason: String,
    /// Who said so.
    #[prost(string, tag = "6")]
    pub source: String,
    /// Unix milliseconds.
    #[prost(int64, tag = "7")]
    pub since_ms: i64,
    /// Unix milliseconds; 0 for never.
    #[prost(int64, tag = "8")]
    pub expires_ms: i64,
    /// Risk, 0 to 100.
    #[prost(uint32, tag = "9")]
    pub score: u32,
    /// Requests ...
    #[prost(uint32, tag = "10")]
    pub rate: u32,
    /// ... in so many milliseconds.
    #[prost(uint32, tag = "11")]
    pub per_ms: u32,
}

/// The verdict holds no longer.
#[derive(Clone, PartialEq, Message)]
pub struct Lift {
    /// Which one.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// Where it stands.
    #[prost(enumeration = "Kind", tag = "2")]
    pub kind: i32,
    /// Where it stands.
    #[prost(string, tag = "3")]
    pub key: String,
}

/// One step of the table.
#[derive(Clone, PartialEq, Message)]
pub struct Change {
    /// Put or lift.
    #[prost(oneof = "What", tags = "1, 2")]
    pub what: Option<What>,
}

/// See [`Change`].
#[derive(Clone, PartialEq, Oneof)]
pub enum What {
    /// The same id again replaces it.
    #[prost(message, tag = "1")]
    Put(Verdict),
    /// Take it away.
    #[prost(message, tag = "2")]
    Lift(Lift),
}

/// What the guard says.
#[derive(Clone, PartialEq, Message)]
pub struct FromGuard {
    /// One of these.
    #[prost(oneof = "Said", tags = "1, 2, 3")]
    pub kind: Option<Said>,
}

/// See [`FromGuard`].
#[derive(Clone, PartialEq, Oneof)]
pub enum Said {
    /// First and only first.
    #[prost(message, tag = "1")]
    Hello(Hello),
    /// So far all is enforced.
    #[prost(message, tag = "2")]
    Ack(Ack),
    /// Streams were ended.
    #[prost(message, tag = "3")]
    Cut(CutReport),
}

/// Who calls, and what it knows.
#[derive(Clone, PartialEq, Message)]
pub struct Hello {
    /// Empty when it knows nothing.
    #[prost(string, tag = "1")]
    pub epoch: String,
    /// The last sequence it holds.
    #[prost(uint64, tag = "2")]
    pub applied: u64,
    /// The guard's version.
    #[prost(string, tag = "3")]
    pub guard: String,
    /// The Envoy it was made for.
    #[prost(string, tag = "4")]
    pub envoy: String,
    /// Public P-256 point of its trust headers.
    #[prost(bytes = "vec", tag = "5")]
    pub signing_key: Vec<u8>,
}

/// Everything up to `applied` is enforced.
#[derive(Clone, PartialEq, Message)]
pub struct Ack {
    /// Of this store.
    #[prost(string, tag = "1")]
    pub epoch: String,
    /// The last sequence.
    #[prost(uint64, tag = "2")]
    pub applied: u64,
    /// Verdicts held.
    #[prost(uint64, tag = "3")]
    pub entries: u64,
    /// Verdicts that did not fit.
    #[prost(uint64, tag = "4")]
    pub refused: u64,
}

/// Streams that a verdict ended since the last report.
#[derive(Clone, PartialEq, Message)]
pub struct CutReport {
    /// The verdict.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// How many.
    #[prost(uint64, tag = "2")]
    pub streams: u64,
}

/// What the control plane says.
#[derive(Clone, PartialEq, Message)]
pub struct ToGuard {
    /// One of these; none is an error.
    #[prost(oneof = "Told", tags = "1, 2, 3")]
    pub kind: Option<Told>,
}

/// See [`ToGuard`].
#[derive(Clone, PartialEq, Oneof)]
pub enum Told {
    /// The whole table.
    #[prost(message, tag = "1")]
    Snapshot(Snapshot),
    /// What changed.
    #[prost(message, tag = "2")]
    Delta(Delta),
    /// Nothing changed.
    #[prost(message, tag = "3")]
    Heartbeat(Heartbeat),
}

/// The whole table, in parts.
#[derive(Clone, PartialEq, Message)]
pub struct Snapshot {
    /// Of this store.
    #[prost(string, tag = "1")]
    pub epoch: String,
    /// What the table holds afterwards.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// From 0.
    #[prost(uint32, tag = "3")]
    pub part: u32,
    /// The last part.
    #[prost(bool, tag = "4")]
    pub last: bool,
    /// Of this part.
    #[prost(message, repeated, tag = "5")]
    pub verdicts: Vec<Verdict>,
    /// The sender's clock.
    #[prost(int64, tag = "6")]
    pub time_ms: i64,
}

/// Changes after `from`, up to and including `seq`.
#[derive(Clone, PartialEq, Message)]
pub struct Delta {
    /// What must have been applied last.
    #[prost(uint64, tag = "1")]
    pub from: u64,
    /// What is applied afterwards.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// In order.
    #[prost(message, repeated, tag = "3")]
    pub changes: Vec<Change>,
    /// The sender's clock.
    #[prost(int64, tag = "4")]
    pub time_ms: i64,
}

/// Nothing newer than `seq` exists.
#[derive(Clone, PartialEq, Message)]
pub struct Heartbeat {
    /// The newest sequence.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// The sender's clock.
    #[prost(int64, tag = "2")]
    pub time_ms: i64,
}
