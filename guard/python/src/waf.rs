//! The WAF's engine: rules are read, compiled and asked about one request at a time.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use ostiary_waf::{
    CORE, Conditions, Exclusion, Exhausted, Fault, Files, Mode, NoFiles, RequestHead, ResponseHead,
    Settings, Source, Transaction,
};
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

create_exception!(
    ostiary_guard._native,
    RuleFaults,
    PyValueError,
    "Rules that cannot be read: `faults` is a list of (file, line, sentence)."
);

fn wrong(why: impl ToString) -> PyErr {
    PyValueError::new_err(why.to_string())
}

fn faulty(py: Python<'_>, faults: &[Fault]) -> PyErr {
    let all: Vec<(&str, usize, &str)> = faults
        .iter()
        .map(|one| (one.file.as_str(), one.line, one.message.as_str()))
        .collect();
    let words: Vec<String> = faults
        .iter()
        .map(|one| format!("{}:{}: {}", one.file, one.line, one.message))
        .collect();
    let error = RuleFaults::new_err(words.join("\n"));
    match error.value(py).setattr("faults", all) {
        Ok(()) => error,
        Err(other) => other,
    }
}

fn mode_of(word: Option<&str>) -> PyResult<Option<Mode>> {
    word.map(|word| match word {
        "off" => Ok(Mode::Off),
        "shadow" => Ok(Mode::Shadow),
        "block" => Ok(Mode::Block),
        _ => Err(wrong(format!("{word} is no mode: block, shadow or off"))),
    })
    .transpose()
}

fn exhausted_of(word: &str) -> PyResult<Exhausted> {
    match word {
        "block" => Ok(Exhausted::Block),
        "score" => Ok(Exhausted::Score),
        "flag" => Ok(Exhausted::Flag),
        _ => Err(wrong(format!("{word} is none of block, score and flag"))),
    }
}

/// The data files that rules name, by the name as it is written there.
struct Data(HashMap<String, String>);

impl Files for Data {
    fn data(&self, _from: &str, path: &str) -> Option<Vec<u8>> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let text = self.0.get(path).or_else(|| self.0.get(name));
        text.map(|text| text.clone().into_bytes())
    }

    fn include(&self, _from: &str, _path: &str) -> Option<Vec<Source>> {
        None
    }
}

/// Rules in `SecLang`, read.
#[pyclass(frozen, module = "ostiary_guard._native")]
pub(crate) struct RuleSet {
    read: ostiary_waf::RuleSet,
    all: OnceLock<Result<Arc<ostiary_waf::Plan>, Vec<Fault>>>,
}

#[pymethods]
impl RuleSet {
    #[new]
    #[pyo3(signature = (sources = Vec::new(), data = HashMap::new(), core = false))]
    fn new(
        py: Python<'_>,
        sources: Vec<(String, String)>,
        data: HashMap<String, String>,
        core: bool,
    ) -> PyResult<Self> {
        let pack = core.then(|| Source::new("core.conf", CORE));
        let named = sources
            .into_iter()
            .map(|(name, text)| Source::new(name, text));
        let sources: Vec<Source> = pack.into_iter().chain(named).collect();
        let read = py.detach(|| ostiary_waf::RuleSet::parse(&sources, &Data(data)));
        Ok(Self {
            read: read.map_err(|faults| faulty(py, &faults))?,
            all: OnceLock::new(),
        })
    }

    /// Every rule with a number, whatever its paranoia level, in the order they are written in.
    #[getter]
    fn rules<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let all = py.detach(|| {
            self.all
                .get_or_init(|| ostiary_waf::Plan::compile(&self.read, Settings::default()))
        });
        let plan = all.as_ref().map_err(|faults| faulty(py, faults))?;
        plan.each_rule().map(|rule| described(py, &rule)).collect()
    }

    fn __len__(&self) -> usize {
        self.read.rules()
    }
}

