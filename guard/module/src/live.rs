//! A stream under way: how it sounds, and how it ends when a verdict says so.

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use ostiary_verdicts::{LinkId, Subject};

use crate::abi::{Headers, Http};
use crate::connection;
use crate::ending::{self, Refusal};
use crate::events::EventTracker;
use crate::frames::FrameTracker;
use crate::handle::{FORCE, Handle};
use crate::later;
use crate::process::process;

/// How an end sounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sound {
    /// Nothing was answered yet: it is refused like a new request.
    #[default]
    Waiting,
    /// Server-sent events: a last event.
    Events,
    Grpc,
    WebSocket,
    /// Any other body: cut off.
    Body,
}

/// Envoy calls back into a stream while we are in the middle of ending it, so nothing here is
/// borrowed across a call of Envoy's.
#[derive(Default)]
pub(crate) struct Live {
    handle: OnceLock<Arc<Handle>>,
    links: RefCell<Vec<(Arc<Subject>, LinkId)>>,
    /// Milliseconds that its route bears a table that nobody confirms; None where it needs no trust.
    bears: Cell<Option<u64>>,
    grpc: Cell<bool>,
    websocket: Cell<bool>,
    sound: Cell<Sound>,
    ended: Cell<bool>,
    frames: RefCell<FrameTracker>,
    events: RefCell<EventTracker>,
    /// A WebSocket that ends at the next boundary.
    closing: RefCell<Option<Refusal>>,
    /// Its close frame is on its way: nothing may follow.
    closed: Cell<bool>,
}

