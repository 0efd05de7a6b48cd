//! Envoy's dynamic-module ABI of the pinned version, declared by hand, and safe handles over it.
//!
//! The only `unsafe` of the guard stands here and in `abi/`. What Envoy lends is lent for one
//! hook; the handles say so by their lifetimes. Names follow Envoy's `abi.h`.

#![allow(unsafe_code)]

mod bodies;
mod calls;
mod config;
mod hooks;
mod hooks_main;
mod network;

use std::ffi::c_void;
use std::marker::PhantomData;

pub(crate) use bodies::{AfterBody, AfterHeaders, Body};
use calls::{Bytes, Given, HeaderOut, Pair};
pub(crate) use config::{Config, ConfigScheduler, Early};
pub(crate) use network::{Close, Network};

use crate::roles::Route;

/// The version of the ABI in Envoy 1.40, NUL-terminated as Envoy wants it.
pub(crate) const ABI_VERSION: &std::ffi::CStr = c"v0.2.0";
/// The Envoy this module was made for.
pub(crate) const ENVOY: &str = "1.40.0";

/// Which headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Headers {
    /// Of the request.
    Request = 0,
    /// Of the response.
    Response = 2,
}

/// Facts about a stream, by Envoy's numbers.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Attribute {
    /// `request.protocol`: `HTTP/1.1`, `HTTP/2`.
    Protocol = 10,
    /// `source.address`: the client's address after X-Forwarded-For, with its port.
    SourceAddress = 24,
    /// `connection.uri_san_peer_certificate`.
    PeerUri = 37,
}

/// How loud.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Level {
    /// Somebody should look.
    Warn = 3,
    /// Something does not work.
    Error = 4,
}

/// Writes a line into Envoy's log.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: Envoy copies the text before it returns.
    unsafe { calls::envoy_dynamic_module_callback_log(level as u32, Given::of(text.as_bytes())) }
}

/// Whether Envoy only looks at its configuration. On the main thread only.
pub(crate) fn validating() -> bool {
    // SAFETY: no arguments; called from a config hook on the main thread.
    unsafe { calls::envoy_dynamic_module_callback_is_validation_mode() }
}

/// One HTTP stream, for the time of a hook.
#[derive(Clone, Copy)]
pub(crate) struct Http<'a> {
    raw: *mut c_void,
    hook: PhantomData<&'a ()>,
}

impl<'a> Http<'a> {
    fn new(raw: *mut c_void) -> Self {
        Self {
            raw,
            hook: PhantomData,
        }
    }

    /// The value of `name` at `index`, and how many there are.
    pub(crate) fn header_at(
        &self,
        kind: Headers,
        name: &str,
        index: usize,
    ) -> (Option<&'a [u8]>, usize) {
        let (mut found, mut count) = (Bytes::EMPTY, 0);
        // SAFETY: Envoy fills both; the bytes live until the headers change, within this hook.
        let there = unsafe {
            calls::envoy_dynamic_module_callback_http_get_header(
                self.raw,
                kind as u32,
                Given::of(name.as_bytes()),
                &raw mut found,
                index,
                &raw mut count,
            )
        };
        // SAFETY: as above.
        (there.then(|| unsafe { found.lend() }), count)
    }

