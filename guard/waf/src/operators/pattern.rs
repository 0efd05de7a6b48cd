//! Regular expressions over bytes, in linear time wherever the pattern allows it.

use std::ops::Range;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};

use regex_automata::hybrid::dfa;
use regex_automata::nfa::thompson;
use regex_automata::util::pool::Pool;
use regex_automata::{Anchored, Input, MatchKind, meta};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use super::dialect;
use super::meter::{Meter, Spent};

/// Steps a backtracking pattern may take before its answer counts as uncertain, and what one costs.
const STEPS: usize = 100_000;
const STEP: u64 = 10;
/// Bytes of states a pattern may keep per thread, and what making a byte of them costs.
const CACHE: usize = 256 << 10;
const STATE_BYTE: u64 = 4;
/// How often the states are thrown away before a search gives up that makes a new state for
/// less than so many bytes.
const CLEARS: usize = 3;
const BYTES_PER_STATE: usize = 64;
/// What a byte costs per state of a pattern whose states cannot be kept.
const SLOW: u64 = 1;
/// Bytes in which groups are looked for without being paid for.
const CHEAP: usize = 512;

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

type Make = dyn Fn() -> dfa::Cache + Send + Sync + UnwindSafe + RefUnwindSafe;

/// An automaton whose states are made as they are needed.
#[derive(Debug)]
struct Lazy {
    automaton: dfa::DFA,
    caches: Pool<dfa::Cache, Box<Make>>,
    reverse: bool,
}

/// Whether there is a match, and where, is asked of automata; what its groups are, and what a
/// search says that would need too many states, of a slower machine.
#[derive(Debug)]
struct Linear {
    forward: Lazy,
    backward: OnceLock<Option<Lazy>>,
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

    /// The match and its groups, at most ten; the match alone where groups would cost too much.
    pub fn groups(&self, value: &[u8], meter: &mut Meter) -> Vec<Option<Vec<u8>>> {
        match &self.0.machine {
            Machine::Linear(cell) => {
                let linear = self.linear(cell);
                linear.map_or_else(Vec::new, |linear| linear.groups(value, meter))
            }
            Machine::Bounded(regex) => {
                meter.spend(value.len() as u64 * STEP);
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
        Some(Self {
            forward: Lazy::build(source, false)?,
            backward: OnceLock::new(),
            source: source.to_owned(),
            slow: OnceLock::new(),
        })
    }

    fn slow(&self) -> Option<&meta::Regex> {
        self.slow.get_or_init(|| build(&self.source)).as_deref()
    }

    /// What a search costs that keeps no states.
    fn price(&self, bytes: usize) -> u64 {
        bytes as u64 * self.forward.automaton.get_nfa().states().len() as u64 * SLOW
    }

    fn test(&self, value: &[u8], meter: &mut Meter) -> Answer {
        match self.forward.end(&Input::new(value).earliest(true), meter) {
            Ok(Some(_)) => return Answer::Yes,
            Ok(None) => return Answer::No,
            Err(Spent) => meter.spend(self.price(value.len())),
        }
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

    /// Where the leftmost match is.
    fn span(&self, value: &[u8], meter: &mut Meter) -> Option<Range<usize>> {
        let end = self.forward.end(&Input::new(value), meter).ok()??;
        let backward = self
            .backward
            .get_or_init(|| Lazy::build(&self.source, true));
        let input = Input::new(value).range(..end).anchored(Anchored::Yes);
        let start = backward.as_ref()?.end(&input, meter).ok()??;
        Some(start..end)
    }

    fn groups(&self, value: &[u8], meter: &mut Meter) -> Vec<Option<Vec<u8>>> {
        let Some(span) = self.span(value, meter) else {
            return Vec::new();
        };
        let whole = vec![Some(value[span.clone()].to_vec())];
        let price = self.price(span.len());
        let Some(regex) = self
            .slow()
            .filter(|_| span.len() <= CHEAP || price <= meter.left())
        else {
            return whole;
        };
        if span.len() > CHEAP {
            meter.spend(price);
        }
        let mut captures = regex.create_captures();
        let input = Input::new(value).span(span).anchored(Anchored::Yes);
        regex.search_captures(&input, &mut captures);
        if !captures.is_match() {
            return whole;
        }
        (0..captures.group_len().min(10))
            .map(|group| captures.get_group(group))
            .map(|span| span.map(|span| value[span.range()].to_vec()))
            .collect()
    }
}

impl Lazy {
    fn build(source: &str, reverse: bool) -> Option<Self> {
        let thompson = thompson::Config::new()
            .utf8(false)
            .reverse(reverse)
            .nfa_size_limit(Some(64 << 20))
            .which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::Compiler::new()
            .configure(thompson)
            .build_from_hir(&parse(source).ok()?)
            .ok()?;
        let kind = if reverse {
            MatchKind::All
        } else {
            MatchKind::LeftmostFirst
        };
        let config = dfa::Config::new()
            .match_kind(kind)
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
            reverse,
        })
    }

    /// Where the match ends (or begins, backwards), if keeping states is enough to know it.
    fn end(&self, input: &Input<'_>, meter: &mut Meter) -> Result<Option<usize>, Spent> {
        let mut cache = self.caches.get();
        for _ in 0..2 {
            meter.spend(input.get_span().len() as u64);
            let before = (cache.clear_count(), cache.memory_usage());
            let found = if self.reverse {
                self.automaton.try_search_rev(&mut cache, input)
            } else {
                self.automaton.try_search_fwd(&mut cache, input)
            };
            let clears = cache.clear_count().saturating_sub(before.0);
            let grown = (cache.memory_usage() + clears * CACHE).saturating_sub(before.1);
            meter.spend(grown as u64 * STATE_BYTE);
            match found {
                Ok(found) => return Ok(found.map(|found| found.offset())),
                Err(_) => cache.reset(&self.automaton),
            }
            if meter.is_empty() {
                break;
            }
        }
        Err(Spent)
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
