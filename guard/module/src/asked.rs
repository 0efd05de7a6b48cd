//! What is said about whoever asks, where the log, the limits and Envoy's rules read it; and whether
//! the rules of the route let them in.
//!
//! The guard asks the rules once, before Envoy would, and writes the answer where Envoy's own filter
//! writes that of its shadow rules. Only when the answer is no do all claims stand in the metadata:
//! the slow path and the enforcing filter read them there and look again.

use std::sync::OnceLock;

use ostiary_credentials::{Verified, wrap};
use ostiary_policy::{Identity, Inputs};

use crate::abi::{Headers, Http};
use crate::credential::Remembered;
use crate::roles::RouteSettings;

/// Where Envoy's own jwt filter puts claims.
const CLAIMS: &str = "envoy.filters.http.jwt_authn";
/// Where Envoy's own filter of rules puts the answer of the shadow ones.
const ANSWER: (&str, &str) = ("envoy.filters.http.rbac", "shadow_engine_result");
/// Where the log finds who asked, and limits whom to count.
const LINE: (&str, &str) = ("ostiary.who", "credential");
const USER: (&str, &str) = ("ostiary.who", "user");

/// A token, and as what it counts now.
pub(crate) struct Shown {
    /// `session`, `stale` or `assertion`.
    pub key: &'static str,
    pub known: Remembered,
}

/// What is written about a token, made once and under the key it was needed for first.
#[derive(Default)]
pub(crate) struct Written {
    claims: OnceLock<(&'static str, Vec<u8>)>,
    line: OnceLock<(&'static str, String)>,
}

/// The answer of the rules stands where the stages below look for it, and the log knows who asked.
/// True when the guard asked them and they let the request pass.
pub(crate) fn ask(http: &Http<'_>, route: &RouteSettings, shown: Option<&Shown>) -> bool {
    if let Some(one) = shown {
        log(http, route, one);
    }
    let allowed = route.rules.is_some() && allows(http, route, shown);
    if route.rules.is_some() {
        let answer = if allowed { "allowed" } else { "denied" };
        http.set_text(ANSWER.0, ANSWER.1, answer);
    }
    if let Some(one) = shown.filter(|_| !allowed) {
        tell(http, one);
    }
    allowed
}

/// `structure` stands beside what [`tell`] wrote.
pub(crate) fn tell_beside(http: &Http<'_>, structure: &[u8]) {
    http.set_metadata(CLAIMS, structure);
}

/// All claims stand under the token's key, where Envoy's own filter would put them.
pub(crate) fn tell(http: &Http<'_>, shown: &Shown) {
    let claims = &shown.known.verified.structure;
    let made = &shown.known.slot.written.claims;
    let made = made.get_or_init(|| (shown.key, wrap(shown.key, claims)));
    if made.0 == shown.key {
        http.set_metadata(CLAIMS, &made.1);
    } else {
        http.set_metadata(CLAIMS, &wrap(shown.key, claims));
    }
}

/// The log knows who asked, and so do limits where the route has one.
pub(crate) fn log(http: &Http<'_>, route: &RouteSettings, shown: &Shown) {
    if route.user && shown.key == "session" {
        http.set_text(USER.0, USER.1, &shown.known.verified.claims.user);
    }
    let line = &shown.known.slot.written.line;
    let made = line.get_or_init(|| (shown.key, entry(shown)));
    if made.0 == shown.key {
        http.set_text(LINE.0, LINE.1, &made.1);
    } else {
        http.set_text(LINE.0, LINE.1, &entry(shown));
    }
}

/// The log knows who asked by this line.
pub(crate) fn log_line(http: &Http<'_>, line: &str) {
    http.set_text(LINE.0, LINE.1, line);
}

/// One JSON array, in the order of `compiler.logs.CLAIMS`, after the kind.
fn entry(shown: &Shown) -> String {
    let Verified { claims, .. } = &shown.known.verified;
    let kind = match shown.key {
        "stale" => "expired",
        "session" if !claims.kind.is_empty() => &claims.kind,
        other => other,
    };
    serde_json::json!([
        kind,
        shown.known.verified.expires(),
        claims.user,
        claims.email,
        claims.groups,
        claims.host,
        claims.session,
        claims.group_set,
    ])
    .to_string()
}

fn allows(http: &Http<'_>, route: &RouteSettings, shown: Option<&Shown>) -> bool {
    let Some(rules) = &route.rules else {
        return false;
    };
    let header = |name| http.header(Headers::Request, name).unwrap_or_default();
    let path = header(":path");
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
    let here = |host: &str| match route.host.strip_prefix('*') {
        None => route.host == host,
        Some(_) => !host.is_empty() && host.as_bytes() == header(":authority"),
    };
    let session = shown.filter(|one| one.key == "session");
    let claims = session.map(|one| &one.known.verified.claims);
    rules.allow(&Inputs {
        method: header(":method"),
        path: &path[..end.unwrap_or(path.len())],
        identity: claims.filter(|one| here(&one.host)).map(|one| Identity {
            subject: &one.user,
            email: &one.email,
            groups: &one.groups,
            groups_known: one.group_set == route.group_set,
        }),
    })
}
