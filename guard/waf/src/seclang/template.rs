//! Texts with `%{…}` in them.

use super::target::{Selector, Target, one};

/// A piece of a text: as it stands, or looked up when it is needed.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Text(Box<[u8]>),
    Value(Target),
}

/// A text whose pieces are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    pub pieces: Vec<Piece>,
    /// Its number among the plan's texts, when nothing has to be looked up.
    pub number: Option<u32>,
}

impl Template {
    /// Read a text; `%{` without an end or with an unknown name is a fault.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("%{") {
            let Some(end) = rest[at..].find('}') else {
                break;
            };
            if at > 0 {
                pieces.push(Piece::Text(rest.as_bytes()[..at].into()));
            }
            pieces.push(Piece::Value(macro_target(&rest[at + 2..at + end])?));
            rest = &rest[at + end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.as_bytes().into()));
        }
        Ok(Self {
            pieces,
            number: None,
        })
    }

    /// The text as it is written.
    pub fn shown(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Piece::Value(target) => format!("%{{{target}}}"),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// The whole text when nothing in it has to be looked up.
    pub fn constant(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(b""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

fn macro_target(name: &str) -> Result<Target, String> {
    let target = one(name).map_err(|fault| format!("%{{{name}}}: {fault}"))?;
    match target.selector {
        Selector::Like(_) => Err(format!("%{{{name}}}: a pattern has no single value")),
        _ => Ok(target),
    }
}
