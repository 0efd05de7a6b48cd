//! Whole messages: all headers of one, bodies that are held until they are there, and what one filter
//! of a stream leaves for another.

use std::ffi::c_void;

use super::calls::{Bytes, Given};
use super::{Headers, Http};

/// What Envoy does after a hook about headers or trailers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum AfterHeaders {
    Continue = 0,
    /// No later filter sees them yet; the body comes to this filter.
    Stop = 1,
}

/// What Envoy does after a hook about a piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum AfterBody {
    /// What was held goes on, and this piece behind it.
    Continue = 0,
    /// It is kept with what is held.
    Hold = 1,
    /// Nobody needs it any more.
    Drop = 3,
}

/// Which body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Request,
    Response,
}

impl Body {
    /// Envoy's number for the piece that just came; one more is what is held.
    fn received(self) -> u32 {
        match self {
            Self::Request => 0,
            Self::Response => 2,
        }
    }
}

unsafe extern "C" {
    fn envoy_dynamic_module_callback_http_get_headers_size(filter: *mut c_void, kind: u32)
    -> usize;
    fn envoy_dynamic_module_callback_http_get_headers(
        filter: *mut c_void,
        kind: u32,
        found: *mut [Bytes; 2],
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_body_size(filter: *mut c_void, kind: u32) -> usize;
    fn envoy_dynamic_module_callback_http_received_buffered_request_body(
        filter: *mut c_void,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_received_buffered_response_body(
        filter: *mut c_void,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_buffer_limit(filter: *mut c_void) -> u64;
    fn envoy_dynamic_module_callback_http_set_buffer_limit(filter: *mut c_void, limit: u64);
    fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
        filter: *mut c_void,
        key: Given<'_>,
        value: Given<'_>,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_filter_state_bytes(
        filter: *mut c_void,
        key: Given<'_>,
        found: *mut Bytes,
    ) -> bool;
}

impl<'a> Http<'a> {
    /// All headers, pseudo-headers among them, in Envoy's order; duplicates are kept.
    pub(crate) fn headers(&self, kind: Headers) -> Vec<(&'a [u8], &'a [u8])> {
        // SAFETY: Envoy says how many there are and fills exactly those; the bytes live until the
        // headers change, within this hook.
        unsafe {
            let count = envoy_dynamic_module_callback_http_get_headers_size(self.raw, kind as u32);
            let mut found = vec![[Bytes::EMPTY; 2]; count];
            if !envoy_dynamic_module_callback_http_get_headers(
                self.raw,
                kind as u32,
                found.as_mut_ptr(),
            ) {
                return Vec::new();
            }
            let lent = found.iter();
            lent.map(|[name, value]| (name.lend(), value.lend()))
                .collect()
        }
    }

    /// Bytes of the body that are here: what is held, and the piece that just came when `arriving`.
    pub(crate) fn body_size(&self, body: Body, arriving: bool) -> usize {
        let kinds = self.kinds(body, arriving);
        // SAFETY: Envoy only looks.
        let size =
            |kind| unsafe { envoy_dynamic_module_callback_http_get_body_size(self.raw, kind) };
        kinds.into_iter().flatten().map(size).sum()
    }

    /// The same bytes in their pieces.
    pub(crate) fn body_pieces(&self, body: Body, arriving: bool) -> Vec<&'a [u8]> {
        let kinds = self.kinds(body, arriving);
        let pieces = |kind| self.pieces(kind);
        kinds.into_iter().flatten().flat_map(pieces).collect()
    }

    /// A filter before may have held the body and lets it go as one: then both are the same.
    fn kinds(&self, body: Body, arriving: bool) -> [Option<u32>; 2] {
        let received = body.received();
        // SAFETY: Envoy only looks.
        let same = arriving
            && unsafe {
                match body {
                    Body::Request => {
                        envoy_dynamic_module_callback_http_received_buffered_request_body(self.raw)
                    }
                    Body::Response => {
                        envoy_dynamic_module_callback_http_received_buffered_response_body(self.raw)
                    }
                }
            };
        [
            (!same).then_some(received + 1),
            arriving.then_some(received),
        ]
    }

    /// So many bytes may be held here at least.
    pub(crate) fn hold_up_to(&self, size: usize) {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        // SAFETY: no more than the filter's own pointer and a number.
        unsafe {
            if envoy_dynamic_module_callback_http_get_buffer_limit(self.raw) < size {
                envoy_dynamic_module_callback_http_set_buffer_limit(self.raw, size);
            }
        }
    }

    /// Leaves something for later filters of this stream.
    pub(crate) fn leave(&self, key: &str, value: &[u8]) -> bool {
        // SAFETY: Envoy copies both.
        unsafe {
            envoy_dynamic_module_callback_http_set_filter_state_bytes(
                self.raw,
                Given::of(key.as_bytes()),
                Given::of(value),
            )
        }
    }

    /// What an earlier filter left.
    pub(crate) fn left(&self, key: &str) -> Option<&'a [u8]> {
        let mut found = Bytes::EMPTY;
        // SAFETY: Envoy fills it; the bytes live as long as the stream.
        unsafe {
            envoy_dynamic_module_callback_http_get_filter_state_bytes(
                self.raw,
                Given::of(key.as_bytes()),
                &raw mut found,
            )
            .then(|| found.lend())
        }
    }
}
