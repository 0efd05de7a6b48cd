//! The hooks Envoy looks up by name. Each catches what panics: a request is refused then, and the
//! proxy lives on.

use std::ffi::{c_char, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use super::calls::Bytes;
use super::{ABI_VERSION, Config, Early, Http, Level, log};
use crate::filter::{Filter, RolePointer};
use crate::roles::{Role, RouteSettings};
use crate::scope::Scope;

const CONTINUE: u32 = 0;
const STOP: u32 = 1;
const STOP_DATA: u32 = 3;

/// What a hook is worth when it panicked, with a line in the log.
fn caught<T>(hook: &str, otherwise: impl FnOnce() -> T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        log(
            Level::Error,
            &format!("ostiary guard: {hook} panicked; this is a fault of the guard"),
        );
        otherwise()
    })
}

/// The filter behind a pointer that `new` returned.
///
/// # Safety
/// Envoy hands out the pointer of a live filter, to one thread at a time.
unsafe fn filter<'a>(raw: *const c_void) -> &'a mut Filter {
    // SAFETY: by the contract above.
    unsafe { &mut *raw.cast_mut().cast::<Filter>() }
}

/// # Safety
/// Envoy hands out the pointer of a live configuration.
unsafe fn role(raw: *const c_void) -> &'static Role {
    // SAFETY: by the contract above.
    unsafe { &*raw.cast::<Role>() }
}

fn text(bytes: Bytes) -> String {
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
    caught(
        "per_route_config_new",
        ptr::null,
        || match RouteSettings::read(&text(settings)) {
            Ok(route) => Box::into_raw(Box::new(route)).cast_const().cast(),
            Err(fault) => {
                let name = text(name);
                log(
                    Level::Error,
                    &format!("ostiary guard: route settings of {name}: {fault}"),
                );
                ptr::null()
            }
        },
    )
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_per_route_config_destroy(raw: *const c_void) {
    // SAFETY: made by per_route_config_new, and destroyed once.
    drop(unsafe { Box::from_raw(raw.cast_mut().cast::<RouteSettings>()) });
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_new(
    config: *const c_void,
    _envoy: *mut c_void,
) -> *const c_void {
    caught("filter_new", ptr::null, || {
        // SAFETY: the configuration outlives its filters.
        let made = Filter::new(RolePointer::new(unsafe { role(config) }));
        Box::into_raw(Box::new(made)).cast_const().cast()
    })
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_destroy(raw: *const c_void) {
    if raw.is_null() {
        return;
    }
    // SAFETY: made by filter_new, and destroyed once.
    let filter = unsafe { Box::from_raw(raw.cast_mut().cast::<Filter>()) };
    caught("filter_destroy", || (), || drop(filter));
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    envoy: *mut c_void,
    raw: *const c_void,
    end: bool,
) -> u32 {
    let refuse = || {
        Http::new(envoy).reply(500, &[], b"", "ostiary.guard_failed");
        STOP
    };
    caught("request_headers", refuse, || {
        if raw.is_null() {
            return refuse();
        }
        // SAFETY: see `filter`.
        let goes_on = unsafe { filter(raw) }.request_headers(&Http::new(envoy), end);
        if goes_on { CONTINUE } else { STOP }
    })
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_body(
    _envoy: *mut c_void,
    _raw: *const c_void,
    _end: bool,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    _envoy: *mut c_void,
    _raw: *const c_void,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    envoy: *mut c_void,
    raw: *const c_void,
    end: bool,
) -> u32 {
    let clean = || {
        Http::new(envoy).set_header(super::Headers::Response, "set-cookie", None);
        CONTINUE
    };
    caught("response_headers", clean, || {
        if !raw.is_null() {
            // SAFETY: see `filter`.
            unsafe { filter(raw) }.response_headers(&Http::new(envoy), end);
        }
        CONTINUE
    })
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_body(
    envoy: *mut c_void,
    raw: *const c_void,
    end: bool,
) -> u32 {
    caught(
        "response_body",
        || CONTINUE,
        || {
            // SAFETY: see `filter`.
            let goes_on =
                raw.is_null() || unsafe { filter(raw) }.response_body(&Http::new(envoy), end);
            if goes_on { CONTINUE } else { STOP_DATA }
        },
    )
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_trailers(
    _envoy: *mut c_void,
    _raw: *const c_void,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(
    _envoy: *mut c_void,
    raw: *const c_void,
) {
    caught(
        "stream_complete",
        || (),
        || {
            if !raw.is_null() {
                // SAFETY: see `filter`.
                unsafe { filter(raw) }.over();
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
    caught(
        "scheduled",
        || (),
        || {
            if !raw.is_null() {
                // SAFETY: see `filter`.
                unsafe { filter(raw) }.woken(&Http::new(envoy), event);
            }
        },
    );
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
            if !raw.is_null() {
                // SAFETY: see `filter`.
                unsafe { filter(raw) }.answered_by_envoy();
            }
        },
    );
    CONTINUE
}

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
        || (),
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
    caught(
        "early_mutate",
        || true,
        || {
            // SAFETY: the configuration outlives its calls.
            let scope = unsafe { &*raw.cast::<Scope>() };
            scope.place(&Early {
                raw: envoy,
                hook: PhantomData,
            });
            true
        },
    )
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
