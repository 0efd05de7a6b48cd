//! When to end which stream, so that a worker with thousands of them goes on serving the others.

use std::collections::{HashMap, VecDeque};

/// Streams of one worker that are ended at a time.
pub const BATCH: usize = 16;
/// Microseconds between the end of a batch and the next one.
pub const GAP_US: u64 = 300;
/// Microseconds after which a batch counts as done although not all of it was reported.
pub const LOST_US: u64 = 50_000;

/// Queues of things to end, one for each worker. Pure: it says what to do when, others do it.
///
/// Of each batch that it hands out, every item has to be reported by [`Pacer::done`], whether it was
/// still there or not.
#[derive(Debug)]
pub struct Pacer<T> {
    workers: HashMap<u32, Worker<T>>,
}

#[derive(Debug)]
struct Worker<T> {
    queue: VecDeque<T>,
    /// Handed out and not reported.
    out: usize,
    /// Before this nothing is handed out.
    ready_us: u64,
    /// When the last batch was handed out.
    sent_us: u64,
}

impl<T> Default for Pacer<T> {
    fn default() -> Self {
        Self {
            workers: HashMap::new(),
        }
    }
}

impl<T> Pacer<T> {
    /// Nothing to do.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `items` of `worker`; the answer is what to end at once: of a worker with nothing to do
    /// up to [`BATCH`].
    pub fn add(&mut self, worker: u32, items: impl IntoIterator<Item = T>, now_us: u64) -> Vec<T> {
        let known = self.workers.entry(worker).or_insert_with(|| Worker {
            queue: VecDeque::new(),
            out: 0,
            ready_us: 0,
            sent_us: 0,
        });
        known.queue.extend(items);
        known.batch(now_us)
    }

    /// `count` items of `worker` are ended, or were gone.
    pub fn done(&mut self, worker: u32, count: usize, now_us: u64) {
        let Some(known) = self.workers.get_mut(&worker) else {
            return;
        };
        let some = known.out > 0;
        known.out = known.out.saturating_sub(count);
        if some && known.out == 0 {
            known.ready_us = now_us.saturating_add(GAP_US);
        }
    }

    /// What to end now.
    pub fn due(&mut self, now_us: u64) -> Vec<T> {
        let mut found = Vec::new();
        for known in self.workers.values_mut() {
            found.append(&mut known.batch(now_us));
        }
        let idle = |one: &Worker<T>| one.queue.is_empty() && one.out == 0 && one.ready_us <= now_us;
        self.workers.retain(|_, known| !idle(known));
        found
    }

    /// When to ask [`Pacer::due`] again at the latest, unless something is added or done before;
    /// None when nothing is queued.
    #[must_use]
    pub fn next_us(&self) -> Option<u64> {
        let waiting = self.workers.values().filter(|one| !one.queue.is_empty());
        waiting.map(Worker::next_us).min()
    }

    /// Items that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.workers.values().map(|one| one.queue.len()).sum()
    }
}

impl<T> Worker<T> {
    fn next_us(&self) -> u64 {
        if self.out > 0 {
            self.sent_us.saturating_add(LOST_US)
        } else {
            self.ready_us
        }
    }

    fn batch(&mut self, now_us: u64) -> Vec<T> {
        if self.queue.is_empty() || now_us < self.next_us() {
            return Vec::new();
        }
        let count = self.queue.len().min(BATCH);
        self.out = count;
        self.sent_us = now_us;
        self.queue.drain(..count).collect()
    }
}
