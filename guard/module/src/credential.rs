//! The credentials of a request: session cookie, what `login` handed over, identity assertion.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use ostiary_credentials::bearer::IssuerTerms;
use ostiary_credentials::cookies;
use ostiary_credentials::{Known, Latest, Terms, TokenCache, Verified, Verifier};
use ostiary_verdicts::{Key, Kind, Subject};
use serde::Deserialize;
use serde_json::Value;

use crate::abi::{Headers, Http};
use crate::asked::{self, Shown, Written};
use crate::ending::Refusal;
use crate::machine::{self, Machine, Shows};
use crate::process::{Process, process};
use crate::roles::RouteSettings;

/// Tokens one process remembers.
const REMEMBERED: usize = 100_000;
pub(crate) const ASSERTION_HEADER: &str = "x-ostiary-assertion";
const OFFLINE_HEADER: &str = "x-ostiary-offline";
/// Envoy sets it when `login` did not answer; a client's own was stripped.
const LOGIN_FAILED: &str = "x-envoy-auth-failure-mode-allowed";

pub(crate) type Remembered = Arc<Known<Beside>>;

/// What is made of a token once.
#[derive(Default)]
pub(crate) struct Beside {
    subject: OnceLock<Arc<Subject>>,
    pub written: Written,
}

thread_local! {
    /// The token that was looked at last on this worker: `handover` asks for what `who` has asked.
    static LATEST: Latest<Beside> = const { Latest::new() };
}

/// `who`: what programs show, else the session cookie.
pub(crate) struct Who {
    machine: Machine,
    handed: Tokens,
    session: Tokens,
    stale: Terms,
    cookie: String,
    prefix: String,
}

/// `handover`: what `login` handed over, grace while it is away, and the application's view.
pub(crate) struct Handover {
    machine: machine::Handed,
    session: Tokens,
    handed: Tokens,
    grace: Option<Terms>,
    header: String,
    cookie: String,
    pub prefix: String,
}

/// `assertion`: the mini gateway's.
pub(crate) struct Assertion {
    tokens: Tokens,
    grace: Option<Terms>,
    header: String,
    pub route: RouteSettings,
}

pub(crate) struct Tokens {
    pub verifier: Verifier,
    pub terms: Terms,
}

impl Tokens {
    /// What `token` says, remembered or looked at now; whether it holds is another question.
    fn look_at(&self, token: &[u8]) -> Option<Remembered> {
        let found = match recall(token) {
            Some(found) if self.verifier.accepts(&found.verified) => found,
            _ => {
                let verified = self.verifier.verify(token).ok()?;
                LATEST.with(|one| one.put(cache(), token, verified, Beside::default()))
            }
        };
        Some(found)
    }

    pub(crate) fn holds(&self, token: &[u8]) -> Option<Remembered> {
        let found = self.look_at(token)?;
        found.verified.holds(self.terms, now()).ok()?;
        Some(found)
    }

