//! Memory and knowledge that go from request to request.

use super::cache::{self, Cache};
use super::local::{self, Spare};
use super::strings::Strings;
use super::transaction::{Entry, Transaction};
use crate::plan::Plan;
use crate::seclang::variable::Variable;

impl Transaction {
    pub(super) fn memory(plan: &Plan) -> Spare {
        let mut memory = local::spare(plan.stamp).unwrap_or_else(|| Spare {
            strings: Strings::new(plan),
            collections: vec![Vec::new(); Variable::COUNT],
            bits: Vec::new(),
        });
        memory.bits.clear();
        memory
    }

    /// Learn which gates the values that came since the last phase open.
    pub(super) fn ask(&mut self, plan: &Plan) {
        let asked = local::cache(plan.stamp, |cache| self.ask_all(plan, Some(cache)));
        if asked.is_none() {
            self.ask_all(plan, None);
        }
    }

    fn ask_all(&mut self, plan: &Plan, mut cache: Option<&mut Cache>) {
        for variable in 0..Variable::COUNT {
            let from = self.asked[variable] as usize;
            for at in from..self.collections[variable].len() {
                // Too much already: no rule runs any more, so none has to know.
                if self.is_over() {
                    return;
                }
                self.open(plan, variable, at, cache.as_deref_mut());
            }
            self.asked[variable] = self.collections[variable].len() as u32;
        }
    }

    fn open(&mut self, plan: &Plan, variable: usize, at: usize, cache: Option<&mut Cache>) {
        let entry = self.collections[variable][at];
        if entry.place == 0 {
            return;
        }
        let place = &plan.places.all[usize::from(entry.place)];
        let start = self.bits.len();
        let value = self.strings.bytes(entry.value);
        let hash = self.strings.hash(entry.value);
        let known = cache
            .filter(|_| keeps(value))
            .and_then(|cache| cache.get(hash, entry.place, value));
        match known {
            Some(open) => self.bits.extend(open),
            None => (self.strings).candidates(entry.value, plan, place, &mut self.bits),
        }
        for (all, mine) in self.possible.iter_mut().zip(&self.bits[start..]) {
            *all |= mine;
        }
        self.collections[variable][at].open = Some(start as u32);
    }

    fn learn(&self, entry: &Entry, cache: &mut Cache) {
        let value = self.strings.bytes(entry.value);
        if let (Some(open), true) = (entry.open, keeps(value)) {
            let open = &self.bits[open as usize..][..self.plan.gates.width];
            cache.put(self.strings.hash(entry.value), entry.place, value, open);
        }
    }
}

fn keeps(value: &[u8]) -> bool {
    (1..=cache::LONGEST).contains(&value.len())
}

impl Drop for Transaction {
    fn drop(&mut self) {
        local::cache(self.plan.stamp, |cache| {
            for entry in self.collections.iter().flatten() {
                self.learn(entry, cache);
            }
        });
        let mut spare = Spare {
            strings: std::mem::take(&mut self.strings),
            collections: std::mem::take(&mut self.collections),
            bits: std::mem::take(&mut self.bits),
        };
        spare.strings.reset(&self.plan);
        for values in &mut spare.collections {
            values.clear();
            values.shrink_to(256);
        }
        spare.bits.shrink_to(16 << 10);
        local::keep(self.plan.stamp, spare);
    }
}
