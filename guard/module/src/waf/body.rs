//! `waf_body`: the rules of phase 2, with the whole body, after the rules of the route said "may".
//!
//! A body is held until it is there as a whole or longer than its limit: none goes on half inspected.
//! Calls and upgrades have no end to wait for; of them the head is inspected.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::request::Request;
use super::settings::Mode;
use super::{Route, Stop, evidence};
use crate::abi::{AfterBody, AfterHeaders, Attribute, Body, Headers, Http};
use crate::ending::{Refusal, refuse};
use crate::live::speaks_grpc;

/// Bytes beyond the limit that may come in one piece.
const SLACK: usize = 1 << 20;

/// See the module.
#[derive(Default)]
pub(crate) struct BodyStage {
    request: RefCell<Option<Arc<Request>>>,
    holds: Cell<bool>,
}

impl BodyStage {
    pub(crate) fn request_headers(
        &self,
        http: &Http<'_>,
        route: Option<&Arc<Route>>,
        end: bool,
    ) -> AfterHeaders {
        if route.is_none_or(|one| one.text.mode == Mode::Off) {
            return AfterHeaders::Continue;
        }
        let Some(request) = Request::find(http) else {
            refuse(http, speaks_grpc(http), &Refusal::Failed);
            return AfterHeaders::Stop;
        };
        *self.request.borrow_mut() = Some(Arc::clone(&request));
        let inspected = self.begin(http, &request, end);
        if let Err(refusal) = inspected {
            self.refuse(http, &request, &refusal);
            return AfterHeaders::Stop;
        }
        if self.holds.get() {
            AfterHeaders::Stop
        } else {
            AfterHeaders::Continue
        }
    }

    fn begin(&self, http: &Http<'_>, request: &Request, end: bool) -> Result<(), Refusal> {
        if request.missed.get().is_some() {
            return Ok(());
        }
        if end || (request.route.text.calls && is_call(http)) {
            return self.inspect(http, request, false, false);
        }
        let limit = request.ready()?.body_limit;
        let stop = if is_unreadable(http) {
            Some(Stop::Unreadable)
        } else if has_no_end(http) {
            return self.inspect(http, request, false, false);
        } else if declared(http).is_some_and(|size| size > limit as u64) {
            Some(Stop::TooLong)
        } else {
            None
        };
        if let Some(stop) = stop {
            return self.cannot(http, request, stop);
        }
        http.hold_up_to(limit + SLACK);
        self.holds.set(true);
        Ok(())
    }

    /// A body that cannot be inspected is refused; where rules only watch, it goes on and that is noted.
    fn cannot(&self, http: &Http<'_>, request: &Request, stop: Stop) -> Result<(), Refusal> {
        if request.route.blocks() {
            return Err(Refusal::Firewall(stop));
        }
        request.missed.set(Some(stop));
        self.inspect(http, request, false, false)
    }

    pub(crate) fn request_body(&self, http: &Http<'_>, end: bool) -> AfterBody {
        let Some(request) = self.waiting() else {
            return AfterBody::Continue;
        };
        match self.piece(http, &request, end) {
            Ok(after) => after,
            Err(refusal) => {
                self.refuse(http, &request, &refusal);
                AfterBody::Drop
            }
        }
    }

    fn piece(&self, http: &Http<'_>, request: &Request, end: bool) -> Result<AfterBody, Refusal> {
        let size = http.body_size(Body::Request, true);
        let stop = if size > request.ready()?.body_limit {
            Some(Stop::TooLong)
        } else if !request.holding.grow_to(request.bounds, size) || request.is_over() {
            Some(Stop::Busy)
        } else {
            None
        };
        match stop {
            Some(stop) => self.cannot(http, request, stop)?,
            None if end => self.inspect(http, request, true, true)?,
            None => return Ok(AfterBody::Hold),
        }
        Ok(AfterBody::Continue)
    }

    pub(crate) fn request_trailers(&self, http: &Http<'_>) -> AfterHeaders {
        let Some(request) = self.waiting() else {
            return AfterHeaders::Continue;
        };
        match self.inspect(http, &request, true, false) {
            Ok(()) => AfterHeaders::Continue,
            Err(refusal) => {
                self.refuse(http, &request, &refusal);
                AfterHeaders::Stop
            }
        }
    }

    /// The request whose body is held.
    fn waiting(&self) -> Option<Arc<Request>> {
        let request = self.request.borrow().clone();
        request.filter(|_| self.holds.get())
    }

    fn inspect(
        &self,
        http: &Http<'_>,
        request: &Request,
        with_body: bool,
        arriving: bool,
    ) -> Result<(), Refusal> {
        self.holds.set(false);
        if with_body {
            request.inspect_body(http, arriving)?;
        } else {
            request.inspect_no_body()?;
        }
        if request.route.text.response {
            // What comes compressed no rule can read.
            http.set_header(Headers::Request, "accept-encoding", None);
        }
        Ok(())
    }

    fn refuse(&self, http: &Http<'_>, request: &Request, refusal: &Refusal) {
        self.holds.set(false);
        request.holding.release();
        if let Refusal::Firewall(stop) = refusal {
            request.stopped.set(Some(*stop));
            evidence::write(http, request);
        }
        refuse(http, speaks_grpc(http), refusal);
    }
}

/// Whether the two sides go on talking: a tunnel, or an upgrade as Envoy sees one.
fn has_no_end(http: &Http<'_>) -> bool {
    let upgrades = |line: &&[u8]| {
        let mut words = line.split(|byte| *byte == b',');
        words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    };
    let lines = http.header_values(Headers::Request, "connection");
    let upgrade = http.header(Headers::Request, "upgrade").is_some();
    http.header(Headers::Request, ":method") == Some(b"CONNECT")
        || (upgrade && lines.iter().any(upgrades))
}

/// A call has no end to wait for. Only HTTP/2 and later carry one, and only to an application that
/// speaks gRPC: the word alone does not help past the inspection of other bodies.
fn is_call(http: &Http<'_>) -> bool {
    let protocol = http.attribute(Attribute::Protocol).unwrap_or_default();
    speaks_grpc(http) && !protocol.starts_with(b"HTTP/1")
}

/// Whether no rule can read the body: it is compressed, or comes before both sides agreed to talk in
/// another protocol.
fn is_unreadable(http: &Http<'_>) -> bool {
    let plain = |value: &[u8]| value.eq_ignore_ascii_case(b"identity") || value.is_empty();
    let encodings = http.header_values(Headers::Request, "content-encoding");
    let has_body = declared(http).is_some_and(|size| size > 0)
        || http.header(Headers::Request, "transfer-encoding").is_some();
    encodings.iter().any(|one| !plain(one.trim_ascii())) || (has_no_end(http) && has_body)
}

fn declared(http: &Http<'_>) -> Option<u64> {
    let text = http.header(Headers::Request, "content-length")?;
    std::str::from_utf8(text).ok()?.parse().ok()
}
