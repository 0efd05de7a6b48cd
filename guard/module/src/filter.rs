//! One HTTP stream on its way through a filter of the guard.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ostiary_verdicts::{Cut, Effect, LinkId, Standing, Subject, of_request};

use crate::abi::{Attribute, Headers, Http, Scheduler};
use crate::ending::{self, Refusal};
use crate::frames::{FrameTracker, close_frame};
use crate::later;
use crate::process::{Process, process};
use crate::roles::{Role, RouteSettings, Then};

/// Events of a stream's scheduler.
const END: u64 = 0;
const FORCE: u64 = 1;

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

/// What reaches a stream from other threads.
pub(crate) struct Handle {
    scheduler: Scheduler,
    worker: u32,
    /// Why it has to end; the first reason stays.
    standing: Mutex<Option<Arc<Standing>>>,
    /// The credential's sign-in: a step-up may be satisfied by it.
    auth_ms: Option<i64>,
    /// Told to end, and not woken since.
    pending: AtomicBool,
}

impl Cut for Handle {
    fn cut(&self, standing: &Arc<Standing>) {
        let Some(standing) = standing
            .judged(self.auth_ms)
            .filter(|one| one.effect.ends())
        else {
            return process().ended(self.worker, 1);
        };
        let mut known = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            *known = Some(standing);
        }
        drop(known);
        if self.pending.swap(true, Ordering::AcqRel) {
            process().ended(self.worker, 1);
        } else {
            self.scheduler.commit(END);
        }
    }

    fn worker(&self) -> u32 {
        self.worker
    }
}

impl Handle {
    /// The work is done, or there is nothing to do any more.
    fn settle(&self) {
        if self.pending.swap(false, Ordering::AcqRel) {
            process().ended(self.worker, 1);
        }
    }

    fn force(&self) {
        self.scheduler.commit(FORCE);
    }
}

/// See the module.
pub(crate) struct Filter {
    role: RolePointer,
    handle: Option<Arc<Handle>>,
    links: Vec<(Arc<Subject>, LinkId)>,
    sound: Sound,
    asked: bool,
    grpc: bool,
    upgrade: bool,
    ended: bool,
    frames: FrameTracker,
    /// A WebSocket that ends at the next boundary.
    closing: Option<Arc<Standing>>,
}

