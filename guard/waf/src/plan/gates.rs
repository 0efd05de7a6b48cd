//! One scan that says which rules a text can match at all.

use std::collections::BTreeMap;

use super::needs;
use super::words::Words;
use crate::injection;
use crate::operators::class::Class;
use crate::operators::{Operator, Relation};
use crate::transforms::Transform;

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

/// What is known of a text after one look at its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traits {
    /// The classes of bytes it has a member of.
    pub classes: u128,
    /// The transformations that may change it.
    pub touch: u64,
}

/// A gate as it is asked.
#[derive(Clone, Debug, Default)]
struct Lock {
    /// Classes that must all be met.
    needed: u128,
    /// Classes of which one opens it without a word.
    lone: u128,
}

/// The words of the gates that look at requests, or at bodies of responses.
#[derive(Debug)]
struct Scanner {
    words: Words,
    count: usize,
    /// Gates that open without a word.
    wordless: Vec<u32>,
}

/// All gates, with the automata over their words.
#[derive(Debug)]
pub(crate) struct Gates {
    locks: Vec<Lock>,
    /// For each byte what a text with it has.
    traits: Vec<Traits>,
    empty: Traits,
    scanners: [Scanner; 2],
    /// How many 64-bit words a set of gates takes.
    pub width: usize,
}

/// Collects gates before the automata are built.
#[derive(Debug, Default)]
pub(crate) struct GatesBuilder(Vec<(Gate, [bool; 2])>);

impl GatesBuilder {
    /// Add what an operator needs, for rules that look at requests and at bodies of responses;
    /// nothing when a value without anything special can match.
    pub fn add(&mut self, operator: &Operator, looks: [bool; 2]) -> Option<u32> {
        let gate = gate(operator)?;
        self.0.push((gate, looks));
        Some(self.0.len() as u32 - 1)
    }

    /// How many 64-bit words a set of the gates takes.
    pub fn width(&self) -> usize {
        self.0.len().div_ceil(64).max(1)
    }

    pub fn build(self) -> Gates {
        let width = self.width();
        let (classes, locks) = locks(self.0.iter().map(|(gate, _)| gate));
        let scanners = [self.scanner(0), self.scanner(1)];
        let steps = Transform::bits();
        let traits = (0..=255u8).map(|byte| Traits {
            classes: (0..).zip(&classes).fold(0, |bits, (at, class)| {
                bits | u128::from(class.has(byte)) << at
            }),
            touch: steps[usize::from(byte)],
        });
        Gates {
            locks,
            traits: traits.collect(),
            empty: Traits {
                classes: 0,
                touch: Transform::of_nothing(),
            },
            scanners,
            width,
        }
    }

    fn scanner(&self, side: usize) -> Scanner {
        let mut words: BTreeMap<&[u8], Vec<u32>> = BTreeMap::new();
        let mut wordless = Vec::new();
        let mine = (0u32..).zip(&self.0).filter(|(_, (_, looks))| looks[side]);
        for (index, (gate, _)) in mine {
            for word in &gate.words {
                words.entry(word).or_default().push(index);
            }
            if gate.words.is_empty() || gate.lone != Class::default() {
                wordless.push(index);
            }
        }
        let words: Vec<(&[u8], Vec<u32>)> = words.into_iter().collect();
        Scanner {
            words: Words::build(&words),
            count: words.len(),
            wordless,
        }
    }
}

/// Number the classes of all gates: those that open a gate alone first, then the most needed.
fn locks<'a>(gates: impl Iterator<Item = &'a Gate> + Clone) -> (Vec<Class>, Vec<Lock>) {
    let mut uses: Vec<(Class, usize)> = Vec::new();
    let mut note = |class: Class, weight| match uses.iter_mut().find(|(known, _)| *known == class) {
        Some((_, count)) => *count += weight,
        None => uses.push((class, weight)),
    };
    for gate in gates.clone() {
        if gate.lone != Class::default() {
            note(gate.lone, 1 << 20);
        }
        for class in &gate.classes {
            note(*class, if gate.words.is_empty() { 1 << 10 } else { 1 });
        }
    }
    uses.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    uses.truncate(128);
    let classes: Vec<Class> = uses.into_iter().map(|(class, _)| class).collect();
    let bit = |class: &Class| classes.iter().position(|known| known == class);
    let bits = |class: &Class| bit(class).map_or(0, |at| 1 << at);
    let locks = gates.map(|gate| Lock {
        needed: gate.classes.iter().fold(0, |all, class| all | bits(class)),
        lone: match bit(&gate.lone) {
            Some(at) => 1 << at,
            None if gate.words.is_empty() || gate.lone != Class::default() => u128::MAX,
            None => 0,
        },
    });
    let locks = locks.collect();
    (classes, locks)
}

impl Gates {
    /// What the bytes of a text say.
    pub fn traits(&self, text: &[u8]) -> Traits {
        if text.is_empty() {
            return self.empty;
        }
        let mut all = Traits::default();
        let mut take = |byte: u8| {
            let one = &self.traits[usize::from(byte)];
            all.classes |= one.classes;
            all.touch |= one.touch;
        };
        if text.len() < 200 {
            for byte in text {
                take(*byte);
            }
        } else {
            let mut seen = [false; 256];
            for byte in text {
                seen[usize::from(*byte)] = true;
            }
            (0..=255)
                .filter(|byte| seen[usize::from(*byte)])
                .for_each(take);
        }
        all
    }

    /// Set the bit of each gate that a text opens; of those for bodies of responses or of the others.
    pub fn scan(&self, text: &[u8], traits: Traits, response: bool, open: &mut [u64]) {
        let scanner = &self.scanners[usize::from(response)];
        for &index in &scanner.wordless {
            let lock = &self.locks[index as usize];
            if lock.fits(traits.classes)
                && (lock.lone == u128::MAX || lock.lone & traits.classes != 0)
            {
                set(open, index);
            }
        }
        scanner.words.find(text, |gates| {
            for &index in gates {
                if self.locks[index as usize].fits(traits.classes) {
                    set(open, index);
                }
            }
        });
    }

    /// Bytes the automata take.
    pub fn memory(&self) -> usize {
        let each = self.scanners.iter();
        each.map(|scanner| scanner.words.memory()).sum()
    }

    /// How many words and gates there are.
    pub fn sizes(&self) -> (usize, usize) {
        let words = self.scanners.iter().map(|scanner| scanner.count).sum();
        (words, self.locks.len())
    }
}

impl Lock {
    fn fits(&self, classes: u128) -> bool {
        self.needed & !classes == 0
    }
}

/// Set a bit.
pub(crate) fn set(bits: &mut [u64], index: u32) {
    bits[index as usize / 64] |= 1 << (index % 64);
}

/// Clear a bit.
pub(crate) fn clear(bits: &mut [u64], index: u32) {
    bits[index as usize / 64] &= !(1 << (index % 64));
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
