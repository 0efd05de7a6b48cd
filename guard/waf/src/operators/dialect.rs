//! PCRE's way to write patterns, in the words of `regex-syntax`.

use std::fmt::Write as _;

use regex_syntax::hir::{Hir, HirKind, Look, Repetition};

/// Rewrite what both mean but write differently.
pub(crate) fn rewrite(pattern: &str) -> String {
    let bytes = pattern.as_bytes();
    let mut out = String::with_capacity(pattern.len() + 16);
    let (mut at, mut class) = (0, Inside::No);
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += match rest[0] {
            b'\\' => escape(rest, &mut out),
            byte if byte >= 0x80 => push_hex(byte, &mut out),
            b'[' if matches!(class, Inside::No) => {
                let negated = rest.get(1) == Some(&b'^');
                let skip = 1 + usize::from(negated);
                out.push_str(if negated { "[^" } else { "[" });
                class = Inside::Yes;
                if rest.get(skip) == Some(&b']') {
                    out.push_str("\\]");
                    skip + 1
                } else {
                    skip
                }
            }
            b'[' if rest.get(1) == Some(&b':') => posix(rest, &mut out),
            b']' if matches!(class, Inside::Yes) => {
                class = Inside::No;
                plain(b']', &mut out)
            }
            byte @ (b'[' | b'&' | b'~') if matches!(class, Inside::Yes) => {
                push_escaped(byte, &mut out)
            }
            b'{' if matches!(class, Inside::No) && !is_count(rest) => push_escaped(b'{', &mut out),
            byte => plain(byte, &mut out),
        };
    }
    out
}

enum Inside {
    No,
    Yes,
}

fn plain(byte: u8, out: &mut String) -> usize {
    out.push(char::from(byte));
    1
}

fn push_escaped(byte: u8, out: &mut String) -> usize {
    out.push('\\');
    plain(byte, out)
}

fn push_hex(byte: u8, out: &mut String) -> usize {
    let _ = write!(out, "\\x{byte:02x}");
    1
}

fn posix(rest: &[u8], out: &mut String) -> usize {
    match rest.windows(2).position(|pair| pair == b":]") {
        Some(end) => {
            out.push_str(&String::from_utf8_lossy(&rest[..end + 2]));
            end + 2
        }
        None => push_escaped(b'[', out),
    }
}

fn is_count(rest: &[u8]) -> bool {
    let Some(end) = rest.iter().position(|byte| *byte == b'}') else {
        return false;
    };
    let inner = &rest[1..end];
    inner.first().is_some_and(u8::is_ascii_digit)
        && inner
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b',')
}

/// An escape; how many bytes of the pattern it took.
fn escape(rest: &[u8], out: &mut String) -> usize {
    let Some(&next) = rest.get(1) else {
        return push_escaped(b'\\', out);
    };
    match next {
        b'x' if rest.get(2) == Some(&b'{') => {
            let Some(end) = rest.iter().position(|byte| *byte == b'}') else {
                return push_escaped(b'x', out) + 1;
            };
            let digits = String::from_utf8_lossy(&rest[3..end]);
            let _ = write!(out, "\\x{digits:0>2}");
            end + 1
        }
        b'e' => push_hex(0x1b, out) + 1,
        b'0' => {
            let digits = rest[1..]
                .iter()
                .take(3)
                .take_while(|byte| (b'0'..=b'7').contains(byte))
                .count();
            let number = rest[1..=digits]
                .iter()
                .fold(0u32, |sum, byte| sum * 8 + u32::from(byte - b'0'));
            push_hex(number as u8, out);
            1 + digits
        }
        b'h' => {
            out.push_str("[\\t ]");
            2
        }
        b'Z' => {
            out.push('$');
            2
        }
        b'<' | b'>' => push_hex(next, out) + 1,
        byte if byte >= 0x80 => push_hex(byte, out) + 1,
        byte if byte.is_ascii_alphanumeric() => push_escaped(byte, out) + 1,
        byte if byte == b' ' || byte == b'/' || byte == b'_' || byte.is_ascii_punctuation() => {
            push_escaped(byte, out) + 1
        }
        byte => push_hex(byte, out) + 1,
    }
}

/// `$` also stands before a last line feed.
pub(crate) fn dollar(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(Look::End) => {
            let feed = Hir::literal(*b"\n");
            let optional = Repetition {
                min: 0,
                max: Some(1),
                greedy: true,
                sub: Box::new(feed),
            };
            Hir::concat(vec![Hir::repetition(optional), Hir::look(Look::End)])
        }
        HirKind::Repetition(inner) => Hir::repetition(Repetition {
            sub: Box::new(dollar(&inner.sub)),
            ..inner.clone()
        }),
        HirKind::Capture(inner) => {
            let mut capture = inner.clone();
            capture.sub = Box::new(dollar(&inner.sub));
            Hir::capture(capture)
        }
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(dollar).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(dollar).collect()),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
    }
}
