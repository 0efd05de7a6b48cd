//! Credentials of programs: what a request shows in `Authorization` instead of a session.
//!
//! The guard verifies one by itself before anybody is called. At its first use on a host `login`
//! looks at it again and hands over whom it is about, with the assertion for the application; that
//! is remembered beside the credential, so that nobody is called for it again until it is over.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ostiary_credentials::bearer::{self, Bearer, Issuer, IssuerTerms};
use ostiary_credentials::{Known, Reason, Terms, TokenCache, Verifier, fingerprint, of_map, wrap};
use ostiary_verdicts::{Key, Kind, Subject};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::abi::{Headers, Http};
use crate::asked::{self, Shown};
use crate::credential::{ASSERTION_HEADER, Remembered, Tokens, now, subject};
use crate::ending::Refusal;
use crate::process::process;
use crate::roles::RouteSettings;

/// Credentials one process remembers.
const REMEMBERED: usize = 100_000;
/// Hosts for which one credential is remembered.
const MOST_HOSTS: usize = 64;
/// Seconds for which `login` hands a credential over at most.
const LIFETIME: i64 = 300;
/// Tells `login` what was shown; a client's own was stripped, and it goes no further.
const HEADER: &str = "x-ostiary-credential";
const AUTHORIZATION: &str = "authorization";

type Credential = Arc<Known<Beside, Bearer>>;

/// What is known about a credential.
#[derive(Default)]
pub(crate) struct Beside {
    subject: OnceLock<Arc<Subject>>,
    /// What `login` handed over, by host.
    handed: Mutex<Vec<(String, Remembered)>>,
}

thread_local! {
    /// The credential that was looked at last on this worker.
    static LAST: RefCell<Option<(Vec<u8>, Credential)>> = const { RefCell::new(None) };
}

/// What a route accepts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accepted {
    /// People sign in here besides, by cookie.
    pub login: bool,
    /// Issuers whose access tokens count, each with the audiences that it may name.
    #[serde(default)]
    bearer: BTreeMap<String, Vec<String>>,
}

impl Accepted {
    /// Where nobody signs in, whoever shows no credential is nobody, whatever cookies there are.
    fn others(&self) -> Shows {
        if self.login {
            Shows::Nothing
        } else {
            Shows::Somebody(None)
        }
    }
}

/// What all routes of a listener share.
pub(crate) struct Machine {
    issuers: BTreeMap<String, Issuer>,
}

/// Whether the request shows a credential, and whose.
pub(crate) enum Shows {
    /// None: whoever asks is known otherwise.
    Nothing,
    /// Somebody's; nobody's where that was said before, or only `login` can tell.
    Somebody(Option<Arc<Subject>>),
}

/// What the request shows.
enum Found {
    Verified(Credential),
    /// It would count, had a key of its issuer signed it that we do not know yet.
    UnknownKey(String),
}

impl Machine {
    pub(crate) fn new(issuers: BTreeMap<String, IssuerTerms>) -> Result<Self, String> {
        let made = issuers.into_iter().map(|(name, terms)| {
            let issuer = Issuer::new(&name, terms)?;
            Ok((name, issuer))
        });
        let issuers = made.collect::<Result<_, String>>()?;
        Ok(Self { issuers })
    }

    /// Whoever the request's credential is about, if it shows one; the rules have answered then.
    pub(crate) fn read_request(
        &self,
        http: &Http<'_>,
        session: &Tokens,
        route: &RouteSettings,
    ) -> Result<Shows, Refusal> {
        let Some(accepted) = &route.credentials else {
            return Ok(Shows::Nothing);
        };
        let Some(token) = shown(http).map_err(Refusal::Credential)? else {
            return nothing(http, route, accepted);
        };
        let found = self.look_at(token, accepted).map_err(Refusal::Credential)?;
        let host = host(http, route);
        let known = match &found {
            Found::Verified(one) => one.slot.handed_for(host, session),
            Found::UnknownKey(_) => None,
        };
        let shown = known.map(|known| Shown {
            key: "session",
            known,
        });
        if !asked::ask(http, route, shown.as_ref()) {
            ask_login(http, token, &found, host, shown.is_none());
        }
        Ok(Shows::Somebody(match found {
            Found::Verified(one) => Some(whom(&one)),
            Found::UnknownKey(_) => None,
        }))
    }

