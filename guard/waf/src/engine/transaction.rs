//! A request on its way through the phases.

use std::collections::HashMap;
use std::sync::Arc;

use super::conditions::Conditions;
use super::outcome::Outcome;
use super::request::{RequestHead, ResponseHead};
use super::strings::{Id, Strings};
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
    pub name: Id,
    pub value: Id,
}

#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own that rules turn"
)]
/// One request. Feed it in the order of the wire and ask for the verdict after each step.
pub struct Transaction {
    pub(super) plan: Arc<Plan>,
    pub(super) strings: Strings,
    pub(super) collections: Vec<Vec<Entry>>,
    pub(super) tx: HashMap<Vec<u8>, Vec<u8>>,
    /// Names of TX that the settings decide and no rule.
    pub(super) fixed: Vec<Vec<u8>>,
    pub(super) matched: Vec<Entry>,
    /// Values of secret arguments.
    pub(super) secrets: Vec<Vec<u8>>,
    pub(super) removed: Bits,
    /// Rules that do not look at some targets, and the rules of all of these.
    pub(super) untargeted: Vec<(Bits, Arc<[Target]>)>,
    pub(super) narrowed: Bits,
    /// Gates that some value opened, and how far each collection was asked.
    pub(super) possible: Vec<u64>,
    pub(super) asked: Vec<usize>,
    pub(super) processor: String,
    pub(super) force_body: bool,
    pub(super) read_body: bool,
    pub(super) read_response: bool,
    pub(super) mode: Mode,
    /// What rules may turn the mode to at most.
    pub(super) ceiling: Mode,
    body_limit: usize,
    budget: u64,
    at_exhaustion: Exhausted,
    pub(super) allowed: bool,
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
        let mut transaction = Self {
            plan: Arc::clone(plan),
            strings: Strings::default(),
            collections: vec![Vec::new(); Variable::COUNT],
            tx: HashMap::new(),
            fixed: Vec::new(),
            matched: Vec::new(),
            secrets: Vec::new(),
            removed: Bits::none(plan.rules.len()),
            untargeted: Vec::new(),
            narrowed: Bits::none(plan.rules.len()),
            possible: vec![0; plan.gates.width],
            asked: vec![0; Variable::COUNT],
            processor: String::new(),
            force_body: false,
            read_body: plan.limits.request_body,
            read_response: conditions.response.unwrap_or(plan.limits.response_body),
            mode,
            ceiling: mode,
            body_limit: conditions.body_limit.unwrap_or(plan.limits.body),
            budget: conditions.budget.unwrap_or(settings.budget),
            at_exhaustion: conditions.exhausted.unwrap_or(settings.exhausted),
            allowed: false,
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
        let settings = &self.plan.settings;
        let mut set = |name: &str, value: Option<u32>| {
            if let Some(value) = value {
                self.tx
                    .insert(name.as_bytes().to_vec(), value.to_string().into_bytes());
            }
        };
        let level = settings.paranoia.map(u32::from);
        for name in [
            "blocking_paranoia_level",
            "detection_paranoia_level",
            "paranoia_level",
            "executing_paranoia_level",
        ] {
            set(name, level);
        }
        set(
            "inbound_anomaly_score_threshold",
            conditions.threshold.or(settings.threshold),
        );
        set(
            "outbound_anomaly_score_threshold",
            conditions
                .response_threshold
                .or(settings.response_threshold),
        );
        self.fixed = self.tx.keys().cloned().collect();
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
        if body.len() > self.body_limit && self.read_body && self.plan.limits.reject {
            self.stop(413, 0);
            return;
        }
        if self.read_body {
            self.collect_body(&body[..body.len().min(self.body_limit)]);
        }
        self.phase(2);
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
        let kind = kind
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii()
            .to_ascii_lowercase();
        self.read_response
            && self
                .plan
                .limits
                .types
                .iter()
                .any(|wanted| wanted.as_bytes() == kind)
    }

    /// Phases 4 and 5, with the body as far as it is inspected.
    pub fn response_body(&mut self, body: &[u8]) {
        if !self.outcome.interrupted {
            if self.wants_response_body() {
                self.put(
                    Variable::ResponseBody,
                    b"",
                    &body[..body.len().min(self.plan.limits.response)],
                );
            }
            self.phase(4);
        }
        self.finish();
    }

    /// Phase 5 alone, for a request without an inspected response.
    pub fn finish(&mut self) {
        self.allowed = false;
        let stopped = std::mem::take(&mut self.outcome.interrupted);
        self.phase(5);
        self.outcome.interrupted |= stopped;
    }

    /// What came of it so far.
    #[must_use]
    pub fn verdict(&self) -> Outcome {
        let mut outcome = self.outcome.clone();
        outcome.score = self.number(&["blocking_inbound_anomaly_score", "anomaly_score"]);
        outcome.response_score =
            self.number(&["blocking_outbound_anomaly_score", "outbound_anomaly_score"]);
        outcome
    }

    fn number(&self, names: &[&str]) -> i64 {
        names
            .iter()
            .filter_map(|name| self.tx.get(name.as_bytes()))
            .map(|value| integer(value))
            .max()
            .unwrap_or(0)
    }

    /// Stop the request, when the mode is to stop.
    pub(super) fn stop(&mut self, status: u16, by: u32) {
        if self.mode == Mode::Block && !self.outcome.interrupted {
            self.outcome.interrupted = true;
            self.outcome.status = status;
            self.outcome.by = by;
        }
    }

    /// Whether the work so far is more than a request may cost; what follows is done once.
    pub(super) fn exhausted(&mut self) -> bool {
        if !self.outcome.exhausted && self.strings.work > self.budget {
            self.outcome.exhausted = true;
            match self.at_exhaustion {
                Exhausted::Block => self.stop(403, 0),
                Exhausted::Score => {
                    let score = self.number(&["blocking_inbound_anomaly_score"]) + 5;
                    self.tx.insert(
                        b"blocking_inbound_anomaly_score".to_vec(),
                        score.to_string().into_bytes(),
                    );
                }
                Exhausted::Flag => {}
            }
        }
        self.outcome.exhausted
    }

    pub(super) fn put(&mut self, variable: Variable, name: &[u8], value: &[u8]) {
        let (name, value) = (self.strings.add(name), self.strings.add(value));
        self.collections[variable as usize].push(Entry {
            variable,
            name,
            value,
        });
    }
}
