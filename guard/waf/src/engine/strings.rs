//! Every distinct text of a request once, with what is known about it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::operators::class::Class;
use crate::plan::Plan;
use crate::plan::gates;
use crate::transforms::Transform;

/// The number of a text.
pub(crate) type Id = u32;

#[derive(Default)]
pub(crate) struct Straight(u64);

impl Hasher for Straight {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

struct Text {
    start: usize,
    end: usize,
    class: Class,
    steps: Vec<(Transform, Id)>,
    /// Where its own gates and its candidates are in `open`, once they are known.
    scanned: Option<u32>,
    candidates: Option<u32>,
}

/// The texts.
#[derive(Default)]
pub(crate) struct Strings {
    pool: Vec<u8>,
    texts: Vec<Text>,
    known: HashMap<u64, Id, BuildHasherDefault<Straight>>,
    open: Vec<u64>,
    forms: Vec<Id>,
    /// Bytes looked at by scans and steps.
    pub work: u64,
}

impl Strings {
    pub fn bytes(&self, id: Id) -> &[u8] {
        let text = &self.texts[id as usize];
        &self.pool[text.start..text.end]
    }

    pub fn class(&self, id: Id) -> Class {
        self.texts[id as usize].class
    }

    /// The number of a text, the same for the same bytes.
    pub fn add(&mut self, bytes: &[u8]) -> Id {
        let mut hasher = Straight::default();
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            hasher.write_u64(
                chunk
                    .iter()
                    .fold(0, |number, byte| number << 8 | u64::from(*byte)),
            );
        }
        hasher.write(chunks.remainder());
        hasher.write_u64(bytes.len() as u64);
        let hash = hasher.finish();
        if let Some(&id) = self.known.get(&hash)
            && self.bytes(id) == bytes
        {
            return id;
        }
        let id = self.texts.len() as Id;
        let start = self.pool.len();
        self.pool.extend(bytes);
        let text = Text {
            start,
            end: self.pool.len(),
            class: Class::of(bytes),
            steps: Vec::new(),
            scanned: None,
            candidates: None,
        };
        self.texts.push(text);
        self.known.insert(hash, id);
        id
    }

    /// A text after one step.
    pub fn step(&mut self, id: Id, step: Transform, touches: &Class) -> Id {
        let text = &self.texts[id as usize];
        if text.start != text.end && !text.class.meets(touches) {
            return id;
        }
        if let Some((_, done)) = text.steps.iter().find(|(known, _)| *known == step) {
            return *done;
        }
        let mut out = Vec::with_capacity(text.end - text.start);
        step.apply(&self.pool[text.start..text.end], &mut out);
        self.work += out.len() as u64;
        let done = self.add(&out);
        self.texts[id as usize].steps.push((step, done));
        done
    }

    /// A text at the end of a chain.
    pub fn form(&mut self, id: Id, plan: &Plan, chain: usize) -> Id {
        plan.chains.steps[chain]
            .iter()
            .fold(id, |id, step| self.step(id, *step, step.touches()))
    }

    /// Whether a text in this form opens a gate.
    pub fn opens(&mut self, id: Id, plan: &Plan, gate: u32) -> bool {
        let at = self.scan(id, plan);
        gates::has(&self.open[at..at + plan.gates.width], gate)
    }

    /// The gates that any form of a value opens.
    pub fn candidates(&mut self, id: Id, plan: &Plan) -> &[u64] {
        let width = plan.gates.width;
        let at = match self.texts[id as usize].candidates {
            Some(at) => at as usize,
            None => self.gather(id, plan),
        };
        &self.open[at..at + width]
    }

    fn scan(&mut self, id: Id, plan: &Plan) -> usize {
        let text = &self.texts[id as usize];
        if let Some(at) = text.scanned {
            return at as usize;
        }
        let (start, end, class) = (text.start, text.end, text.class);
        let at = self.open.len();
        self.open.resize(at + plan.gates.width, 0);
        plan.gates
            .scan(&self.pool[start..end], &class, &mut self.open[at..]);
        self.work += (end - start) as u64 * 2;
        self.texts[id as usize].scanned = Some(at as u32);
        at
    }

    fn gather(&mut self, id: Id, plan: &Plan) -> usize {
        let mut forms = std::mem::take(&mut self.forms);
        let mut distinct = Vec::new();
        if plan.chains.plain {
            distinct.push(id);
        }
        let nodes = &plan.chains.nodes;
        forms.clear();
        forms.resize(nodes.len(), id);
        let mut at = 1;
        while at < nodes.len() {
            let node = &nodes[at];
            let from = forms[node.parent];
            let text = &self.texts[from as usize];
            if text.start != text.end && !text.class.meets(&node.below) {
                if !distinct.contains(&from) {
                    distinct.push(from);
                }
                at = node.next;
                continue;
            }
            forms[at] = self.step(from, node.step, &node.touches);
            if node.wanted && !distinct.contains(&forms[at]) {
                distinct.push(forms[at]);
            }
            at += 1;
        }
        self.forms = forms;
        let width = plan.gates.width;
        let scans: Vec<usize> = distinct
            .into_iter()
            .map(|form| self.scan(form, plan))
            .collect();
        let target = self.open.len();
        self.open.resize(target + width, 0);
        for scan in scans {
            for word in 0..width {
                self.open[target + word] |= self.open[scan + word];
            }
        }
        self.texts[id as usize].candidates = Some(target as u32);
        target
    }
}