fn described<'py>(
    py: Python<'py>,
    rule: &ostiary_waf::RuleInfo<'_>,
) -> PyResult<Bound<'py, PyDict>> {
    let level = rule.tags.iter().find_map(|tag| {
        let level = tag.strip_prefix("paranoia-level/")?;
        level.parse::<u8>().ok()
    });
    let made = PyDict::new(py);
    made.set_item("id", rule.id)?;
    made.set_item("message", &rule.message)?;
    made.set_item("tags", rule.tags)?;
    made.set_item("phase", rule.phase)?;
    made.set_item("severity", rule.severity)?;
    made.set_item("logged", rule.logged)?;
    made.set_item("paranoia", level.unwrap_or(0))?;
    made.set_item("file", rule.file)?;
    made.set_item("line", rule.line)?;
    made.set_item("backtracks", rule.backtracks)?;
    Ok(made)
}

/// A rule that held.
#[pyclass(frozen, get_all, module = "ostiary_guard._native")]
pub(crate) struct Match {
    id: u32,
    message: String,
    data: String,
    place: String,
    tags: Vec<String>,
    severity: Option<u8>,
    logged: bool,
}

/// What came of one request.
#[pyclass(frozen, get_all, module = "ostiary_guard._native")]
pub(crate) struct Outcome {
    interrupted: bool,
    status: u16,
    by: u32,
    score: i64,
    response_score: i64,
    rules: Vec<u32>,
    matches: Vec<Py<Match>>,
    exhausted: bool,
    uncertain: Vec<u32>,
    micros: Vec<(u32, u64)>,
}

impl Outcome {
    fn of(py: Python<'_>, found: ostiary_waf::Outcome) -> PyResult<Self> {
        let rules = found.rules();
        let matches = found.matches.into_iter().map(|one| {
            let made = Match {
                id: one.id,
                message: one.message,
                data: one.data,
                place: one.place,
                tags: one.tags,
                severity: one.severity,
                logged: one.logged,
            };
            Py::new(py, made)
        });
        Ok(Self {
            interrupted: found.interrupted,
            status: found.status,
            by: found.by,
            score: found.score,
            response_score: found.response_score,
            rules,
            matches: matches.collect::<PyResult<_>>()?,
            exhausted: found.exhausted,
            uncertain: found.uncertain,
            micros: found.micros,
        })
    }
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn borrowed(headers: &Pairs) -> Vec<(&[u8], &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_slice(), value.as_slice()))
        .collect()
}

/// Rules, compiled for one set of decisions.
#[pyclass(frozen, module = "ostiary_guard._native")]
pub(crate) struct Plan(Arc<ostiary_waf::Plan>);

