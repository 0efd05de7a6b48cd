//! The verdict table and the stream that feeds it.

use std::sync::{Arc, Mutex, PoisonError};

use ostiary_verdicts::wire::{self, FromGuard, ToGuard};
use ostiary_verdicts::{Effect, FrameError, Frames, Key, Kind, ServerClock, Session, Settings};
use prost::Message;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The kinds by the words of documents and logs.
const KINDS: [(&str, Kind); 8] = [
    ("user", Kind::User),
    ("session", Kind::Session),
    ("device", Kind::Device),
    ("workload", Kind::Workload),
    ("address", Kind::Address),
    ("api-key", Kind::ApiKey),
    ("token", Kind::Token),
    ("provider", Kind::Provider),
];

fn wrong(why: impl ToString) -> PyErr {
    PyValueError::new_err(why.to_string())
}

fn kind_of(word: &str) -> PyResult<Kind> {
    let known = KINDS.iter().find(|(known, _)| *known == word);
    known
        .map(|(_, kind)| *kind)
        .ok_or_else(|| wrong(format!("{word} is no kind of verdict")))
}

fn effect_of(word: &str) -> PyResult<wire::Effect> {
    match word {
        "deny" => Ok(wire::Effect::Deny),
        "step-up" => Ok(wire::Effect::StepUp),
        "limit" => Ok(wire::Effect::Limit),
        "score" => Ok(wire::Effect::Score),
        "known" => Ok(wire::Effect::Known),
        _ => Err(wrong(format!("{word} is no effect"))),
    }
}

/// What holds against somebody.
#[pyclass(frozen, get_all, module = "ostiary_guard._native")]
#[derive(Debug)]
pub(crate) struct Standing {
    effect: &'static str,
    verdict: Vec<u8>,
    kind: &'static str,
    reason: String,
    since_ms: i64,
    risk: u8,
}

impl Standing {
    fn of(found: &ostiary_verdicts::Standing) -> Self {
        let kind = KINDS.iter().find(|(_, kind)| *kind == found.kind);
        Self {
            effect: Effect::word(found.effect),
            verdict: found.verdict.to_vec(),
            kind: kind.map_or("", |(word, _)| word),
            reason: found.reason.to_string(),
            since_ms: found.since_ms,
            risk: found.risk,
        }
    }
}

#[pymethods]
impl Standing {
    fn __repr__(&self) -> String {
        format!(
            "Standing({} by {}, {}, risk {})",
            self.effect, self.kind, self.reason, self.risk
        )
    }
}

/// The verdicts of one process.
#[pyclass(frozen, module = "ostiary_guard._native")]
pub(crate) struct Table(Arc<ostiary_verdicts::Table>);

#[pymethods]
impl Table {
    #[new]
    #[pyo3(signature = (most = 1_000_000, seeds = (0, 0)))]
    fn new(most: usize, seeds: (u64, u64)) -> Self {
        Self(ostiary_verdicts::Table::new(Settings {
            seeds: [seeds.0, seeds.1],
            most,
        }))
    }

    /// A serialised `Verdict` holds from now on; returns how many streams have to end.
    fn put(&self, verdict: &[u8], now_ms: i64) -> PyResult<usize> {
        let verdict = wire::Verdict::decode(verdict).map_err(wrong)?;
        self.0
            .put(&verdict, now_ms)
            .map(|endings| endings.len())
            .map_err(wrong)
    }

    /// The verdict `uuid` about that key holds no longer.
    fn lift(&self, uuid: &[u8], kind: &str, key: &str, now_ms: i64) -> PyResult<()> {
        let kind = kind_of(kind)? as i32;
        let lift = wire::Lift {
            id: uuid.to_vec(),
            kind,
            key: key.to_owned(),
        };
        self.0.lift(&lift, now_ms).map(drop).map_err(wrong)
    }

    #[pyo3(signature = (keys, now_ms, auth_ms = None))]
    fn standing(
        &self,
        keys: Vec<(String, String)>,
        now_ms: i64,
        auth_ms: Option<i64>,
    ) -> PyResult<Option<Standing>> {
        standing(&self.0, &keys, now_ms, auth_ms)
    }

    #[getter]
    fn entries(&self) -> usize {
        self.0.entries()
    }

    #[getter]
    fn refused(&self) -> u64 {
        self.0.refused()
    }

    #[getter]
    fn full(&self) -> bool {
        self.0.full()
    }
}

