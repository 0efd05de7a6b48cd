//! One connection, below whatever it carries: it is closed when its peer or its address is denied.
//!
//! A connection belongs to a workload and to an address, and to nobody else: verdicts about users and
//! sessions end the requests in it, each by itself. What carries requests lets them end first, each in
//! its own way; a raw connection is reset.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use ostiary_verdicts::{Cut, Effect, Ending, LinkId, Standing, Subject};
use serde::Deserialize;

use crate::abi::{Close, Network, Scheduler};
use crate::ending;
use crate::filter::trusted;
use crate::later;
use crate::process::process;
use crate::roles::Trust;

/// A verdict asks for the connection.
const END: u64 = 0;
/// Whatever was in it had its time.
const CLOSE: u64 = 1;
/// The one stream in it was broken off, and nothing can follow.
const BROKEN: u64 = 2;

/// What passes in a connection.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Carries {
    /// Requests, each judged by itself and ended in its own way.
    Http,
    /// Bytes that only this filter looks after.
    Tcp,
}

/// `connection`: what there is to know of a filter chain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionSettings {
    carries: Carries,
    /// Whether the other end's address is the client's own.
    address: bool,
    /// Whether a denied peer gets no connection at all, instead of a refusal in words.
    refuse: bool,
    /// Raw connections alone: requests say it for themselves.
    #[serde(default)]
    trust: Option<Trust>,
}

impl ConnectionSettings {
    pub(crate) fn read(name: &str, settings: &str) -> Result<Self, String> {
        if name != "connection" {
            return Err(format!("there is no role {name:?} for connections"));
        }
        let made: Self =
            serde_json::from_str(settings).map_err(|why| format!("settings of {name}: {why}"))?;
        if made.carries == Carries::Tcp && !made.refuse {
            return Err("a raw connection has no words: `refuse` has to be true".to_owned());
        }
        Ok(made)
    }
}

/// How far the end of a connection with requests has come.
const OPEN: u8 = 0;
const QUEUED: u8 = 1;
const CLOSING: u8 = 2;

/// Envoy calls its hooks on the worker, and may destroy it on any thread: nothing here is bound to one.
pub(crate) struct Connection {
    settings: &'static ConnectionSettings,
    handle: OnceLock<Arc<Handle>>,
    id: OnceLock<u64>,
    links: Mutex<Vec<(Arc<Subject>, LinkId)>>,
    stage: AtomicU8,
}

impl Connection {
    pub(crate) fn new(settings: &'static ConnectionSettings) -> Self {
        Self {
            settings,
            handle: OnceLock::new(),
            id: OnceLock::new(),
            links: Mutex::default(),
            stage: AtomicU8::new(OPEN),
        }
    }

    /// True when the filters behind this one may begin. The peer has not proved anything yet: what
    /// would reach out for it has to wait for that by itself.
    pub(crate) fn begins(&self, network: &Network<'_>) -> bool {
        let process = process();
        if trusted(process, self.settings.trust.as_ref()).is_err() {
            network.close(Close::Reset, "ostiary.trust_stale");
            return false;
        }
        let handle = Arc::new(Handle::new(network.scheduler(), network.worker()));
        lock(open()).insert(network.id(), Arc::downgrade(&handle));
        if self.handle.set(handle).is_ok() {
            let _ = self.id.set(network.id());
            process.connections.fetch_add(1, Ordering::Relaxed);
        }
        let address = network.address().filter(|_| self.settings.address);
        let address = address.map(|one: IpAddr| process.table.address(one, process.now_ms()));
        self.admits(network, address)
    }

    /// The peer has proved who it is.
    pub(crate) fn proved(&self, network: &Network<'_>) {
        let process = process();
        let peers = network.peer_uris().into_iter().map(|uri| {
            let uri = String::from_utf8_lossy(uri);
            process.table.workload(&uri, process.now_ms())
        });
        self.admits(network, peers);
    }

    /// Links the connection to these; false when it was closed.
    fn admits(
        &self,
        network: &Network<'_>,
        subjects: impl IntoIterator<Item = Arc<Subject>>,
    ) -> bool {
        let Some(handle) = self.handle.get() else {
            return false;
        };
        let (table, now) = (&process().table, process().now_ms());
        let mut denied = None;
        for subject in subjects {
            let stream: Arc<dyn Cut> = Arc::<Handle>::clone(handle);
            let (id, standing) = subject.link(table, now, &stream);
            lock(&self.links).push((subject, id));
            denied = denied.or(standing.filter(|one| one.effect == Effect::Deny));
        }
        match denied {
            Some(standing) if self.settings.refuse => {
                self.close(network, Close::Reset, &standing);
                false
            }
            _ => true,
        }
    }

