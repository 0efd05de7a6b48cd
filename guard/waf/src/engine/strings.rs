//! Every distinct text of a request once, with what is known about it.

use super::hash;
use crate::plan::Plan;
use crate::plan::gates::{self, Traits};
use crate::plan::places::Place;
use crate::transforms::Transform;

/// The number of a text; the first ones are the plan's own texts.
pub(crate) type Id = u32;

/// The empty text.
pub(crate) const EMPTY: Id = 0;

/// Longer texts are kept as often as they come: they hardly ever come twice.
const LONGEST_SHARED: usize = 4096;
/// Tables that one huge request has blown up are not kept for the next.
const KEPT: usize = 1 << 12;
/// What a value costs beside its bytes.
const VALUE: u64 = 300;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Text {
    start: u32,
    end: u32,
    hash: u64,
    traits: Option<Traits>,
    /// The last of its steps in `steps`.
    steps: u32,
    /// Where the gates are that it opens, in requests and in bodies of responses.
    scanned: [u32; 2],
}

/// The texts.
#[derive(Default)]
pub(crate) struct Strings {
    pool: Vec<u8>,
    texts: Vec<Text>,
    /// Numbers of texts plus one by their hash; a power of two long.
    table: Vec<u32>,
    shared: usize,
    /// A step of a text, what came of it, and the step before.
    steps: Vec<(Transform, Id, u32)>,
    open: Vec<u64>,
    forms: Vec<Id>,
    buffer: Vec<u8>,
    keys: [u64; 2],
    /// Bytes looked at by scans and steps.
    pub work: u64,
}

impl Strings {
    /// The texts of a plan, for a first request.
    pub fn new(plan: &Plan) -> Self {
        let mut strings = Self {
            pool: Vec::new(),
            texts: Vec::new(),
            table: vec![0; 512],
            shared: 0,
            steps: Vec::new(),
            open: Vec::new(),
            forms: Vec::new(),
            buffer: Vec::new(),
            keys: hash::keys(),
            work: 0,
        };
        for text in &plan.texts.all {
            strings.push(text, 0);
        }
        strings
    }

    /// Forget all but the plan's own texts.
    pub fn reset(&mut self, plan: &Plan) {
        let first = plan.texts.all.len();
        self.pool.truncate(self.texts[first - 1].end as usize);
        self.texts.truncate(first);
        for text in &mut self.texts {
            text.steps = NONE;
            text.scanned = [NONE; 2];
        }
        self.steps.clear();
        self.open.clear();
        if self.table.len() > KEPT {
            self.table = vec![0; 512];
        } else {
            self.table.fill(0);
        }
        self.pool.shrink_to(self.pool.len().max(256 << 10));
        self.open.shrink_to(64 << 10);
        self.shared = 0;
        self.work = 0;
    }

    pub fn bytes(&self, id: Id) -> &[u8] {
        let text = &self.texts[id as usize];
        &self.pool[text.start as usize..text.end as usize]
    }

    pub fn hash(&self, id: Id) -> u64 {
        self.texts[id as usize].hash
    }

    fn push(&mut self, bytes: &[u8], hash: u64) -> Id {
        let start = self.pool.len() as u32;
        self.pool.extend(bytes);
        self.texts.push(Text {
            start,
            end: self.pool.len() as u32,
            hash,
            traits: None,
            steps: NONE,
            scanned: [NONE; 2],
        });
        self.texts.len() as Id - 1
    }

