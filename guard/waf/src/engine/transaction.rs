//! A request on its way through the phases.

use std::sync::Arc;

use super::conditions::Conditions;
use super::outcome::Outcome;
use super::request::{RequestHead, ResponseHead};
use super::strings::{EMPTY, Id, Strings};
use crate::operators::integer;
use crate::plan::Plan;
use crate::plan::bits::Bits;
use crate::plan::exclusion::Exclusion;
use crate::plan::settings::{Exhausted, Mode};
use crate::seclang::target::Target;
use crate::seclang::variable::Variable;

/// A value of a collection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub variable: Variable,
    /// Where the value is, for the gated rules that look there.
    pub place: u16,
    pub name: Id,
    pub value: Id,
    /// Where its candidates are among the bits, once they are known.
    pub open: Option<u32>,
}

impl Entry {
    /// A value that no gated rule looks at.
    pub fn plain(variable: Variable, name: Id, value: Id) -> Self {
        Self {
            variable,
            place: 0,
            name,
            value,
            open: None,
        }
    }
}

#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own that rules turn"
)]
/// What rules turn for one request.
pub(super) struct Switches {
    pub mode: Mode,
    /// What rules may turn the mode to at most.
    pub ceiling: Mode,
    pub force_body: bool,
    pub read_body: bool,
    pub read_response: bool,
    /// A rule let the request pass.
    pub allowed: bool,
}

/// What a critical match counts, as in CRS.
const CRITICAL: i64 = 5;

/// What the request may cost.
struct Limits {
    body: usize,
    budget: u64,
    at_exhaustion: Exhausted,
}

/// One request. Feed it in the order of the wire and ask for the verdict after each step.
///
/// It is owned as a whole and may be moved between steps; what it leaves to the next request
/// of its thread is memory and what it learned about values that come again.
pub struct Transaction {
    pub(super) plan: Arc<Plan>,
    pub(super) strings: Strings,
    pub(super) collections: Vec<Vec<Entry>>,
    /// Values of TX and the like by slot, and under names that no rule writes out.
    pub(super) stored: Vec<Option<Id>>,
    pub(super) others: Vec<(Variable, Id, Id)>,
    /// Slots that the settings decide and no rule.
    pub(super) fixed: Bits,
    pub(super) matched: Vec<Entry>,
    /// Values of one target, while a link is tried.
    pub(super) part: Vec<Entry>,
    /// Values of secret arguments.
    pub(super) secrets: Vec<Vec<u8>>,
    pub(super) removed: Bits,
    /// Rules that do not look at some targets, and the rules of all of these.
    pub(super) untargeted: Vec<(Bits, Arc<[Target]>)>,
    pub(super) narrowed: Bits,
    /// Candidates of values, those of all values, and how far each collection was asked.
    pub(super) bits: Vec<u64>,
    pub(super) possible: Vec<u64>,
    pub(super) asked: [u32; Variable::COUNT],
    pub(super) processor: String,
    pub(super) switches: Switches,
    limits: Limits,
    pub(super) content_type: Vec<u8>,
    pub(super) outcome: Outcome,
}

impl Transaction {
    /// Begin a request.
    #[must_use]
    pub fn new(plan: &Arc<Plan>) -> Self {
        Self::with(plan, &Conditions::default())
    }

