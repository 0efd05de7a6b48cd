//! Cookies of ours: found in a request, taken out of it, and out of what an application sets.
//!
//! RFC 6265 as Envoy reads it: the first cookie of a name wins. Two of one name of ours are refused,
//! for two readers could choose differently.

use std::collections::HashSet;

/// Two cookies of one name of ours in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twice;

/// The name of the cookie in `piece`. Browsers send a nameless cookie as its value alone: leading
/// blanks and `=` count for nothing.
fn name_of(piece: &[u8]) -> &[u8] {
    let start = piece
        .iter()
        .position(|byte| !is_blank(*byte) && *byte != b'=');
    let piece = &piece[start.unwrap_or(piece.len())..];
    let end = piece
        .iter()
        .position(|byte| is_blank(*byte) || *byte == b'=');
    &piece[..end.unwrap_or(piece.len())]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Names of ours that one list holds; more than any browser of ours sends go into a set.
const FEW: usize = 8;

/// The names of ours that a request has shown so far.
#[derive(Default)]
struct Names<'a> {
    few: [&'a [u8]; FEW],
    count: usize,
    /// Made when the list is full, so that thousands of names cost no more each than one.
    many: HashSet<&'a [u8]>,
}

impl<'a> Names<'a> {
    /// `name` was shown; an error when it was before.
    fn show(&mut self, name: &'a [u8]) -> Result<(), Twice> {
        if self.few[..self.count].contains(&name) {
            return Err(Twice);
        }
        if self.count < FEW {
            self.few[self.count] = name;
            self.count += 1;
            return Ok(());
        }
        if self.many.insert(name) {
            Ok(())
        } else {
            Err(Twice)
        }
    }
}

/// The cookies of all lines. A token is long, so its bytes are looked at many at a time.
fn pieces<'a>(lines: &'a [&'a [u8]]) -> impl Iterator<Item = &'a [u8]> {
    lines.iter().flat_map(|line| {
        let mut rest = Some(*line);
        std::iter::from_fn(move || {
            let whole = rest?;
            let end = memchr::memchr(b';', whole);
            rest = end.map(|at| &whole[at + 1..]);
            Some(&whole[..end.unwrap_or(whole.len())])
        })
    })
}

/// The value of the cookie `name`; names that begin with `prefix` may stand only once each.
pub fn find<'a>(
    lines: &'a [&'a [u8]],
    prefix: &[u8],
    name: &[u8],
) -> Result<Option<&'a [u8]>, Twice> {
    let mut seen = Names::default();
    let mut found = None;
    for piece in pieces(lines) {
        let known = name_of(piece);
        if !known.starts_with(prefix) {
            continue;
        }
        seen.show(known)?;
        if known == name {
            found = value_of(piece, name);
        }
    }
    Ok(found)
}

/// The value, where the name is written exactly so: a blank before the `=` is part of the name to
/// some readers and not to others. Quotes around the value are no part of it.
fn value_of<'a>(piece: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let start = piece.iter().position(|byte| *byte != b' ')?;
    let value = piece[start..].strip_prefix(name)?.strip_prefix(b"=")?;
    match value {
        [b'"', inner @ .., b'"'] => Some(inner),
        _ => Some(value),
    }
}

/// The cookies of a request without those of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// None of ours was there.
    Unchanged,
    /// Nothing is left.
    Empty,
    /// What is left, as one line.
    Kept(Vec<u8>),
}

/// Takes every cookie whose name begins with `prefix` out of `lines`.
pub fn clean(lines: &[&[u8]], prefix: &[u8]) -> Result<Cleaned, Twice> {
    if !lines.iter().any(|line| contains(line, prefix)) {
        return Ok(Cleaned::Unchanged);
    }
    let mut seen = Names::default();
    let mut kept: Vec<u8> = Vec::new();
    for piece in pieces(lines) {
        let name = name_of(piece);
        if name.starts_with(prefix) {
            seen.show(name)?;
            continue;
        }
        let blanks = piece.iter().take_while(|byte| is_blank(**byte)).count();
        let piece = &piece[blanks..];
        if !piece.is_empty() {
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(piece);
        }
    }
    Ok(if kept.is_empty() {
        Cleaned::Empty
    } else {
        Cleaned::Kept(kept)
    })
}

/// Whether an application's `Set-Cookie` would set a cookie of ours.
#[must_use]
pub fn sets_ours(value: &[u8], prefix: &[u8]) -> bool {
    name_of(value).starts_with(prefix)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}
