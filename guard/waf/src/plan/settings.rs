//! What whoever embeds the engine decides.

/// Whether rules stop requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// No rule runs.
    Off,
    /// Rules run and are reported, nothing is stopped.
    Shadow,
    /// Rules stop requests.
    Block,
}

impl Mode {
    /// Read `SecRuleEngine`'s word.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        match word.to_ascii_lowercase().as_str() {
            "on" => Ok(Self::Block),
            "off" => Ok(Self::Off),
            "detectiononly" => Ok(Self::Shadow),
            _ => Err(format!("wants On, Off or DetectionOnly, not {word:?}")),
        }
    }
}

/// What happens to a request whose work budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// It is stopped with 403 when the mode is to block.
    Block,
    /// Its score grows by a critical match.
    Score,
    /// It is only flagged in the outcome.
    Flag,
}

/// Decisions beside the rules. A field that is `None` leaves the rule files' word.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether rules stop requests.
    pub mode: Option<Mode>,
    /// CRS paranoia level, 1 to 4: for blocking and for detection.
    pub paranoia: Option<u8>,
    /// CRS inbound anomaly threshold.
    pub threshold: Option<u32>,
    /// CRS outbound anomaly threshold.
    pub response_threshold: Option<u32>,
    /// The longest request body that is inspected; a longer one is refused with 413.
    pub body_limit: Option<usize>,
    /// Most arguments of a request, its query and body together.
    pub arguments: usize,
    /// Deepest nesting of JSON and XML.
    pub depth: usize,
    /// Work units per request; one is about a nanosecond.
    pub budget: u64,
    /// What happens beyond the budget.
    pub exhausted: Exhausted,
    /// Header names (lower case) whose values no rule sees.
    pub secret_headers: Vec<String>,
    /// Prefixes of cookie names whose values no rule sees.
    pub secret_cookies: Vec<String>,
    /// Names of arguments (lower case) whose values no rule sees.
    pub secret_arguments: Vec<String>,
    /// Whether each rule's time is taken.
    pub timing: bool,
    /// Whether overlong UTF-8 and `%uXXXX` look-alikes are decoded before rules see them.
    pub decode_overlong: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: None,
            paranoia: None,
            threshold: None,
            response_threshold: None,
            body_limit: None,
            arguments: 1000,
            depth: 64,
            budget: 3_200_000,
            exhausted: Exhausted::Block,
            secret_headers: vec!["authorization".to_owned(), "proxy-authorization".to_owned()],
            secret_cookies: vec!["__Host-ostiary-".to_owned()],
            secret_arguments: Vec::new(),
            timing: false,
            decode_overlong: true,
        }
    }
}