    /// Begin a request under the conditions of its route.
    #[must_use]
    pub fn with(plan: &Arc<Plan>, conditions: &Conditions) -> Self {
        let mode = conditions.mode.unwrap_or(plan.limits.mode);
        let settings = &plan.settings;
        let memory = Self::memory(plan);
        let mut transaction = Self {
            plan: Arc::clone(plan),
            strings: memory.strings,
            collections: memory.collections,
            stored: vec![None; plan.texts.names.len()],
            others: Vec::new(),
            fixed: Bits::none(plan.texts.names.len()),
            matched: Vec::new(),
            part: Vec::new(),
            secrets: Vec::new(),
            removed: Bits::none(plan.rules.len()),
            untargeted: Vec::new(),
            narrowed: Bits::none(plan.rules.len()),
            bits: memory.bits,
            possible: vec![0; plan.gates.width],
            asked: [0; Variable::COUNT],
            processor: String::new(),
            switches: Switches {
                mode,
                ceiling: mode,
                force_body: false,
                read_body: plan.limits.request_body,
                read_response: conditions.response.unwrap_or(plan.limits.response_body),
                allowed: false,
            },
            limits: Limits {
                body: conditions.body_limit.unwrap_or(plan.limits.body),
                budget: conditions.budget.unwrap_or(settings.budget),
                at_exhaustion: conditions.exhausted.unwrap_or(settings.exhausted),
            },
            content_type: Vec::new(),
            outcome: Outcome::default(),
        };
        transaction.preset(conditions);
        for exclusion in &conditions.exclude {
            transaction.exclude(exclusion);
        }
        transaction
    }

    /// Leave out what an exclusion means, from the next phase on. One that was made for
    /// another plan leaves out nothing.
    pub fn exclude(&mut self, exclusion: &Exclusion) {
        let plan = Arc::clone(&self.plan);
        match exclusion.of(&plan) {
            Some((rules, targets)) if targets.is_empty() => self.removed.join(rules),
            Some((rules, targets)) => self.narrow(rules, targets),
            None => {}
        }
    }

    pub(super) fn narrow(&mut self, rules: &Bits, targets: &Arc<[Target]>) {
        if !rules.is_empty() {
            self.narrowed.join(rules);
            self.untargeted.push((rules.clone(), Arc::clone(targets)));
        }
    }

    fn preset(&mut self, conditions: &Conditions) {
        let plan = Arc::clone(&self.plan);
        let (settings, known) = (&plan.settings, &plan.known);
        let mut fix = |slot: u32, value: Option<u32>| {
            if let Some(value) = value {
                self.stored[slot as usize] = Some(self.strings.add(value.to_string().as_bytes()));
                self.fixed.add(slot);
            }
        };
        for level in known.levels {
            fix(level, settings.paranoia.map(u32::from));
        }
        fix(known.threshold, conditions.threshold.or(settings.threshold));
        let response = conditions.response_threshold;
        fix(
            known.response_threshold,
            response.or(settings.response_threshold),
        );
    }

    /// Phase 1.
    pub fn request_head(&mut self, head: &RequestHead<'_>) {
        self.collect_head(head);
        self.phase(1);
    }

    /// Phase 2, with the whole body (empty when there is none).
    pub fn request_body(&mut self, body: &[u8]) {
        if self.outcome.interrupted {
            return;
        }
        let read = self.switches.read_body;
        if body.len() > self.limits.body && read && self.plan.limits.reject {
            self.stop(413, 0);
            return;
        }
        if read {
            self.collect_body(&body[..body.len().min(self.limits.body)]);
            if self.is_unjudged() {
                self.outcome.unreadable = true;
                self.stop(400, 0);
            }
        }
        if !self.outcome.interrupted {
            self.phase(2);
        }
    }

    /// The body could not be read as what it says it is, and no rule asks whether it could.
    fn is_unjudged(&self) -> bool {
        let faulty = |variable: Variable| {
            let found = self.collections[variable as usize].first();
            found.is_some_and(|entry| self.strings.bytes(entry.value) == b"1")
        };
        let judges = self.plan.judges;
        (faulty(Variable::ReqbodyError) && !judges.errors)
            || (faulty(Variable::MultipartStrictError) && !judges.strictness)
    }

    /// Phase 3.
    pub fn response_head(&mut self, head: &ResponseHead<'_>) {
        if !self.outcome.interrupted {
            self.collect_response(head);
            self.phase(3);
        }
    }

