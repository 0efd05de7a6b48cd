//! One inspected request: the transaction that both filters of the firewall work on.
//!
//! The head's filter owns it. It leaves the number of the request in the stream's filter state, under
//! which the body's filter, on the same worker, finds it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use ostiary_waf::{Outcome, RequestHead, Transaction};

use super::Stop;
use super::bounds::{Bounds, Holding, Stranger};
use super::record::Recorded;
use super::route::{Ready, Route};
use crate::abi::{Attribute, Body, Headers, Http, Level, log};
use crate::ending::Refusal;
use crate::{provoked, sent};

const LEFT: &str = "ostiary.waf";
/// Names that the gateway itself gives to headers.
const OURS: [&[u8]; 3] = [b"x-ostiary-", b"x-envoy-", b":"];
const SET_BY_US: [&[u8]; 3] = [b"x-request-id", b"x-forwarded-proto", b"host"];

static NUMBER: AtomicU64 = AtomicU64::new(1);
static OPEN: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static BY_NUMBER: RefCell<HashMap<u64, Weak<Request>>> = RefCell::default();
}

/// How many requests are under inspection now.
pub(crate) fn open() -> u64 {
    OPEN.load(Ordering::Relaxed)
}

/// See the module.
pub(crate) struct Request {
    number: u64,
    pub route: Arc<Route>,
    pub bounds: &'static Bounds,
    transaction: RefCell<Option<Transaction>>,
    nanos: Cell<u64>,
    /// The last phase that ran.
    pub phase: Cell<u8>,
    pub stopped: Cell<Option<Stop>>,
    /// Why a request that is only watched was not inspected as a whole.
    pub missed: Cell<Option<Stop>>,
    stranger: Option<Stranger>,
    pub holding: Holding,
    /// How the log calls the request.
    pub id: String,
    pub recorded: RefCell<Option<Recorded>>,
}

