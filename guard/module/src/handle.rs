//! What reaches an open stream from other threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ostiary_verdicts::{Cut, Standing};

use crate::abi::Scheduler;
use crate::ending::Refusal;
use crate::process::process;

/// The stream has to end.
pub(crate) const END: u64 = 0;
/// Its time to end politely is over.
pub(crate) const FORCE: u64 = 1;

/// Outlives the stream it stands for, and is worth nothing then.
pub(crate) struct Handle {
    scheduler: Scheduler,
    worker: u32,
    /// The credential's sign-in: a step-up may be satisfied by it.
    auth_ms: Option<i64>,
    /// Why it has to end; the first reason stays.
    why: Mutex<Option<Refusal>>,
    /// Told to end, and not woken since.
    pending: AtomicBool,
    /// Nothing will wake it any more.
    gone: AtomicBool,
}

impl Cut for Handle {
    fn cut(&self, standing: &Arc<Standing>) {
        let judged = standing.judged(self.auth_ms);
        let Some(standing) = judged.filter(|one| one.effect.ends()) else {
            return process().ended(self.worker, 1);
        };
        self.end(Refusal::Verdict(standing));
    }

    fn worker(&self) -> u32 {
        self.worker
    }
}

impl Handle {
    pub(crate) fn new(scheduler: Scheduler, worker: u32, auth_ms: Option<i64>) -> Self {
        Self {
            scheduler,
            worker,
            auth_ms,
            why: Mutex::new(None),
            pending: AtomicBool::new(false),
            gone: AtomicBool::new(false),
        }
    }

    /// The stream's worker ends it because of `why`.
    pub(crate) fn end(&self, why: Refusal) {
        self.why
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(why);
        if self.pending.swap(true, Ordering::AcqRel) {
            return process().ended(self.worker, 1);
        }
        self.scheduler.commit(END);
        if self.gone.load(Ordering::Acquire) {
            self.settle();
        }
    }

    /// Why the stream has to end.
    pub(crate) fn reason(&self) -> Option<Refusal> {
        self.why
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The stream was woken: whoever paces may go on.
    pub(crate) fn settle(&self) {
        if self.pending.swap(false, Ordering::AcqRel) {
            process().ended(self.worker, 1);
        }
    }

    /// The stream is over.
    pub(crate) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
        self.settle();
    }

    pub(crate) fn force(&self) {
        self.scheduler.commit(FORCE);
    }
}