    /// Whether the rules want the body of this response.
    #[must_use]
    pub fn wants_response_body(&self) -> bool {
        let declared = self.collections[Variable::ResponseContentType as usize].first();
        let kind = declared.map_or(&b""[..], |entry| self.strings.bytes(entry.value));
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
        let types = &self.plan.limits.types;
        let wanted = |known: &String| known.as_bytes().eq_ignore_ascii_case(kind.trim_ascii());
        self.switches.read_response && types.iter().any(wanted)
    }

    /// Phases 4 and 5, with the body as far as it is inspected.
    pub fn response_body(&mut self, body: &[u8]) {
        if !self.outcome.interrupted {
            if self.wants_response_body() {
                let seen = &body[..body.len().min(self.plan.limits.response)];
                self.put(Variable::ResponseBody, b"", seen);
            }
            self.phase(4);
        }
        self.finish();
    }

    /// Phase 5 alone, for a request without an inspected response.
    pub fn finish(&mut self) {
        self.switches.allowed = false;
        let stopped = std::mem::take(&mut self.outcome.interrupted);
        self.phase(5);
        self.outcome.interrupted |= stopped;
    }

    /// Whether the request is stopped by now, without the rest of the verdict.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.outcome.interrupted
    }

    /// What came of it so far.
    #[must_use]
    pub fn verdict(&self) -> Outcome {
        let mut outcome = self.outcome.clone();
        outcome.work = self.strings.work;
        outcome.score = self.number(self.plan.known.scores);
        outcome.response_score = self.number(self.plan.known.response_scores);
        outcome
    }

    fn number(&self, slots: [u32; 2]) -> i64 {
        let values = slots
            .iter()
            .filter_map(|slot| self.stored[*slot as usize])
            .map(|value| integer(self.strings.bytes(value)));
        values.max().unwrap_or(0)
    }

    /// Stop the request, when the mode is to stop; else only say which rule would have.
    pub(super) fn stop(&mut self, status: u16, by: u32) {
        if self.switches.mode == Mode::Shadow && self.outcome.by == 0 {
            self.outcome.by = by;
        }
        if self.switches.mode == Mode::Block && !self.outcome.interrupted {
            self.outcome.interrupted = true;
            self.outcome.status = status;
            self.outcome.by = by;
        }
    }

    /// Work units the request may still cost.
    pub(super) fn left(&self) -> u64 {
        self.limits.budget.saturating_sub(self.strings.work)
    }

    /// Whether the work so far is more than a request may cost.
    pub(super) fn is_over(&self) -> bool {
        self.strings.work > self.limits.budget
    }

    /// Whether the request is exhausted; what follows from that is done once.
    pub(super) fn exhausted(&mut self) -> bool {
        if !self.outcome.exhausted && self.is_over() {
            self.outcome.exhausted = true;
            match self.limits.at_exhaustion {
                Exhausted::Block => self.stop(403, 0),
                Exhausted::Score => {
                    let known = &self.plan.known;
                    for slot in [known.scores[0], known.part_scores[0], known.part_scores[1]] {
                        let score = (self.number([slot; 2]) + CRITICAL).to_string();
                        let value = self.strings.add(score.as_bytes());
                        self.stored[slot as usize] = Some(value);
                    }
                }
                Exhausted::Flag => {}
            }
        }
        self.outcome.exhausted
    }

    pub(super) fn put(&mut self, variable: Variable, name: &[u8], value: &[u8]) {
        let place = self.plan.places.of(variable, name);
        let name = if name.is_empty() {
            EMPTY
        } else {
            self.strings.add(name)
        };
        let value = self.strings.add(value);
        let entry = Entry {
            place,
            ..Entry::plain(variable, name, value)
        };
        self.collections[variable as usize].push(entry);
    }

    /// Let a variable have this one value.
    pub(super) fn replace(&mut self, variable: Variable, value: &[u8]) {
        self.collections[variable as usize].clear();
        self.asked[variable as usize] = 0;
        self.put(variable, b"", value);
    }
}
