//! One scan that says which rules a text can match at all.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

use super::needs;
use crate::injection;
use crate::operators::class::Class;
use crate::operators::{Operator, Relation};

/// What one rule needs.
#[derive(Clone, Debug, Default)]
struct Gate {
    /// Words, one of which must occur (with `lone`); empty when only `classes` decide.
    words: Vec<Vec<u8>>,
    /// Words of one byte.
    lone: Class,
    /// A byte of each must occur.
    classes: Vec<Class>,
}

/// All gates, with the automaton over their words.
#[derive(Debug)]
pub(crate) struct Gates {
    all: Vec<Gate>,
    automaton: AhoCorasick,
    /// For each word of the automaton, the gates it opens.
    opens: Vec<Vec<u32>>,
    /// Gates that need no word.
    wordless: Vec<u32>,
    /// How many 64-bit words a set of gates takes.
    pub width: usize,
}

/// Collects gates before the automaton is built.
#[derive(Debug, Default)]
pub(crate) struct GatesBuilder(Vec<Gate>);

impl GatesBuilder {
    /// Add what an operator needs; nothing when a value without anything special can match.
    pub fn add(&mut self, operator: &Operator) -> Option<u32> {
        let gate = gate(operator)?;
        self.0.push(gate);
        Some(self.0.len() as u32 - 1)
    }

    pub fn build(self) -> Gates {
        let mut words: Vec<Vec<u8>> = Vec::new();
        let mut opens: Vec<Vec<u32>> = Vec::new();
        let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut wordless = Vec::new();
        for (index, gate) in self.0.iter().enumerate() {
            for word in &gate.words {
                let at = *known.entry(word.clone()).or_insert_with(|| {
                    words.push(word.clone());
                    opens.push(Vec::new());
                    words.len() - 1
                });
                opens[at].push(index as u32);
            }
            if gate.words.is_empty() || gate.lone != Class::default() {
                wordless.push(index as u32);
            }
        }
        let automaton = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&words)
            .expect("the words of one rule set fit an automaton");
        let width = self.0.len().div_ceil(64).max(1);
        Gates {
            all: self.0,
            automaton,
            opens,
            wordless,
            width,
        }
    }
}

impl Gates {
    /// Set the bit of each gate that a text opens.
    pub fn scan(&self, text: &[u8], class: &Class, open: &mut [u64]) {
        for &index in &self.wordless {
            let gate = &self.all[index as usize];
            if (gate.words.is_empty() && gate.lone == Class::default() || class.meets(&gate.lone))
                && gate.fits(class)
            {
                set(open, index);
            }
        }
        for found in self.automaton.find_overlapping_iter(text) {
            for &index in &self.opens[found.pattern().as_usize()] {
                if !has(open, index) && self.all[index as usize].fits(class) {
                    set(open, index);
                }
            }
        }
    }

    /// Bytes the automaton takes.
    pub fn memory(&self) -> usize {
        self.automaton.memory_usage()
    }

    /// How many words and gates there are.
    pub fn sizes(&self) -> (usize, usize) {
        (self.opens.len(), self.all.len())
    }
}

impl Gate {
    fn fits(&self, class: &Class) -> bool {
        self.classes.iter().all(|needed| needed.meets(class))
    }
}

/// Set a bit.
pub(crate) fn set(bits: &mut [u64], index: u32) {
    bits[index as usize / 64] |= 1 << (index % 64);
}

/// Whether a bit is set.
pub(crate) fn has(bits: &[u64], index: u32) -> bool {
    bits[index as usize / 64] >> (index % 64) & 1 == 1
}

fn gate(operator: &Operator) -> Option<Gate> {
    let gate = match operator {
        Operator::Pattern(pattern) => {
            let needs = needs::of(&pattern.tree()?);
            with_words(needs.words.unwrap_or_default(), needs.classes)
        }
        Operator::Phrases(phrases) => with_words(
            phrases
                .words
                .iter()
                .map(|word| word.to_ascii_lowercase())
                .collect(),
            Vec::new(),
        ),
        Operator::Text(relation, template) if *relation != Relation::Within => {
            let text = template.constant().filter(|text| !text.is_empty())?;
            with_words(vec![text.to_ascii_lowercase()], Vec::new())
        }
        Operator::Bytes(allowed) => with_words(Vec::new(), vec![allowed.not()]),
        Operator::UrlEncoding => with_words(Vec::new(), vec![Class::of(b"%")]),
        Operator::Utf8Encoding => {
            with_words(Vec::new(), vec![Class::default().with_range(0x80, 0xff)])
        }
        Operator::Sqli => with_words(Vec::new(), vec![injection::sqli_gate()]),
        Operator::Xss => with_words(Vec::new(), vec![injection::xss_gate()]),
        _ => return None,
    };
    (!gate.words.is_empty() || !gate.classes.is_empty() || gate.lone != Class::default())
        .then_some(gate)
}

fn with_words(words: Vec<Vec<u8>>, classes: Vec<Class>) -> Gate {
    let mut gate = Gate {
        classes,
        ..Gate::default()
    };
    for word in words {
        match word.as_slice() {
            [byte] => gate.lone.join(&Class::of(&[
                byte.to_ascii_lowercase(),
                byte.to_ascii_uppercase(),
            ])),
            _ => gate.words.push(word),
        }
    }
    gate
}
