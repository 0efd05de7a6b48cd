//! Subjects that many streams share: one for each address and each workload.

use std::sync::{Arc, Mutex, Weak};

use crate::held::Map;
use crate::key::{Hash, Range};
use crate::subject::Subject;
use crate::table::{STRIPES, lock, stripe_of};

type Part = Map<(Option<Range>, Weak<Subject>)>;

/// Holds nobody alive.
pub(crate) struct Interned {
    parts: Box<[Mutex<Part>]>,
}

impl Default for Interned {
    fn default() -> Self {
        Self {
            parts: (0..STRIPES).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Interned {
    /// The one subject of `hash`. A new one is registered before anybody else gets it.
    pub(crate) fn get(
        &self,
        hash: Hash,
        whole: Option<Range>,
        new: impl FnOnce() -> Subject,
        register: impl FnOnce(&Arc<Subject>),
    ) -> Arc<Subject> {
        let mut part = lock(&self.parts[stripe_of(hash)]);
        if let Some(found) = part.get(&hash).and_then(|(_, one)| one.upgrade()) {
            return found;
        }
        let made = Arc::new(new());
        register(&made);
        part.insert(hash, (whole, Arc::downgrade(&made)));
        made
    }

    /// Whoever comes from an address in `range`; all of them for None.
    pub(crate) fn within(&self, range: Option<Range>) -> Vec<Arc<Subject>> {
        let inside = |own: &Option<Range>| match (range, own) {
            (Some(range), Some(own)) => range.holds(*own),
            (None, _) => true,
            (Some(_), None) => false,
        };
        let mut found = Vec::new();
        for part in &self.parts {
            let part = lock(part);
            found.extend(
                part.values()
                    .filter(|(own, _)| inside(own))
                    .filter_map(|(_, one)| one.upgrade()),
            );
        }
        found
    }

    /// Forgets who is gone from one part.
    pub(crate) fn tidy(&self, index: usize) {
        let mut part = lock(&self.parts[index % STRIPES]);
        part.retain(|_, (_, one)| one.strong_count() > 0);
        if part.capacity() > 64 + 4 * part.len() {
            part.shrink_to_fit();
        }
    }
}
