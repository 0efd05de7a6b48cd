//! Configurations, the stream one of them keeps open, and headers before anything has read them.

use std::ffi::c_void;
use std::marker::PhantomData;

use super::calls::{self, Bytes, Given, HeaderOut};

/// One filter configuration. Its calls belong to the main thread, but for `scheduler`'s commits.
#[derive(Clone, Copy)]
pub(crate) struct Config(pub(super) *mut c_void);

// SAFETY: only handed on to hooks that Envoy runs on the main thread.
unsafe impl Send for Config {}
// SAFETY: as above.
unsafe impl Sync for Config {}

impl Config {
    /// Starts a request to `cluster` that stays open in both directions; None when that cannot be.
    pub(crate) fn start_stream(
        &self,
        cluster: &str,
        headers: &[(&str, &[u8])],
        first: &[u8],
    ) -> Option<u64> {
        let headers: Vec<HeaderOut> = headers.iter().map(HeaderOut::of).collect();
        let mut id = 0;
        // SAFETY: Envoy copies everything and fills the id.
        let started = unsafe {
            calls::envoy_dynamic_module_callback_http_filter_config_start_http_stream(
                self.0,
                &raw mut id,
                Given::of(cluster.as_bytes()),
                headers.as_ptr(),
                headers.len(),
                Given::of(first),
                false,
                0,
            )
        };
        (started == 0).then_some(id)
    }

    /// Says more; False when the stream is gone.
    pub(crate) fn send(&self, stream: u64, data: &[u8]) -> bool {
        // SAFETY: Envoy copies the data and knows whether the stream lives.
        unsafe {
            calls::envoy_dynamic_module_callback_http_filter_config_stream_send_data(
                self.0,
                stream,
                Given::of(data),
                false,
            )
        }
    }

    /// Ends the stream at once.
    pub(crate) fn reset(&self, stream: u64) {
        // SAFETY: Envoy knows whether the stream lives.
        unsafe {
            calls::envoy_dynamic_module_callback_http_filter_config_reset_http_stream(
                self.0, stream,
            );
        }
    }

    /// Wakes this configuration from any thread.
    pub(crate) fn scheduler(&self) -> ConfigScheduler {
        // SAFETY: called while the configuration lives.
        ConfigScheduler(unsafe {
            calls::envoy_dynamic_module_callback_http_filter_config_scheduler_new(self.0)
        })
    }
}

/// Wakes one configuration on the main thread.
pub(crate) struct ConfigScheduler(*mut c_void);

// SAFETY: Envoy documents commit for any thread; deletion happens once, by Drop.
unsafe impl Send for ConfigScheduler {}
// SAFETY: as above.
unsafe impl Sync for ConfigScheduler {}

impl ConfigScheduler {
    /// The configuration's `scheduled` hook runs soon on the main thread.
    pub(crate) fn commit(&self, event: u64) {
        // SAFETY: the scheduler lives until Drop.
        unsafe {
            calls::envoy_dynamic_module_callback_http_filter_config_scheduler_commit(self.0, event);
        }
    }
}

impl Drop for ConfigScheduler {
    fn drop(&mut self) {
        // SAFETY: made by scheduler_new and deleted only here.
        unsafe { calls::envoy_dynamic_module_callback_http_filter_config_scheduler_delete(self.0) }
    }
}

/// The headers of a request before anything has read them, for the time of the hook.
#[derive(Clone, Copy)]
pub(crate) struct Early<'a> {
    pub(super) raw: *mut c_void,
    pub(super) hook: PhantomData<&'a ()>,
}

impl<'a> Early<'a> {
    /// The first value of `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        let (mut found, mut count) = (Bytes::EMPTY, 0);
        // SAFETY: Envoy fills both; the bytes live until the headers change.
        let there = unsafe {
            calls::envoy_dynamic_module_callback_early_header_mutation_get_header_value(
                self.raw,
                Given::of(name.as_bytes()),
                &raw mut found,
                0,
                &raw mut count,
            )
        };
        // SAFETY: as above.
        there.then(|| unsafe { found.lend() })
    }

    /// All headers, names in lower case; none when they cannot be read.
    pub(crate) fn headers(&self) -> Option<Vec<(&'a [u8], &'a [u8])>> {
        // SAFETY: the context is alive for as long as the hook.
        let count = unsafe {
            calls::envoy_dynamic_module_callback_early_header_mutation_get_headers_size(self.raw)
        };
        let mut all = vec![[Bytes::EMPTY; 2]; count];
        // SAFETY: Envoy fills exactly as many as it said.
        let there = unsafe {
            calls::envoy_dynamic_module_callback_early_header_mutation_get_headers(
                self.raw,
                all.as_mut_ptr(),
            )
        };
        // SAFETY: the bytes live until the headers change.
        let pairs = all
            .iter()
            .map(|[name, value]| unsafe { (name.lend(), value.lend()) });
        there.then(|| pairs.collect())
    }

    /// No header has this name any more.
    pub(crate) fn remove_header(&self, name: &[u8]) {
        // SAFETY: Envoy reads the name before it returns.
        unsafe {
            calls::envoy_dynamic_module_callback_early_header_mutation_remove_header(
                self.raw,
                Given::of(name),
            );
        }
    }

    /// Adds one value more to `name`.
    pub(crate) fn add_header(&self, name: &str, value: &[u8]) {
        // SAFETY: Envoy copies name and value.
        unsafe {
            calls::envoy_dynamic_module_callback_early_header_mutation_add_header(
                self.raw,
                Given::of(name.as_bytes()),
                Given::of(value),
            );
        }
    }

    /// Sets `name` to this one value.
    pub(crate) fn set_header(&self, name: &str, value: &[u8]) {
        // SAFETY: Envoy copies name and value.
        unsafe {
            calls::envoy_dynamic_module_callback_early_header_mutation_set_header(
                self.raw,
                Given::of(name.as_bytes()),
                Given::of(value),
            );
        }
    }
}
