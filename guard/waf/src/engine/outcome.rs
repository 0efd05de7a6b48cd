//! What came of a request.

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The rule's number.
    pub id: u32,
    /// Its message, looked up.
    pub message: String,
    /// Its log data, looked up.
    pub data: String,
    /// Where it matched, `ARGS:name`.
    pub place: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// From 0 (emergency) to 7 (debug).
    pub severity: Option<u8>,
    /// Whether the rule wants to be seen (`nolog` rules do not).
    pub logged: bool,
}

/// The verdict so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the request is stopped.
    pub interrupted: bool,
    /// With which status.
    pub status: u16,
    /// The rule that stops it, or would if the mode were to stop; 0 when none does.
    pub by: u32,
    /// The inbound anomaly score.
    pub score: i64,
    /// The outbound anomaly score.
    pub response_score: i64,
    /// All matches in their order.
    pub matches: Vec<Match>,
    /// Work units that it took; one is about a nanosecond.
    pub work: u64,
    /// Whether the work budget was used up.
    pub exhausted: bool,
    /// Whether the body could not be read and no rule asks for that: stopped with 400.
    pub unreadable: bool,
    /// Patterns that gave up at their step bound; each is a rule nobody can vouch for.
    pub uncertain: Vec<u32>,
    /// Microseconds per rule, when times are taken.
    pub micros: Vec<(u32, u64)>,
}

impl Outcome {
    /// The numbers of the rules that want to be seen, in the order of their matches.
    #[must_use]
    pub fn rules(&self) -> Vec<u32> {
        self.matches
            .iter()
            .filter(|found| found.logged)
            .map(|found| found.id)
            .collect()
    }
}
