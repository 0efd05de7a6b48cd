//! The hooks of what is no request: the stream of verdicts, on the main thread, and headers that nothing
//! has read yet.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;

use super::calls::Bytes;
use super::hooks::{caught, role, text};
use super::{Early, Level, log};
use crate::scope::Scope;

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_scheduled(
    _envoy: *mut c_void,
    raw: *const c_void,
    event: u64,
) {
    // SAFETY: see `role`.
    caught(
        "config_scheduled",
        || (),
        || unsafe { role(raw) }.woken(event),
    );
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_http_stream_headers(
    _envoy: *mut c_void,
    raw: *const c_void,
    stream: u64,
    headers: *const [Bytes; 2],
    count: usize,
    _end: bool,
) {
    caught(
        "stream_headers",
        || (),
        || {
            let headers = if headers.is_null() {
                &[]
            } else {
                // SAFETY: Envoy lends `count` pairs of key and value for the time of the hook.
                unsafe { std::slice::from_raw_parts(headers, count) }
            };
            // SAFETY: as above.
            let pairs = headers
                .iter()
                .map(|[key, value]| unsafe { (key.lend(), value.lend()) });
            // SAFETY: see `role`.
            unsafe { role(raw) }.stream_headers(stream, pairs);
        },
    );
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_http_stream_data(
    _envoy: *mut c_void,
    raw: *const c_void,
    stream: u64,
    data: *const Bytes,
    count: usize,
    _end: bool,
) {
    caught(
        "stream_data",
        // Nobody knows what of it was applied: the line is opened again, and what is missing told.
        // SAFETY: see `role`.
        || unsafe { role(raw) }.stream_broken(stream),
        || {
            if data.is_null() {
                return;
            }
            // SAFETY: Envoy lends `count` pieces for the time of the hook.
            for piece in unsafe { std::slice::from_raw_parts(data, count) } {
                // SAFETY: as above; see `role`.
                unsafe { role(raw) }.stream_data(stream, unsafe { piece.lend() });
            }
        },
    );
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_http_stream_trailers(
    _envoy: *mut c_void,
    _raw: *const c_void,
    _stream: u64,
    _trailers: *const [Bytes; 2],
    _count: usize,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_http_stream_complete(
    _envoy: *mut c_void,
    raw: *const c_void,
    stream: u64,
) {
    // SAFETY: see `role`.
    caught(
        "stream_complete",
        || (),
        || unsafe { role(raw) }.stream_over(stream),
    );
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_http_stream_reset(
    _envoy: *mut c_void,
    raw: *const c_void,
    stream: u64,
    _reason: u32,
) {
    // SAFETY: see `role`.
    caught(
        "stream_reset",
        || (),
        || unsafe { role(raw) }.stream_over(stream),
    );
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_early_header_mutation_config_new(
    _envoy: *mut c_void,
    _name: Bytes,
    settings: Bytes,
) -> *const c_void {
    caught("early_config_new", ptr::null, || {
        match Scope::read(&text(settings)) {
            Ok(scope) => Box::into_raw(Box::new(scope)).cast_const().cast(),
            Err(fault) => {
                log(Level::Error, &format!("ostiary guard: scope: {fault}"));
                ptr::null()
            }
        }
    })
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_early_header_mutation_config_destroy(raw: *const c_void) {
    // SAFETY: made by early_config_new, and destroyed once.
    drop(unsafe { Box::from_raw(raw.cast_mut().cast::<Scope>()) });
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_early_header_mutation_mutate(
    raw: *const c_void,
    envoy: *mut c_void,
) -> bool {
    // SAFETY: the configuration outlives its calls.
    let scope = unsafe { &*raw.cast::<Scope>() };
    let request = Early {
        raw: envoy,
        hook: PhantomData,
    };
    let nowhere = || {
        scope.refuse(&request);
        true
    };
    caught("early_mutate", nowhere, || {
        scope.place(&request);
        true
    })
}
