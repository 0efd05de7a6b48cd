//! Texts that are no SQL for sure, found fast.
//!
//! Most values are words, numbers and simple marks. For these the way
//! libinjection folds tokens is followed here over its own table of words, as
//! far as it takes to know that no fingerprint can come out. Whatever is not as
//! simple is left to libinjection itself.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::LazyLock;

use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;

/// Tokens of a fingerprint.
const MOST: usize = 5;
/// The kind of the token after the last.
const END: u8 = 0;
/// Longer words are not looked up.
const LONGEST: usize = 31;

/// A token: its kind, and its text where it is a word.
///
/// Kinds are those of libinjection: `n` a plain word, `1` a number, `f` the name of a function,
/// `t` of a type, `&` a logical operator, `o` another one; and here `u` for a unary operator,
/// `i` for the keyword IN, and marks for themselves.
#[derive(Clone, Copy)]
struct Token<'a> {
    kind: u8,
    word: &'a [u8],
}

#[derive(Default)]
struct Fnv(u64);

impl std::hash::Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

type Build = BuildHasherDefault<Fnv>;

/// Words by their kinds, and words that others begin with.
struct Table {
    kinds: HashMap<&'static [u8], u8, Build>,
    first: HashSet<&'static [u8], Build>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let words = SQL_KEYWORDS.iter().filter(|known| known.token_type != b'F');
    let kinds: HashMap<&[u8], u8, Build> = words
        .map(|known| (known.word.as_bytes(), known.token_type))
        .collect();
    let first = kinds.keys().filter_map(|word| {
        let end = memchr::memchr(b' ', word)?;
        Some(&word[..end])
    });
    Table {
        first: first.collect(),
        kinds,
    }
});

/// A word in capitals.
struct Capitals {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Capitals {
    fn of(parts: &[&[u8]]) -> Option<Self> {
        let mut found = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        for byte in parts.iter().copied().flatten() {
            *found.bytes.get_mut(found.length)? = byte.to_ascii_uppercase();
            found.length += 1;
        }
        Some(found)
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Whether no fingerprint of SQL can come out of a text; false says nothing.
pub(super) fn harmless(text: &[u8]) -> bool {
    // A quote anywhere makes libinjection read the text once more, as the rest of a string.
    memchr::memchr2(b'\'', b'"', text).is_none() && folds(text)
}

fn folds(text: &[u8]) -> bool {
    fold(text).is_some_and(|kinds| {
        let has = |kind: u8| kinds.contains(&kind);
        let compares = has(b'&') && (has(b'1') || has(b'f'));
        !(compares || has(b't') || has(b'i'))
    })
}

/// The kinds that are left after folding, or nothing for what is not simple.
fn fold(text: &[u8]) -> Option<Vec<u8>> {
    let table = &*TABLE;
    let mut reader = Reader { text, at: 0, table };
    let mut stack: Vec<Token<'_>> = Vec::with_capacity(MOST + 2);
    let (mut left, mut more) = (0, true);
    loop {
        let token = reader.next()?;
        match token.kind {
            END => return Some(Vec::new()),
            b't' | b'u' => {}
            _ => break stack.push(token),
        }
    }
    while more && left < MOST {
        reader.fill(&mut stack, left + 2, &mut more)?;
        if stack.len() < left + 2 {
            left = stack.len();
            continue;
        }
        match pair(&stack[left], &stack[left + 1], table)? {
            Step::Drop => {
                stack.remove(left + 1);
                left = 0;
                continue;
            }
            Step::Take => {
                stack.remove(left);
                left = 0;
                continue;
            }
            Step::Word => {
                stack[left].kind = b'n';
                continue;
            }
            Step::Same => {}
        }
        reader.fill(&mut stack, left + 3, &mut more)?;
        if stack.len() < left + 3 {
            left = stack.len();
        } else if triple(&stack[left..left + 3])? {
            stack.truncate(stack.len() - 2);
            left = 0;
        } else {
            left += 1;
        }
    }
    Some(stack.iter().take(MOST).map(|token| token.kind).collect())
}

/// What two tokens become.
enum Step {
    Same,
    /// The second goes.
    Drop,
    /// The first goes.
    Take,
    /// The first is a plain word.
    Word,
}

fn pair(one: &Token<'_>, other: &Token<'_>, table: &Table) -> Option<Step> {
    let operator = matches!(one.kind, b'o' | b'u' | b'&');
    if operator && matches!(other.kind, b'u' | b't') {
        return Some(Step::Drop);
    }
    let joins = !one.word.is_empty() && !other.word.is_empty() && one.kind != b'&';
    if joins && table.joins(one.word, other.word) {
        return None;
    }
    match (one.kind, other.kind) {
        (b';', b';' | b'f') => None,
        (b'i', _) => Some(Step::Word),
        (b't', b'n' | b'1' | b't' | b'f') => Some(Step::Take),
        _ => Some(Step::Same),
    }
}

/// Whether three tokens become the first of them.
fn triple(tokens: &[Token<'_>]) -> Option<bool> {
    let value = |kind: u8| matches!(kind, b'n' | b'1');
    let operator = |kind: u8| matches!(kind, b'o' | b'u');
    match (tokens[0].kind, tokens[1].kind, tokens[2].kind) {
        (b',', b'u', _) => None,
        (b'&', _, b'&') => Some(true),
        (one, _, last) if operator(one) && operator(last) => Some(true),
        (one, middle, last) => {
            Some(value(one) && value(last) && (operator(middle) || middle == b','))
        }
    }
}

impl Table {
    /// Whether two words together are another word.
    fn joins(&self, one: &[u8], other: &[u8]) -> bool {
        let begins = Capitals::of(&[one]).is_some_and(|word| self.first.contains(word.text()));
        begins
            && Capitals::of(&[one, b" ", other])
                .is_some_and(|both| self.kinds.contains_key(both.text()))
    }

    fn kind(&self, word: &[u8]) -> Option<u8> {
        let Some(word) = Capitals::of(&[word]) else {
            return Some(b'n');
        };
        match self.kinds.get(word.text()) {
            None => Some(b'n'),
            Some(b'k') if word.text() == b"IN" => Some(b'i'),
            Some(kind @ (b'n' | b'1' | b'f' | b't' | b'&')) => Some(*kind),
            Some(_) => None,
        }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    table: &'static Table,
}

impl<'a> Reader<'a> {
    /// Read tokens until there are so many, one more than a fingerprint has at most.
    fn fill(&mut self, stack: &mut Vec<Token<'a>>, count: usize, more: &mut bool) -> Option<()> {
        while *more && stack.len() <= MOST && stack.len() < count {
            let token = self.next()?;
            if token.kind == END {
                *more = false;
            } else {
                stack.push(token);
            }
        }
        Some(())
    }

    /// The next token, or nothing for what is not simple.
    fn next(&mut self) -> Option<Token<'a>> {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        let Some(&first) = self.text.get(self.at) else {
            return Some(Token {
                kind: END,
                word: b"",
            });
        };
        match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.word(),
            b'0'..=b'9' => self.number(),
            _ => self.mark(first),
        }
    }

    fn word(&mut self) -> Option<Token<'a>> {
        let rest = &self.text[self.at..];
        let inside = |byte: &u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.') || *byte >= 0x80
        };
        let end = rest
            .iter()
            .position(|byte| !inside(byte))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        let next = rest.get(end);
        let quoted = matches!(next, Some(b'\'' | b'"' | b'`' | b'$' | b'@' | b'\\' | b'&'));
        if quoted || word.contains(&0xa0) {
            return None;
        }
        for dot in memchr::memchr_iter(b'.', word) {
            let part = Capitals::of(&[&word[..dot]]);
            if part.is_some_and(|part| self.table.kinds.contains_key(part.text())) {
                return None;
            }
        }
        self.at += end;
        Some(Token {
            kind: self.table.kind(word)?,
            word,
        })
    }

