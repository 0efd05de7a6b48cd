//! `waf_head`: the rules of phase 1, before anybody knows who asks; and those of the answer, which
//! comes here last.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use ostiary_waf::{ResponseHead, Transaction};

use super::request::Request;
use super::settings::Mode;
use super::{HeadRole, Route, Stop, evidence};
use crate::abi::{AfterBody, AfterHeaders, Attribute, Body, Headers, Http};
use crate::ending::{Refusal, refuse};
use crate::live::{is_grpc, speaks_grpc};

/// Bytes beyond what is inspected that may come in one piece.
const SLACK: usize = 1 << 20;

/// See the module.
pub(crate) struct HeadStage {
    role: &'static HeadRole,
    request: RefCell<Option<Arc<Request>>>,
    /// Envoy or a filter answers, not the application; or the answer has been seen.
    settled: Cell<bool>,
    holds: Cell<bool>,
}

impl HeadStage {
    pub(crate) fn new(role: &'static HeadRole) -> Self {
        Self {
            role,
            request: RefCell::default(),
            settled: Cell::new(false),
            holds: Cell::new(false),
        }
    }

    pub(crate) fn request_headers(
        &self,
        http: &Http<'_>,
        route: Option<&Arc<Route>>,
    ) -> AfterHeaders {
        let Some(route) = route.filter(|one| one.text.mode != Mode::Off) else {
            return AfterHeaders::Continue;
        };
        match self.admit(http, route) {
            Ok(()) => AfterHeaders::Continue,
            Err(refusal) => {
                self.refuse(http, &refusal, speaks_grpc(http));
                AfterHeaders::Stop
            }
        }
    }

    fn admit(&self, http: &Http<'_>, route: &Arc<Route>) -> Result<(), Refusal> {
        let request = Request::new(http, route, &self.role.bounds).ok_or(Refusal::Failed)?;
        // A worker has a request for itself; the count may fall to zero on another thread.
        #[allow(clippy::arc_with_non_send_sync)]
        let request = Arc::new(request);
        *self.request.borrow_mut() = Some(Arc::clone(&request));
        if request.is_over() {
            if route.blocks() {
                return Err(Refusal::Firewall(Stop::Busy));
            }
            request.missed.set(Some(Stop::Busy));
            return request.announce(http);
        }
        request.inspect_head(http)?;
        request.announce(http)
    }

    /// The log and the local reply see why.
    fn refuse(&self, http: &Http<'_>, refusal: &Refusal, grpc: bool) {
        self.settled.set(true);
        let request = self.request.borrow().clone();
        if let (Some(request), Refusal::Firewall(stop)) = (request, refusal) {
            request.stopped.set(Some(*stop));
            evidence::write(http, &request);
        }
        refuse(http, grpc, refusal);
    }

    /// The request under inspection, where the answer is the application's and its rules run.
    fn inspected(&self) -> Option<Arc<Request>> {
        if self.settled.get() {
            return None;
        }
        let request = self.request.borrow().clone();
        request.filter(|one| one.route.text.response && one.missed.get().is_none())
    }

    pub(crate) fn response_headers(&self, http: &Http<'_>, end: bool) -> AfterHeaders {
        let Some(request) = self.inspected() else {
            return AfterHeaders::Continue;
        };
        if passes(http) {
            self.settled.set(true);
            return AfterHeaders::Continue;
        }
        let all = http.headers(Headers::Response);
        let sent = all.iter().copied();
        let headers: Vec<_> = sent.filter(|(name, _)| !name.starts_with(b":")).collect();
        let head = ResponseHead {
            status: status(http),
            protocol: http.attribute(Attribute::Protocol).unwrap_or(b"HTTP/1.1"),
            headers: &headers,
        };
        if let Err(refusal) = request.run(3, |one| one.response_head(&head)) {
            self.refuse(http, &refusal, false);
            return AfterHeaders::Stop;
        }
        if end || !request.wants_answer() {
            return if self.judge(http, &request, false) {
                AfterHeaders::Continue
            } else {
                AfterHeaders::Stop
            };
        }
        if let Ok(ready) = request.ready() {
            http.hold_up_to(ready.response_limit + SLACK);
        }
        self.holds.set(true);
        AfterHeaders::Stop
    }

    pub(crate) fn response_body(&self, http: &Http<'_>, end: bool) -> AfterBody {
        let Some(request) = self.inspected().filter(|_| self.holds.get()) else {
            return AfterBody::Continue;
        };
        let size = http.body_size(Body::Response, true);
        let limit = request.ready().map_or(0, |ready| ready.response_limit);
        // Beyond the process's bound an answer is inspected as far as it came.
        let held = request.holding.grow_to(request.bounds, size);
        if !end && size < limit && held {
            return AfterBody::Hold;
        }
        if self.judge(http, &request, true) {
            AfterBody::Continue
        } else {
            AfterBody::Drop
        }
    }

    pub(crate) fn response_trailers(&self, http: &Http<'_>) -> AfterHeaders {
        match self.inspected().filter(|_| self.holds.get()) {
            Some(request) if !self.judge(http, &request, false) => AfterHeaders::Stop,
            _ => AfterHeaders::Continue,
        }
    }

    /// Holds the answer against the rules; false when it was refused.
    fn judge(&self, http: &Http<'_>, request: &Request, arriving: bool) -> bool {
        self.holds.set(false);
        match request.inspect_answer(http, arriving) {
            Ok(()) => {
                self.settled.set(true);
                true
            }
            Err(refusal) => {
                self.refuse(http, &refusal, false);
                false
            }
        }
    }

    /// The answer is not the application's.
    pub(crate) fn local_reply(&self) {
        self.settled.set(true);
    }

    /// The stream ends; the log is written after this.
    pub(crate) fn complete(&self, http: &Http<'_>) {
        let request = self.request.borrow().clone();
        let Some(request) = request.filter(|one| one.stopped.get().is_none()) else {
            return;
        };
        if request.phase.get() < 5 {
            // A fault was said in the log, and nothing is left to refuse.
            let _ = request.run(5, Transaction::finish);
        }
        evidence::write(http, &request);
    }
}

impl Drop for HeadStage {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            request.forget();
        }
    }
}

/// Answers that are no messages to be read as a whole: streams of events, calls, upgrades.
fn passes(http: &Http<'_>) -> bool {
    let header = |name| http.header(Headers::Response, name).unwrap_or_default();
    header("content-type").starts_with(b"text/event-stream")
        || is_grpc(header("content-type"))
        || header(":status") == b"101"
        || http.header(Headers::Request, ":method") == Some(b"CONNECT")
}

fn status(http: &Http<'_>) -> u16 {
    let text = http
        .header(Headers::Response, ":status")
        .unwrap_or_default();
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.parse().unwrap_or(0)
}
