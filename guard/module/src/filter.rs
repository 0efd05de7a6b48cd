//! One HTTP stream on its way through a filter of the guard: who asks, and whether that is let in.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use ostiary_verdicts::{Cut, Effect, Standing, Subject, of_request};

use crate::abi::{Attribute, Headers, Http};
use crate::ending::{self, Refusal};
use crate::handle::Handle;
use crate::hygiene;
use crate::live::{Live, speaks_grpc};
use crate::process::{Process, process};
use crate::provoked;
use crate::roles::{Role, Route, RouteSettings, Then, Trust};
use crate::told;

/// Envoy calls hooks within hooks and destroys a stream in the middle of one: hooks share it.
pub(crate) struct Filter {
    /// The configuration outlives its filters: Envoy keeps it for as long as a stream lives.
    role: &'static Role,
    /// The request went through here.
    asked: Cell<bool>,
    live: Live,
}

impl Filter {
    pub(crate) fn new(role: &'static Role) -> Self {
        Self {
            role,
            asked: Cell::new(false),
            live: Live::default(),
        }
    }

    /// True when the request goes on.
    pub(crate) fn request_headers(&self, http: &Http<'_>) -> bool {
        self.asked.set(true);
        provoked::in_hook(http, "request_headers");
        if let Role::Verdicts(stream) = self.role {
            stream.answer(http);
            return false;
        }
        let route = self.route(http);
        match self.admit(http, route) {
            Ok(()) => {
                self.trusts(route);
                true
            }
            Err(refusal) => {
                self.live.over();
                ending::refuse(http, speaks_grpc(http), &refusal);
                false
            }
        }
    }

    fn route<'a>(&'a self, http: &Http<'a>) -> &'a RouteSettings {
        match http.route_settings() {
            Some(Route::Trust(route)) => route,
            _ => self.role.route(),
        }
    }

    fn admit(&self, http: &Http<'_>, route: &RouteSettings) -> Result<(), Refusal> {
        let process = process();
        let mut asking = Asking::default();
        match self.role {
            Role::Address(settings) => {
                trusted(process, route.trust.as_ref())?;
                asking.address = source(http);
                self.stand(http, process, route, &asking)?;
                hygiene::clean_request(http, route, &settings.prefix)
            }
            Role::Who(who) => {
                trusted(process, route.trust.as_ref())?;
                asking.credential = who.read_request(http, route)?;
                asking.address = source(http);
                self.stand(http, process, route, &asking)
            }
            Role::Handover(handover) => {
                asking.credential = handover.read_request(http, route);
                if asking.credential.is_some() {
                    // `who` has let the address in; its score counts with this credential too.
                    asking.floor = risk_of_address(http, process, route);
                    self.stand(http, process, route, &asking)?;
                }
                hygiene::clean_request(http, route, &handover.prefix)
            }
            Role::Assertion(assertion) => {
                trusted(process, route.trust.as_ref())?;
                asking.credential = assertion.read_request(http);
                asking.workload = http.attribute(Attribute::PeerUri).map(|uri| {
                    let uri = String::from_utf8_lossy(uri);
                    process.table.workload(&uri, process.now_ms())
                });
                self.stand(http, process, route, &asking)
            }
            Role::Verdicts(_) | Role::WafHead(_) | Role::WafBody => Ok(()),
        }
    }

    /// Once for each stream: `who` does it for `handover`.
    fn trusts(&self, route: &RouteSettings) {
        if let Some(trust) = &route.trust
            && trust.then == Then::Deny
            && !matches!(self.role, Role::Handover(_))
        {
            self.live.trusts(trust.stale_after_ms);
        }
    }

    /// Links the request to whoever asks, and refuses it if a verdict says so.
    fn stand(
        &self,
        http: &Http<'_>,
        process: &Process,
        route: &RouteSettings,
        asking: &Asking,
    ) -> Result<(), Refusal> {
        let auth_ms = asking.credential.as_ref().and_then(|one| one.auth_ms());
        let found = self.link(http, process, asking, auth_ms);
        let risk = found.as_ref().map_or(0, |one| one.risk).max(asking.floor);
        if route.risk {
            ending::score(http, risk);
        }
        if let Some(one) = found
            .as_ref()
            .filter(|one| one.effect != Effect::Known && !one.effect.ends())
        {
            told::tell(http, one, risk, &route.host, process.now_ms());
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

    fn link(
        &self,
        http: &Http<'_>,
        process: &Process,
        asking: &Asking,
        auth_ms: Option<i64>,
    ) -> Option<Arc<Standing>> {
        let now = process.now_ms();
        let handle = Arc::new(Handle::new(http.scheduler(), http.worker(), auth_ms));
        let stream: Arc<dyn Cut> = Arc::<Handle>::clone(&handle);
        self.live.open(http, handle);
        let link = |subject: Arc<Subject>| {
            let (id, standing) = subject.link(&process.table, now, &stream);
            self.live.linked(subject, id);
            standing
        };
        let credential = asking.credential.clone().and_then(link);
        let address = asking.address.map(|one| process.table.address(one, now));
        let others = [
            address.and_then(link),
            asking.workload.clone().and_then(link),
        ];
        of_request(credential.as_ref(), &others, auth_ms)
    }

    pub(crate) fn response_headers(&self, http: &Http<'_>, end: bool) {
        provoked::in_hook(http, "response_headers");
        self.live.answered(http, end);
        if matches!(self.role, Role::Who(_) | Role::Address(_)) {
            decided(http);
        }
        // Answers that other filters gave before the request came here are not the application's.
        if let (true, Some(prefix)) = (self.asked.get(), self.role.prefix())
            && self.route(http).cookies
        {
            hygiene::clean_response(http, prefix);
        }
    }

    pub(crate) fn response_body(&self, http: &Http<'_>, end: bool) {
        provoked::in_hook(http, "response_body");
        self.live.passing(http, end);
    }

    /// Another thread asked for this stream.
    pub(crate) fn woken(&self, http: &Http<'_>, event: u64) {
        provoked::in_hook(http, "scheduled");
        self.live.woken(http, event);
    }

    /// Nothing reaches this stream any more; or Envoy or another filter answers by itself, and that
    /// answer is not ours to end politely.
    pub(crate) fn over(&self) {
        self.live.over();
    }
}

/// Who asks, as far as this filter knows.
#[derive(Default)]
struct Asking {
    credential: Option<Arc<Subject>>,
    address: Option<IpAddr>,
    workload: Option<Arc<Subject>>,
    /// The score is this at least.
    floor: u8,
}

/// Every answer says under which id `explain` finds the decision, whoever answered.
fn decided(http: &Http<'_>) {
    if let Some(id) = http.header(Headers::Request, "x-request-id") {
        http.set_header(Headers::Response, "x-ostiary-decision", Some(id));
    }
}

fn risk_of_address(http: &Http<'_>, process: &Process, route: &RouteSettings) -> u8 {
    if !route.risk {
        return 0;
    }
    let now = process.now_ms();
    let address = source(http).map(|one| process.table.address(one, now));
    let standing = address.and_then(|one| one.standing(&process.table, now));
    standing.map_or(0, |one| one.risk)
}

/// Refuses where trust is needed and the table cannot give it.
pub(crate) fn trusted(process: &Process, trust: Option<&Trust>) -> Result<(), Refusal> {
    let Some(trust) = trust else {
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
