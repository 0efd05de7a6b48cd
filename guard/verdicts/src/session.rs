//! The stream's protocol: what was said, what it does to the table, what to answer.

use std::fmt;
use std::sync::Arc;

use prost::Message;

use crate::clock::ServerClock;
use crate::frames::{FrameError, Frames, frame};
use crate::table::{Ending, Table};
use crate::wire::{
    Ack, CutReport, Delta, FromGuard, Heartbeat, Hello, Said, Snapshot, ToGuard, Told,
};

/// Parts of the table that are swept at each heartbeat.
const SWEPT: usize = 32;
const LONGEST_EPOCH: usize = 128;

/// Why a stream has to be closed and opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// The bytes are no messages.
    Frame(FrameError),
    /// A message that cannot be read.
    Garbled,
    /// A message of a kind that is not known.
    Unknown,
    /// A delta after `from` when `applied` was the last: something was lost.
    Gap {
        /// What the delta follows.
        from: u64,
        /// What was applied last.
        applied: u64,
    },
    /// A message that does not come at this point.
    Unexpected(&'static str),
    /// A verdict that cannot be enforced.
    Verdict(&'static str),
}

impl fmt::Display for SessionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(out),
            Self::Garbled => write!(out, "a message that cannot be read"),
            Self::Unknown => write!(out, "a message of an unknown kind"),
            Self::Gap { from, applied } => {
                write!(out, "changes after {from}, but {applied} was applied last")
            }
            Self::Unexpected(what) => write!(out, "{what}, out of turn"),
            Self::Verdict(what) => write!(out, "a verdict with {what}"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<FrameError> for SessionError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// What to do after reading, in this order: end the streams, send the reply, and if there is an
/// error close the stream and open another one.
#[must_use]
#[derive(Default)]
pub struct Step {
    /// Streams that have to end. Given even with an error: what came before it holds.
    pub endings: Vec<Ending>,
    /// Bytes to send, perhaps none.
    pub reply: Vec<u8>,
    /// Nothing more is read from this stream.
    pub error: Option<SessionError>,
}

/// Who we are, said in the first message.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The guard's version.
    pub guard: String,
    /// Envoy's version.
    pub envoy: String,
    /// The public key that signs trust headers.
    pub signing_key: Vec<u8>,
}

/// One process' side of the protocol, over all streams it ever opens. Belongs to one thread.
pub struct Session {
    table: Arc<Table>,
    clock: Arc<ServerClock>,
    frames: Frames,
    /// Empty while nothing complete is known.
    epoch: String,
    applied: u64,
    /// The snapshot that is coming: its epoch, sequence and next part.
    coming: Option<(String, u64, u32)>,
    open: bool,
    greeted: bool,
}

impl Session {
    /// Knows what `table` holds if it was loaded as of `resume` (epoch, sequence).
    #[must_use]
    pub fn new(table: Arc<Table>, clock: Arc<ServerClock>, resume: Option<(String, u64)>) -> Self {
        let (epoch, applied) = resume.unwrap_or_default();
        let frames = Frames::new();
        Self {
            table,
            clock,
            frames,
            epoch,
            applied,
            coming: None,
            open: false,
            greeted: false,
        }
    }

    /// A stream was opened (response headers 200): what to send first. Bytes of older streams are
    /// forgotten.
    #[must_use]
    pub fn open(&mut self, about: &About) -> Vec<u8> {
        self.frames = Frames::new();
        self.coming = None;
        self.open = true;
        self.greeted = false;
        let hello = Hello {
            epoch: self.epoch.clone(),
            applied: self.applied,
            guard: about.guard.clone(),
            envoy: about.envoy.clone(),
            signing_key: about.signing_key.clone(),
        };
        said(Said::Hello(hello))
    }

    /// The stream is over. The table stays, and grows stale by itself.
    pub fn close(&mut self) {
        self.frames = Frames::new();
        self.coming = None;
        self.open = false;
    }

    /// The epoch and the last sequence that is enforced; None when nothing complete is known.
    #[must_use]
    pub fn applied(&self) -> Option<(&str, u64)> {
        (!self.epoch.is_empty()).then_some((self.epoch.as_str(), self.applied))
    }

    /// Whether a stream is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// What to send when a verdict ended `streams` streams.
    #[must_use]
    pub fn report(id: [u8; 16], streams: u64) -> Vec<u8> {
        said(Said::Cut(CutReport {
            id: id.to_vec(),
            streams,
        }))
    }

    /// Bytes came at `mono_ms` of the monotonic clock.
    pub fn read(&mut self, bytes: &[u8], mono_ms: u64) -> Step {
        let mut step = Step::default();
        if !self.open {
            step.error = Some(SessionError::Unexpected("bytes of a stream that is closed"));
            return step;
        }
        let mut frames = std::mem::take(&mut self.frames);
        let read = frames.push(bytes, |message| {
            let told = ToGuard::decode(message).map_err(|_| SessionError::Garbled)?;
            match told.kind.ok_or(SessionError::Unknown)? {
                Told::Snapshot(one) => self.snapshot(&one, mono_ms, &mut step),
                Told::Delta(one) => self.delta(&one, mono_ms, &mut step),
                Told::Heartbeat(one) => {
                    self.heartbeat(&one, mono_ms, &mut step);
                    Ok(())
                }
            }
        });
        match read {
            Ok(()) => self.frames = frames,
            Err(error) => {
                self.close();
                step.error = Some(error);
            }
        }
        step
    }

    fn snapshot(
        &mut self,
        told: &Snapshot,
        mono_ms: u64,
        step: &mut Step,
    ) -> Result<(), SessionError> {
        let now_ms = self.learn(told.time_ms, mono_ms);
        if told.epoch.is_empty() || told.epoch.len() > LONGEST_EPOCH {
            return Err(SessionError::Unexpected("a snapshot of no epoch"));
        }
        match &self.coming {
            None if told.part == 0 => {
                // Until all of it is here the table is neither the old one nor the new one.
                self.epoch.clear();
                self.applied = 0;
                self.table.begin_snapshot();
            }
            Some((epoch, seq, part))
                if *epoch == told.epoch && *seq == told.seq && *part == told.part => {}
            _ => return Err(SessionError::Unexpected("a part of a snapshot")),
        }
        for verdict in &told.verdicts {
            let ends = self
                .table
                .put(verdict, now_ms)
                .map_err(SessionError::Verdict)?;
            step.endings.extend(ends);
        }
        if !told.last {
            let next = told.part.saturating_add(1);
            self.coming = Some((told.epoch.clone(), told.seq, next));
            return Ok(());
        }
        self.coming = None;
        step.endings.extend(self.table.end_snapshot(now_ms));
        self.epoch.clone_from(&told.epoch);
        self.applied = told.seq;
        self.holds(mono_ms, step);
        Ok(())
    }

    fn delta(&mut self, told: &Delta, mono_ms: u64, step: &mut Step) -> Result<(), SessionError> {
        let now_ms = self.learn(told.time_ms, mono_ms);
        if self.coming.is_some() || self.epoch.is_empty() {
            return Err(SessionError::Unexpected(
                "changes of a table that is not here",
            ));
        }
        if told.from != self.applied || told.seq < told.from {
            return Err(SessionError::Gap {
                from: told.from,
                applied: self.applied,
            });
        }
        for change in &told.changes {
            let ends = self
                .table
                .apply(change, now_ms)
                .map_err(SessionError::Verdict)?;
            step.endings.extend(ends);
        }
        self.applied = told.seq;
        self.holds(mono_ms, step);
        Ok(())
    }

    fn heartbeat(&mut self, told: &Heartbeat, mono_ms: u64, step: &mut Step) {
        let now_ms = self.learn(told.time_ms, mono_ms);
        self.table.sweep(now_ms, SWEPT);
        if self.coming.is_none() && !self.epoch.is_empty() && self.applied >= told.seq {
            self.table.confirm(mono_ms);
            if !self.greeted {
                self.holds(mono_ms, step);
            }
        }
    }

    /// Everything up to `applied` is enforced.
    fn holds(&mut self, mono_ms: u64, step: &mut Step) {
        self.table.confirm(mono_ms);
        self.greeted = true;
        let ack = Ack {
            epoch: self.epoch.clone(),
            applied: self.applied,
            entries: self.table.entries() as u64,
            refused: self.table.refused(),
        };
        step.reply.extend(said(Said::Ack(ack)));
    }

    fn learn(&self, time_ms: i64, mono_ms: u64) -> i64 {
        if time_ms > 0 {
            self.clock.learn(time_ms, mono_ms);
        }
        self.clock.now_ms(mono_ms)
    }

    /// The table as bytes, see [`crate::dump`].
    #[must_use]
    pub fn dump(&self) -> Vec<u8> {
        crate::dump(&self.table, self.applied())
    }
}

fn said(what: Said) -> Vec<u8> {
    frame(&FromGuard { kind: Some(what) })
}
