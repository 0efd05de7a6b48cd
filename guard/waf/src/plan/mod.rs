//! Rules compiled: what runs, in which order, behind which gates.

pub(crate) mod bits;
pub(crate) mod chains;
mod compile;
pub mod exclusion;
mod fold;
mod gated;
pub(crate) mod gates;
pub(crate) mod needs;
mod order;
pub(crate) mod places;
pub(crate) mod rule;
pub(crate) mod settings;
pub(crate) mod texts;
mod which;
mod words;

use std::sync::Arc;

use chains::Chains;
use gates::Gates;
use places::Places;
use rule::Rule;
use settings::{Mode, Settings};
use texts::Texts;

use crate::operators::Operator;
use crate::seclang::template::Template;
use crate::seclang::variable::Variable;
use crate::seclang::{Fault, RuleSet};

/// Limits and switches that rule files and settings decide together.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub mode: Mode,
    pub request_body: bool,
    pub response_body: bool,
    pub body: usize,
    pub response: usize,
    pub reject: bool,
    pub types: Vec<String>,
    pub arguments: usize,
    pub depth: usize,
}

/// The slots of TX that the engine itself writes or reads.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub levels: [u32; 4],
    pub threshold: u32,
    pub response_threshold: u32,
    pub scores: [u32; 2],
    /// What CRS adds `scores` up from.
    pub part_scores: [u32; 2],
    pub response_scores: [u32; 2],
    /// TX.0 to TX.9.
    pub groups: [u32; 10],
}

impl Known {
    fn new(texts: &mut Texts) -> Self {
        let mut slot = |name: &str| texts.slot(Variable::Tx, name.as_bytes());
        Self {
            levels: [
                "blocking_paranoia_level",
                "detection_paranoia_level",
                "paranoia_level",
                "executing_paranoia_level",
            ]
            .map(&mut slot),
            threshold: slot("inbound_anomaly_score_threshold"),
            response_threshold: slot("outbound_anomaly_score_threshold"),
            scores: ["blocking_inbound_anomaly_score", "anomaly_score"].map(&mut slot),
            part_scores: ["inbound_anomaly_score_pl1", "anomaly_score_pl1"].map(&mut slot),
            response_scores: ["blocking_outbound_anomaly_score", "outbound_anomaly_score"]
                .map(&mut slot),
            groups: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"].map(slot),
        }
    }
}

/// What rules ask about bodies by themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judges {
    /// Whether a body could be read at all.
    pub errors: bool,
    /// Whether a multipart body could be read in one way only.
    pub strictness: bool,
}

impl Judges {
    fn of(rules: &[Rule]) -> Self {
        let asks = |variable: Variable| {
            let mut links = rules.iter().flat_map(|rule| &rule.links);
            links.any(|link| {
                let mut targets = link.targets.iter();
                targets.any(|one| one.variable == variable && !one.exclude)
            })
        };
        Self {
            errors: asks(Variable::ReqbodyError),
            strictness: asks(Variable::MultipartStrictError),
        }
    }
}

/// What a person wants to know about a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo<'a> {
    /// Its number.
    pub id: u32,
    /// Its message as it is written, `%{…}` not looked up.
    pub message: String,
    /// Its tags.
    pub tags: &'a [String],
    /// 1 to 5: request head, request body, response head, response body, end.
    pub phase: u8,
    /// From 0 (emergency) to 7 (debug).
    pub severity: Option<u8>,
    /// Whether its matches want to be seen.
    pub logged: bool,
    /// The name of the file it stands in.
    pub file: &'a str,
    /// The line it starts at, from 1.
    pub line: usize,
    /// Whether a pattern of it runs with a step bound, for no linear engine can run it.
    pub backtracks: bool,
}

/// A compiled rule set; shared by all requests of all threads.
#[derive(Debug)]
pub struct Plan {
    /// No other plan of this process has it.
    pub(crate) stamp: u64,
    pub(crate) files: Vec<String>,
    pub(crate) rules: Vec<Rule>,
    /// The rules of each phase, in order; phases count from 1.
    pub(crate) phases: [Vec<u32>; 6],
    pub(crate) gates: Gates,
    pub(crate) chains: Chains,
    pub(crate) places: Places,
    pub(crate) texts: Texts,
    pub(crate) known: Known,
    pub(crate) limits: Limits,
    pub(crate) judges: Judges,
    pub(crate) settings: Settings,
}

impl Plan {
    /// Compile rules; afterwards nothing of them can fail at a request.
    pub fn compile(rules: &RuleSet, settings: Settings) -> Result<Arc<Self>, Vec<Fault>> {
        compile::plan(rules, settings).map(Arc::new)
    }

    /// How many rules run, chains counted once.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.rules.len()
    }

    /// Words of the automaton, gated rules, and the automaton's bytes.
    #[must_use]
    pub fn gate_sizes(&self) -> (usize, usize, usize) {
        let (words, gates) = self.gates.sizes();
        (words, gates, self.gates.memory())
    }

    /// The longest request body that is read, in bytes; a longer one is refused.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.limits.body
    }

    /// How much of a response's body is inspected, in bytes; the rest passes unseen.
    #[must_use]
    pub fn response_limit(&self) -> usize {
        self.limits.response
    }

    /// Whether rules stop requests, before a route says otherwise.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.limits.mode
    }

    /// Whether the rule files want the bodies of responses and have rules for them.
    #[must_use]
    pub fn inspects_responses(&self) -> bool {
        self.limits.response_body && !self.phases[4].is_empty()
    }

    /// The rules that run, in the order they are written in.
    pub fn each_rule(&self) -> impl Iterator<Item = RuleInfo<'_>> {
        self.rules.iter().map(|rule| self.info(rule))
    }

    /// The rule of a number, when it runs.
    #[must_use]
    pub fn rule(&self, id: u32) -> Option<RuleInfo<'_>> {
        let found = self.rules.iter().find(|rule| rule.id == id)?;
        Some(self.info(found))
    }

    fn info<'a>(&'a self, rule: &'a Rule) -> RuleInfo<'a> {
        let message = rule.links.iter().find_map(|link| link.msg.as_ref());
        RuleInfo {
            id: rule.id,
            message: message.map(Template::shown).unwrap_or_default(),
            tags: &rule.tags,
            phase: rule.phase,
            severity: rule.severity,
            logged: rule.log,
            file: &self.files[rule.at.0],
            line: rule.at.1,
            backtracks: rule.links.iter().any(
                |link| matches!(&link.operator, Some(Operator::Pattern(one)) if one.backtracks()),
            ),
        }
    }
}
