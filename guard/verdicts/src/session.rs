//! The stream's protocol: what was said, what it does to the table, what to answer.

use std::fmt;

use crate::clock::ServerClock;
use crate::table::{Ending, Table};
use crate::wire::{
    Ack, CutReport, Delta, FromGuard, Heartbeat, Hello, Said, Snapshot, ToGuard, Told, What,
};

const LONGEST_EPOCH: usize = 128;

/// Why a stream has to be closed and opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
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

/// What to do after a message, in this order: end the streams, then send the answer.
#[must_use]
#[derive(Default)]
pub struct Step {
    /// Streams that have to end.
    pub endings: Vec<Ending>,
    /// What to answer.
    pub answer: Option<FromGuard>,
}

/// The snapshot that is coming.
struct Arriving {
    epoch: String,
    seq: u64,
    /// The next part.
    part: u32,
}

/// What is known across streams: which table this is and how far it was applied. Belongs to one
/// table and one thread at a time.
#[derive(Default)]
pub struct Session {
    /// Empty while nothing complete is known.
    epoch: String,
    applied: u64,
    arriving: Option<Arriving>,
    /// Whether this stream was told what is applied.
    acknowledged: bool,
}

impl Session {
    /// Knows the table of `epoch` up to `applied`, from disk; empty for nothing.
    #[must_use]
    pub fn resume(epoch: String, applied: u64) -> Self {
        Self {
            epoch,
            applied,
            ..Self::default()
        }
    }

    /// Which table this is; empty before the first snapshot and while another one is coming.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The last sequence that is enforced.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The first message of a new stream. A snapshot that was under way starts again.
    #[must_use]
    pub fn hello(&mut self, guard: &str, envoy: &str, signing_key: &[u8]) -> FromGuard {
        self.arriving = None;
        self.acknowledged = false;
        said(Said::Hello(Hello {
            epoch: self.epoch.clone(),
            applied: self.applied,
            guard: guard.into(),
            envoy: envoy.into(),
            signing_key: signing_key.to_vec(),
        }))
    }

    /// What to say when the verdict `id` ended `streams` streams.
    #[must_use]
    pub fn report(id: [u8; 16], streams: u64) -> FromGuard {
        said(Said::Cut(CutReport {
            id: id.to_vec(),
            streams,
        }))
    }

    /// `message` is enforced when this returns. After an error nothing of it is, and the stream has
    /// to be closed and opened again.
    pub fn told(
        &mut self,
        table: &Table,
        clock: &ServerClock,
        message: ToGuard,
        mono_ms: u64,
    ) -> Result<Step, SessionError> {
        match message.kind.ok_or(SessionError::Unknown)? {
            Told::Snapshot(part) => self.snapshot(table, clock, part, mono_ms),
            Told::Delta(delta) => self.delta(table, clock, &delta, mono_ms),
            Told::Heartbeat(beat) => Ok(self.heartbeat(table, clock, &beat, mono_ms)),
        }
    }

    fn snapshot(
        &mut self,
        table: &Table,
        clock: &ServerClock,
        part: Snapshot,
        mono_ms: u64,
    ) -> Result<Step, SessionError> {
        if part.epoch.is_empty() || part.epoch.len() > LONGEST_EPOCH {
            return Err(SessionError::Unexpected("a snapshot of no epoch"));
        }
        self.follows(&part)?;
        for verdict in &part.verdicts {
            Table::check(verdict).map_err(SessionError::Verdict)?;
        }
        let now_ms = learn(clock, part.time_ms, mono_ms);
        if part.part == 0 {
            // Until all of it is here the table is neither the old one nor the new one.
            self.epoch.clear();
            self.applied = 0;
            table.begin_snapshot();
        }
        let mut step = Step::default();
        for verdict in &part.verdicts {
            step.endings
                .extend(table.put(verdict, now_ms).map_err(SessionError::Verdict)?);
        }
        if part.last {
            step.endings.extend(table.end_snapshot(now_ms));
            self.arriving = None;
            self.epoch = part.epoch;
            self.applied = part.seq;
            table.confirm(mono_ms);
            step.answer = Some(self.acknowledge(table));
        } else {
            self.arriving = Some(Arriving {
                epoch: part.epoch,
                seq: part.seq,
                part: part.part.saturating_add(1),
            });
        }
        Ok(step)
    }

    fn follows(&self, part: &Snapshot) -> Result<(), SessionError> {
        let next = match &self.arriving {
            None => part.part == 0,
            Some(known) => {
                known.part == part.part && known.epoch == part.epoch && known.seq == part.seq
            }
        };
        if next {
            Ok(())
        } else {
            Err(SessionError::Unexpected("a part of a snapshot"))
        }
    }

    fn delta(
        &mut self,
        table: &Table,
        clock: &ServerClock,
        delta: &Delta,
        mono_ms: u64,
    ) -> Result<Step, SessionError> {
        if self.arriving.is_some() || self.epoch.is_empty() {
            return Err(SessionError::Unexpected("changes before a snapshot"));
        }
        if delta.from != self.applied || delta.seq < delta.from {
            return Err(SessionError::Gap {
                from: delta.from,
                applied: self.applied,
            });
        }
        for change in &delta.changes {
            match change.what.as_ref().ok_or(SessionError::Unknown)? {
                What::Put(verdict) => Table::check(verdict),
                What::Lift(lift) => Table::check_lift(lift),
            }
            .map_err(SessionError::Verdict)?;
        }
        let now_ms = learn(clock, delta.time_ms, mono_ms);
        let mut step = Step::default();
        for change in &delta.changes {
            let ended = table.apply(change, now_ms).map_err(SessionError::Verdict)?;
            step.endings.extend(ended);
        }
        self.applied = delta.seq;
        table.confirm(mono_ms);
        step.answer = Some(self.acknowledge(table));
        Ok(step)
    }

    fn heartbeat(
        &mut self,
        table: &Table,
        clock: &ServerClock,
        beat: &Heartbeat,
        mono_ms: u64,
    ) -> Step {
        let now_ms = learn(clock, beat.time_ms, mono_ms);
        table.sweep(now_ms);
        let mut step = Step::default();
        let whole = self.arriving.is_none() && !self.epoch.is_empty();
        if whole && self.applied == beat.seq {
            table.confirm(mono_ms);
            if !self.acknowledged {
                step.answer = Some(self.acknowledge(table));
            }
        }
        step
    }

    /// Everything up to `applied` is enforced.
    fn acknowledge(&mut self, table: &Table) -> FromGuard {
        self.acknowledged = true;
        said(Said::Ack(Ack {
            epoch: self.epoch.clone(),
            applied: self.applied,
            entries: table.entries() as u64,
            refused: table.refused(),
        }))
    }
}

fn learn(clock: &ServerClock, time_ms: i64, mono_ms: u64) -> i64 {
    if time_ms > 0 {
        clock.learn(time_ms, mono_ms);
    }
    clock.now_ms(mono_ms)
}

fn said(what: Said) -> FromGuard {
    FromGuard { kind: Some(what) }
}
