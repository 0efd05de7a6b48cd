//! Whoever makes requests: its keys, what verdicts come to, and its open streams.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::key::Hash;
use crate::standing::{Effect, Standing};
use crate::table::{Ending, Table};

/// Streams copied out of a subject in one go; requests get their turn in between.
const STRIDE: usize = 256;
/// How much the times that threads pass may differ.
const SLACK_MS: i64 = 60_000;

/// An open stream, as the table sees it.
pub trait Cut: Send + Sync {
    /// End it because of `standing`. Called on any thread and without any lock of the table held;
    /// may be called more than once, and after `unlink`.
    fn cut(&self, standing: &Arc<Standing>);

    /// Where the work of ending it is done; the [`crate::Pacer`] spares each worker by itself.
    fn worker(&self) -> u32 {
        0
    }
}

/// Which stream of a subject. Never means another one later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkId {
    slot: u32,
    turn: u32,
}

/// Made by [`Table::credential`], [`Table::address`] and [`Table::workload`].
pub struct Subject {
    pub(crate) keys: Box<[Hash]>,
    pub(crate) address: Option<IpAddr>,
    auth_ms: Option<i64>,
    /// Held from reading the verdicts until their streams are collected, so that the newest result
    /// stays and nobody is told of a verdict that is followed up by somebody else meanwhile.
    thinking: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether `standing` was ever made out.
    thought: bool,
    standing: Option<Arc<Standing>>,
    /// What every stream that is linked now was told at least, then or when it was linked.
    told: Option<Arc<Standing>>,
    links: Vec<(u32, Option<Arc<dyn Cut>>)>,
    free: Vec<u32>,
}

impl Subject {
    pub(crate) fn new(keys: Box<[Hash]>, address: Option<IpAddr>, auth_ms: Option<i64>) -> Self {
        let state = Mutex::new(State::default());
        Self {
            keys,
            address,
            auth_ms,
            thinking: Mutex::new(()),
            state,
        }
    }

    /// `stream` ends with the next verdict that says so; the answer says what holds now. No verdict
    /// is lost: it finds the stream linked, or stands in the answer. A stream that is not let in
    /// has to be unlinked like any other. Whoever links keeps this subject until `unlink`: nobody
    /// else does. `stream` must not keep it, or neither is ever freed.
    pub fn link(
        &self,
        table: &Table,
        now_ms: i64,
        stream: &Arc<dyn Cut>,
    ) -> (LinkId, Option<Arc<Standing>>) {
        let mut state = self.state();
        let slot = state.free.pop().unwrap_or_else(|| {
            state.links.push((0, None));
            u32::try_from(state.links.len() - 1).unwrap_or(u32::MAX)
        });
        let place = &mut state.links[slot as usize];
        place.0 = place.0.wrapping_add(1);
        place.1 = Some(Arc::clone(stream));
        let id = LinkId {
            slot,
            turn: place.0,
        };
        (id, self.current(state, table, now_ms))
    }

    /// The stream is over. Any thread may say so; a second time does nothing.
    pub fn unlink(&self, id: LinkId) {
        let mut state = self.state();
        let gone = match state.links.get_mut(id.slot as usize) {
            Some((turn, stream)) if *turn == id.turn => stream.take(),
            _ => None,
        };
        if gone.is_some() {
            state.free.push(id.slot);
        }
        drop(state);
        drop(gone);
    }

    /// What holds now; None for nothing.
    pub fn standing(&self, table: &Table, now_ms: i64) -> Option<Arc<Standing>> {
        self.current(self.state(), table, now_ms)
    }

    /// When the credential was proved, Unix milliseconds, as said when this was made.
    #[must_use]
    pub fn auth_ms(&self) -> Option<i64> {
        self.auth_ms
    }

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        let state = self.state();
        state.links.len() - state.free.len()
    }

    fn current(
        &self,
        state: MutexGuard<'_, State>,
        table: &Table,
        now_ms: i64,
    ) -> Option<Arc<Standing>> {
        let holds = state
            .standing
            .as_ref()
            .is_none_or(|one| one.until_ms > now_ms);
        if state.thought && holds {
            return state.standing.clone();
        }
        drop(state);
        let thinking = self.thinking.lock().unwrap_or_else(PoisonError::into_inner);
        let found = table.read(self, self.auth_ms, now_ms).map(Arc::new);
        let mut state = self.state();
        state.thought = true;
        let old = std::mem::replace(&mut state.standing, found.clone());
        drop(state);
        drop(thinking);
        drop(old);
        found
    }

    /// Reads all verdicts about this subject again. Afterwards every `link` sees them; the streams
    /// that have to end, and were not told yet, are added to `endings`.
    pub(crate) fn think(&self, table: &Table, now_ms: i64, endings: &mut Vec<Ending>) {
        let thinking = self.thinking.lock().unwrap_or_else(PoisonError::into_inner);
        let found = table.read(self, self.auth_ms, now_ms).map(Arc::new);
        let mut state = self.state();
        state.thought = true;
        state.standing.clone_from(&found);
        let old = std::mem::replace(&mut state.told, found.clone());
        drop(state);
        if let Some(new) = found.filter(|new| new.effect.ends() && news(old.as_ref(), new, now_ms))
        {
            self.collect(&new, endings);
        }
        drop(thinking);
    }

    fn collect(&self, standing: &Arc<Standing>, endings: &mut Vec<Ending>) {
        let mut from = 0;
        loop {
            endings.reserve(STRIDE);
            let state = self.state();
            let to = state.links.len().min(from + STRIDE);
            let part = state.links.get(from..to).unwrap_or_default();
            endings.extend(part.iter().filter_map(|(_, stream)| {
                let stream = Arc::clone(stream.as_ref()?);
                Some(Ending {
                    standing: Arc::clone(standing),
                    stream,
                })
            }));
            if to == state.links.len() {
                return;
            }
            from = to;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether streams that were told `old`, when it came or when they were linked, must be told `new`.
fn news(old: Option<&Arc<Standing>>, new: &Standing, now_ms: i64) -> bool {
    // One that is about to expire may have expired already for a thread with a later time.
    let lasting = |old: &&Arc<Standing>| old.until_ms > now_ms.saturating_add(SLACK_MS);
    let Some(old) = old.filter(lasting) else {
        return true;
    };
    let newer = new.effect == Effect::StepUp && new.since_ms > old.since_ms;
    new.effect > old.effect || newer
}
