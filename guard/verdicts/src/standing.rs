//! What all verdicts about one subject come to.

use std::sync::Arc;

use crate::bucket::Bucket;
use crate::wire::Kind;

/// What is done with a request; the more severe is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing but the score.
    Score,
    /// It is counted against the verdict's rate.
    Limit,
    /// It needs a fresher sign-in.
    StepUp,
    /// It is refused.
    Deny,
}

impl Effect {
    /// Whether streams that are already open have to end.
    #[must_use]
    pub fn ends(self) -> bool {
        self >= Self::StepUp
    }

    /// The word of the document and the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Limit => "limit",
            Self::StepUp => "step-up",
            Self::Deny => "deny",
        }
    }
}

/// The most severe effect and the highest score of all verdicts that hold.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What is done.
    pub effect: Effect,
    /// The verdict that says so.
    pub verdict: [u8; 16],
    /// What that verdict is about.
    pub kind: Kind,
    /// Its reason, a code.
    pub reason: Arc<str>,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// The highest score, 0 to 100.
    pub risk: u8,
    /// Unix milliseconds at which this has to be thought over; `i64::MAX` for never.
    pub until_ms: i64,
    /// The rate of the effect `Limit`.
    pub bucket: Option<Arc<Bucket>>,
}

impl Standing {
    /// Adds what another verdict says.
    pub(crate) fn join(known: Option<Self>, other: Self) -> Self {
        let Some(known) = known else { return other };
        let risk = known.risk.max(other.risk);
        let until_ms = known.until_ms.min(other.until_ms);
        // Of two that are as severe the older one speaks, so that an answer does not change.
        let newer = (known.since_ms, known.verdict) > (other.since_ms, other.verdict);
        let worse = other.effect > known.effect || other.effect == known.effect && newer;
        let speaks = if worse { other } else { known };
        Self {
            risk,
            until_ms,
            ..speaks
        }
    }

    /// Two subjects of one request: who asks, from where.
    #[must_use]
    pub fn both(one: Option<&Arc<Self>>, other: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        match (one, other) {
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => Some(Arc::clone(one)),
            (Some(one), Some(other)) => Some(Arc::new(Self::join(
                Some(one.as_ref().clone()),
                other.as_ref().clone(),
            ))),
        }
    }
}
