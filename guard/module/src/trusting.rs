//! Open streams of routes that need trust: they end once the table cannot give it any more.
//!
//! A verdict finds the streams that it is about. A table that is too old, or that has no room, says
//! nothing about anybody, so every stream stands here with what its route bears.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostiary_verdicts::{Cut, Table};

use crate::ending::Refusal;
use crate::handle::Handle;

/// Workers whose streams come and go without waiting for each other.
const PARTS: usize = 16;

/// Streams by their address in memory, by the milliseconds that their route bears.
type Part = HashMap<u64, HashMap<usize, Arc<Handle>>>;

/// See the module.
#[derive(Default)]
pub(crate) struct Trusting {
    parts: [Mutex<Part>; PARTS],
}

impl Trusting {
    /// `stream` ends when the table was not confirmed for `stale_after_ms`.
    pub(crate) fn enter(&self, stale_after_ms: u64, stream: &Arc<Handle>) {
        self.part(stream)
            .entry(stale_after_ms)
            .or_default()
            .insert(name(stream), Arc::clone(stream));
    }

    /// `stream` is over.
    pub(crate) fn leave(&self, stale_after_ms: u64, stream: &Arc<Handle>) {
        let mut part = self.part(stream);
        if let Some(streams) = part.get_mut(&stale_after_ms) {
            streams.remove(&name(stream));
            if streams.is_empty() {
                part.remove(&stale_after_ms);
            }
        }
    }

    /// Streams that have to end now, each only once. One that came in while the table went stale
    /// is found by the next call.
    pub(crate) fn due(&self, table: &Table, mono_ms: u64) -> Vec<(Arc<Handle>, Refusal)> {
        let full = table.full();
        let age = table.age_ms(mono_ms);
        let mut found = Vec::new();
        for part in &self.parts {
            let mut part = lock(part);
            part.retain(|bears, streams| {
                if full {
                    let all = streams.drain().map(|(_, stream)| (stream, Refusal::Full));
                    found.extend(all);
                } else if age.is_none_or(|age| age > *bears) {
                    let all = streams.drain().map(|(_, stream)| (stream, Refusal::Stale));
                    found.extend(all);
                }
                !streams.is_empty()
            });
        }
        found
    }

    fn part(&self, stream: &Arc<Handle>) -> MutexGuard<'_, Part> {
        let worker = usize::try_from(stream.worker()).unwrap_or_default();
        lock(&self.parts[worker % PARTS])
    }
}

/// Nobody else's for as long as the stream stands here.
fn name(stream: &Arc<Handle>) -> usize {
    Arc::as_ptr(stream).addr()
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
