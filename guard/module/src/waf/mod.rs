//! The firewall: rules that requests and answers are held against, in two filters of one stream.
//!
//! `head` runs phase 1 before anybody knows who asks, and the phases of the answer; `body` runs phase 2
//! after the rules of the route let the request pass. Both work on one `request`. A route that
//! demands rules and cannot have them refuses.

mod body;
mod bounds;
mod evidence;
mod head;
mod record;
mod request;
mod route;
mod sets;
mod settings;

use std::sync::Arc;

use ostiary_waf::Outcome;

pub(crate) use body::BodyStage;
pub(crate) use head::HeadStage;
pub(crate) use route::Route;

use bounds::Bounds;
use settings::{BodySettings, HeadSettings};

/// Why the firewall stops a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Rules, with this status.
    Blocked(u16),
    /// The body is longer than what is inspected.
    TooLong,
    /// Inspecting it costs more work than a request may.
    Exhausted,
    /// Too many bodies are held, or strangers of its address cause too much work.
    Busy,
    /// No rule can read the body.
    Unreadable,
    /// The body is not what it says it is, and no rule asks for that.
    Malformed,
}

impl Stop {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome {
                by: 0, status: 413, ..
            } => Self::TooLong,
            Outcome {
                by: 0,
                exhausted: true,
                ..
            } => Self::Exhausted,
            Outcome {
                by: 0,
                unreadable: true,
                ..
            } => Self::Malformed,
            Outcome { status, .. } => Self::Blocked(*status),
        }
    }

    /// What the log calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Blocked(_) => "waf-blocked",
            Self::TooLong => "waf-body-limit",
            Self::Exhausted => "waf-exhausted",
            Self::Busy => "waf-busy",
            Self::Unreadable => "waf-encoding",
            Self::Malformed => "waf-body",
        }
    }

    /// Status, gRPC status, reason for the listener's local replies.
    pub(crate) fn codes(self) -> (u32, &'static str, &'static str) {
        match self {
            Self::Blocked(status @ 400..=599) => (u32::from(status), "7", "ostiary.waf_blocked"),
            Self::Blocked(_) => (403, "7", "ostiary.waf_blocked"),
            Self::TooLong => (413, "8", "ostiary.waf_body_limit"),
            Self::Exhausted => (403, "8", "ostiary.waf_exhausted"),
            Self::Busy => (503, "14", "ostiary.waf_busy"),
            Self::Unreadable => (415, "3", "ostiary.waf_encoding"),
            Self::Malformed => (400, "3", "ostiary.waf_body"),
        }
    }
}

/// The configuration of `waf_head`: the rule sets of its listener, kept for as long as it lives.
pub(crate) struct HeadRole {
    bounds: Bounds,
    _sets: Vec<Arc<sets::Set>>,
}

impl HeadRole {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let settings: HeadSettings = serde_json::from_str(text).map_err(|why| why.to_string())?;
        let secret = Arc::new(settings.secret.clone());
        let sets = settings.sets.iter();
        let sets = sets.map(|(name, text)| sets::take_in(name, text, &secret));
        Ok(Self {
            bounds: Bounds::new(&settings),
            _sets: sets.collect::<Result<_, _>>()?,
        })
    }
}

/// The settings of `waf_body` are sound; it has none.
pub(crate) fn check_body_settings(text: &str) -> Result<(), String> {
    let read = serde_json::from_str::<BodySettings>(text);
    read.map(drop).map_err(|why| why.to_string())
}

/// How the firewall is, by numbers.
pub(crate) fn state() -> serde_json::Value {
    serde_json::json!({
        "requests": request::open(),
        "held": bounds::held(),
        "plans": sets::plans(),
    })
}
