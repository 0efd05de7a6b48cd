//! The stream of verdicts from the control plane: one gRPC call that is always being made.
//!
//! Lives in a static listener of the bootstrap, so that no change of configuration touches it. All of
//! it runs on Envoy's main thread, but for the timer that wakes it.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ostiary_verdicts::wire::ToGuard;
use ostiary_verdicts::{FrameError, Frames, Session, frame};
use prost::Message;
use serde::Deserialize;

use crate::abi::{Config, ConfigScheduler, ENVOY, Http, Level, log, validating};
use crate::process::{Process, begin, process};
use crate::provoked;
use crate::told;

const PATH: &str = "/ostiary.verdicts.v1.Verdicts/Stream";
const TICK: Duration = Duration::from_millis(100);
/// Milliseconds without a word after which a stream counts as dead; heartbeats come each 2 s.
const SILENCE_MS: u64 = 10_000;
const LONGEST_WAIT_MS: u64 = 2_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The cluster of the control plane.
    cluster: String,
    /// Where the last table is kept; empty for nowhere.
    #[serde(default)]
    table: String,
}

/// See the module.
pub(crate) struct VerdictStream {
    config: Config,
    cluster: String,
    line: Mutex<Line>,
    /// False once this is gone: its scheduler is not used any more.
    alive: Arc<Mutex<bool>>,
}

#[derive(Default)]
struct Line {
    stream: Option<u64>,
    /// The control plane itself answered: what comes is not an error page of Envoy's.
    open: bool,
    frames: Frames,
    heard_ms: u64,
    next_try_ms: u64,
    wait_ms: u64,
    /// The gRPC status of the last refusal; said once.
    refused: Option<String>,
}

impl VerdictStream {
    pub(crate) fn new(config: Config, settings: &str) -> Result<Self, String> {
        let wanted: Wanted = serde_json::from_str(settings).map_err(|why| why.to_string())?;
        let made = Self {
            config,
            cluster: wanted.cluster,
            line: Mutex::default(),
            alive: Arc::new(Mutex::new(true)),
        };
        if !validating() {
            begin((!wanted.table.is_empty()).then(|| PathBuf::from(wanted.table)));
            made.tick(config.scheduler());
        }
        Ok(made)
    }

    /// Wakes us on the main thread, again and again, for as long as we live.
    fn tick(&self, scheduler: ConfigScheduler) {
        let alive = Arc::clone(&self.alive);
        thread::spawn(move || {
            while tick(&alive, &scheduler) {
                thread::sleep(TICK);
            }
        });
    }

    /// Whether the control plane is there.
    pub(crate) fn connected(&self) -> bool {
        self.line().open
    }