    /// The number of a text, the same for the same bytes.
    pub fn add(&mut self, bytes: &[u8]) -> Id {
        if bytes.is_empty() {
            return EMPTY;
        }
        if bytes.len() > LONGEST_SHARED {
            return self.push(bytes, 0);
        }
        let hash = hash::of(bytes, self.keys);
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(id) = self.table[at].checked_sub(1) {
            if self.texts[id as usize].hash == hash && self.bytes(id) == bytes {
                return id;
            }
            at = (at + 1) & mask;
        }
        let id = self.push(bytes, hash);
        self.table[at] = id + 1;
        self.shared += 1;
        if self.shared * 2 > self.table.len() {
            self.grow();
        }
        id
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.table);
        self.table = vec![0; old.len() * 4];
        let mask = self.table.len() - 1;
        for entry in old.into_iter().filter(|entry| *entry != 0) {
            let mut at = self.texts[entry as usize - 1].hash as usize & mask;
            while self.table[at] != 0 {
                at = (at + 1) & mask;
            }
            self.table[at] = entry;
        }
    }

    fn traits(&mut self, id: Id, plan: &Plan) -> Traits {
        if let Some(known) = self.texts[id as usize].traits {
            return known;
        }
        let traits = plan.gates.traits(self.bytes(id));
        self.texts[id as usize].traits = Some(traits);
        traits
    }

    /// A text after one step.
    fn step(&mut self, id: Id, step: Transform, plan: &Plan) -> Id {
        if self.traits(id, plan).touch & step.bit() == 0 {
            return id;
        }
        let text = self.texts[id as usize];
        let mut at = text.steps;
        while at != NONE {
            let (known, done, before) = self.steps[at as usize];
            if known == step {
                return done;
            }
            at = before;
        }
        let mut out = std::mem::take(&mut self.buffer);
        out.clear();
        step.apply(&self.pool[text.start as usize..text.end as usize], &mut out);
        self.work += out.len() as u64;
        let done = if out == self.bytes(id) {
            id
        } else {
            self.add(&out)
        };
        self.buffer = out;
        self.steps.push((step, done, text.steps));
        self.texts[id as usize].steps = self.steps.len() as u32 - 1;
        done
    }

    /// A text at the end of a chain.
    pub fn form(&mut self, id: Id, plan: &Plan, chain: usize) -> Id {
        plan.chains.steps[chain]
            .iter()
            .fold(id, |id, step| self.step(id, *step, plan))
    }

    /// Whether a text in this form opens a gate.
    pub fn opens(&mut self, id: Id, plan: &Plan, gate: u32, response: bool) -> bool {
        let at = self.scan(id, plan, response);
        gates::has(&self.open[at..at + plan.gates.width], gate)
    }

    fn scan(&mut self, id: Id, plan: &Plan, response: bool) -> usize {
        let text = self.texts[id as usize];
        let known = text.scanned[usize::from(response)];
        if known != NONE {
            return known as usize;
        }
        let traits = self.traits(id, plan);
        let at = self.open.len();
        self.open.resize(at + plan.gates.width, 0);
        let bytes = &self.pool[text.start as usize..text.end as usize];
        plan.gates
            .scan(bytes, traits, response, &mut self.open[at..]);
        self.work += bytes.len() as u64 * 2;
        self.texts[id as usize].scanned[usize::from(response)] = at as u32;
        at
    }

    /// Append the gates that any form of a value opens for the rules that look at its place.
    pub fn candidates(&mut self, id: Id, plan: &Plan, place: &Place, out: &mut Vec<u64>) {
        let (width, start) = (plan.gates.width, out.len());
        out.resize(start + width, 0);
        self.work += VALUE;
        let touch = self.traits(id, plan).touch;
        if place.plain || touch & place.touch == 0 {
            self.join(id, plan, place, &mut out[start..]);
        }
        if touch & place.touch == 0 {
            return;
        }
        let mut forms = std::mem::take(&mut self.forms);
        forms.clear();
        forms.resize(place.steps.len() + 1, id);
        let mut at = 0;
        while let Some(step) = place.steps.get(at) {
            let from = forms[step.parent];
            let same = self.traits(from, plan).touch & step.below == 0;
            let form = if same {
                from
            } else {
                self.step(from, step.transform, plan)
            };
            forms[at + 1] = form;
            if same || step.wanted {
                self.join(form, plan, place, &mut out[start..]);
            }
            at = if same { step.next } else { at + 1 };
        }
        self.forms = forms;
    }

    fn join(&mut self, id: Id, plan: &Plan, place: &Place, out: &mut [u64]) {
        let at = self.scan(id, plan, place.response);
        let found = &self.open[at..at + plan.gates.width];
        for ((mine, theirs), looked) in out.iter_mut().zip(found).zip(&place.gates) {
            *mine |= theirs & looked;
        }
    }
}