impl Request {
    /// None where the rules of the route did not come.
    pub(crate) fn new(
        http: &Http<'_>,
        route: &Arc<Route>,
        bounds: &'static Bounds,
    ) -> Option<Self> {
        let ready = route.ready()?;
        let transaction = ready.begin(path_of(http));
        let stranger = route.text.anonymous.then(|| address(http)).flatten();
        OPEN.fetch_add(1, Ordering::Relaxed);
        Some(Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            route: Arc::clone(route),
            bounds,
            transaction: RefCell::new(Some(transaction)),
            nanos: Cell::new(0),
            phase: Cell::new(0),
            stopped: Cell::new(None),
            missed: Cell::new(None),
            stranger: stranger.map(Stranger::new),
            holding: Holding::default(),
            id: id_of(http),
            recorded: RefCell::default(),
        })
    }

    /// The rules of the route; they were there when the request came.
    pub(crate) fn ready(&self) -> Result<&Ready, Refusal> {
        self.route.ready().ok_or(Refusal::Failed)
    }

    /// The body's filter finds it from now on.
    pub(crate) fn announce(self: &Arc<Self>, http: &Http<'_>) -> Result<(), Refusal> {
        BY_NUMBER.with_borrow_mut(|all| all.insert(self.number, Arc::downgrade(self)));
        let left = http.leave(LEFT, &self.number.to_le_bytes());
        if left { Ok(()) } else { Err(Refusal::Failed) }
    }

    /// What the head's filter announced.
    pub(crate) fn find(http: &Http<'_>) -> Option<Arc<Self>> {
        let number = u64::from_le_bytes(http.left(LEFT)?.try_into().ok()?);
        BY_NUMBER.with_borrow(|all| all.get(&number).and_then(Weak::upgrade))
    }

    /// Nobody finds it any more.
    pub(crate) fn forget(&self) {
        // At the end of a thread there is nothing to forget.
        let _ = BY_NUMBER.try_with(|all| all.borrow_mut().remove(&self.number));
    }

    /// Whether strangers of its address caused more work than they may.
    pub(crate) fn is_over(&self) -> bool {
        self.stranger.is_some_and(|one| one.is_over(self.bounds))
    }

    /// Phase 1.
    pub(crate) fn inspect_head(&self, http: &Http<'_>) -> Result<(), Refusal> {
        let all = sent::restored(&http.headers(Headers::Request));
        let host = http.header(Headers::Request, ":authority");
        let host = host.map(|host| (&b"host"[..], host));
        let sent = all.iter().copied().filter(|(name, _)| is_theirs(name));
        let headers: Vec<(&[u8], &[u8])> = host.into_iter().chain(sent).collect();
        let header = |name| http.header(Headers::Request, name).unwrap_or_default();
        let remote = address(http).map(|one| one.to_string()).unwrap_or_default();
        let head = RequestHead {
            method: header(":method"),
            uri: header(":path"),
            protocol: http.attribute(Attribute::Protocol).unwrap_or(b"HTTP/1.1"),
            headers: &headers,
            remote: &remote,
            id: &self.id,
        };
        if self.route.text.record {
            let recorded = Recorded::new(&head, &self.ready()?.secret);
            *self.recorded.borrow_mut() = Some(recorded);
        }
        self.run(1, |transaction| transaction.request_head(&head))
    }

    /// Phase 2, with the body as far as it is here.
    pub(crate) fn inspect_body(&self, http: &Http<'_>, arriving: bool) -> Result<(), Refusal> {
        let pieces = http.body_pieces(Body::Request, arriving);
        self.inspect_request_bytes(&joined(&pieces))
    }

    /// Phase 2 without a body.
    pub(crate) fn inspect_no_body(&self) -> Result<(), Refusal> {
        self.inspect_request_bytes(&[])
    }

    fn inspect_request_bytes(&self, body: &[u8]) -> Result<(), Refusal> {
        if let Some(recorded) = self.recorded.borrow_mut().as_mut() {
            recorded.body(body, &self.ready()?.secret);
        }
        let inspected = self.run(2, |transaction| {
            provoked::in_message(body);
            transaction.request_body(body);
        });
        self.holding.release();
        inspected
    }

    /// Phases 4 and 5, with the body of the answer as far as it is here.
    pub(crate) fn inspect_answer(&self, http: &Http<'_>, arriving: bool) -> Result<(), Refusal> {
        let pieces = http.body_pieces(Body::Response, arriving);
        let body = joined(&pieces);
        let inspected = self.run(5, |transaction| {
            provoked::in_message(&body);
            transaction.response_body(&body);
        });
        self.holding.release();
        inspected
    }

    /// Lets the engine work. A fault of it ends the request.
    pub(crate) fn run(
        &self,
        phase: u8,
        step: impl FnOnce(&mut Transaction),
    ) -> Result<(), Refusal> {
        let mut held = self.transaction.borrow_mut();
        let transaction = held.as_mut().ok_or(Refusal::Failed)?;
        let begun = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| {
            step(transaction);
            transaction.interrupted().then(|| transaction.verdict())
        }));
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanos.set(self.nanos.get().saturating_add(nanos));
        self.phase.set(phase);
        if let Some(stranger) = self.stranger {
            stranger.charge(self.bounds, nanos / 1000);
        }
        match done {
            Ok(None) => Ok(()),
            Ok(Some(outcome)) => Err(Refusal::Firewall(Stop::of(&outcome))),
            Err(_) => {
                log(
                    Level::Error,
                    "ostiary guard: the rule engine panicked; this is a fault of the guard",
                );
                let broken = held.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
                Err(Refusal::Failed)
            }
        }
    }

    /// Whether the rules want the body of the answer.
    pub(crate) fn wants_answer(&self) -> bool {
        let held = self.transaction.borrow();
        held.as_ref().is_some_and(Transaction::wants_response_body)
    }

    /// What came of it; None after a fault of the engine.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.transaction.borrow().as_ref().map(Transaction::verdict)
    }

    /// Microseconds of work so far.
    pub(crate) fn micros(&self) -> u64 {
        self.nanos.get() / 1000
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the client said this, or we did before any rule saw it.
fn is_theirs(name: &[u8]) -> bool {
    !OURS.iter().any(|ours| name.starts_with(ours)) && !SET_BY_US.contains(&name)
}

fn path_of<'a>(http: &Http<'a>) -> &'a [u8] {
    let path = http.header(Headers::Request, ":path").unwrap_or_default();
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
    &path[..end.unwrap_or(path.len())]
}

fn id_of(http: &Http<'_>) -> String {
    let header = |name| http.header(Headers::Request, name);
    let id = header("x-crs-test").or_else(|| header("x-request-id"));
    String::from_utf8_lossy(id.unwrap_or_default()).into_owned()
}

/// The client's address, after X-Forwarded-For where that is believed.
fn address(http: &Http<'_>) -> Option<IpAddr> {
    let text = std::str::from_utf8(http.attribute(Attribute::SourceAddress)?).ok()?;
    let socket = text.parse::<std::net::SocketAddr>().map(|one| one.ip());
    socket.or_else(|_| text.parse()).ok()
}

fn joined<'a>(pieces: &[&'a [u8]]) -> std::borrow::Cow<'a, [u8]> {
    match pieces {
        [] => (&[][..]).into(),
        [one] => (*one).into(),
        all => all.concat().into(),
    }
}