#[pymethods]
impl Plan {
    #[new]
    #[pyo3(signature = (rules, *, mode = None, paranoia = None, threshold = None,
        response_threshold = None, body_limit = None, arguments = None, depth = None,
        budget = None, exhausted = "block", secret_headers = None, secret_cookies = None,
        secret_arguments = None, timing = false, decode_overlong = true))]
    #[allow(
        clippy::too_many_arguments,
        reason = "each has its name where it is called"
    )]
    fn new(
        py: Python<'_>,
        rules: &RuleSet,
        mode: Option<&str>,
        paranoia: Option<u8>,
        threshold: Option<u32>,
        response_threshold: Option<u32>,
        body_limit: Option<usize>,
        arguments: Option<usize>,
        depth: Option<usize>,
        budget: Option<u64>,
        exhausted: &str,
        secret_headers: Option<Vec<String>>,
        secret_cookies: Option<Vec<String>>,
        secret_arguments: Option<Vec<String>>,
        timing: bool,
        decode_overlong: bool,
    ) -> PyResult<Self> {
        let usual = Settings::default();
        let settings = Settings {
            mode: mode_of(mode)?,
            paranoia,
            threshold,
            response_threshold,
            body_limit,
            arguments: arguments.unwrap_or(usual.arguments),
            depth: depth.unwrap_or(usual.depth),
            budget: budget.unwrap_or(usual.budget),
            exhausted: exhausted_of(exhausted)?,
            secret_headers: secret_headers.unwrap_or(usual.secret_headers),
            secret_cookies: secret_cookies.unwrap_or(usual.secret_cookies),
            secret_arguments: secret_arguments.unwrap_or(usual.secret_arguments),
            timing,
            decode_overlong,
        };
        let plan = py.detach(|| ostiary_waf::Plan::compile(&rules.read, settings));
        plan.map(Self).map_err(|faults| faulty(py, &faults))
    }

    /// What the rules say about one request, and about its response where there is one.
    #[pyo3(signature = (method, uri, headers, body = Vec::new(), *, remote = "127.0.0.1", request_id = "",
        protocol = "HTTP/1.1", response = None, mode = None, threshold = None,
        response_threshold = None, budget = None, body_limit = None, exclude = Vec::new()))]
    #[allow(
        clippy::too_many_arguments,
        reason = "each has its name where it is called"
    )]
    fn inspect(
        &self,
        py: Python<'_>,
        method: &str,
        uri: Vec<u8>,
        headers: Pairs,
        body: Vec<u8>,
        remote: &str,
        request_id: &str,
        protocol: &str,
        response: Option<(u16, Pairs, Vec<u8>)>,
        mode: Option<&str>,
        threshold: Option<u32>,
        response_threshold: Option<u32>,
        budget: Option<u64>,
        body_limit: Option<usize>,
        exclude: Vec<(Vec<String>, Vec<String>)>,
    ) -> PyResult<Outcome> {
        let excluded = exclude
            .iter()
            .map(|(rules, targets)| Exclusion::new(&self.0, rules, targets).map_err(wrong));
        let conditions = Conditions {
            mode: mode_of(mode)?,
            threshold,
            response_threshold,
            budget,
            body_limit,
            exclude: excluded.collect::<PyResult<_>>()?,
            ..Conditions::default()
        };
        let found = py.detach(|| {
            let mut asked = Transaction::with(&self.0, &conditions);
            asked.request_head(&RequestHead {
                method: method.as_bytes(),
                uri: &uri,
                protocol: protocol.as_bytes(),
                headers: &borrowed(&headers),
                remote,
                id: request_id,
            });
            asked.request_body(&body);
            match &response {
                None => asked.finish(),
                Some((status, headers, body)) => {
                    asked.response_head(&ResponseHead {
                        status: *status,
                        protocol: protocol.as_bytes(),
                        headers: &borrowed(headers),
                    });
                    asked.response_body(body);
                }
            }
            asked.verdict()
        });
        Outcome::of(py, found)
    }

    /// The rules that run at this paranoia level.
    #[getter]
    fn rules<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.0
            .each_rule()
            .map(|rule| described(py, &rule))
            .collect()
    }

    #[getter]
    fn body_limit(&self) -> usize {
        self.0.body_limit()
    }

    #[getter]
    fn inspects_responses(&self) -> bool {
        self.0.inspects_responses()
    }

    /// The rules that an exclusion with these words means; `ValueError` says what is wrong with it.
    #[pyo3(signature = (rules, targets = Vec::new()))]
    fn excluded(&self, rules: Vec<String>, targets: Vec<String>) -> PyResult<Vec<u32>> {
        let found = Exclusion::new(&self.0, &rules, &targets).map_err(wrong)?;
        Ok(found.rules().to_vec())
    }
}

/// What is wrong with a part of a request as exclusions name it (`ARGS:comment`); empty for nothing.
#[pyfunction]
pub(crate) fn target_fault(text: &str) -> String {
    static SMALLEST: OnceLock<Option<Arc<ostiary_waf::Plan>>> = OnceLock::new();
    let plan = SMALLEST.get_or_init(|| {
        let rule = Source::new("smallest", "SecAction \"id:1,phase:1,pass,nolog\"\n");
        let read = ostiary_waf::RuleSet::parse(&[rule], &NoFiles).ok()?;
        ostiary_waf::Plan::compile(&read, Settings::default()).ok()
    });
    let Some(plan) = plan else {
        return "the engine cannot read its own rule".to_owned();
    };
    Exclusion::new(plan, &["1"], &[text])
        .err()
        .unwrap_or_default()
}
