//! What a thread keeps from one request to the next.

use std::cell::RefCell;

use super::cache::Cache;
use super::strings::Strings;
use super::transaction::Entry;

/// Most finished requests and most plans a thread keeps something of.
const SPARES: usize = 16;
const PLANS: usize = 4;

/// The memory of a finished request.
#[derive(Default)]
pub(super) struct Spare {
    pub strings: Strings,
    pub collections: Vec<Vec<Entry>>,
    pub bits: Vec<u64>,
}

#[derive(Default)]
struct Local {
    spares: Vec<(u64, Spare)>,
    caches: Vec<(u64, Cache)>,
}

thread_local! {
    static LOCAL: RefCell<Local> = RefCell::default();
}

/// The memory of an earlier request of this plan.
pub(super) fn spare(plan: u64) -> Option<Spare> {
    with(|local| {
        let at = local.spares.iter().rposition(|(of, _)| *of == plan)?;
        Some(local.spares.swap_remove(at).1)
    })
    .flatten()
}

/// Keep the memory of a request.
pub(super) fn keep(plan: u64, spare: Spare) {
    with(|local| {
        if local.spares.len() == SPARES {
            local.spares.remove(0);
        }
        local.spares.push((plan, spare));
    });
}

/// Do something with what is known about values; nothing at the end of a thread.
pub(super) fn cache<R>(plan: u64, ask: impl FnOnce(&mut Cache) -> R) -> Option<R> {
    with(|local| {
        let at = local.caches.iter().position(|(of, _)| *of == plan);
        if at.is_none() {
            if local.caches.len() == PLANS {
                local.caches.remove(0);
            }
            local.caches.push((plan, Cache::new()));
        }
        let at = at.unwrap_or(local.caches.len() - 1);
        ask(&mut local.caches[at].1)
    })
}

fn with<R>(ask: impl FnOnce(&mut Local) -> R) -> Option<R> {
    LOCAL
        .try_with(|local| local.try_borrow_mut().ok().map(|mut local| ask(&mut local)))
        .ok()
        .flatten()
}
