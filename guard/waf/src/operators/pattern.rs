//! Regular expressions over bytes, in linear time wherever the pattern allows it.

use std::sync::{Arc, OnceLock};

use regex_automata::hybrid::dfa;
use regex_automata::nfa::thompson;
use regex_automata::util::pool::Pool;
use regex_automata::{Input, meta};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use super::dialect;
use super::meter::Meter;

/// Steps a backtracking pattern may take before its answer counts as uncertain, and what one costs.
const STEPS: usize = 100_000;
const STEP: u64 = 10;
/// Bytes of states a pattern may keep per thread, and what making a byte of them costs.
const CACHE: usize = 256 << 10;
const STATE_BYTE: u64 = 6;
/// How often the states are thrown away before a search gives up that makes a new state for
/// less than so many bytes.
const CLEARS: usize = 3;
const BYTES_PER_STATE: usize = 64;
/// What a byte costs per state of a pattern whose states cannot be kept.
const SLOW: u64 = 4;

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
    Linear(OnceLock<Option<Box<Linear>>>),
    Bounded(Box<fancy_regex::Regex>),
}

type Caches = Pool<
    dfa::Cache,
    Box<dyn Fn() -> dfa::Cache + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>,
>;

/// Whether there is a match is asked of an automaton whose states are made as they are needed;
/// where it is, and what a search that goes out of bounds says, of a slower machine.
#[derive(Debug)]
struct Linear {
    automaton: dfa::DFA,
    caches: Caches,
    source: String,
    slow: OnceLock<Option<Box<meta::Regex>>>,
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

    /// Whether no linear engine can run it.
    pub fn backtracks(&self) -> bool {
        matches!(self.0.machine, Machine::Bounded(_))
    }

    /// The pattern as a tree, for what it requires; nothing for backtracking ones.
    pub fn tree(&self) -> Option<Hir> {
        matches!(self.0.machine, Machine::Linear(_))
            .then(|| parse(&self.0.source).ok())
            .flatten()
    }

    /// Whether a name of rules or requests is meant; nothing that a request could make expensive.
    pub fn is_match(&self, value: &[u8]) -> bool {
        self.test(value, &mut Meter::new(u64::MAX)) == Answer::Yes
    }

    /// Whether the value has a match, as long as the meter allows.
    pub fn test(&self, value: &[u8], meter: &mut Meter) -> Answer {
        match &self.0.machine {
            Machine::Linear(cell) => match self.linear(cell) {
                Some(linear) => linear.test(value, meter),
                None => Answer::Uncertain,
            },
            Machine::Bounded(regex) => {
                meter.spend(value.len() as u64 * STEP);
                match regex.is_match(&latin(value)) {
                    Ok(true) => Answer::Yes,
                    Ok(false) => Answer::No,
                    Err(_) => {
                        meter.spend(STEPS as u64 * STEP);
                        Answer::Uncertain
                    }
                }
            }
        }
    }

    /// Where the match and its groups are in the value, at most ten.
    pub fn groups(&self, value: &[u8]) -> Vec<Option<Vec<u8>>> {
        match &self.0.machine {
            Machine::Linear(cell) => {
                let Some(regex) = self.linear(cell).and_then(Linear::slow) else {
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

    fn linear<'a>(&self, cell: &'a OnceLock<Option<Box<Linear>>>) -> Option<&'a Linear> {
        cell.get_or_init(|| Linear::build(&self.0.source).map(Box::new))
            .as_deref()
    }
}

impl Linear {
    fn build(source: &str) -> Option<Self> {
        let tree = parse(source).ok()?;
        let thompson = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(64 << 20))
            .which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::Compiler::new()
            .configure(thompson)
            .build_from_hir(&tree)
            .ok()?;
        let config = dfa::Config::new()
            .cache_capacity(CACHE)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(CLEARS))
            .minimum_bytes_per_state(Some(BYTES_PER_STATE));
        let automaton = dfa::Builder::new()
            .configure(config)
            .build_from_nfa(nfa)
            .ok()?;
        let own = automaton.clone();
        Some(Self {
            automaton,
            caches: Pool::new(Box::new(move || own.create_cache())),
            source: source.to_owned(),
            slow: OnceLock::new(),
        })
    }

    fn slow(&self) -> Option<&meta::Regex> {
        self.slow.get_or_init(|| build(&self.source)).as_deref()
    }

    fn test(&self, value: &[u8], meter: &mut Meter) -> Answer {
        meter.spend(value.len() as u64);
        let mut cache = self.caches.get();
        let input = Input::new(value).earliest(true);
        for _ in 0..2 {
            let before = (cache.clear_count(), cache.memory_usage());
            let found = self.automaton.try_search_fwd(&mut cache, &input);
            let clears = cache.clear_count().saturating_sub(before.0);
            let grown = (cache.memory_usage() + clears * CACHE).saturating_sub(before.1);
            meter.spend(grown as u64 * STATE_BYTE);
            match found {
                Ok(Some(_)) => return Answer::Yes,
                Ok(None) => return Answer::No,
                Err(_) => cache.reset(&self.automaton),
            }
            if meter.is_empty() {
                return Answer::Uncertain;
            }
        }
        let states = self.automaton.get_nfa().states().len() as u64;
        meter.spend(value.len() as u64 * states * SLOW);
        match self.slow() {
            Some(regex) if !meter.is_empty() => {
                if regex.is_match(value) {
                    Answer::Yes
                } else {
                    Answer::No
                }
            }
            _ => Answer::Uncertain,
        }
    }
}

fn build(source: &str) -> Option<Box<meta::Regex>> {
    let tree = parse(source).ok()?;
    let config = meta::Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(64 << 20))
        .hybrid_cache_capacity(CACHE)
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