    /// The first value of `name`.
    pub(crate) fn header(&self, kind: Headers, name: &str) -> Option<&'a [u8]> {
        self.header_at(kind, name, 0).0
    }

    /// Every value of `name`.
    pub(crate) fn header_values(&self, kind: Headers, name: &str) -> Vec<&'a [u8]> {
        let (first, count) = self.header_at(kind, name, 0);
        let rest = (1..count).filter_map(|index| self.header_at(kind, name, index).0);
        first.into_iter().chain(rest).collect()
    }

    /// Sets `name` to this one value; None takes it away.
    pub(crate) fn set_header(&self, kind: Headers, name: &str, value: Option<&[u8]>) {
        let value = value.map_or(Given::NOTHING, Given::of);
        // SAFETY: Envoy copies name and value.
        unsafe {
            calls::envoy_dynamic_module_callback_http_set_header(
                self.raw,
                kind as u32,
                Given::of(name.as_bytes()),
                value,
            );
        }
    }

    /// Adds one more value of `name`.
    pub(crate) fn add_header(&self, kind: Headers, name: &str, value: &[u8]) {
        // SAFETY: Envoy copies name and value.
        unsafe {
            calls::envoy_dynamic_module_callback_http_add_header(
                self.raw,
                kind as u32,
                Given::of(name.as_bytes()),
                Given::of(value),
            );
        }
    }

    /// A fact as text.
    pub(crate) fn attribute(&self, which: Attribute) -> Option<&'a [u8]> {
        let mut found = Bytes::EMPTY;
        // SAFETY: Envoy fills it; the bytes live as long as the stream.
        let there = unsafe {
            calls::envoy_dynamic_module_callback_http_filter_get_attribute_string(
                self.raw,
                which as u32,
                &raw mut found,
            )
        };
        // SAFETY: as above.
        there.then(|| unsafe { found.lend() })
    }

    /// The connection that only this stream can be in; None over HTTP/2 and later.
    pub(crate) fn own_connection(&self) -> Option<u64> {
        const CONNECTION_ID: u32 = 28;
        let protocol = self.attribute(Attribute::Protocol)?;
        let mut found = 0;
        // SAFETY: Envoy fills it.
        let there = unsafe {
            calls::envoy_dynamic_module_callback_http_filter_get_attribute_int(
                self.raw,
                CONNECTION_ID,
                &raw mut found,
            )
        };
        (there && protocol.starts_with(b"HTTP/1")).then_some(found)
    }

    /// Which of Envoy's workers this is.
    pub(crate) fn worker(&self) -> u32 {
        // SAFETY: no more than the filter's own pointer.
        unsafe { calls::envoy_dynamic_module_callback_http_filter_get_worker_index(self.raw) }
    }

    /// Sets the whole metadata namespace to a serialized `google.protobuf.Struct`.
    pub(crate) fn set_metadata(&self, namespace: &str, structure: &[u8]) {
        // SAFETY: Envoy parses the bytes before it returns.
        unsafe {
            calls::envoy_dynamic_module_callback_http_set_dynamic_metadata_struct(
                self.raw,
                Given::of(namespace.as_bytes()),
                Given::of(structure),
            );
        }
    }

    /// Sets one key of a metadata namespace; what else stands in it stays.
    pub(crate) fn set_text(&self, namespace: &str, key: &str, value: &str) {
        // SAFETY: Envoy copies all three before it returns.
        unsafe {
            calls::envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
                self.raw,
                Given::of(namespace.as_bytes()),
                Given::of(key.as_bytes()),
                Given::of(value.as_bytes()),
            );
        }
    }

    /// Adds a flag to `%CUSTOM_FLAGS%` of the access log.
    pub(crate) fn flag(&self, flag: &str) {
        // SAFETY: Envoy copies the flag.
        unsafe {
            calls::envoy_dynamic_module_callback_http_add_custom_flag(
                self.raw,
                Given::of(flag.as_bytes()),
            );
        }
    }

    /// The in-module settings of the route, as the hook that made them returned them.
    pub(crate) fn route_settings(&self) -> Option<&'a Route> {
        // SAFETY: what is returned was made by `per_route_config_new` as a `Box<Route>`, and lives as
        // long as the route, which outlives the hook.
        unsafe {
            calls::envoy_dynamic_module_callback_get_most_specific_route_config(self.raw)
                .cast::<Route>()
                .as_ref()
        }
    }

    /// Answers instead of the resource; the listener's local replies put it in words.
    pub(crate) fn reply(&self, status: u32, headers: &[(&str, &[u8])], body: &[u8], details: &str) {
        let headers: Vec<HeaderOut> = headers.iter().map(HeaderOut::of).collect();
        // SAFETY: Envoy copies everything.
        unsafe {
            calls::envoy_dynamic_module_callback_http_send_response(
                self.raw,
                status,
                headers.as_ptr(),
                headers.len(),
                Given::of(body),
                Given::of(details.as_bytes()),
            );
        }
    }

    /// Sends headers of an answer of ours, past Envoy's local replies.
    pub(crate) fn send_headers(&self, headers: &[(&str, &[u8])], end: bool) {
        let headers: Vec<HeaderOut> = headers.iter().map(HeaderOut::of).collect();
        // SAFETY: Envoy copies everything.
        unsafe {
            calls::envoy_dynamic_module_callback_http_send_response_headers(
                self.raw,
                headers.as_ptr(),
                headers.len(),
                end,
            );
        }
    }

    /// Sends more of the answer.
    pub(crate) fn send_data(&self, data: &[u8], end: bool) {
        // SAFETY: Envoy copies the data.
        unsafe {
            calls::envoy_dynamic_module_callback_http_send_response_data(
                self.raw,
                Given::of(data),
                end,
            );
        }
    }

    /// Ends the answer with trailers.
    pub(crate) fn send_trailers(&self, trailers: &[(&str, &[u8])]) {
        let trailers: Vec<HeaderOut> = trailers.iter().map(HeaderOut::of).collect();
        // SAFETY: Envoy copies everything.
        unsafe {
            calls::envoy_dynamic_module_callback_http_send_response_trailers(
                self.raw,
                trailers.as_ptr(),
                trailers.len(),
            );
        }
    }

    /// The pieces of the answer's body that are just passing.
    pub(crate) fn response_chunks(&self) -> Vec<&'a [u8]> {
        const RECEIVED_RESPONSE_BODY: u32 = 2;
        self.pieces(RECEIVED_RESPONSE_BODY)
    }

    fn pieces(&self, kind: u32) -> Vec<&'a [u8]> {
        // SAFETY: Envoy says how many there are and fills exactly those; they live within this hook.
        unsafe {
            let count =
                calls::envoy_dynamic_module_callback_http_get_body_chunks_size(self.raw, kind);
            let mut found = vec![Bytes::EMPTY; count];
            let there = count > 0
                && calls::envoy_dynamic_module_callback_http_get_body_chunks(
                    self.raw,
                    kind,
                    found.as_mut_ptr(),
                );
            if !there {
                return Vec::new();
            }
            found.iter().map(|one| one.lend()).collect()
        }
    }

    /// Takes the first `count` bytes of the answer's body that are just passing.
    pub(crate) fn drain_response(&self, count: usize) {
        const RECEIVED_RESPONSE_BODY: u32 = 2;
        // SAFETY: Envoy checks the length.
        unsafe {
            calls::envoy_dynamic_module_callback_http_drain_body(
                self.raw,
                RECEIVED_RESPONSE_BODY,
                count,
            );
        }
    }

    /// Adds bytes behind the answer's body that is just passing.
    pub(crate) fn append_response(&self, data: &[u8]) {
        const RECEIVED_RESPONSE_BODY: u32 = 2;
        // SAFETY: Envoy copies the data.
        unsafe {
            calls::envoy_dynamic_module_callback_http_append_body(
                self.raw,
                RECEIVED_RESPONSE_BODY,
                Given::of(data),
            );
        }
    }

    /// Wakes this stream from any thread. Only after the request's headers came.
    pub(crate) fn scheduler(&self) -> Scheduler {
        // SAFETY: called within a hook of a live filter that has its callbacks.
        Scheduler::Stream(unsafe {
            calls::envoy_dynamic_module_callback_http_filter_scheduler_new(self.raw)
        })
    }
}

