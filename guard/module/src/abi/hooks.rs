//! The hooks Envoy looks up by name. Each catches what panics: a request is refused then, and the
//! proxy lives on.

use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use super::calls::Bytes;
use super::{ABI_VERSION, AfterBody, AfterHeaders, Config, Http, Level, log};
use crate::ending::{Refusal, break_off, refuse};
use crate::live::speaks_grpc;
use crate::roles::{Role, Route};
use crate::stage::Stage;

const CONTINUE: u32 = 0;

/// What a hook is worth when it panicked, with a line in the log.
pub(super) fn caught<T>(hook: &str, otherwise: impl FnOnce() -> T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        log(
            Level::Error,
            &format!("ostiary guard: {hook} panicked; this is a fault of the guard"),
        );
        otherwise()
    })
}

/// The filter behind a pointer that `filter_new` returned, if there is one. It lives on for as long as
/// the hook needs it, though Envoy may destroy the stream meanwhile.
///
/// # Safety
/// Envoy hands out the pointer of a live filter.
unsafe fn filter(raw: *const c_void) -> Option<Arc<Stage>> {
    if raw.is_null() {
        return None;
    }
    let raw = raw.cast::<Stage>();
    // SAFETY: made by Arc::into_raw, and not destroyed yet.
    unsafe {
        Arc::increment_strong_count(raw);
        Some(Arc::from_raw(raw))
    }
}

/// # Safety
/// Envoy hands out the pointer of a live configuration.
pub(super) unsafe fn role(raw: *const c_void) -> &'static Role {
    // SAFETY: by the contract above.
    unsafe { &*raw.cast::<Role>() }
}

