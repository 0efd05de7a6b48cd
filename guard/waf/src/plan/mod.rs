//! Rules compiled: what runs, in which order, behind which gates.

pub(crate) mod chains;
mod compile;
mod fold;
pub(crate) mod gates;
pub(crate) mod needs;
pub(crate) mod rule;
pub(crate) mod settings;
mod which;

use std::sync::Arc;

use chains::Chains;
use gates::Gates;
use rule::Rule;
use settings::{Mode, Settings};

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

/// A compiled rule set; shared by all requests of all threads.
#[derive(Debug)]
pub struct Plan {
    pub(crate) rules: Vec<Rule>,
    /// The rules of each phase, in order; phases count from 1.
    pub(crate) phases: [Vec<u32>; 6],
    pub(crate) gates: Gates,
    pub(crate) chains: Chains,
    /// For each variable, whether a gated rule looks at it.
    pub(crate) watched: Vec<bool>,
    pub(crate) limits: Limits,
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

    /// The longest request body that is read; a longer one is refused.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.limits.body
    }
}