/// Wakes one stream or connection. Envoy holds it weakly: waking what is gone does nothing.
pub(crate) enum Scheduler {
    Stream(*mut c_void),
    Connection(*mut c_void),
}

// SAFETY: Envoy documents commit for any thread; deletion happens once, by Drop.
unsafe impl Send for Scheduler {}
// SAFETY: as above; commit does not change the scheduler.
unsafe impl Sync for Scheduler {}

impl Scheduler {
    /// The `scheduled` hook runs soon on the thread of the stream or connection.
    pub(crate) fn commit(&self, event: u64) {
        // SAFETY: the scheduler lives until Drop.
        unsafe {
            match *self {
                Self::Stream(raw) => {
                    calls::envoy_dynamic_module_callback_http_filter_scheduler_commit(raw, event);
                }
                Self::Connection(raw) => {
                    calls::envoy_dynamic_module_callback_network_filter_scheduler_commit(
                        raw, event,
                    );
                }
            }
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // SAFETY: made by scheduler_new and deleted only here.
        unsafe {
            match *self {
                Self::Stream(raw) => {
                    calls::envoy_dynamic_module_callback_http_filter_scheduler_delete(raw);
                }
                Self::Connection(raw) => {
                    calls::envoy_dynamic_module_callback_network_filter_scheduler_delete(raw);
                }
            }
        }
    }
}

impl HeaderOut {
    fn of(header: &(&str, &[u8])) -> Self {
        Self(Pair::of(header.0.as_bytes(), header.1))
    }
}
