//! Whoever makes requests: its keys, what verdicts come to, and its open streams.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::key::Hash;
use crate::standing::Standing;
use crate::table::Table;

/// An open stream, as the table sees it.
pub trait Cut: Send + Sync {
    /// End it because of `standing`. Called on any thread and without any lock of the table held;
    /// may be called more than once.
    fn cut(&self, standing: &Arc<Standing>);
}

/// Which stream of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkId(u32);

/// Made by [`Table::credential`], [`Table::address`] and [`Table::workload`].
pub struct Subject {
    pub(crate) keys: Box<[Hash]>,
    pub(crate) address: Option<IpAddr>,
    auth_time_ms: Option<i64>,
    /// Held while verdicts are read and the result is set, so that the newest result stays.
    thinking: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    standing: Option<Arc<Standing>>,
    links: Vec<Option<Arc<dyn Cut>>>,
    free: Vec<u32>,
}

impl Subject {
    pub(crate) fn new(
        keys: Box<[Hash]>,
        address: Option<IpAddr>,
        auth_time_ms: Option<i64>,
    ) -> Self {
        let state = Mutex::new(State::default());
        Self {
            keys,
            address,
            auth_time_ms,
            thinking: Mutex::new(()),
            state,
        }
    }

    /// `stream` ends with the next verdict that says so; the answer says what holds now. No verdict
    /// is lost: it finds the stream linked, or stands in the answer.
    pub fn link(
        &self,
        table: &Table,
        now_ms: i64,
        stream: &Arc<dyn Cut>,
    ) -> (LinkId, Option<Arc<Standing>>) {
        let mut state = self.state();
        let id = if let Some(id) = state.free.pop() {
            state.links[id as usize] = Some(Arc::clone(stream));
            id
        } else {
            state.links.push(Some(Arc::clone(stream)));
            u32::try_from(state.links.len() - 1).unwrap_or(u32::MAX)
        };
        let standing = state.standing.clone();
        drop(state);
        (LinkId(id), self.current(table, now_ms, standing))
    }

    /// The stream is over. Any thread may say so; a second time does nothing.
    pub fn unlink(&self, id: LinkId) {
        let mut state = self.state();
        let slot = state.links.get_mut(id.0 as usize).and_then(Option::take);
        if slot.is_some() {
            state.free.push(id.0);
        }
        if state.free.len() == state.links.len() {
            state.free.clear();
            state.links.clear();
            state.links.shrink_to(64);
            state.free.shrink_to(64);
        }
        drop(state);
        drop(slot);
    }

    /// What holds now.
    pub fn standing(&self, table: &Table, now_ms: i64) -> Option<Arc<Standing>> {
        let standing = self.state().standing.clone();
        self.current(table, now_ms, standing)
    }

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        let state = self.state();
        state.links.len() - state.free.len()
    }

    fn current(
        &self,
        table: &Table,
        now_ms: i64,
        standing: Option<Arc<Standing>>,
    ) -> Option<Arc<Standing>> {
        match standing {
            Some(old) if old.until_ms <= now_ms => {
                let _ = self.think(table, now_ms);
                self.state().standing.clone()
            }
            other => other,
        }
    }

    /// Reads all verdicts about this subject again. Afterwards every `link` sees them; the streams
    /// that have to end are returned with the reason.
    pub(crate) fn think(
        &self,
        table: &Table,
        now_ms: i64,
    ) -> Option<(Arc<Standing>, Vec<Arc<dyn Cut>>)> {
        let thinking = self.thinking.lock().unwrap_or_else(PoisonError::into_inner);
        let found = table.read(self, self.auth_time_ms, now_ms).map(Arc::new);
        let mut state = self.state();
        state.standing.clone_from(&found);
        let ends = found.filter(|one| one.effect.ends());
        let streams = match &ends {
            Some(_) => state.links.iter().flatten().cloned().collect(),
            None => Vec::new(),
        };
        drop(state);
        drop(thinking);
        ends.map(|standing| (standing, streams))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
