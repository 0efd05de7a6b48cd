//! Which rules an exclusion means.

use crate::operators::pattern::Pattern;
use crate::seclang::Written;
use crate::seclang::ctl::Which;
use crate::seclang::template::Piece;

/// An exclusion's rules, ready to be asked.
pub(super) enum Test {
    Ids(Vec<(u32, u32)>),
    Tag(Pattern),
    Message(Pattern),
}

impl Test {
    pub fn new(which: &Which) -> Result<Self, String> {
        Ok(match which {
            Which::Ids(ids) => Self::Ids(ids.clone()),
            Which::Tag(tag) => Self::Tag(Pattern::compile(tag)?),
            Which::Message(message) => Self::Message(Pattern::compile(message)?),
        })
    }

    /// Whether the rule that starts with this link is meant.
    pub fn means(&self, head: &Written) -> bool {
        match self {
            Self::Ids(ids) => head.actions.id.is_some_and(|id| {
                ids.iter()
                    .any(|(first, last)| (*first..=*last).contains(&id))
            }),
            Self::Tag(tag) => head
                .actions
                .tags
                .iter()
                .any(|known| tag.is_match(known.as_bytes())),
            Self::Message(pattern) => head.actions.msg.as_ref().is_some_and(|msg| {
                msg.pieces
                    .iter()
                    .any(|piece| matches!(piece, Piece::Text(text) if pattern.is_match(text)))
            }),
        }
    }
}
