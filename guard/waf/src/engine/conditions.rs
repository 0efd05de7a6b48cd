//! What one route decides about a plan that many routes share.

use crate::plan::exclusion::Exclusion;
use crate::plan::settings::{Exhausted, Mode};

/// Decisions of one route. A field that is `None` leaves the word of the plan.
///
/// Thresholds win over what rules set: `setvar` of a threshold that stands
/// here (or in [`Settings`](crate::Settings)) has no effect.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Whether rules stop requests; no `ctl:ruleEngine` goes beyond it.
    pub mode: Option<Mode>,
    /// Inbound anomaly threshold of CRS.
    pub threshold: Option<u32>,
    /// Outbound anomaly threshold of CRS.
    pub response_threshold: Option<u32>,
    /// Work units per request.
    pub budget: Option<u64>,
    /// What happens beyond the budget.
    pub exhausted: Option<Exhausted>,
    /// The longest request body that is inspected, in bytes; a longer one is refused with 413.
    pub body_limit: Option<usize>,
    /// Whether bodies of responses are inspected.
    pub response: Option<bool>,
    /// What is left out at every request of the route. An exclusion that holds for some paths
    /// only is given to [`Transaction::exclude`](crate::Transaction::exclude) instead.
    pub exclude: Vec<Exclusion>,
}
