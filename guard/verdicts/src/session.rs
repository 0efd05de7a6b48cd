//! One stream of verdicts as a state machine: what is told, what is answered, when it is over.

use std::fmt;

use crate::clock::ServerClock;
use crate::table::{Ending, Table};
use crate::wire::{Ack, Delta, FromGuard, Heartbeat, Hello, Said, Snapshot, ToGuard, Told, What};

/// Why a stream has to end. The table stays as it is, and is not confirmed any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// A kind of message that this guard does not know.
    Unknown,
    /// Changes that do not follow on what was applied last.
    Gap {
        /// What was applied last.
        applied: u64,
        /// What the message follows on.
        from: u64,
    },
    /// A part of a snapshot that is not the next one.
    Part,
    /// Changes or news before any snapshot of this epoch.
    Unready,
    /// A verdict that makes no sense.
    Invalid(&'static str),
}

impl fmt::Display for SessionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(out, "a message of an unknown kind"),
            Self::Gap { applied, from } => {
                write!(
                    out,
                    "changes after {from}, while {applied} was applied last"
                )
            }
            Self::Part => write!(out, "a part of a snapshot out of order"),
            Self::Unready => write!(out, "changes before a snapshot"),
            Self::Invalid(what) => write!(out, "a verdict with {what}"),
        }
    }
}

impl std::error::Error for SessionError {}

/// What one message came to.
#[derive(Default)]
pub struct Step {
    /// Streams to end, in order.
    pub endings: Vec<Ending>,
    /// What to answer.
    pub answer: Option<FromGuard>,
}

struct Arriving {
    epoch: String,
    seq: u64,
    part: u32,
}

/// What is known across streams: which table this is and how far it was applied.
#[derive(Default)]
pub struct Session {
    epoch: String,
    applied: u64,
    round: u32,
    arriving: Option<Arriving>,
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

    /// Which table this is; empty before the first snapshot.
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
    pub fn hello(&mut self, guard: &str, envoy: &str, signing_key: &[u8]) -> FromGuard {
        self.arriving = None;
        let hello = Hello {
            epoch: self.epoch.clone(),
            applied: self.applied,
            guard: guard.into(),
            envoy: envoy.into(),
            signing_key: signing_key.to_vec(),
        };
        FromGuard {
            kind: Some(Said::Hello(hello)),
        }
    }

    /// `message` is enforced when this returns.
    pub fn told(
        &mut self,
        table: &Table,
        clock: &ServerClock,
        message: ToGuard,
        mono_ms: u64,
    ) -> Result<Step, SessionError> {
        match message.kind.ok_or(SessionError::Unknown)? {
            Told::Snapshot(part) => self.snapshot(table, clock, part, mono_ms),
            Told::Delta(delta) => self.delta(table, clock, delta, mono_ms),
            Told::Heartbeat(beat) => self.heartbeat(table, clock, &beat, mono_ms),
        }
    }

    fn snapshot(
        &mut self,
        table: &Table,
        clock: &ServerClock,
        part: Snapshot,
        mono_ms: u64,
    ) -> Result<Step, SessionError> {
        if part.part == 0 {
            self.round = self.round.wrapping_add(1);
            self.arriving = Some(Arriving {
                epoch: part.epoch.clone(),
                seq: part.seq,
                part: 0,
            });
        }
        let arriving = self.arriving.as_mut().ok_or(SessionError::Part)?;
        if (part.part, &part.epoch, part.seq) != (arriving.part, &arriving.epoch, arriving.seq) {
            self.arriving = None;
            return Err(SessionError::Part);
        }
        arriving.part += 1;
        clock.learn(part.time_ms, mono_ms);
        let now = clock.now_ms(mono_ms);
        let mut step = Step::default();
        for verdict in &part.verdicts {
            let ended = table
                .put(verdict, self.round, now)
                .map_err(SessionError::Invalid)?;
            step.endings.extend(ended);
        }
        if part.last {
            step.endings.extend(table.keep_only(self.round, now));
            self.arriving = None;
            self.epoch = part.epoch;
            self.applied = part.seq;
            table.confirm(mono_ms);
            step.answer = Some(self.ack(table));
        }
        Ok(step)
    }

    fn delta(
        &mut self,
        table: &Table,
        clock: &ServerClock,
        delta: Delta,
        mono_ms: u64,
    ) -> Result<Step, SessionError> {
        self.ready()?;
        if delta.from != self.applied || delta.seq < delta.from {
            return Err(SessionError::Gap {
                applied: self.applied,
                from: delta.from,
            });
        }
        clock.learn(delta.time_ms, mono_ms);
        let now = clock.now_ms(mono_ms);
        let mut step = Step::default();
        for change in delta.changes {
            let ended = match change.what.ok_or(SessionError::Unknown)? {
                What::Put(verdict) => table.put(&verdict, self.round, now),
                What::Lift(lift) => table.lift(&lift, now),
            };
            step.endings.extend(ended.map_err(SessionError::Invalid)?);
        }
        self.applied = delta.seq;
        table.confirm(mono_ms);
        step.answer = Some(self.ack(table));
        Ok(step)
    }

    fn heartbeat(
        &mut self,
        table: &Table,
        clock: &ServerClock,
        beat: &Heartbeat,
        mono_ms: u64,
    ) -> Result<Step, SessionError> {
        self.ready()?;
        if beat.seq < self.applied {
            return Err(SessionError::Gap {
                applied: self.applied,
                from: beat.seq,
            });
        }
        clock.learn(beat.time_ms, mono_ms);
        if beat.seq == self.applied {
            table.confirm(mono_ms);
        }
        Ok(Step {
            endings: Vec::new(),
            answer: Some(self.ack(table)),
        })
    }

    fn ready(&self) -> Result<(), SessionError> {
        let known = !self.epoch.is_empty() && self.arriving.is_none();
        if known {
            Ok(())
        } else {
            Err(SessionError::Unready)
        }
    }

    fn ack(&self, table: &Table) -> FromGuard {
        let ack = Ack {
            epoch: self.epoch.clone(),
            applied: self.applied,
            entries: table.entries() as u64,
            refused: table.refused(),
        };
        FromGuard {
            kind: Some(Said::Ack(ack)),
        }
    }
}
