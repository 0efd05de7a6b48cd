//! libinjection's answer about a text, for what it costs.
//!
//! Most texts are settled by their first few tokens; libinjection does not look at the rest. So a
//! long text is asked about from its beginning, as much of it as is needed. Only a text that goes
//! on folding is read to its end, and each token of it is paid for.

use libinjectionrs::sqli::SqliTokenizer;
use libinjectionrs::{SqliFlags, SqliState};

use crate::operators::meter::{Meter, Spent};

/// Bytes that are looked at first.
const FIRST: usize = 1024;
/// What a token costs, what it costs more when it is a mark, and what a byte costs.
const TOKEN: u64 = 150;
const MARK: u64 = 350;
const BYTE: u64 = 1;
/// Bytes that may begin an operator, which is looked up in two lengths.
const MARKS: [bool; 256] = among(b"!%&*+-/:<=>^|~");
/// What it costs to look for the end of a word, for each of its bytes. At each mark within it that
/// is done again, and what stands before it is looked up.
const SEARCH: u64 = 20;
/// What a quote costs, each of which may end a string.
const QUOTE: u64 = 30;
/// Bytes that are passed for a unit while the end of a comment is looked for.
const COMMENT: u64 = 8;
/// Tokens beyond the ones that decided, none of which may be cut off.
const BEYOND: usize = 3;
/// What ends a word.
const ENDS: [bool; 256] = among(b" []{}<>:\\?=@!#~+-*/&|^%(),';\t\n\x0b\x0c\r\"\xa0\x00");

/// Where a text is thought to begin, and whose comments are meant: libinjection's flags.
#[derive(Clone, Copy)]
struct Context(u32);

const NOWHERE: Context = Context(1);
const IN_SINGLE: Context = Context(2);
const IN_DOUBLE: Context = Context(4);
const ANSI: u32 = 8;
const MYSQL: u32 = 16;

struct Read {
    print: Option<Vec<u8>>,
    /// It has comments that another dialect reads in another way.
    again: bool,
}

/// The fingerprint when a text is SQL.
pub(super) fn fingerprint(text: &[u8], meter: &mut Meter) -> Result<Option<Vec<u8>>, Spent> {
    let has = |byte| memchr::memchr(byte, text).is_some();
    let mut contexts = vec![(NOWHERE, true)];
    if has(b'\'') {
        contexts.push((IN_SINGLE, true));
    }
    if has(b'"') {
        contexts.push((IN_DOUBLE, false));
    }
    for (Context(from), ansi) in contexts {
        let mut again = true;
        if ansi {
            let read = read(text, SqliFlags::new(from | ANSI), meter)?;
            if read.print.is_some() {
                return Ok(read.print);
            }
            again = read.again;
        }
        if again {
            let read = read(text, SqliFlags::new(from | MYSQL), meter)?;
            if read.print.is_some() {
                return Ok(read.print);
            }
        }
    }
    Ok(None)
}

const fn among(bytes: &[u8]) -> [bool; 256] {
    let mut all = [false; 256];
    let mut at = 0;
    while at < bytes.len() {
        all[bytes[at] as usize] = true;
        at += 1;
    }
    all
}

fn read(text: &[u8], flags: SqliFlags, meter: &mut Meter) -> Result<Read, Spent> {
    let mut size = FIRST;
    loop {
        let part = &text[..size.min(text.len())];
        meter.spend(bytes(part));
        if meter.is_empty() {
            return Err(Spent);
        }
        let mut state = SqliState::new(part, flags);
        let is_sql = state.is_sqli();
        let tokens = state.stats_tokens as u64;
        let marks = part
            .iter()
            .filter(|byte| MARKS[usize::from(**byte)])
            .count() as u64;
        // A beginning is read once more, to see whether it is enough.
        let times = 1 + u64::from(part.len() < text.len());
        meter.spend(times * (tokens * TOKEN + marks.min(tokens) * MARK));
        if part.len() == text.len() || is_settled(part, flags, state.stats_tokens) {
            let print = state
                .fingerprint
                .iter()
                .copied()
                .take_while(|kind| *kind != 0);
            return Ok(Read {
                print: is_sql.then(|| print.collect()),
                again: state.stats_comment_ddx != 0 || state.stats_comment_hash != 0,
            });
        }
        let most = usize::try_from(meter.left() / (TOKEN + MARK)).unwrap_or(usize::MAX);
        if most < FIRST {
            meter.spend(meter.left() + 1);
            return Err(Spent);
        }
        size += size.min(most);
    }
}