    /// Another thread asked for this connection.
    pub(crate) fn woken(&self, network: &Network<'_>, event: u64) {
        let Some(handle) = self.handle.get() else {
            return;
        };
        handle.settle();
        if event == BROKEN {
            return network.close(Close::Flush, "ostiary.trust_denied");
        }
        // After its close nothing of Envoy's may be touched: the connection may be gone already.
        let Some(standing) = handle.reason() else {
            return;
        };
        if self.settings.carries == Carries::Tcp {
            return self.close(network, Close::Reset, &standing);
        }
        if event == CLOSE {
            return self.close(network, Close::Flush, &standing);
        }
        match self.stage.load(Ordering::Relaxed) {
            OPEN => {
                // Behind the requests in it, which wait in the same queue.
                self.stage.store(QUEUED, Ordering::Relaxed);
                let stream: Arc<dyn Cut> = Arc::<Handle>::clone(handle);
                process().end(vec![Ending { standing, stream }]);
            }
            QUEUED => {
                self.stage.store(CLOSING, Ordering::Relaxed);
                let handle = Arc::downgrade(handle);
                later::after_patience(Box::new(move || {
                    if let Some(handle) = handle.upgrade() {
                        handle.commit(CLOSE);
                    }
                }));
            }
            _ => {}
        }
    }

    /// Envoy calls [`Self::over`] before this returns.
    fn close(&self, network: &Network<'_>, how: Close, standing: &Standing) {
        if self.settings.carries == Carries::Tcp {
            process().cut(&standing.verdict);
        }
        ending::note_connection(network, standing);
        network.close(how, "ostiary.trust_denied");
    }

    /// It is closed, or as good as: nobody wakes it any more. Any thread may say so, and twice.
    pub(crate) fn over(&self) {
        if let Some(handle) = self.handle.get() {
            handle.leave();
        }
        if let Some(id) = self.id.get() {
            lock(open()).remove(id);
        }
        let links = std::mem::take(&mut *lock(&self.links));
        for (subject, id) in links {
            subject.unlink(id);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.over();
        if self.handle.get().is_some() {
            process().connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Every connection that this filter stands before, by Envoy's number.
fn open() -> &'static Mutex<HashMap<u64, Weak<Handle>>> {
    static OPEN: OnceLock<Mutex<HashMap<u64, Weak<Handle>>>> = OnceLock::new();
    OPEN.get_or_init(Mutex::default)
}

/// The stream that has the connection `id` for itself ends in the middle of something: whoever waits
/// for the rest sees the end of the connection and not, for a second, nothing. Where no filter stands
/// before the connection Envoy closes it after its own delay.
pub(crate) fn broken_off(id: u64) {
    let handle = lock(open()).get(&id).and_then(Weak::upgrade);
    if let Some(handle) = handle {
        handle.commit(BROKEN);
    }
}

/// What reaches a connection from other threads.
///
/// Envoy's `commit` holds the filter while it runs. Were the connection destroyed meanwhile, the filter
/// would be destroyed by whoever commits, and woken after the connection it belongs to. So a commit and
/// the close exclude one another: after the close nobody commits.
struct Handle {
    scheduler: Scheduler,
    worker: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Why it has to end; the first reason stays.
    standing: Option<Arc<Standing>>,
    /// Told to end, and not woken since.
    pending: bool,
    closed: bool,
}

impl Cut for Handle {
    fn cut(&self, standing: &Arc<Standing>) {
        if standing.effect != Effect::Deny || !self.tell(standing) {
            process().ended(self.worker, 1);
        }
    }

    fn worker(&self) -> u32 {
        self.worker
    }
}

impl Handle {
    fn new(scheduler: Scheduler, worker: u32) -> Self {
        Self {
            scheduler,
            worker,
            state: Mutex::default(),
        }
    }

    /// True when the connection will be woken for this.
    fn tell(&self, standing: &Arc<Standing>) -> bool {
        let mut state = lock(&self.state);
        if state.closed || state.pending {
            return false;
        }
        state.standing.get_or_insert_with(|| Arc::clone(standing));
        state.pending = true;
        self.scheduler.commit(END);
        true
    }

    fn commit(&self, event: u64) {
        let state = lock(&self.state);
        if !state.closed {
            self.scheduler.commit(event);
        }
    }

    /// Why the connection has to end; None for one that is closed.
    fn reason(&self) -> Option<Arc<Standing>> {
        let state = lock(&self.state);
        state.standing.clone().filter(|_| !state.closed)
    }

    /// The connection was woken: whoever paces may go on.
    fn settle(&self) {
        if std::mem::take(&mut lock(&self.state).pending) {
            process().ended(self.worker, 1);
        }
    }

    fn leave(&self) {
        lock(&self.state).closed = true;
        self.settle();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last reference to a filter may fall on any thread.
const fn is_bound_to_no_thread<T: Send + Sync>() {}
const _: () = is_bound_to_no_thread::<Connection>();

#[cfg(test)]
mod tests {
    use super::ConnectionSettings;

    #[test]
    fn settings_that_nobody_makes_are_refused() {
        let read = |text| ConnectionSettings::read("connection", text);
        assert!(read(r#"{"carries":"http","address":true,"refuse":false}"#).is_ok());
        for wrong in [
            "",
            "{}",
            r#"{"carries":"udp","address":true,"refuse":true}"#,
            r#"{"carries":"tcp","address":true,"refuse":false}"#,
            r#"{"carries":"http","address":true,"refuse":false,"more":1}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let right = r#"{"carries":"tcp","address":true,"refuse":true}"#;
        assert!(ConnectionSettings::read("who", right).is_err());
    }
}