fn standing(
    table: &ostiary_verdicts::Table,
    keys: &[(String, String)],
    now_ms: i64,
    auth_ms: Option<i64>,
) -> PyResult<Option<Standing>> {
    let keys: PyResult<Vec<Key<'_>>> = keys
        .iter()
        .map(|(kind, key)| Ok(Key::Named(kind_of(kind)?, key)))
        .collect();
    Ok(table
        .look_up(&keys?, auth_ms, now_ms)
        .as_ref()
        .map(Standing::of))
}

/// A whole guard without an Envoy: what it answers to the messages of the stream.
#[pyclass(frozen, module = "ostiary_guard._native")]
pub(crate) struct Replica {
    table: Arc<ostiary_verdicts::Table>,
    clock: ServerClock,
    session: Mutex<Session>,
}

#[pymethods]
impl Replica {
    #[new]
    #[pyo3(signature = (most = 1_000_000, wall_ms = 0))]
    fn new(most: usize, wall_ms: i64) -> Self {
        Self {
            table: ostiary_verdicts::Table::new(Settings {
                seeds: [0, 0],
                most,
            }),
            clock: ServerClock::new(wall_ms, 0),
            session: Mutex::default(),
        }
    }

    /// The first message of a new stream, a serialised `FromGuard`.
    #[pyo3(signature = (guard = "", envoy = ""))]
    fn hello<'py>(&self, py: Python<'py>, guard: &str, envoy: &str) -> Bound<'py, PyBytes> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        PyBytes::new(py, &session.hello(guard, envoy, &[]).encode_to_vec())
    }

    /// A serialised `ToGuard` is enforced; returns the answer, if there is one.
    #[pyo3(signature = (message, mono_ms = 0))]
    fn told<'py>(
        &self,
        py: Python<'py>,
        message: &[u8],
        mono_ms: u64,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let message = ToGuard::decode(message).map_err(wrong)?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let step = session
            .told(&self.table, &self.clock, message, mono_ms)
            .map_err(wrong)?;
        Ok(step
            .answer
            .map(|answer: FromGuard| PyBytes::new(py, &answer.encode_to_vec())))
    }

    #[pyo3(signature = (keys, mono_ms = 0, auth_ms = None))]
    fn standing(
        &self,
        keys: Vec<(String, String)>,
        mono_ms: u64,
        auth_ms: Option<i64>,
    ) -> PyResult<Option<Standing>> {
        standing(&self.table, &keys, self.clock.now_ms(mono_ms), auth_ms)
    }

    #[getter]
    fn epoch(&self) -> String {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.epoch().to_owned()
    }

    #[getter]
    fn applied(&self) -> u64 {
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .applied()
    }

    #[getter]
    fn entries(&self) -> usize {
        self.table.entries()
    }
}

/// A serialised `Verdict`.
#[pyfunction]
#[pyo3(signature = (uuid, kind, key, effect, *, reason = "", source = "", since_ms = 0, expires_ms = 0,
    score = 0, rate = 0, per_ms = 0))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn verdict<'py>(
    py: Python<'py>,
    uuid: &[u8],
    kind: &str,
    key: &str,
    effect: &str,
    reason: &str,
    source: &str,
    since_ms: i64,
    expires_ms: i64,
    score: u32,
    rate: u32,
    per_ms: u32,
) -> PyResult<Bound<'py, PyBytes>> {
    let made = wire::Verdict {
        id: uuid.to_vec(),
        kind: kind_of(kind)? as i32,
        key: key.to_owned(),
        effect: effect_of(effect)? as i32,
        reason: reason.to_owned(),
        source: source.to_owned(),
        since_ms,
        expires_ms,
        score,
        rate,
        per_ms,
    };
    ostiary_verdicts::Table::check(&made).map_err(wrong)?;
    Ok(PyBytes::new(py, &made.encode_to_vec()))
}

/// The complete messages in `data`, as the guard cuts its stream into them.
#[pyfunction]
pub(crate) fn read_frames<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let mut found = Vec::new();
    let read: Result<(), FrameError> = Frames::new().push(data, |message| {
        found.push(PyBytes::new(py, message));
        Ok(())
    });
    read.map_err(wrong)?;
    Ok(found)
}

/// A serialised `FromGuard` or `ToGuard` behind its prefix, as it stands on the wire.
#[pyfunction]
pub(crate) fn frame<'py>(py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let message = ToGuard::decode(message).map_err(wrong)?;
    Ok(PyBytes::new(py, &ostiary_verdicts::frame(&message)))
}
