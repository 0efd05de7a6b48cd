//! Texts that are no SQL for sure, found fast.
//!
//! Most values are words, numbers and simple marks. For these the way
//! libinjection folds tokens is followed here over its own table of words, and
//! what comes out is looked up among its fingerprints. Whatever is not as
//! simple, and whatever has a fingerprint, is left to libinjection itself.

use super::reader::{END, Reader, Token};
use super::table::{Capitals, TABLE, Table};

/// Tokens of a fingerprint.
pub(super) const MOST: usize = 5;
/// Whether no fingerprint of SQL can come out of a text; false says nothing.
pub(super) fn harmless(text: &[u8]) -> bool {
    // A quote anywhere makes libinjection read the text once more, as the rest of a string.
    memchr::memchr2(b'\'', b'"', text).is_none() && folds(text)
}

fn folds(text: &[u8]) -> bool {
    let table = &*TABLE;
    fold(text, table).is_some_and(|print| !table.prints.contains(print.text()))
}

/// The kinds that are left after folding, as the table writes them, or nothing for what is not
/// simple.
fn fold(text: &[u8], table: &'static Table) -> Option<Capitals> {
    let mut reader = Reader { text, at: 0, table };
    let mut stack: Vec<Token<'_>> = Vec::with_capacity(MOST + 2);
    let (mut left, mut more) = (0, true);
    loop {
        let token = reader.next()?;
        match token.kind {
            END => return Some(Capitals::default()),
            b't' | b'u' | b'(' => {}
            _ => break stack.push(token),
        }
    }
    loop {
        if stack.len() >= MOST && nests(&stack) {
            return None;
        }
        if !more || left >= MOST {
            return Some(print(&stack));
        }
        reader.fill(&mut stack, left + 2, &mut more)?;
        if stack.len() < left + 2 {
            left = stack.len();
            continue;
        }
        match pair(&stack[left], &stack[left + 1], table)? {
            Step::Same => {}
            Step::Drop => {
                stack.pop();
                left = 0;
                continue;
            }
            Step::DropHere => {
                stack.pop();
                left = left.saturating_sub(1);
                continue;
            }
            Step::Take => {
                stack[left] = stack[left + 1];
                stack.pop();
                left = 0;
                continue;
            }
            Step::Is(kind) => {
                stack[left].kind = kind;
                continue;
            }
        }
        reader.fill(&mut stack, left + 3, &mut more)?;
        if stack.len() < left + 3 {
            left = stack.len();
            continue;
        }
        match triple(&stack[left..left + 3])? {
            Three::Same => left += 1,
            Three::First => {
                stack.truncate(stack.len() - 2);
                left = 0;
            }
            Three::Outer => {
                stack[left + 1] = stack[left + 2];
                stack.pop();
                left = 0;
            }
        }
    }
}