/// The filter's configuration, which outlives it: Envoy keeps it for as long as a stream lives.
#[derive(Clone, Copy)]
pub(crate) struct RolePointer(&'static Role);

impl RolePointer {
    pub(crate) fn new(role: &'static Role) -> Self {
        Self(role)
    }
}

impl Filter {
    pub(crate) fn new(role: RolePointer) -> Self {
        Self {
            role,
            handle: None,
            links: Vec::new(),
            sound: Sound::Waiting,
            asked: false,
            grpc: false,
            upgrade: false,
            ended: false,
            frames: FrameTracker::default(),
            closing: None,
        }
    }

    /// True when the request goes on.
    pub(crate) fn request_headers(&mut self, http: &Http<'_>, _end: bool) -> bool {
        self.asked = true;
        let role = self.role.0;
        if let Role::Verdicts(stream) = role {
            stream.answer(http);
            return false;
        }
        let kind = http
            .header(Headers::Request, "content-type")
            .unwrap_or_default();
        self.grpc = kind.starts_with(b"application/grpc");
        self.upgrade = http.header(Headers::Request, "upgrade").is_some()
            || http.header(Headers::Request, ":protocol").is_some();
        let route = http
            .route_settings::<RouteSettings>()
            .unwrap_or(role.route());
        match self.admit(http, role, route) {
            Ok(()) => true,
            Err(refusal) => {
                self.over();
                ending::refuse(http, self.grpc, &refusal);
                false
            }
        }
    }

    fn admit(
        &mut self,
        http: &Http<'_>,
        role: &Role,
        route: &RouteSettings,
    ) -> Result<(), Refusal> {
        let process = process();
        match role {
            Role::Address(settings) => {
                trusted(process, route)?;
                let address = source(http);
                self.stand(
                    http,
                    process,
                    route,
                    &Asking {
                        address,
                        ..Asking::default()
                    },
                )?;
                if route.cookies {
                    crate::credential::clean_request(http, &settings.prefix)?;
                }
                Ok(())
            }
            Role::Who(who) => {
                trusted(process, route)?;
                let credential = who.read_request(http)?;
                let address = source(http);
                self.stand(
                    http,
                    process,
                    route,
                    &Asking {
                        address,
                        credential,
                        workload: None,
                    },
                )
            }
            Role::Handover(handover) => {
                let credential = handover.read_request(http);
                if credential.is_some() {
                    let asking = Asking {
                        credential,
                        ..Asking::default()
                    };
                    self.stand(http, process, route, &asking)?;
                }
                handover.clean_request(http, route)
            }
            Role::Assertion(assertion) => {
                trusted(process, route)?;
                let credential = assertion.read_request(http);
                let workload = http.attribute(Attribute::PeerUri).map(|uri| {
                    let uri = String::from_utf8_lossy(uri);
                    process.table.workload(&uri, process.now_ms())
                });
                self.stand(
                    http,
                    process,
                    route,
                    &Asking {
                        address: None,
                        credential,
                        workload,
                    },
                )
            }
            Role::Verdicts(_) => Ok(()),
        }
    }

    /// Links the request to whoever asks, and refuses it if a verdict says so.
    fn stand(
        &mut self,
        http: &Http<'_>,
        process: &Process,
        route: &RouteSettings,
        asking: &Asking,
    ) -> Result<(), Refusal> {
        let auth_ms = asking.credential.as_ref().and_then(|one| one.auth_ms());
        let now = process.now_ms();
        let handle = Arc::new(Handle {
            scheduler: http.scheduler(),
            worker: http.worker(),
            standing: Mutex::new(None),
            auth_ms,
            pending: AtomicBool::new(false),
        });
        let stream: Arc<dyn Cut> = Arc::<Handle>::clone(&handle);
        self.handle = Some(handle);
        process.streams.fetch_add(1, Ordering::Relaxed);
        let mut link = |subject: &Arc<Subject>| {
            let (id, standing) = subject.link(&process.table, now, &stream);
            self.links.push((Arc::clone(subject), id));
            standing
        };
        let credential = asking.credential.as_ref().and_then(&mut link);
        let address = asking
            .address
            .as_ref()
            .and_then(|one| link(&process.table.address(*one, now)));
        let workload = asking.workload.as_ref().and_then(&mut link);
        let found = of_request(credential.as_ref(), &[address, workload], auth_ms);
        let risk = found.as_ref().map_or(0, |one| one.risk);
        if route.risk {
            ending::score(http, risk);
        }
        match found {
            Some(one) if one.effect.ends() => Err(Refusal::Verdict(one)),
            Some(one) if one.effect == Effect::Limit => match one.take(process.mono_ms()) {
                Ok(()) => Ok(()),
                Err(wait_ms) => Err(Refusal::Limited(one, wait_ms.div_ceil(1000).max(1))),
            },
            _ => Ok(()),
        }
    }

    pub(crate) fn response_headers(&mut self, http: &Http<'_>, _end: bool) {
        let kind = http
            .header(Headers::Response, "content-type")
            .unwrap_or_default();
        let status = http
            .header(Headers::Response, ":status")
            .unwrap_or_default();
        self.sound = if self.upgrade && matches!(status, b"101" | b"200") {
            Sound::WebSocket
        } else if self.grpc {
            Sound::Grpc
        } else if kind.starts_with(b"text/event-stream") {
            Sound::Events
        } else {
            Sound::Body
        };
        if self.asked {
            let route = http
                .route_settings::<RouteSettings>()
                .unwrap_or(self.role.0.route());
            if let (true, Some(prefix)) = (route.cookies, self.role.0.prefix()) {
                crate::credential::clean_response(http, prefix);
            }
        }
    }

    /// True when the bytes go on.
    pub(crate) fn response_body(&mut self, http: &Http<'_>, _end: bool) -> bool {
        if self.sound != Sound::WebSocket || self.handle.is_none() || self.ended {
            return true;
        }
        let chunks = http.response_chunks();
        let Some(standing) = self.closing.clone() else {
            for chunk in chunks {
                self.frames.read(chunk);
            }
            return true;
        };
        let mut kept = Vec::new();
        for chunk in &chunks {
            if let Some(end) = self.frames.read(chunk) {
                kept.extend_from_slice(&chunk[..end]);
                kept.extend_from_slice(&close_frame(&standing.reason));
                http.drain_response(chunks.iter().map(|one| one.len()).sum());
                http.append_response(&kept);
                self.ended = true;
                if let Some(handle) = &self.handle {
                    handle.force();
                }
                return true;
            }
            kept.extend_from_slice(chunk);
        }
        true
    }

    /// Another thread asked for this stream.
    pub(crate) fn woken(&mut self, http: &Http<'_>, event: u64) {
        let Some(handle) = self.handle.clone() else {
            return;
        };
        handle.settle();
        let standing = handle
            .standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(standing) = standing else { return };
        if event == FORCE {
            if self.closing.take().is_some() || self.sound == Sound::WebSocket {
                self.ended = true;
                http.send_data(b"", true);
            }
            return;
        }
        if self.ended || self.closing.is_some() || self.links.is_empty() {
            return;
        }
        process().cuts.fetch_add(1, Ordering::Relaxed);
        ending::note(http, &standing);
        self.end(http, &handle, standing);
    }

    fn end(&mut self, http: &Http<'_>, handle: &Arc<Handle>, standing: Arc<Standing>) {
        match self.sound {
            Sound::WebSocket if self.frames.at_boundary() => {
                http.send_data(&close_frame(&standing.reason), true);
            }
            Sound::WebSocket => {
                self.closing = Some(standing);
                let handle = Arc::downgrade(handle);
                later::after_patience(Box::new(move || {
                    if let Some(handle) = handle.upgrade() {
                        handle.force();
                    }
                }));
                return;
            }
            Sound::Waiting => ending::refuse(http, self.grpc, &Refusal::Verdict(standing)),
            Sound::Grpc => ending::end_grpc(http, &standing),
            Sound::Events => http.send_data(ending::last_event(&standing).as_bytes(), true),
            Sound::Body => ending::cut_off(http, &standing),
        }
        self.ended = true;
        self.unlink();
    }

    /// Envoy or another filter answers by itself; that answer is not ours to end politely.
    pub(crate) fn answered_by_envoy(&mut self) {
        self.over();
    }

    /// Nothing reaches this stream any more.
    pub(crate) fn over(&mut self) {
        self.ended = true;
        self.unlink();
        if let Some(handle) = &self.handle {
            handle.settle();
        }
    }

    fn unlink(&mut self) {
        for (subject, id) in self.links.drain(..) {
            subject.unlink(id);
        }
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        self.over();
        if self.handle.take().is_some() {
            process().streams.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Who asks, as far as this filter knows.
#[derive(Default)]
struct Asking {
    credential: Option<Arc<Subject>>,
    address: Option<IpAddr>,
    workload: Option<Arc<Subject>>,
}

/// Refuses where the route needs trust and the table cannot give it.
fn trusted(process: &Process, route: &RouteSettings) -> Result<(), Refusal> {
    let Some(trust) = &route.trust else {
        return Ok(());
    };
    if process.table.full() {
        return Err(Refusal::Full);
    }
    let age = process.table.age_ms(process.mono_ms());
    let fresh = age.is_some_and(|age| age <= trust.stale_after_ms);
    if fresh || trust.then == Then::Keep {
        Ok(())
    } else {
        Err(Refusal::Stale)
    }
}

/// The client's address, after X-Forwarded-For where that is believed.
fn source(http: &Http<'_>) -> Option<IpAddr> {
    let text = std::str::from_utf8(http.attribute(Attribute::SourceAddress)?).ok()?;
    let socket = text.parse::<std::net::SocketAddr>().map(|one| one.ip());
    socket.or_else(|_| text.parse()).ok()
}