    fn look_at(&self, token: &[u8], accepted: &Accepted) -> Result<Found, Reason> {
        let now = now();
        if let Some(found) = recall(token)
            && let Some(issuer) = self.issuers.get(&found.verified.issuer)
            && let Some(wanted) = accepted.bearer.get(&found.verified.issuer)
            && issuer.accepts(&found.verified, wanted)
        {
            issuer.holds(&found.verified, now)?;
            return Ok(Found::Verified(found));
        }
        let named = accepted.bearer.iter().filter_map(|(name, audiences)| {
            let issuer = self.issuers.get(name)?;
            Some((issuer, audiences.as_slice()))
        });
        match bearer::verify(token, &named.collect::<Vec<_>>(), now) {
            Ok(verified) => {
                let known = cache().put(token, verified, Beside::default());
                Ok(Found::Verified(known))
            }
            Err(why) if why.reason == Reason::UnknownKey => Ok(Found::UnknownKey(why.issuer)),
            Err(why) => Err(why.reason),
        }
    }
}

impl Beside {
    /// What `login` said about it, while that holds.
    fn handed_for(&self, host: &str, tokens: &Tokens) -> Option<Remembered> {
        let mut all = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|(known, _)| known == host)?;
        if tokens.still_holds(&all[place].1) {
            return Some(Arc::clone(&all[place].1));
        }
        all.swap_remove(place);
        None
    }

    fn hand(&self, host: &str, known: &Remembered) {
        let mut all = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(known, _)| known != host);
        if all.len() < MOST_HOSTS {
            all.push((host.to_owned(), Arc::clone(known)));
        }
    }
}

/// What `login` handed over about the credential that the request shows.
pub(crate) struct Handed {
    tokens: Tokens,
}

impl Handed {
    pub(crate) fn new(issuer: &str, jwks: &Value, skew: i64) -> Result<Self, String> {
        Ok(Self {
            tokens: handed_tokens(issuer, jwks, skew)?,
        })
    }

    /// The application gets the assertion, and neither the credential nor anything of ours. Somebody
    /// is whoever `login` has just told of.
    pub(crate) fn read_request(
        &self,
        http: &Http<'_>,
        route: &RouteSettings,
        header: &str,
    ) -> Shows {
        let Some(accepted) = &route.credentials else {
            return Shows::Nothing;
        };
        let Some(token) = shown(http).ok().flatten() else {
            return accepted.others();
        };
        let host = host(http, route);
        let handed = http.header(Headers::Request, header);
        let fresh = handed.and_then(|one| self.tokens.holds(one)).filter(|one| {
            let claims = &one.verified.claims;
            claims.host == host && claims.credential == fingerprint(&[token])
        });
        let credential = recall(token);
        if let (Some(known), Some(credential)) = (&fresh, &credential) {
            credential.slot.hand(host, known);
        }
        let before = || credential.as_ref()?.slot.handed_for(host, &self.tokens);
        let known = fresh.clone().or_else(before);
        let assertion = known.map(|one| one.verified.assertion.clone());
        let assertion = assertion.as_ref().map(String::as_bytes);
        for name in [AUTHORIZATION, HEADER, header] {
            http.set_header(Headers::Request, name, None);
        }
        http.set_header(Headers::Request, ASSERTION_HEADER, assertion);
        Shows::Somebody(fresh.map(|known| {
            let shown = Shown {
                key: "session",
                known,
            };
            asked::tell(http, &shown);
            asked::log(http, route, &shown);
            let auth = shown.known.verified.claims.auth_time;
            subject(process(), &shown.known, auth)
        }))
    }
}

/// What `login` hands over about a credential.
pub(crate) fn handed_tokens(issuer: &str, jwks: &Value, skew: i64) -> Result<Tokens, String> {
    let verifier = Verifier::new(issuer, "ostiary:machine", "ostiary-machine+jwt", jwks)?;
    let terms = Terms {
        lifetime: LIFETIME,
        skew,
    };
    Ok(Tokens { verifier, terms })
}

