//! One filter of one stream, whichever role it has.

use crate::abi::{AfterBody, AfterHeaders, Http};
use crate::filter::Filter;
use crate::roles::{Role, Route};
use crate::waf::{self, BodyStage, HeadStage};

/// See the module. Hooks that a role has no use for let everything pass.
pub(crate) enum Stage {
    Trust(Filter),
    WafHead(HeadStage),
    WafBody(BodyStage),
}

impl Stage {
    pub(crate) fn new(role: &'static Role) -> Self {
        match role {
            Role::WafHead(head) => Self::WafHead(HeadStage::new(head)),
            Role::WafBody => Self::WafBody(BodyStage::default()),
            _ => Self::Trust(Filter::new(role)),
        }
    }

    pub(crate) fn request_headers(&self, http: &Http<'_>, end: bool) -> AfterHeaders {
        match self {
            Self::Trust(filter) if filter.request_headers(http) => AfterHeaders::Continue,
            Self::Trust(_) => AfterHeaders::Stop,
            Self::WafHead(head) => head.request_headers(http, firewall(http)),
            Self::WafBody(body) => body.request_headers(http, firewall(http), end),
        }
    }

    pub(crate) fn request_body(&self, http: &Http<'_>, end: bool) -> AfterBody {
        match self {
            Self::WafBody(body) => body.request_body(http, end),
            _ => AfterBody::Continue,
        }
    }

    pub(crate) fn request_trailers(&self, http: &Http<'_>) -> AfterHeaders {
        match self {
            Self::WafBody(body) => body.request_trailers(http),
            _ => AfterHeaders::Continue,
        }
    }

    pub(crate) fn response_headers(&self, http: &Http<'_>, end: bool) -> AfterHeaders {
        match self {
            Self::Trust(filter) => filter.response_headers(http, end),
            Self::WafHead(head) => return head.response_headers(http, end),
            Self::WafBody(_) => {}
        }
        AfterHeaders::Continue
    }

    pub(crate) fn response_body(&self, http: &Http<'_>, end: bool) -> AfterBody {
        match self {
            Self::Trust(filter) => filter.response_body(http, end),
            Self::WafHead(head) => return head.response_body(http, end),
            Self::WafBody(_) => {}
        }
        AfterBody::Continue
    }

    pub(crate) fn response_trailers(&self, http: &Http<'_>) -> AfterHeaders {
        match self {
            Self::WafHead(head) => head.response_trailers(http),
            _ => AfterHeaders::Continue,
        }
    }

    pub(crate) fn woken(&self, http: &Http<'_>, event: u64) {
        if let Self::Trust(filter) = self {
            filter.woken(http, event);
        }
    }

    /// Envoy or another filter answers by itself.
    pub(crate) fn local_reply(&self) {
        match self {
            Self::Trust(filter) => filter.over(),
            Self::WafHead(head) => head.local_reply(),
            Self::WafBody(_) => {}
        }
    }

    /// The stream is over; the log is written after this.
    pub(crate) fn complete(&self, http: &Http<'_>) {
        match self {
            Self::Trust(filter) => filter.over(),
            Self::WafHead(head) => head.complete(http),
            Self::WafBody(_) => {}
        }
    }

    /// Nothing reaches the stream any more.
    pub(crate) fn over(&self) {
        if let Self::Trust(filter) = self {
            filter.over();
        }
    }
}

fn firewall<'a>(http: &Http<'a>) -> Option<&'a std::sync::Arc<waf::Route>> {
    match http.route_settings() {
        Some(Route::Firewall(route)) => Some(route),
        _ => None,
    }
}