    /// The same of a token that is remembered.
    pub(crate) fn still_holds(&self, known: &Remembered) -> bool {
        self.verifier.accepts(&known.verified) && known.verified.holds(self.terms, now()).is_ok()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhoSettings {
    issuer: String,
    jwks: Value,
    token_lifetime: i64,
    absolute_lifetime: i64,
    skew: i64,
    cookie: String,
    prefix: String,
    /// Those that routes may name.
    #[serde(default)]
    issuers: BTreeMap<String, IssuerTerms>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HandoverSettings {
    issuer: String,
    jwks: Value,
    lifetime: i64,
    skew: i64,
    token_lifetime: i64,
    offline_grace: i64,
    cookie: String,
    prefix: String,
    header: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssertionSettings {
    issuer: String,
    jwks: Value,
    audience: String,
    lifetime: i64,
    skew: i64,
    offline_grace: i64,
    header: String,
    #[serde(default)]
    route: RouteSettings,
}

fn session_tokens(issuer: &str, jwks: &Value, terms: Terms) -> Result<Tokens, String> {
    let verifier = Verifier::new(issuer, "ostiary:session", "ostiary-session+jwt", jwks)?;
    Ok(Tokens { verifier, terms })
}

impl Who {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let read: WhoSettings = settings("who", text)?;
        let terms = Terms {
            lifetime: read.token_lifetime,
            skew: read.skew,
        };
        let whole = read.absolute_lifetime;
        Ok(Self {
            machine: Machine::new(read.issuers)?,
            handed: machine::handed_tokens(&read.issuer, &read.jwks, read.skew)?,
            session: session_tokens(&read.issuer, &read.jwks, terms)?,
            stale: Terms {
                lifetime: whole,
                skew: whole,
            },
            cookie: read.cookie,
            prefix: read.prefix,
        })
    }

    /// The token that the request shows, if it counts as anything.
    fn shown(&self, http: &Http<'_>) -> Result<Option<Shown>, Refusal> {
        let lines = http.header_values(Headers::Request, "cookie");
        let found = cookies::find(&lines, self.prefix.as_bytes(), self.cookie.as_bytes());
        let Some(token) = found.map_err(|_| Refusal::Twice)? else {
            return Ok(None);
        };
        let Some(found) = self.session.look_at(token) else {
            return Ok(None);
        };
        let key = if found.verified.holds(self.session.terms, now()).is_ok() {
            "session"
        } else if found.verified.holds(self.stale, now()).is_ok() {
            "stale"
        } else {
            return Ok(None);
        };
        Ok(Some(Shown { key, known: found }))
    }

    /// The rules have answered; the subject is whoever the token is about.
    pub(crate) fn read_request(
        &self,
        http: &Http<'_>,
        route: &RouteSettings,
    ) -> Result<Option<Arc<Subject>>, Refusal> {
        if let Shows::Somebody(found) = self.machine.read_request(http, &self.handed, route)? {
            return Ok(found);
        }
        let shown = self.shown(http)?;
        asked::ask(http, route, shown.as_ref());
        Ok(shown.map(|one| {
            let auth = one.known.verified.claims.auth_time;
            subject(process(), &one.known, auth)
        }))
    }
}

impl Handover {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let read: HandoverSettings = settings("handover", text)?;
        let session = Terms {
            lifetime: read.token_lifetime,
            skew: read.skew,
        };
        let handed = Terms {
            lifetime: read.lifetime,
            skew: read.skew,
        };
        let typ = "ostiary-handover+jwt";
        let verifier = Verifier::new(&read.issuer, "ostiary:handover", typ, &read.jwks)?;
        let grace = Terms {
            lifetime: read.token_lifetime,
            skew: read.offline_grace,
        };
        Ok(Self {
            machine: machine::Handed::new(&read.issuer, &read.jwks, read.skew)?,
            session: session_tokens(&read.issuer, &read.jwks, session)?,
            handed: Tokens {
                verifier,
                terms: handed,
            },
            grace: (read.offline_grace > 0).then_some(grace),
            header: read.header,
            cookie: read.cookie,
            prefix: read.prefix,
        })
    }

    /// What `login` handed over, or what counts while it is away, is who asks from now on; the
    /// application gets the assertion. None when `who` has said it all.
    pub(crate) fn read_request(
        &self,
        http: &Http<'_>,
        route: &RouteSettings,
    ) -> Option<Arc<Subject>> {
        if let Shows::Somebody(found) = self.machine.read_request(http, route, &self.header) {
            return found;
        }
        let failed = http.header(Headers::Request, LOGIN_FAILED);
        let there = http.header(Headers::Request, &self.header);
        let handed = there.and_then(|token| self.handed.holds(token));
        let changed = handed.is_some();
        let known = handed.or_else(|| {
            let lines = http.header_values(Headers::Request, "cookie");
            let found = cookies::find(&lines, self.prefix.as_bytes(), self.cookie.as_bytes());
            let found = self.session.look_at(found.ok()??)?;
            let graced = failed.and(self.grace);
            found
                .verified
                .holds(graced.unwrap_or(self.session.terms), now())
                .ok()?;
            Some(found)
        });
        let offline = failed.filter(|_| self.grace.is_some() && !changed);
        if there.is_some() {
            http.set_header(Headers::Request, &self.header, None);
        }
        if offline.is_some() {
            http.set_header(Headers::Request, OFFLINE_HEADER, offline);
        }
        let known = known?;
        let assertion = known.verified.assertion.as_bytes();
        let assertion = (!assertion.is_empty()).then_some(assertion);
        http.set_header(Headers::Request, ASSERTION_HEADER, assertion);
        if !changed && offline.is_none() {
            return None;
        }
        let shown = Shown {
            key: "session",
            known,
        };
        asked::tell(http, &shown);
        asked::log(http, route, &shown);
        let auth = shown.known.verified.claims.auth_time;
        Some(subject(process(), &shown.known, auth))
    }
}

impl Assertion {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let read: AssertionSettings = settings("assertion", text)?;
        let typ = "ostiary-assertion+jwt";
        let verifier = Verifier::new(&read.issuer, &read.audience, typ, &read.jwks)?;
        let terms = Terms {
            lifetime: read.lifetime,
            skew: read.skew,
        };
        let grace = Terms {
            lifetime: read.lifetime,
            skew: read.offline_grace,
        };
        Ok(Self {
            tokens: Tokens { verifier, terms },
            grace: (read.offline_grace > 0).then_some(grace),
            header: read.header,
            route: read.route,
        })
    }

    pub(crate) fn read_request(&self, http: &Http<'_>) -> Option<Arc<Subject>> {
        let token = http.header(Headers::Request, &self.header)?;
        let found = self.tokens.look_at(token)?;
        let offline = http
            .header(Headers::Request, OFFLINE_HEADER)
            .and(self.grace);
        found
            .verified
            .holds(offline.unwrap_or(self.tokens.terms), now())
            .ok()?;
        let shown = Shown {
            key: "assertion",
            known: found,
        };
        asked::tell(http, &shown);
        asked::log(http, &self.route, &shown);
        // `login` signs none against a verdict: whoever got one later has signed in afresh.
        Some(subject(
            process(),
            &shown.known,
            shown.known.verified.issued,
        ))
    }
}

/// Whoever `known` is about, made once for each token.
pub(crate) fn subject(process: &Process, known: &Remembered, auth: Option<i64>) -> Arc<Subject> {
    let made = known.slot.subject.get_or_init(|| {
        let Verified { claims, .. } = &known.verified;
        let named = [
            (Kind::User, &claims.user),
            (Kind::Session, &claims.session),
            (Kind::Device, &claims.device),
            (Kind::Provider, &claims.provider),
            (Kind::Token, &claims.credential),
            (Kind::ApiKey, &claims.credential),
            (Kind::Token, &known.verified.sha256),
            (Kind::Token, &known.verified.twin),
        ];
        let keys: Vec<Key<'_>> = named
            .iter()
            .filter(|(_, name)| !name.is_empty())
            .map(|(kind, name)| Key::Named(*kind, name))
            .collect();
        let auth_ms = auth.map(|seconds| seconds.saturating_mul(1000));
        process.table.credential(&keys, auth_ms, process.now_ms())
    });
    Arc::clone(made)
}

fn settings<'a, T: Deserialize<'a>>(role: &str, text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|why| format!("settings of {role}: {why}"))
}

fn cache() -> &'static TokenCache<Beside> {
    static CACHE: OnceLock<TokenCache<Beside>> = OnceLock::new();
    CACHE.get_or_init(|| TokenCache::new(REMEMBERED))
}

/// How many tokens are remembered.
pub(crate) fn remembered() -> usize {
    cache().len()
}

fn recall(token: &[u8]) -> Option<Remembered> {
    LATEST.with(|one| one.get(cache(), token))
}

/// Unix seconds, by the control plane's clock where that was heard: a proxy whose own clock is behind
/// takes no token for longer.
pub(crate) fn now() -> i64 {
    process().now_ms().div_euclid(1000)
}