impl Live {
    /// Verdicts reach the stream through `handle` from now on. What the request asks for says how it
    /// will sound.
    pub(crate) fn open(&self, http: &Http<'_>, handle: Arc<Handle>) {
        let upgrade = http.header(Headers::Request, "upgrade").unwrap_or_default();
        self.grpc.set(speaks_grpc(http));
        // Envoy shows the filters an upgrade in the words of HTTP/1.1, whatever the client speaks.
        self.websocket
            .set(upgrade.eq_ignore_ascii_case(b"websocket"));
        if self.handle.set(handle).is_ok() {
            process().streams.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn linked(&self, subject: Arc<Subject>, id: LinkId) {
        self.links.borrow_mut().push((subject, id));
    }

    /// It ends when the table was not confirmed for `stale_after_ms`, or has no room.
    pub(crate) fn trusts(&self, stale_after_ms: u64) {
        if let Some(handle) = self.handle.get() {
            self.bears.set(Some(stale_after_ms));
            process().trusting.enter(stale_after_ms, handle);
        }
    }

    pub(crate) fn answered(&self, http: &Http<'_>, end: bool) {
        if self.handle.get().is_none() {
            return;
        }
        let header = |name| http.header(Headers::Response, name).unwrap_or_default();
        let kind = header("content-type");
        let sound = if self.websocket.get() && header(":status") == b"101" {
            Sound::WebSocket
        } else if self.grpc.get() && is_grpc(kind) {
            Sound::Grpc
        } else if kind.starts_with(b"text/event-stream")
            && header("content-length").is_empty()
            && matches!(header("content-encoding"), b"" | b"identity")
        {
            Sound::Events
        } else {
            Sound::Body
        };
        self.sound.set(sound);
        if end {
            self.ended.set(true);
        }
    }

    /// Bytes of the answer pass; a WebSocket may end behind them.
    pub(crate) fn passing(&self, http: &Http<'_>, end: bool) {
        if end {
            self.ended.set(true);
        }
        if self.handle.get().is_none() || self.ended.get() {
            return;
        }
        match self.sound.get() {
            Sound::WebSocket => self.websocket_passes(http),
            Sound::Events => {
                let mut events = self.events.borrow_mut();
                for chunk in http.response_chunks() {
                    events.read(chunk);
                }
            }
            _ => {}
        }
    }

    fn websocket_passes(&self, http: &Http<'_>) {
        let chunks = http.response_chunks();
        let all = chunks.iter().map(|one| one.len()).sum();
        if self.closed.get() {
            return http.drain_response(all);
        }
        let closing = self.closing.borrow().clone();
        let mut kept = Vec::new();
        for chunk in &chunks {
            let end = self.frames.borrow_mut().read(chunk);
            let Some(why) = &closing else { continue };
            if let Some(end) = end {
                kept.extend_from_slice(&chunk[..end]);
                kept.extend_from_slice(&why.close_frame());
                http.drain_response(all);
                http.append_response(&kept);
                // The rest of the end cannot be said within this hook.
                self.closed.set(true);
                if let Some(handle) = self.handle.get() {
                    handle.force();
                }
                return;
            }
            kept.extend_from_slice(chunk);
        }
    }

    /// Another thread asked for this stream.
    pub(crate) fn woken(&self, http: &Http<'_>, event: u64) {
        let Some(handle) = self.handle.get().cloned() else {
            return;
        };
        handle.settle();
        if self.ended.get() {
            return;
        }
        if event == FORCE {
            if self.closing.borrow_mut().take().is_some() {
                self.ended.set(true);
                self.unlink();
                break_off(http);
                http.send_data(b"", true);
            }
            return;
        }
        let Some(why) = handle.reason() else {
            return;
        };
        let open = !self.links.borrow().is_empty() || self.bears.get().is_some();
        if self.closing.borrow().is_some() || !open {
            return;
        }
        if let Refusal::Verdict(standing) = &why {
            process().cut(&standing.verdict);
        }
        self.end(http, &handle, why);
    }

    /// The last call of Envoy's in here may destroy the stream.
    fn end(&self, http: &Http<'_>, handle: &Arc<Handle>, why: Refusal) {
        let sound = self.sound.get();
        if sound == Sound::WebSocket && !self.frames.borrow().at_boundary() {
            why.note(http);
            *self.closing.borrow_mut() = Some(why);
            let handle = Arc::downgrade(handle);
            return later::after_patience(Box::new(move || {
                if let Some(handle) = handle.upgrade() {
                    handle.force();
                }
            }));
        }
        self.ended.set(true);
        self.unlink();
        if sound != Sound::Waiting {
            why.note(http);
        }
        match sound {
            Sound::Waiting => ending::refuse(http, self.grpc.get(), &why),
            Sound::WebSocket => http.send_data(&why.close_frame(), true),
            Sound::Grpc => ending::end_grpc(http, &why),
            Sound::Events if self.events.borrow().at_boundary() => {
                http.send_data(why.last_event().as_bytes(), true);
            }
            Sound::Events | Sound::Body => {
                break_off(http);
                ending::cut_off(http, &why);
            }
        }
    }

    /// Nothing reaches this stream any more.
    pub(crate) fn over(&self) {
        self.ended.set(true);
        self.unlink();
        if let Some(handle) = self.handle.get() {
            handle.leave();
        }
    }

    fn unlink(&self) {
        if let (Some(bears), Some(handle)) = (self.bears.take(), self.handle.get()) {
            process().trusting.leave(bears, handle);
        }
        let links = self.links.take();
        for (subject, id) in links {
            subject.unlink(id);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.over();
        if self.handle.get().is_some() {
            process().streams.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Whether the request's answers must be those of gRPC.
pub(crate) fn speaks_grpc(http: &Http<'_>) -> bool {
    http.header(Headers::Request, "content-type")
        .is_some_and(is_grpc)
}

/// As Envoy's own filters see it: gRPC-Web is plain HTTP to them.
pub(crate) fn is_grpc(kind: &[u8]) -> bool {
    let rest = kind.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// What comes now is no end that a client could read as one: the connection says it, where there is
/// nothing else in it.
fn break_off(http: &Http<'_>) {
    if let Some(id) = http.own_connection() {
        connection::broken_off(id);
    }
}

#[cfg(test)]
mod tests {
    use super::is_grpc;

    #[test]
    fn grpc_is_not_grpc_web() {
        assert!(is_grpc(b"application/grpc"));
        assert!(is_grpc(b"application/grpc+proto"));
        assert!(!is_grpc(b"application/grpc-web+proto"));
        assert!(!is_grpc(b"application/json"));
    }
}