/// What the bytes of a text cost before there are tokens: quotes may each end a string, and from
/// each beginning of a comment its end is looked for.
fn bytes(text: &[u8]) -> u64 {
    let quotes = memchr::memchr3_iter(b'\'', b'"', b'`', text).count() as u64;
    let comments = memchr::memmem::find_iter(text, b"/*").count() as u64;
    let length = text.len() as u64;
    length * BYTE + quotes * QUOTE + comments * length / COMMENT + words(text)
}

/// What the words of a text cost that have marks within them.
fn words(text: &[u8]) -> u64 {
    let mut cost = 0;
    for word in text.split(|byte| ENDS[usize::from(*byte)]) {
        let mut before = b'.';
        for (at, byte) in word.iter().enumerate() {
            if matches!(byte, b'.' | b'`') {
                cost += at as u64 * BYTE;
                if before.is_ascii_alphanumeric() {
                    cost += (word.len() - at) as u64 * SEARCH;
                }
            }
            before = *byte;
        }
    }
    cost
}

/// Whether the tokens that were read are there, and some more, whatever follows.
fn is_settled(part: &[u8], flags: SqliFlags, tokens: usize) -> bool {
    let mut tokenizer = SqliTokenizer::new(part, flags);
    (0..tokens + BEYOND).all(|_| tokenizer.next_token().is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fingerprint;
    use crate::injection::found;
    use crate::operators::meter::Meter;

    fn piece() -> impl Strategy<Value = String> {
        let short = "(a|1|or|like|in|int|select|union|user|if|null|\\.|`|'|\"|\\(|\\)|\\[|\\{|\\}|@|\\$|\\$a\\$|#|--|--\n|/\\*|\\*/|/\\*!|=|\\||&&|;|,|:|\\\\|%| |\n|0x|1e|x'|q'\\(|u&'|\u{fc}|sp_password)";
        prop_oneof![
            4 => short,
            1 => ("[a-z ]{1,3}", 300usize..1500).prop_map(|(text, count)| text.repeat(count)),
            1 => (short, 300usize..900).prop_map(|(text, count)| text.repeat(count)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn a_beginning_says_what_the_whole_says(pieces in proptest::collection::vec(piece(), 1..9)) {
            let text = pieces.concat();
            let asked = fingerprint(text.as_bytes(), &mut Meter::new(u64::MAX)).expect("enough");
            prop_assert_eq!(asked, found(text.as_bytes()));
        }
    }

    #[test]
    fn what_folds_for_ever_is_paid_for() {
        let mut meter = Meter::new(3_000_000);
        for text in ["=|a", "OR.", "LIKE.1", "a`", "\u{e9}.", "|}a", "/*!a"] {
            let long = text.repeat(100_000 / text.len());
            assert!(fingerprint(long.as_bytes(), &mut meter).is_err(), "{text}");
            assert!(meter.is_empty(), "{text}");
            meter = Meter::new(3_000_000);
        }
        let prose = "It's a long story, and \"nobody\" reads it to its end. ".repeat(2000);
        assert!(matches!(
            fingerprint(prose.as_bytes(), &mut meter),
            Ok(None)
        ));
        assert!(meter.spent() < 100_000, "{}", meter.spent());
    }
}