/// Without a credential the rules are asked for nobody; where people sign in, the cookie decides.
fn nothing(http: &Http<'_>, route: &RouteSettings, accepted: &Accepted) -> Result<Shows, Refusal> {
    if !accepted.login && !asked::ask(http, route, None) && route.rules.is_some() {
        return Err(Refusal::NoCredential);
    }
    Ok(accepted.others())
}

/// The bearer token (RFC 6750, 2.1) of the request. Whatever else stands in `Authorization` is no
/// credential of this route.
fn shown<'a>(http: &Http<'a>) -> Result<Option<&'a [u8]>, Reason> {
    let (value, count) = http.header_at(Headers::Request, AUTHORIZATION, 0);
    let Some(value) = value else {
        return Ok(None);
    };
    // Envoy joins two lines with a comma, which no token has.
    if count > 1 || value.contains(&b',') {
        return Err(Reason::Several);
    }
    let (scheme, token) = value.split_at_checked(7).ok_or(Reason::Scheme)?;
    if scheme.eq_ignore_ascii_case(b"bearer ") {
        Ok(Some(token))
    } else {
        Err(Reason::Scheme)
    }
}

/// The host that a hand-over is for.
fn host<'a>(http: &Http<'a>, route: &'a RouteSettings) -> &'a str {
    if !route.host.starts_with('*') {
        return &route.host;
    }
    let authority = http.header(Headers::Request, ":authority");
    std::str::from_utf8(authority.unwrap_or_default()).unwrap_or_default()
}

/// The slow path gets the credential and, as far as it is known, whom it is about.
fn ask_login(http: &Http<'_>, token: &[u8], found: &Found, host: &str, unknown: bool) {
    let (issuer, user, expires) = match found {
        Found::Verified(one) => {
            let said = &one.verified;
            (&said.issuer, &said.user, said.expires)
        }
        Found::UnknownKey(issuer) => (issuer, issuer, 0),
    };
    let mut told = Map::new();
    for (key, value) in [
        ("host", host),
        ("kind", "bearer"),
        ("sub", user),
        ("issuer", issuer),
    ] {
        told.insert(key.to_owned(), Value::String(value.to_owned()));
    }
    asked::tell_beside(http, &wrap("machine", &of_map(&told)));
    if unknown && matches!(found, Found::Verified(_)) {
        let line = json!(["bearer", expires, user, "", [], host, "", ""]);
        asked::log_line(http, &line.to_string());
    }
    let value = [b"bearer ", token].concat();
    http.set_header(Headers::Request, HEADER, Some(&value));
}

/// Whoever the credential is about, made once for each.
fn whom(credential: &Credential) -> Arc<Subject> {
    let made = credential.slot.subject.get_or_init(|| {
        let said = &credential.verified;
        let named = [
            (Kind::User, &said.user),
            (Kind::Provider, &said.issuer),
            (Kind::Token, &said.sha256),
            (Kind::Token, &said.twin),
        ];
        let keys: Vec<Key<'_>> = named
            .iter()
            .filter(|(_, name)| !name.is_empty())
            .map(|(kind, name)| Key::Named(*kind, name))
            .collect();
        let since = said.auth_time.map(|seconds| seconds.saturating_mul(1000));
        let process = process();
        process.table.credential(&keys, since, process.now_ms())
    });
    Arc::clone(made)
}

fn cache() -> &'static TokenCache<Beside, Bearer> {
    static CACHE: OnceLock<TokenCache<Beside, Bearer>> = OnceLock::new();
    CACHE.get_or_init(|| TokenCache::new(REMEMBERED))
}

/// How many credentials are remembered.
pub(crate) fn remembered() -> usize {
    cache().len()
}

fn recall(token: &[u8]) -> Option<Credential> {
    LAST.with_borrow_mut(|last| {
        if let Some((bytes, known)) = last
            && bytes == token
        {
            return Some(Arc::clone(known));
        }
        let known = cache().get(token)?;
        let (bytes, place) = last.get_or_insert_with(|| (Vec::new(), Arc::clone(&known)));
        bytes.clear();
        bytes.extend_from_slice(token);
        *place = Arc::clone(&known);
        Some(known)
    })
}