pub(super) fn text(bytes: Bytes) -> String {
    // SAFETY: Envoy's names and settings live for the time of the hook.
    String::from_utf8_lossy(unsafe { bytes.lend() }).into_owned()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    ABI_VERSION.as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    envoy: *mut c_void,
    name: Bytes,
    settings: Bytes,
) -> *const c_void {
    caught("config_new", ptr::null, || {
        match Role::new(Config(envoy), &text(name), &text(settings)) {
            Ok(role) => Box::into_raw(Box::new(role)).cast_const().cast(),
            Err(fault) => {
                log(Level::Error, &format!("ostiary guard: {fault}"));
                ptr::null()
            }
        }
    })
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(raw: *const c_void) {
    // SAFETY: made by config_new, and destroyed once.
    let role = unsafe { Box::from_raw(raw.cast_mut().cast::<Role>()) };
    caught("config_destroy", || (), || drop(role));
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_per_route_config_new(
    name: Bytes,
    settings: Bytes,
) -> *const c_void {
    caught("per_route_config_new", ptr::null, || {
        let name = text(name);
        match Route::read(&name, &text(settings)) {
            Ok(route) => Box::into_raw(Box::new(route)).cast_const().cast(),
            Err(fault) => {
                log(
                    Level::Error,
                    &format!("ostiary guard: route settings of {name}: {fault}"),
                );
                ptr::null()
            }
        }
    })
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_per_route_config_destroy(raw: *const c_void) {
    // SAFETY: made by per_route_config_new, and destroyed once.
    drop(unsafe { Box::from_raw(raw.cast_mut().cast::<Route>()) });
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_new(
    config: *const c_void,
    _envoy: *mut c_void,
) -> *const c_void {
    caught("filter_new", ptr::null, || {
        // SAFETY: the configuration outlives its filters.
        let made = Stage::new(unsafe { role(config) });
        // Hooks of one stream run on one thread; the count may fall to zero on another.
        #[allow(clippy::arc_with_non_send_sync)]
        Arc::into_raw(Arc::new(made)).cast()
    })
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_destroy(raw: *const c_void) {
    if raw.is_null() {
        return;
    }
    // SAFETY: made by filter_new, and destroyed once.
    let filter = unsafe { Arc::from_raw(raw.cast::<Stage>()) };
    caught("filter_destroy", || (), || filter.over());
    caught("filter_destroy", || (), || drop(filter));
}

/// What a request's hook is worth, and a refusal when it panicked.
fn asked<T: Copy>(
    hook: &str,
    envoy: *mut c_void,
    raw: *const c_void,
    stop: T,
    ask: impl FnOnce(&Stage, &Http<'_>) -> T,
) -> T {
    let fails = || {
        let http = Http::new(envoy);
        refuse(&http, speaks_grpc(&http), &Refusal::Failed);
        stop
    };
    caught(hook, fails, || {
        // SAFETY: see `filter`.
        match unsafe { filter(raw) } {
            Some(filter) => ask(&filter, &Http::new(envoy)),
            None => fails(),
        }
    })
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    envoy: *mut c_void,
    raw: *const c_void,
    end: bool,
) -> u32 {
    let stop = AfterHeaders::Stop;
    asked("request_headers", envoy, raw, stop, |filter, http| {
        filter.request_headers(http, end)
    }) as u32
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_body(
    envoy: *mut c_void,
    raw: *const c_void,
    end: bool,
) -> u32 {
    let stop = AfterBody::Drop;
    asked("request_body", envoy, raw, stop, |filter, http| {
        filter.request_body(http, end)
    }) as u32
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    envoy: *mut c_void,
    raw: *const c_void,
) -> u32 {
    let stop = AfterHeaders::Stop;
    asked("request_trailers", envoy, raw, stop, |filter, http| {
        filter.request_trailers(http)
    }) as u32
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    envoy: *mut c_void,
    raw: *const c_void,
    end: bool,
) -> u32 {
    // Whose cookies they are was not seen, and nobody follows how the stream would have to end.
    let fails = || {
        break_off(&Http::new(envoy));
        AfterHeaders::Stop
    };
    caught("response_headers", fails, || {
        // SAFETY: see `filter`.
        let filter = unsafe { filter(raw) };
        filter.map_or(AfterHeaders::Continue, |filter| {
            filter.response_headers(&Http::new(envoy), end)
        })
    }) as u32
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_body(
    envoy: *mut c_void,
    raw: *const c_void,
    end: bool,
) -> u32 {
    let fails = || {
        break_off(&Http::new(envoy));
        AfterBody::Drop
    };
    caught("response_body", fails, || {
        // SAFETY: see `filter`.
        let filter = unsafe { filter(raw) };
        filter.map_or(AfterBody::Continue, |filter| {
            filter.response_body(&Http::new(envoy), end)
        })
    }) as u32
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_trailers(
    envoy: *mut c_void,
    raw: *const c_void,
) -> u32 {
    caught(
        "response_trailers",
        || AfterHeaders::Continue,
        || {
            // SAFETY: see `filter`.
            let filter = unsafe { filter(raw) };
            filter.map_or(AfterHeaders::Continue, |filter| {
                filter.response_trailers(&Http::new(envoy))
            })
        },
    ) as u32
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(
    envoy: *mut c_void,
    raw: *const c_void,
) {
    caught(
        "stream_complete",
        || (),
        || {
            // SAFETY: see `filter`.
            if let Some(filter) = unsafe { filter(raw) } {
                filter.complete(&Http::new(envoy));
            }
        },
    );
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(
    envoy: *mut c_void,
    raw: *const c_void,
    event: u64,
) {
    // What was to end ends, with or without manners.
    let cut = || break_off(&Http::new(envoy));
    caught("scheduled", cut, || {
        // SAFETY: see `filter`.
        if let Some(filter) = unsafe { filter(raw) } {
            filter.woken(&Http::new(envoy), event);
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_local_reply(
    _envoy: *mut c_void,
    raw: *const c_void,
    _status: u32,
    _details: Bytes,
    _reset: bool,
) -> u32 {
    caught(
        "local_reply",
        || (),
        || {
            // SAFETY: see `filter`.
            if let Some(filter) = unsafe { filter(raw) } {
                filter.local_reply();
            }
        },
    );
    CONTINUE
}

/// Hooks that must exist and have nothing to do here.
macro_rules! unused {
    ($($name:ident($($argument:ty),*));* $(;)?) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($(_: $argument),*) {}
        )*
    };
}

pub(super) use unused;

unused! {
    envoy_dynamic_module_on_http_filter_http_callout_done(
        *mut c_void, *const c_void, u64, u32, *const c_void, usize, *const c_void, usize);
    envoy_dynamic_module_on_http_filter_http_stream_headers(
        *mut c_void, *const c_void, u64, *const c_void, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(
        *mut c_void, *const c_void, u64, *const c_void, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(
        *mut c_void, *const c_void, u64, *const c_void, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(*mut c_void, *const c_void, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(*mut c_void, *const c_void, u64, u32);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(
        *mut c_void, *const c_void);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(
        *mut c_void, *const c_void);
    envoy_dynamic_module_on_http_filter_config_http_callout_done(
        *mut c_void, *const c_void, u64, u32, *const c_void, usize, *const c_void, usize);
}
