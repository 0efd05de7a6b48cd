//! Tokens of SQL, as far as they are simple.

use super::plain::MOST;
use super::table::{Capitals, Table};

/// The kind of the token after the last.
pub(super) const END: u8 = 0;
/// A token: its kind, and its text where it is a word.
///
/// Kinds are those of libinjection: `n` a plain word, `1` a number, `f` the name of a function,
/// `t` of a type, `v` of a variable, `k` and capitals keywords, `&` a logical operator, `o` another
/// one; and here `u` for a unary operator, `l` for LIKE, `i` for the keyword IN, and marks for
/// themselves.
#[derive(Clone, Copy)]
pub(super) struct Token<'a> {
    pub kind: u8,
    pub word: &'a [u8],
}

pub(super) struct Reader<'a> {
    pub text: &'a [u8],
    pub at: usize,
    pub table: &'static Table,
}

impl<'a> Reader<'a> {
    /// Read tokens until there are so many, one more than a fingerprint has at most.
    pub fn fill(
        &mut self,
        stack: &mut Vec<Token<'a>>,
        count: usize,
        more: &mut bool,
    ) -> Option<()> {
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
    pub fn next(&mut self) -> Option<Token<'a>> {
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
        let mut digits = digits.unwrap_or(rest.len());
        if rest.get(digits) == Some(&b'.') {
            let more = rest[digits + 1..].iter();
            digits += 1 + more.take_while(|byte| byte.is_ascii_digit()).count();
        }
        let ends = matches!(
            rest.get(digits),
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | b';' | b':' | b'?' | b'(' | b')')
        );
        self.at += digits;
        ends.then_some(Token {
            kind: b'1',
            word: b"",
        })
    }

    fn mark(&mut self, byte: u8) -> Option<Token<'a>> {
        let last = self.at + 1 == self.text.len();
        let kind = match byte {
            b':' if last => b'o',
            b',' | b';' | b':' | b'?' | b'(' | b')' => byte,
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