    /// Says over the local socket how the guard is.
    pub(crate) fn answer(&self, http: &Http<'_>) {
        let process = process();
        let session = process.session();
        let state = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "envoy": ENVOY,
            "epoch": session.epoch(),
            "applied": session.applied(),
            "entries": process.table.entries(),
            "refused": process.table.refused(),
            "fresh_ms": process.table.age_ms(process.mono_ms()),
            "connected": self.connected(),
            "streams": process.streams.load(Ordering::Relaxed),
            "connections": process.connections.load(Ordering::Relaxed),
            "cuts": process.cuts(),
            "cached_tokens": crate::credential::remembered(),
            "cached_credentials": crate::machine::remembered(),
            "waf": crate::waf::state(),
        });
        drop(session);
        let kind: [(&str, &[u8]); 1] = [("content-type", b"application/json")];
        http.reply(200, &kind, state.to_string().as_bytes(), "ostiary.state");
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn woken(&self) {
        let process = process();
        process.distrust();
        let now = process.mono_ms();
        let mut line = self.line();
        match line.stream {
            None if now >= line.next_try_ms => {
                drop(line);
                self.call(process, now);
            }
            Some(stream) if now.saturating_sub(line.heard_ms) > SILENCE_MS => {
                line.open = false;
                drop(line);
                self.config.reset(stream);
            }
            Some(stream) if line.open => {
                drop(line);
                self.report(process, stream);
            }
            _ => {}
        }
    }

    /// The control plane hears which verdicts ended streams.
    fn report(&self, process: &Process, stream: u64) {
        for (verdict, streams) in process.reports() {
            let report = Session::report(verdict, streams);
            self.config.send(stream, &frame(&report));
        }
    }

    fn call(&self, process: &Process, now: u64) {
        let hello = process
            .session()
            .hello(env!("CARGO_PKG_VERSION"), ENVOY, told::public_key());
        let headers: [(&str, &[u8]); 6] = [
            (":method", b"POST"),
            (":scheme", b"https"),
            (":authority", b"control-plane"),
            (":path", PATH.as_bytes()),
            ("content-type", b"application/grpc"),
            ("te", b"trailers"),
        ];
        {
            let mut line = self.line();
            line.wait_ms = (line.wait_ms * 2).clamp(100, LONGEST_WAIT_MS);
            line.next_try_ms = now + line.wait_ms;
            line.heard_ms = now;
            line.open = false;
            line.frames = Frames::new();
        }
        // Envoy may call back before this returns, so the lock is not held.
        let stream = self
            .config
            .start_stream(&self.cluster, &headers, &frame(&hello));
        self.line().stream = stream;
    }

    pub(crate) fn headers<'a>(
        &self,
        stream: u64,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        let mut open = false;
        let mut refused = None;
        for (name, value) in headers {
            match name {
                b":status" => open = value == b"200",
                b"grpc-status" if value != b"0" => refused = Some(value),
                _ => {}
            }
        }
        let mut line = self.line();
        if line.stream.is_none_or(|known| known == stream) {
            line.open = open && refused.is_none();
        }
        let refused = refused.map(|status| String::from_utf8_lossy(status).into_owned());
        if let Some(status) = &refused
            && line.refused != refused
        {
            let text = format!("ostiary guard: the control plane refuses: gRPC status {status}");
            log(Level::Warn, &text);
        }
        line.refused = refused;
    }

    pub(crate) fn data(&self, stream: u64, bytes: &[u8]) {
        let process = process();
        let mut line = self.line();
        if !line.open || line.stream != Some(stream) {
            return;
        }
        line.heard_ms = process.mono_ms();
        let mut frames = std::mem::take(&mut line.frames);
        drop(line);
        let read = frames.push::<Broken>(bytes, |message| self.enforce(process, stream, message));
        let mut line = self.line();
        line.frames = frames;
        match read {
            // Whoever speaks sense is called again at once when the line breaks.
            Ok(()) => line.wait_ms = 0,
            Err(Broken(why)) => {
                line.open = false;
                drop(line);
                log(
                    Level::Error,
                    &format!("ostiary guard: the stream of verdicts broke off: {why}"),
                );
                self.config.reset(stream);
            }
        }
    }

    /// What the message says holds when its answer is sent.
    fn enforce(&self, process: &Process, stream: u64, raw: &[u8]) -> Result<(), Broken> {
        let message = ToGuard::decode(raw).map_err(|why| Broken(why.to_string()))?;
        let mut session = process.session();
        provoked::in_message(raw);
        let before = session.applied();
        let step = session
            .told(&process.table, &process.clock, message, process.mono_ms())
            .map_err(|why| Broken(why.to_string()))?;
        if session.applied() != before {
            process.changed();
        }
        drop(session);
        process.end(step.endings);
        if let Some(answer) = step.answer {
            self.config.send(stream, &frame(&answer));
        }
        Ok(())
    }

    /// Nothing of this stream counts any more.
    pub(crate) fn broken(&self, stream: u64) {
        self.line().open = false;
        self.config.reset(stream);
    }

    pub(crate) fn over(&self, stream: u64) {
        let mut line = self.line();
        if line.stream == Some(stream) {
            let wait = line.wait_ms;
            line.stream = None;
            line.open = false;
            line.next_try_ms = process().mono_ms() + wait;
        }
    }
}

impl Drop for VerdictStream {
    fn drop(&mut self) {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

/// False when there is nobody to wake any more.
fn tick(alive: &Mutex<bool>, scheduler: &ConfigScheduler) -> bool {
    let alive = alive.lock().unwrap_or_else(PoisonError::into_inner);
    if *alive {
        scheduler.commit(0);
    }
    *alive
}

/// Why a stream ends before its time.
struct Broken(String);

impl From<FrameError> for Broken {
    fn from(why: FrameError) -> Self {
        Self(why.to_string())
    }
}
