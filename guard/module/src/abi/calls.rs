//! What Envoy offers: the callbacks this module uses, and the shapes in which bytes cross.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;

/// Bytes that Envoy lends.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Bytes {
    start: *const u8,
    length: usize,
}

impl Bytes {
    pub(super) const EMPTY: Self = Self {
        start: ptr::null(),
        length: 0,
    };

    /// The bytes, for as long as Envoy keeps them.
    ///
    /// # Safety
    /// Envoy filled this, and the caller does not outlive the promise of the callback.
    pub(super) unsafe fn lend<'a>(&self) -> &'a [u8] {
        if self.start.is_null() || self.length == 0 {
            return &[];
        }
        // SAFETY: by the contract above.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

/// Bytes that we lend to Envoy for one call.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Given<'a> {
    start: *const u8,
    length: usize,
    lent: PhantomData<&'a [u8]>,
}

impl<'a> Given<'a> {
    /// No value at all.
    pub(super) const NOTHING: Self = Self {
        start: ptr::null(),
        length: 0,
        lent: PhantomData,
    };

    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self {
            start: bytes.as_ptr(),
            length: bytes.len(),
            lent: PhantomData,
        }
    }
}

/// A header of ours.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Pair {
    key: *const u8,
    key_length: usize,
    value: *const u8,
    value_length: usize,
}

impl Pair {
    pub(super) fn of(key: &[u8], value: &[u8]) -> Self {
        Self {
            key: key.as_ptr(),
            key_length: key.len(),
            value: value.as_ptr(),
            value_length: value.len(),
        }
    }
}

/// See [`Pair`]; the name says the direction.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct HeaderOut(pub Pair);

unsafe extern "C" {
    pub(super) fn envoy_dynamic_module_callback_log(level: u32, text: Given<'_>);
    pub(super) fn envoy_dynamic_module_callback_is_validation_mode() -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_get_header(
        filter: *mut c_void,
        kind: u32,
        key: Given<'_>,
        found: *mut Bytes,
        index: usize,
        count: *mut usize,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_set_header(
        filter: *mut c_void,
        kind: u32,
        key: Given<'_>,
        value: Given<'_>,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_add_header(
        filter: *mut c_void,
        kind: u32,
        key: Given<'_>,
        value: Given<'_>,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
        filter: *mut c_void,
        attribute: u32,
        found: *mut Bytes,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
        filter: *mut c_void,
        namespace: Given<'_>,
        key: Given<'_>,
        value: Given<'_>,
    );
    pub(super) fn envoy_dynamic_module_callback_http_set_dynamic_metadata_struct(
        filter: *mut c_void,
        namespace: Given<'_>,
        structure: Given<'_>,
    );
    pub(super) fn envoy_dynamic_module_callback_http_add_custom_flag(
        filter: *mut c_void,
        flag: Given<'_>,
    );
    pub(super) fn envoy_dynamic_module_callback_get_most_specific_route_config(
        filter: *mut c_void,
    ) -> *const c_void;
    pub(super) fn envoy_dynamic_module_callback_http_send_response(
        filter: *mut c_void,
        status: u32,
        headers: *const HeaderOut,
        count: usize,
        body: Given<'_>,
        details: Given<'_>,
    );
    pub(super) fn envoy_dynamic_module_callback_http_send_response_headers(
        filter: *mut c_void,
        headers: *const HeaderOut,
        count: usize,
        end: bool,
    );
    pub(super) fn envoy_dynamic_module_callback_http_send_response_data(
        filter: *mut c_void,
        data: Given<'_>,
        end: bool,
    );
    pub(super) fn envoy_dynamic_module_callback_http_send_response_trailers(
        filter: *mut c_void,
        trailers: *const HeaderOut,
        count: usize,
    );
    pub(super) fn envoy_dynamic_module_callback_http_get_body_chunks_size(
        filter: *mut c_void,
        kind: u32,
    ) -> usize;
    pub(super) fn envoy_dynamic_module_callback_http_get_body_chunks(
        filter: *mut c_void,
        kind: u32,
        found: *mut Bytes,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_drain_body(
        filter: *mut c_void,
        kind: u32,
        count: usize,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_filter_get_worker_index(
        filter: *mut c_void,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_append_body(
        filter: *mut c_void,
        kind: u32,
        data: Given<'_>,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_filter_scheduler_new(
        filter: *mut c_void,
    ) -> *mut c_void;
    pub(super) fn envoy_dynamic_module_callback_http_filter_scheduler_commit(
        scheduler: *mut c_void,
        event: u64,
    );
    pub(super) fn envoy_dynamic_module_callback_http_filter_scheduler_delete(
        scheduler: *mut c_void,
    );
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_start_http_stream(
        config: *mut c_void,
        stream: *mut u64,
        cluster: Given<'_>,
        headers: *const HeaderOut,
        count: usize,
        body: Given<'_>,
        end: bool,
        timeout_ms: u64,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_stream_send_data(
        config: *mut c_void,
        stream: u64,
        data: Given<'_>,
        end: bool,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_reset_http_stream(
        config: *mut c_void,
        stream: u64,
    );
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(
        config: *mut c_void,
    ) -> *mut c_void;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(
        scheduler: *mut c_void,
        event: u64,
    );
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(
        scheduler: *mut c_void,
    );
    pub(super) fn envoy_dynamic_module_callback_early_header_mutation_get_header_value(
        context: *mut c_void,
        key: Given<'_>,
        found: *mut Bytes,
        index: usize,
        count: *mut usize,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_early_header_mutation_get_headers_size(
        context: *mut c_void,
    ) -> usize;
    pub(super) fn envoy_dynamic_module_callback_early_header_mutation_get_headers(
        context: *mut c_void,
        found: *mut [Bytes; 2],
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_early_header_mutation_remove_header(
        context: *mut c_void,
        key: Given<'_>,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_early_header_mutation_add_header(
        context: *mut c_void,
        key: Given<'_>,
        value: Given<'_>,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_early_header_mutation_set_header(
        context: *mut c_void,
        key: Given<'_>,
        value: Given<'_>,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_filter_get_attribute_int(
        filter: *mut c_void,
        which: u32,
        found: *mut u64,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_network_filter_get_connection_id(
        filter: *mut c_void,
    ) -> u64;
    pub(super) fn envoy_dynamic_module_callback_network_filter_get_worker_index(
        filter: *mut c_void,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_network_filter_get_remote_address(
        filter: *mut c_void,
        address: *mut Bytes,
        port: *mut u32,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans_size(
        filter: *mut c_void,
    ) -> usize;
    pub(super) fn envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans(
        filter: *mut c_void,
        found: *mut Bytes,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_network_set_dynamic_metadata_string(
        filter: *mut c_void,
        namespace: Given<'_>,
        key: Given<'_>,
        value: Given<'_>,
    );
    pub(super) fn envoy_dynamic_module_callback_network_filter_close_with_details(
        filter: *mut c_void,
        how: u32,
        details: Given<'_>,
    );
    pub(super) fn envoy_dynamic_module_callback_network_filter_scheduler_new(
        filter: *mut c_void,
    ) -> *mut c_void;
    pub(super) fn envoy_dynamic_module_callback_network_filter_scheduler_commit(
        scheduler: *mut c_void,
        event: u64,
    );
    pub(super) fn envoy_dynamic_module_callback_network_filter_scheduler_delete(
        scheduler: *mut c_void,
    );
}
