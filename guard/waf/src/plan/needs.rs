//! What a value must contain for a pattern to match it.
//!
//! Everything here may ask for too little and never for too much: a value
//! without what is needed cannot match, whatever else is in it.

use regex_syntax::hir::{Class as HirClass, Hir, HirKind};

use crate::operators::class::Class;

type Words = Vec<Vec<u8>>;

/// Most words of one exact set, of one needed set, and the longest word.
const PRODUCT: usize = 256;
const UNION: usize = 3000;
const LONGEST: usize = 24;

/// The needs of a pattern; words are in lower case and found in any case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// All texts the pattern matches, when they are few.
    exact: Option<Words>,
    /// One of these words must occur.
    pub words: Option<Words>,
    /// A byte of each of these sets must occur.
    pub classes: Vec<Class>,
}

/// What a whole pattern needs.
pub(crate) fn of(tree: &Hir) -> Needs {
    let mut needs = walk(tree);
    let exact = needs.exact.take().filter(usable);
    needs.words = better(exact, needs.words);
    needs
}

fn walk(tree: &Hir) -> Needs {
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => nothing(),
        HirKind::Literal(literal) => literal_needs(&literal.0),
        HirKind::Class(class) => class_needs(class),
        HirKind::Capture(capture) => walk(&capture.sub),
        HirKind::Repetition(repetition) => {
            repeat(walk(&repetition.sub), repetition.min, repetition.max)
        }
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => alternate(parts),
    }
}

fn nothing() -> Needs {
    Needs {
        exact: Some(vec![Vec::new()]),
        words: None,
        classes: Vec::new(),
    }
}

fn both_cases(byte: u8) -> Class {
    Class::of(&[byte.to_ascii_lowercase(), byte.to_ascii_uppercase()])
}

fn literal_needs(literal: &[u8]) -> Needs {
    let mut needs = Needs {
        exact: Some(vec![literal.to_ascii_lowercase()]),
        ..Needs::default()
    };
    for byte in literal {
        add_class(&mut needs.classes, both_cases(*byte));
    }
    needs
}

fn class_needs(class: &HirClass) -> Needs {
    let mut set = Class::default();
    match class {
        HirClass::Bytes(bytes) => {
            for range in bytes.ranges() {
                set = set.with_range(range.start(), range.end());
            }
        }
        HirClass::Unicode(chars) => {
            for range in chars.ranges() {
                let (Ok(first), Ok(last)) =
                    (u8::try_from(range.start()), u8::try_from(range.end()))
                else {
                    return Needs::default();
                };
                set = set.with_range(first, last);
            }
        }
    }
    let mut words: Words = (0..=255u8)
        .filter(|byte| set.has(*byte))
        .map(|byte| vec![byte.to_ascii_lowercase()])
        .collect();
    words.sort_unstable();
    words.dedup();
    Needs {
        exact: (words.len() <= 12).then_some(words),
        words: None,
        classes: vec![set],
    }
}

fn repeat(inner: Needs, min: u32, max: Option<u32>) -> Needs {
    if min == 0 {
        let exact = inner.exact.filter(|_| max == Some(1)).map(|mut words| {
            words.push(Vec::new());
            words
        });
        return Needs {
            exact,
            ..Needs::default()
        };
    }
    let once = min == 1 && max == Some(1);
    let exact = if once { inner.exact.clone() } else { None };
    let words = better(inner.exact.filter(usable), inner.words);
    Needs {
        exact,
        words,
        classes: inner.classes,
    }
}

fn concat(parts: &[Hir]) -> Needs {
    let mut needs = Needs::default();
    let (mut run, mut whole): (Words, bool) = (vec![Vec::new()], true);
    for part in parts {
        let inner = walk(part);
        for class in &inner.classes {
            add_class(&mut needs.classes, *class);
        }
        needs.words = better(needs.words.take(), inner.words);
        let joined = inner.exact.as_ref().and_then(|exact| product(&run, exact));
        run = if let Some(joined) = joined {
            joined
        } else {
            needs.words = better(needs.words.take(), Some(run).filter(usable));
            whole = false;
            inner.exact.unwrap_or_else(|| vec![Vec::new()])
        };
    }
    if whole {
        needs.exact = Some(run);
    } else {
        needs.words = better(needs.words.take(), Some(run).filter(usable));
    }
    needs
}

fn product(left: &Words, right: &Words) -> Option<Words> {
    let longest = |words: &Words| words.iter().map(Vec::len).max().unwrap_or(0);
    if left.len() * right.len() > PRODUCT || longest(left) + longest(right) > LONGEST {
        return None;
    }
    let mut joined: Words = left
        .iter()
        .flat_map(|head| right.iter().map(move |tail| [&head[..], tail].concat()))
        .collect();
    joined.sort_unstable();
    joined.dedup();
    Some(joined)
}

fn alternate(parts: &[Hir]) -> Needs {
    let all: Vec<Needs> = parts.iter().map(walk).collect();
    let mut needs = Needs::default();
    let mut exact: Option<Words> = Some(Vec::new());
    let mut words: Option<Words> = Some(Vec::new());
    let mut class = Some(Class::default());
    for inner in all {
        if let Some(joined) = &mut class {
            match inner.classes.iter().min_by_key(|class| class.len()) {
                Some(best) => joined.join(best),
                None => class = None,
            }
        }
        let best = better(inner.exact.clone().filter(usable), inner.words);
        words = gather(words, best, UNION);
        exact = gather(exact, inner.exact, PRODUCT);
    }
    needs.exact = exact;
    needs.words = words;
    needs.classes.extend(class);
    needs
}

fn gather(all: Option<Words>, more: Option<Words>, most: usize) -> Option<Words> {
    let (mut all, more) = (all?, more?);
    all.extend(more);
    all.sort_unstable();
    all.dedup();
    (all.len() <= most).then_some(all)
}

fn usable(words: &Words) -> bool {
    !words.is_empty() && words.iter().all(|word| !word.is_empty())
}

/// The set that fewer values contain.
fn better(left: Option<Words>, right: Option<Words>) -> Option<Words> {
    let (Some(left), Some(right)) = (&left, &right) else {
        return left.or(right);
    };
    Some(if worth(left) >= worth(right) {
        left.clone()
    } else {
        right.clone()
    })
}

/// How rare the most common word of a set is likely to be, and how few there are.
fn worth(words: &Words) -> (usize, std::cmp::Reverse<usize>) {
    let rarity = |word: &Vec<u8>| {
        let odd = word
            .iter()
            .filter(|byte| !byte.is_ascii_alphanumeric() && **byte != b' ')
            .count();
        word.len() + 2 * odd
    };
    (
        words.iter().map(rarity).min().unwrap_or(0).min(8),
        std::cmp::Reverse(words.len()),
    )
}

/// Keep the few smallest sets.
fn add_class(classes: &mut Vec<Class>, class: Class) {
    if class.len() < 200 && !classes.contains(&class) {
        classes.push(class);
        classes.sort_by_key(Class::len);
        classes.truncate(6);
    }
}
