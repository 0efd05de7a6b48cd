//! What all verdicts about one subject come to.

use std::sync::Arc;

use crate::bucket::Bucket;
use crate::wire::Kind;

/// What is done with a request; the more severe is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing: the key exists.
    Known,
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
            Self::Known => "known",
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
    /// The verdict that says so: the oldest of several denials, the newest of several step-ups,
    /// the highest of several scores.
    pub verdict: [u8; 16],
    /// What that verdict is about.
    pub kind: Kind,
    /// Its reason, a code.
    pub reason: Arc<str>,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// The highest score, 0 to 100.
    pub risk: u8,
    /// Whether one of them says that the key exists.
    pub known: bool,
    /// Unix milliseconds at which this has to be thought over; `i64::MAX` for never.
    pub until_ms: i64,
    /// What every request has to be counted against, if the effect is `Limit`; see [`Self::take`].
    pub limits: Vec<Arc<Bucket>>,
    /// What holds for somebody whose sign-in satisfies this step-up.
    pub(crate) otherwise: Option<Arc<Standing>>,
}

impl Standing {
    /// What two verdicts, or the verdicts about two subjects, come to together.
    #[must_use]
    pub fn join(one: Self, other: Self) -> Self {
        let risk = one.risk.max(other.risk);
        let known = one.known || other.known;
        let until_ms = one.until_ms.min(other.until_ms);
        let (mut worse, mut milder) = if other.speaks_before(&one) {
            (other, one)
        } else {
            (one, other)
        };
        if worse.effect == Effect::Limit {
            let new = |bucket: &Arc<Bucket>| !worse.limits.iter().any(|k| Arc::ptr_eq(k, bucket));
            let added: Vec<_> = milder.limits.drain(..).filter(new).collect();
            worse.limits.extend(added);
        }
        if worse.effect == Effect::StepUp {
            let otherwise = worse.otherwise.take();
            let other = if milder.effect == Effect::StepUp {
                milder.otherwise
            } else {
                Some(Arc::new(milder))
            };
            worse.otherwise = Self::both(otherwise.as_ref(), other.as_ref());
        }
        Self {
            risk,
            known,
            until_ms,
            ..worse
        }
    }

    /// Of two equals always the same one speaks, so that an answer does not change.
    fn speaks_before(&self, other: &Self) -> bool {
        if self.effect != other.effect {
            return self.effect > other.effect;
        }
        let mine = (self.since_ms, self.verdict);
        let its = (other.since_ms, other.verdict);
        match self.effect {
            // Who satisfies the newest satisfies them all.
            Effect::StepUp => mine > its,
            Effect::Score if self.risk != other.risk => self.risk > other.risk,
            _ => mine < its,
        }
    }

    /// Both together, without a copy when there is only one.
    #[must_use]
    pub fn both(one: Option<&Arc<Self>>, other: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        match (one, other) {
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => Some(Arc::clone(one)),
            (Some(one), Some(other)) => Some(Arc::new(Self::join(
                one.as_ref().clone(),
                other.as_ref().clone(),
            ))),
        }
    }

    /// What this comes to for somebody who proved who he is at `auth_ms` (Unix milliseconds; None
    /// if he never did): a step-up since before then is satisfied. Use it on the standing of an
    /// address or a workload before it is joined with that of the credential, and in
    /// [`crate::Cut::cut`].
    #[must_use]
    pub fn judged(self: &Arc<Self>, auth_ms: Option<i64>) -> Option<Arc<Self>> {
        match (self.effect, auth_ms) {
            (Effect::StepUp, Some(at)) if at >= self.since_ms => self.otherwise.clone(),
            _ => Some(Arc::clone(self)),
        }
    }

    /// Counts one request against every limit, or says after how many milliseconds one will pass.
    /// Always passes when there is no limit.
    pub fn take(&self, mono_ms: u64) -> Result<(), u64> {
        self.limits
            .iter()
            .try_for_each(|bucket| bucket.take(mono_ms))
    }
}

/// What holds for one request: its credential's subject was made with `auth_ms`, the others
/// (address, workload) are judged by it here.
#[must_use]
pub fn of_request(
    credential: Option<&Arc<Standing>>,
    others: &[Option<Arc<Standing>>],
    auth_ms: Option<i64>,
) -> Option<Arc<Standing>> {
    let start = credential.and_then(|one| one.judged(auth_ms));
    others.iter().flatten().fold(start, |known, other| {
        Standing::both(known.as_ref(), other.judged(auth_ms).as_ref())
    })
}