    fn number(&mut self) -> Option<Token<'a>> {
        let rest = &self.text[self.at..];
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit());
        let digits = digits.unwrap_or(rest.len());
        let ends = matches!(
            rest.get(digits),
            None | Some(b' ' | b',' | b';' | b':' | b'?')
        );
        self.at += digits;
        ends.then_some(Token {
            kind: b'1',
            word: b"",
        })
    }

    fn mark(&mut self, byte: u8) -> Option<Token<'a>> {
        let kind = match byte {
            b',' | b';' | b':' | b'?' => byte,
            b'/' | b'=' | b'%' | b'<' | b'>' => b'o',
            b'+' | b'-' | b'!' | b'~' => b'u',
            _ => return None,
        };
        let two = self.text.get(self.at..self.at + 2).unwrap_or_default();
        if matches!(two, b"--" | b"/*") || self.table.kinds.contains_key(two) {
            return None;
        }
        self.at += 1;
        Some(Token { kind, word: b"" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{TABLE, harmless};
    use crate::injection::found;

    #[test]
    fn plain_texts_are_harmless() {
        for text in [
            "",
            "42",
            "Item number 3",
            "A fine thing 17, well made; ask for it",
            "Some text that people write, with a comma and an end. Number 12",
            "Mozilla/5.0",
            "what is this? no idea!",
            "Gr\u{fc}\u{df}e aus K\u{f6}ln",
        ] {
            assert!(found(text.as_bytes()).is_none(), "{text}");
        }
        assert!(harmless(b"Item number 3"));
        assert!(harmless(b"A fine thing 17, well made; ask for it"));
        assert!(!harmless(b"1 or 1"));
        assert!(!harmless(b"1 union select 2"));
    }

    fn word() -> impl Strategy<Value = String> {
        let known: Vec<&str> = TABLE
            .kinds
            .keys()
            .map(|word| std::str::from_utf8(word).expect("text"))
            .collect();
        prop_oneof![
            2 => proptest::sample::select(known).prop_map(str::to_lowercase),
            3 => "(a|x|in|or|and|if|text|date|user|group|order|by|1|12|0|-|\\+|=|!|,|;|:|\\?|/|%|<|not|is|like|a\\.b|in\\.b|1a|\\.|~)",
            1 => "[ -~\u{a0}\u{fc}]{1,3}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn what_is_harmless_here_is_no_sql_there(
            words in proptest::collection::vec((word(), " ?"), 0..9),
            tail in "('|\"|--|#|/\\*)?( or 1=1)?",
        ) {
            let text: String = words.iter().flat_map(|(word, gap)| [&**word, &**gap]).chain([&*tail]).collect();
            prop_assert!(!harmless(text.as_bytes()) || found(text.as_bytes()).is_none(), "{}", text);
        }
    }
}
