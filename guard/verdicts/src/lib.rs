//! The verdict table and the stream that feeds it, as values: no clock, no socket, no disk.
//!
//! A [`Table`] holds what the control plane decided about users, sessions, devices, workloads,
//! addresses, keys, tokens and providers. A [`Subject`] is whoever makes requests: it knows its keys,
//! keeps one [`Standing`] up to date and holds the open streams, so that looking up is reading one
//! value and ending is walking one list. [`Session`] is the protocol of `proto/verdicts.proto`.
//! Every time arrives as an argument: `now_ms` is the control plane's clock ([`ServerClock`]),
//! `mono_ms` our monotonic one.

mod bucket;
mod change;
mod clock;
mod frames;
mod held;
mod interned;
mod key;
mod pacer;
mod persist;
mod session;
mod standing;
mod subject;
mod table;
pub mod wire;

pub use bucket::Bucket;
pub use clock::ServerClock;
pub use frames::{FrameError, Frames, LONGEST_MESSAGE, frame};
pub use key::{Key, Kind, LONGEST_KEY};
pub use pacer::{BATCH, GAP_US, LOST_US, Pacer};
pub use persist::{Damaged, dump, load};
pub use session::{Session, SessionError, Step};
pub use standing::{Effect, Standing, of_request};
pub use subject::{Cut, LinkId, Subject};
pub use table::{Ending, Settings, Table};