/// How the table writes the first tokens.
fn print(stack: &[Token<'_>]) -> Capitals {
    let mut print = Capitals::default();
    let kinds = stack.iter().take(MOST).map(|token| match token.kind {
        b'u' | b'l' => b'o',
        b'i' => b'k',
        kind => kind,
    });
    for (at, kind) in std::iter::once(b'0').chain(kinds).enumerate() {
        print.bytes[at] = kind.to_ascii_uppercase();
        print.length = at + 1;
    }
    print
}

/// The shapes of five tokens that libinjection folds by rules of their own.
fn nests(stack: &[Token<'_>]) -> bool {
    let operator = |kind: u8| matches!(kind, b'o' | b'u' | b'l');
    let kinds = [0, 1, 2, 3, 4].map(|at| stack[at].kind);
    match kinds {
        [b'1', one, b'(', b'1', b')'] => operator(one) || one == b',',
        [b'n', one, b'(', b'n' | b'1', b')'] | [b'n', b')', one, b'(', b'n'] => operator(one),
        [b'1', b')', b',', b'(', b'1'] => true,
        _ => false,
    }
}

/// What two tokens become. Like libinjection, what "goes" is the last token that was read, which
/// is not the second after all has been looked at again.
enum Step {
    Same,
    /// One goes, and all is looked at again.
    Drop,
    /// One goes, and the token before is looked at again.
    DropHere,
    /// The second takes the place of the first.
    Take,
    /// The first is of this kind.
    Is(u8),
}

fn pair(one: &Token<'_>, other: &Token<'_>, table: &Table) -> Option<Step> {
    let operator = matches!(one.kind, b'o' | b'u' | b'l' | b'&');
    if operator && matches!(other.kind, b'u' | b't') {
        return Some(Step::Drop);
    }
    let joins = !one.word.is_empty() && !other.word.is_empty() && one.kind != b'&';
    if joins && table.joins(one.word, other.word) {
        return None;
    }
    match (one.kind, other.kind) {
        (b';', b';' | b'f') | (b'l', b'(') => None,
        (b'(', b'u') => Some(Step::DropHere),
        (b'n' | b'v', b'(') if is_called(one.word) => Some(Step::Is(b'f')),
        (b'i', b'(') => Some(Step::Is(b'o')),
        (b'i', _) => Some(Step::Is(b'n')),
        (b't', b'n' | b'1' | b't' | b'(' | b'f' | b'v') => Some(Step::Take),
        (b'(', b'(') | (b')', b')') => Some(Step::Drop),
        _ => Some(Step::Same),
    }
}

/// Words that are functions before a parenthesis.
fn is_called(word: &[u8]) -> bool {
    const CALLED: [&[u8]; 11] = [
        b"USER_ID",
        b"USER_NAME",
        b"DATABASE",
        b"PASSWORD",
        b"USER",
        b"CURRENT_USER",
        b"CURRENT_DATE",
        b"CURRENT_TIME",
        b"CURRENT_TIMESTAMP",
        b"LOCALTIME",
        b"LOCALTIMESTAMP",
    ];
    CALLED.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// What three tokens become.
enum Three {
    Same,
    First,
    /// The first and the last.
    Outer,
}

fn triple(tokens: &[Token<'_>]) -> Option<Three> {
    let value = |kind: u8| matches!(kind, b'n' | b'1');
    let operator = |kind: u8| matches!(kind, b'o' | b'u' | b'l');
    let (one, middle, last) = (tokens[0].kind, tokens[1].kind, tokens[2].kind);
    let same = match (one, middle, last) {
        (b',', b'u', _) => return None,
        (b'f', b'(', _) if last != b')' && tokens[0].word.eq_ignore_ascii_case(b"user") => {
            return None;
        }
        (b'E' | b'B', b'u', b'(') => return Some(Three::Outer),
        (b'k' | b'i' | b'E' | b'B', b'u', b'1' | b'n' | b'v' | b'f') => {
            return Some(Three::Outer);
        }
        (b'&', _, b'&') | (b'v', b',', b'v' | b'1' | b'n') | (b'n' | b'1', b',', b'v') => true,
        (b'v', _, b'v') => operator(middle),
        _ if operator(one) && operator(last) => middle != b'(',
        _ => (value(one) || one == b'v') && value(last) && (operator(middle) || middle == b','),
    };
    Some(if same { Three::First } else { Three::Same })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use libinjectionrs::{SqliFlags, SqliState};

    use super::{fold, harmless};
    use crate::injection::found;
    use crate::injection::table::TABLE;

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
        assert!(harmless(
            b"The boots 7 arrived on time, but one heel is loose (12.95)"
        ));
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
            3 => "(a|x|in|or|and|if|text|date|user|group|order|by|1|12|0|-|\\+|=|!|,|;|:|\\?|/|%|<|not|is|like|a\\.b|in\\.b|1a|\\.|~|\\(|\\)|1\\.5|user|password|current_date|select|null|true)",
            1 => "[ -~\u{a0}\u{fc}]{1,3}",
        ]
    }

    fn text() -> impl Strategy<Value = String> {
        let words = proptest::collection::vec((word(), " ?"), 0..9);
        let tail = "('|\"|--|#|/\\*)?( or 1=1)?";
        (words, tail).prop_map(|(words, tail)| {
            let words = words.iter().flat_map(|(word, gap)| [&**word, &**gap]);
            words.chain([&*tail]).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn what_is_harmless_here_is_no_sql_there(text in text()) {
            prop_assert!(!harmless(text.as_bytes()) || found(text.as_bytes()).is_none(), "{}", text);
        }

        #[test]
        fn what_is_simple_has_the_same_fingerprint_here_and_there(text in text()) {
            if let Some(print) = fold(text.as_bytes(), &TABLE) {
                let theirs = SqliState::new(text.as_bytes(), SqliFlags::FLAG_NONE).get_fingerprint();
                let theirs = theirs.as_str().trim_end_matches('\0').to_ascii_uppercase();
                let ours = print.text().get(1..).unwrap_or_default();
                prop_assert_eq!(String::from_utf8_lossy(ours), theirs, "{}", text);
            }
        }
    }
}
