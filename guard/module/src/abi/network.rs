//! Connections: what Envoy offers below HTTP, and the hooks it looks up by name there.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::ptr;

use super::calls::{self, Bytes, Given};
use super::hooks::{caught, text, unused};
use super::{Level, Scheduler, log};
use crate::connection::{Connection, ConnectionSettings};

const CONTINUE: u32 = 0;
const STOP: u32 = 1;
const REMOTE_CLOSE: u32 = 0;
const LOCAL_CLOSE: u32 = 1;

/// How a connection is closed.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Close {
    /// What was written still goes out.
    Flush = 0,
    /// The other end sees that it did not end by itself.
    Reset = 4,
}

/// One connection, for the time of a hook on its own thread.
#[derive(Clone, Copy)]
pub(crate) struct Network<'a> {
    raw: *mut c_void,
    hook: PhantomData<&'a ()>,
}

impl<'a> Network<'a> {
    fn new(raw: *mut c_void) -> Self {
        Self {
            raw,
            hook: PhantomData,
        }
    }

    /// No other connection of this process has it.
    pub(crate) fn id(&self) -> u64 {
        // SAFETY: no more than the filter's own pointer.
        unsafe { calls::envoy_dynamic_module_callback_network_filter_get_connection_id(self.raw) }
    }

    /// Which of Envoy's workers this is.
    pub(crate) fn worker(&self) -> u32 {
        // SAFETY: no more than the filter's own pointer.
        unsafe { calls::envoy_dynamic_module_callback_network_filter_get_worker_index(self.raw) }
    }

    /// The other end's address; None where it has none, as on a socket of the file system.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        let (mut found, mut port) = (Bytes::EMPTY, 0);
        // SAFETY: Envoy fills both; the text lives as long as the connection.
        let there = unsafe {
            calls::envoy_dynamic_module_callback_network_filter_get_remote_address(
                self.raw,
                &raw mut found,
                &raw mut port,
            )
        };
        // SAFETY: as above.
        let text = there.then(|| unsafe { found.lend() })?;
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    /// Every URI that the peer's certificate names.
    pub(crate) fn peer_uris(&self) -> Vec<&'a [u8]> {
        // SAFETY: Envoy says how many there are and fills exactly those; they live as long as the
        // connection.
        unsafe {
            let count =
                calls::envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans_size(self.raw);
            let mut found = vec![Bytes::EMPTY; count];
            let there = count > 0
                && calls::envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans(
                    self.raw,
                    found.as_mut_ptr(),
                );
            if !there {
                return Vec::new();
            }
            found.iter().map(|one| one.lend()).collect()
        }
    }

    /// Sets one key of a metadata namespace; what else stands in it stays.
    pub(crate) fn set_text(&self, namespace: &str, key: &str, value: &str) {
        // SAFETY: Envoy copies all three before it returns.
        unsafe {
            calls::envoy_dynamic_module_callback_network_set_dynamic_metadata_string(
                self.raw,
                Given::of(namespace.as_bytes()),
                Given::of(key.as_bytes()),
                Given::of(value.as_bytes()),
            );
        }
    }

    /// Closes it. Envoy calls the hook of the close within this, and destroys the filter later.
    pub(crate) fn close(&self, how: Close, details: &str) {
        // SAFETY: Envoy copies the details; the connection is open, or closing it again does nothing.
        unsafe {
            calls::envoy_dynamic_module_callback_network_filter_close_with_details(
                self.raw,
                how as u32,
                Given::of(details.as_bytes()),
            );
        }
    }

    /// Wakes this connection from any thread. From its beginning on, not before.
    pub(crate) fn scheduler(&self) -> Scheduler {
        // SAFETY: called within a hook of a live filter that has its callbacks.
        Scheduler::Connection(unsafe {
            calls::envoy_dynamic_module_callback_network_filter_scheduler_new(self.raw)
        })
    }
}

