//! What the two filters of the firewall are told: rule sets once per listener, and per route which of
//! them applies and how.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use ostiary_waf::{CORE, Fault, Files, RuleSet, Source};
use serde::Deserialize;

/// Most bytes of one rule set once it is unpacked; all of CRS 4 has 2 MiB.
const LARGEST_SET: usize = 64 << 20;
/// Microseconds of work a second that strangers from one address may cause, and how many at once.
const SOURCE_RATE: u64 = 100_000;
const SOURCE_BURST: u64 = 500_000;
/// Bytes of bodies that the process holds for inspection at most.
const BUFFER_CAP: usize = 64 << 20;

/// `waf_head` of a listener.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeadSettings {
    pub sets: HashMap<String, SetText>,
    #[serde(default)]
    pub secret: Secret,
    #[serde(default = "source_rate")]
    pub source_rate: u64,
    #[serde(default = "source_burst")]
    pub source_burst: u64,
    #[serde(default = "buffer_cap")]
    pub buffer_cap: usize,
}

fn source_rate() -> u64 {
    SOURCE_RATE
}

fn source_burst() -> u64 {
    SOURCE_BURST
}

fn buffer_cap() -> usize {
    BUFFER_CAP
}

/// `waf_body` of a listener has nothing to be told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodySettings {}

/// What no rule sees, and what rules see and nobody else.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Secret {
    /// Names of headers.
    pub headers: Vec<String>,
    /// How names of cookies begin.
    pub cookies: Vec<String>,
    pub arguments: Vec<String>,
    /// Names of arguments, in lower case, that are inspected and never shown.
    pub masked: Vec<String>,
}

/// A rule set on its way.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SetText {
    /// The pack that is compiled in stands first.
    pub core: bool,
    /// Base64 of zlib of the JSON of [`Plain`].
    pub packed: Option<String>,
    pub sources: Vec<SourceText>,
    pub data: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceText {
    pub name: String,
    pub text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Plain {
    sources: Vec<SourceText>,
    data: HashMap<String, String>,
}

impl SetText {
    /// The rules, read; or what is wrong with them, each with its file and line.
    pub(crate) fn read(&self) -> Result<RuleSet, String> {
        let packed = match &self.packed {
            Some(text) => unpack(text)?,
            None => Plain::default(),
        };
        let core = self.core.then(|| Source::new("core.conf", CORE));
        let written = packed.sources.iter().chain(&self.sources);
        let written = written.map(|one| Source::new(&one.name, &one.text));
        let sources: Vec<Source> = core.into_iter().chain(written).collect();
        let data = Data([&packed.data, &self.data]);
        RuleSet::parse(&sources, &data).map_err(|faults| in_words(&faults))
    }
}

fn unpack(text: &str) -> Result<Plain, String> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|why| format!("a packed rule set is no base64: {why}"))?;
    let json = decompress_to_vec_zlib_with_limit(&bytes, LARGEST_SET)
        .map_err(|why| format!("a packed rule set is no zlib: {why}"))?;
    serde_json::from_slice(&json).map_err(|why| format!("a packed rule set: {why}"))
}

/// One line for each fault, the first few.
pub(crate) fn in_words(faults: &[Fault]) -> String {
    let lines = faults.iter().take(10);
    let lines = lines.map(|one| format!("{}:{}: {}", one.file, one.line, one.message));
    lines.collect::<Vec<_>>().join("; ")
}

/// Data files by the name that rules write, with or without its folder.
struct Data<'a>([&'a HashMap<String, String>; 2]);

impl Files for Data<'_> {
    fn data(&self, _from: &str, path: &str) -> Option<Vec<u8>> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let found = self
            .0
            .iter()
            .find_map(|all| all.get(path).or_else(|| all.get(name)))?;
        Some(found.clone().into_bytes())
    }

    fn include(&self, _from: &str, _path: &str) -> Option<Vec<Source>> {
        None
    }
}

/// Whether rules stop requests.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Block,
    Shadow,
    Off,
}

impl Mode {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }
}

/// What happens to a request that uses its budget up.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Exhausted {
    #[default]
    Block,
    Score,
    Flag,
}

impl From<Exhausted> for ostiary_waf::Exhausted {
    fn from(one: Exhausted) -> Self {
        match one {
            Exhausted::Block => Self::Block,
            Exhausted::Score => Self::Score,
            Exhausted::Flag => Self::Flag,
        }
    }
}

/// What a route says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the document"
)]
pub(crate) struct RouteText {
    pub set: String,
    pub mode: Mode,
    #[serde(default)]
    pub paranoia: Option<u8>,
    #[serde(default)]
    pub threshold: Option<u32>,
    #[serde(default)]
    pub response_threshold: Option<u32>,
    #[serde(default)]
    pub body_limit: Option<usize>,
    #[serde(default)]
    pub response: bool,
    #[serde(default)]
    pub budget: Option<u64>,
    #[serde(default)]
    pub exhausted: Exhausted,
    #[serde(default)]
    pub exclude: Vec<ExcludeText>,
    /// Nobody is signed in here: what one address may cost is limited.
    #[serde(default)]
    pub anonymous: bool,
    /// The application speaks gRPC: bodies of calls are not held, and no rule reads them.
    #[serde(default)]
    pub calls: bool,
    /// The file of the log of inspected requests, or empty.
    #[serde(default)]
    pub log: String,
    /// The log has the request in it.
    #[serde(default)]
    pub record: bool,
    /// The time of each rule is taken.
    #[serde(default)]
    pub timing: bool,
    #[serde(default)]
    pub secret_arguments: Vec<String>,
    #[serde(default)]
    pub host: String,
    #[serde(default)]
    pub route: String,
}

/// Rules that do not look at some targets on some paths; none means all.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExcludeText {
    #[serde(default)]
    pub rules: Vec<u32>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub targets: Vec<String>,
    #[serde(default)]
    pub paths: Vec<String>,
}
