//! Credentials of programs: what a request shows in `Authorization` instead of a session.
//!
//! The guard verifies one by itself before anybody is called. At its first use on a host `login`
//! looks at it again and hands over whom it is about, with the assertion for the application; that
//! is remembered beside the credential, so that nobody is called for it again until it is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ostiary_credentials::bearer::{self, Bearer, Issuer, IssuerTerms};
use ostiary_credentials::{
    KEY_PREFIX, Known, Latest, Reason, Terms, TokenCache, Verifier, fingerprint, key_digest,
    of_map, wrap,
};
use ostiary_verdicts::{Key, Kind, Subject};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::abi::{Headers, Http};
use crate::asked::{self, Shown};
use crate::credential::{ASSERTION_HEADER, Remembered, Tokens, now, subject};
use crate::ending::Refusal;
use crate::presented::{AUTHORIZATION, host, shown};
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

type Credential = Arc<Known<Beside, Said>>;

/// What a credential says by itself.
pub(crate) enum Said {
    Bearer(Box<Bearer>),
    /// SHA-256 of an API key, which says nothing.
    Key(String),
}

/// What is known about a credential.
#[derive(Default)]
pub(crate) struct Beside {
    subject: OnceLock<Arc<Subject>>,
    /// What `login` handed over, by host.
    handed: Mutex<Vec<(String, Remembered)>>,
}

thread_local! {
    /// The credential that was looked at last on this worker.
    static LATEST: Latest<Beside, Said> = const { Latest::new() };
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
    /// The header in which an API key may stand besides `Authorization`; None: none counts.
    #[serde(default)]
    pub api_keys: Option<String>,
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
        let Some(token) = shown(http, accepted).map_err(Refusal::Credential)? else {
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
            Found::Verified(one) => Some(whom(&one, shown.as_ref())),
            Found::UnknownKey(_) => None,
        }))
    }

    fn look_at(&self, token: &[u8], accepted: &Accepted) -> Result<Found, Reason> {
        if token.starts_with(KEY_PREFIX) {
            return look_at_key(token, accepted);
        }
        let now = now();
        if let Some(found) = recall(token)
            && let Said::Bearer(said) = &found.verified
            && let Some(issuer) = self.issuers.get(&said.issuer)
            && let Some(wanted) = accepted.bearer.get(&said.issuer)
            && issuer.accepts(said, wanted)
        {
            issuer.holds(said, now)?;
            return Ok(Found::Verified(found));
        }
        let named = accepted.bearer.iter().filter_map(|(name, audiences)| {
            let issuer = self.issuers.get(name)?;
            Some((issuer, audiences.as_slice()))
        });
        match bearer::verify(token, &named.collect::<Vec<_>>(), now) {
            Ok(verified) => {
                let said = Said::Bearer(Box::new(verified));
                Ok(Found::Verified(remember(token, said)))
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
        let Some(token) = shown(http, accepted).ok().flatten() else {
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
        let own = accepted.api_keys.as_deref();
        for name in [AUTHORIZATION, HEADER, header].into_iter().chain(own) {
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

/// The slow path gets the credential and, as far as it is known, whom it is about.
fn ask_login(http: &Http<'_>, token: &[u8], found: &Found, host: &str, unknown: bool) {
    let nobody = String::new();
    let (kind, issuer, user, expires) = match found {
        Found::Verified(one) => match &one.verified {
            Said::Bearer(said) => ("bearer", &said.issuer, &said.user, said.expires),
            Said::Key(digest) => ("api-key", &nobody, digest, 0),
        },
        Found::UnknownKey(issuer) => ("bearer", issuer, issuer, 0),
    };
    let mut told = Map::new();
    for (key, value) in [
        ("host", host),
        ("kind", kind),
        ("sub", user),
        ("issuer", issuer),
    ] {
        told.insert(key.to_owned(), Value::String(value.to_owned()));
    }
    asked::tell_beside(http, &wrap("machine", &of_map(&told)));
    if unknown && matches!(found, Found::Verified(_)) {
        let line = json!([kind, expires, user, "", [], host, "", ""]);
        asked::log_line(http, &line.to_string());
    }
    let value = [kind.as_bytes(), b" ", token].concat();
    http.set_header(Headers::Request, HEADER, Some(&value));
}

/// An API key counts while the table says that it exists.
fn look_at_key(token: &[u8], accepted: &Accepted) -> Result<Found, Reason> {
    if accepted.api_keys.is_none() {
        return Err(Reason::Scheme);
    }
    let process = process();
    let exists = |subject: &Subject| {
        let standing = subject.standing(&process.table, process.now_ms());
        standing.is_some_and(|one| one.known)
    };
    if let Some(found) = recall(token) {
        let known = exists(&itself(&found));
        return known
            .then_some(Found::Verified(found))
            .ok_or(Reason::KeyUnknown);
    }
    let digest = key_digest(token)?;
    // What does not exist is not remembered, or guesses would push out what does.
    let keys = [Key::Named(Kind::ApiKey, &digest)];
    let found = process.table.credential(&keys, None, process.now_ms());
    if exists(&found) {
        Ok(Found::Verified(remember(token, Said::Key(digest))))
    } else {
        Err(Reason::KeyUnknown)
    }
}

/// Whoever the credential is about: a key says that only by what `login` handed over.
fn whom(credential: &Credential, handed: Option<&Shown>) -> Arc<Subject> {
    match (&credential.verified, handed) {
        (Said::Key(_), Some(one)) => {
            subject(process(), &one.known, one.known.verified.claims.auth_time)
        }
        _ => itself(credential),
    }
}

/// What the credential alone says, made once for each.
fn itself(credential: &Credential) -> Arc<Subject> {
    let made = credential.slot.subject.get_or_init(|| {
        let (named, since) = match &credential.verified {
            Said::Bearer(said) => {
                let named = vec![
                    (Kind::User, &said.user),
                    (Kind::Provider, &said.issuer),
                    (Kind::Token, &said.sha256),
                    (Kind::Token, &said.twin),
                ];
                (named, said.auth_time)
            }
            Said::Key(digest) => (vec![(Kind::ApiKey, digest)], None),
        };
        let keys: Vec<Key<'_>> = named
            .iter()
            .filter(|(_, name)| !name.is_empty())
            .map(|(kind, name)| Key::Named(*kind, name))
            .collect();
        let since = since.map(|seconds| seconds.saturating_mul(1000));
        let process = process();
        process.table.credential(&keys, since, process.now_ms())
    });
    Arc::clone(made)
}

fn cache() -> &'static TokenCache<Beside, Said> {
    static CACHE: OnceLock<TokenCache<Beside, Said>> = OnceLock::new();
    CACHE.get_or_init(|| TokenCache::new(REMEMBERED))
}

/// How many credentials are remembered.
pub(crate) fn remembered() -> usize {
    cache().len()
}

fn remember(token: &[u8], said: Said) -> Credential {
    LATEST.with(|one| one.put(cache(), token, said, Beside::default()))
}

fn recall(token: &[u8]) -> Option<Credential> {
    LATEST.with(|one| one.get(cache(), token))
}
