//! Regular expressions over bytes, in linear time wherever the pattern allows it.

use std::sync::{Arc, OnceLock};

use regex_automata::meta;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use super::dialect;

/// Steps a backtracking pattern may take before its answer counts as uncertain.
const STEPS: usize = 100_000;

/// A pattern; the machine for it is built when it is first needed.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: String,
    machine: Machine,
}

#[derive(Debug)]
enum Machine {
    Linear(OnceLock<Option<Box<meta::Regex>>>),
    Bounded(Box<fancy_regex::Regex>),
}

/// What a pattern said about a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// A backtracking pattern gave up.
    Uncertain,
}

impl Pattern {
    /// Check a pattern; what no linear engine can do is run with a step bound.
    pub fn compile(source: &str) -> Result<Self, String> {
        let rewritten = dialect::rewrite(source);
        let machine = match parse(&rewritten) {
            Ok(_) => Machine::Linear(OnceLock::new()),
            Err(fault) => bounded(source).map_err(|other| format!("pattern: {fault}; {other}"))?,
        };
        Ok(Self(Arc::new(Inner {
            source: rewritten,
            machine,
        })))
    }

    /// The pattern as a tree, for what it requires; nothing for backtracking ones.
    pub fn tree(&self) -> Option<Hir> {
        matches!(self.0.machine, Machine::Linear(_))
            .then(|| parse(&self.0.source).ok())
            .flatten()
    }

    pub fn is_match(&self, value: &[u8]) -> bool {
        self.test(value) == Answer::Yes
    }

    /// Whether the value has a match.
    pub fn test(&self, value: &[u8]) -> Answer {
        match &self.0.machine {
            Machine::Linear(cell) => match self.linear(cell) {
                Some(regex) if regex.is_match(value) => Answer::Yes,
                Some(_) => Answer::No,
                None => Answer::Uncertain,
            },
            Machine::Bounded(regex) => match regex.is_match(&latin(value)) {
                Ok(true) => Answer::Yes,
                Ok(false) => Answer::No,
                Err(_) => Answer::Uncertain,
            },
        }
    }

    /// Where the match and its groups are in the value, at most ten.
    pub fn groups(&self, value: &[u8]) -> Vec<Option<Vec<u8>>> {
        match &self.0.machine {
            Machine::Linear(cell) => {
                let Some(regex) = self.linear(cell) else {
                    return Vec::new();
                };
                let mut captures = regex.create_captures();
                regex.captures(value, &mut captures);
                let spans =
                    (0..captures.group_len().min(10)).map(|group| captures.get_group(group));
                spans
                    .map(|span| span.map(|span| value[span.range()].to_vec()))
                    .collect()
            }
            Machine::Bounded(regex) => {
                let text = latin(value);
                let Ok(Some(captures)) = regex.captures(&text) else {
                    return Vec::new();
                };
                let bytes = |text: &str| text.chars().map(|char| char as u8).collect();
                captures
                    .iter()
                    .take(10)
                    .map(|group| group.map(|group| bytes(group.as_str())))
                    .collect()
            }
        }
    }

    fn linear<'a>(&self, cell: &'a OnceLock<Option<Box<meta::Regex>>>) -> Option<&'a meta::Regex> {
        cell.get_or_init(|| build(&self.0.source)).as_deref()
    }
}

fn build(source: &str) -> Option<Box<meta::Regex>> {
    let tree = parse(source).ok()?;
    let config = meta::Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(64 << 20))
        .hybrid_cache_capacity(1 << 20)
        .onepass(false);
    meta::Builder::new()
        .configure(config)
        .build_from_hir(&tree)
        .ok()
        .map(Box::new)
}

fn parse(source: &str) -> Result<Hir, String> {
    let mut parser = ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .dot_matches_new_line(true)
        .build();
    parser
        .parse(source)
        .map(|tree| dialect::dollar(&tree))
        .map_err(|fault| short(&fault.to_string()))
}

fn short(fault: &str) -> String {
    fault.lines().last().unwrap_or_default().to_owned()
}

fn bounded(source: &str) -> Result<Machine, String> {
    let built = fancy_regex::RegexBuilder::new(&format!("(?s){source}"))
        .backtrack_limit(STEPS)
        .build();
    built
        .map(|regex| Machine::Bounded(Box::new(regex)))
        .map_err(|fault| short(&fault.to_string()))
}

/// Each byte as the character of its number.
fn latin(value: &[u8]) -> String {
    value.iter().map(|byte| char::from(*byte)).collect()
}