/// The filter behind a pointer that `filter_new` returned, if there is one.
///
/// # Safety
/// Envoy hands out the pointer of a live filter, and keeps it for as long as one of its hooks runs,
/// though the hook may close the connection.
unsafe fn filter<'a>(raw: *const c_void) -> Option<&'a Connection> {
    // SAFETY: by the contract above; shared references only, on whatever thread.
    unsafe { raw.cast::<Connection>().as_ref() }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_config_new(
    _envoy: *mut c_void,
    name: Bytes,
    settings: Bytes,
) -> *const c_void {
    caught(
        "network_config_new",
        ptr::null,
        || match ConnectionSettings::read(&text(name), &text(settings)) {
            Ok(made) => Box::into_raw(Box::new(made)).cast_const().cast(),
            Err(fault) => {
                log(Level::Error, &format!("ostiary guard: {fault}"));
                ptr::null()
            }
        },
    )
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_config_destroy(raw: *const c_void) {
    // SAFETY: made by config_new, and destroyed once, after its filters.
    drop(unsafe { Box::from_raw(raw.cast_mut().cast::<ConnectionSettings>()) });
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_new(
    config: *const c_void,
    _envoy: *mut c_void,
) -> *const c_void {
    caught("network_filter_new", ptr::null, || {
        // SAFETY: made by config_new; Envoy keeps a configuration for as long as its filters.
        let settings: &'static ConnectionSettings = unsafe { &*config.cast() };
        Box::into_raw(Box::new(Connection::new(settings)))
            .cast_const()
            .cast()
    })
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_destroy(raw: *const c_void) {
    if raw.is_null() {
        return;
    }
    // SAFETY: made by filter_new, and destroyed once, when nobody else has it: on any thread, which
    // `Connection` bears.
    let connection = unsafe { Box::from_raw(raw.cast_mut().cast::<Connection>()) };
    caught("network_filter_destroy", || (), || drop(connection));
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_new_connection(
    envoy: *mut c_void,
    raw: *const c_void,
) -> u32 {
    let fails = || {
        Network::new(envoy).close(Close::Reset, "ostiary.guard_failed");
        STOP
    };
    caught("new_connection", fails, || {
        // SAFETY: see `filter`.
        let Some(connection) = (unsafe { filter(raw) }) else {
            return fails();
        };
        if connection.begins(&Network::new(envoy)) {
            CONTINUE
        } else {
            STOP
        }
    })
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_event(
    envoy: *mut c_void,
    raw: *const c_void,
    event: u32,
) {
    let fails = || {
        if !matches!(event, REMOTE_CLOSE | LOCAL_CLOSE) {
            Network::new(envoy).close(Close::Reset, "ostiary.guard_failed");
        }
    };
    caught("connection_event", fails, || {
        // SAFETY: see `filter`.
        let Some(connection) = (unsafe { filter(raw) }) else {
            return fails();
        };
        match event {
            REMOTE_CLOSE | LOCAL_CLOSE => connection.over(),
            _ => connection.proved(&Network::new(envoy)),
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_scheduled(
    envoy: *mut c_void,
    raw: *const c_void,
    event: u64,
) {
    caught(
        "connection_scheduled",
        || (),
        || {
            // SAFETY: see `filter`.
            if let Some(connection) = unsafe { filter(raw) } {
                connection.woken(&Network::new(envoy), event);
            }
        },
    );
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_read(
    _envoy: *mut c_void,
    _raw: *const c_void,
    _length: usize,
    _end: bool,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_write(
    _envoy: *mut c_void,
    _raw: *const c_void,
    _length: usize,
    _end: bool,
) -> u32 {
    CONTINUE
}

unused! {
    envoy_dynamic_module_on_network_filter_config_scheduled(*mut c_void, *const c_void, u64);
    envoy_dynamic_module_on_network_filter_http_callout_done(
        *mut c_void, *const c_void, u64, u32, *const c_void, usize, *const c_void, usize);
    envoy_dynamic_module_on_network_filter_above_write_buffer_high_watermark(
        *mut c_void, *const c_void);
    envoy_dynamic_module_on_network_filter_below_write_buffer_low_watermark(
        *mut c_void, *const c_void);
}
