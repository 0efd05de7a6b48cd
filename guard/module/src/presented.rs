//! Which credential a request presents, and for which host: the first that is there decides.

use ostiary_credentials::{KEY_PREFIX, Reason};

use crate::abi::{Headers, Http};
use crate::machine::Accepted;
use crate::roles::RouteSettings;

pub(crate) const AUTHORIZATION: &str = "authorization";

/// The bearer token (RFC 6750, 2.1) of the request, or else its API key. Whatever else stands in
/// `Authorization` is no credential of this route.
pub(crate) fn shown<'a>(http: &Http<'a>, accepted: &Accepted) -> Result<Option<&'a [u8]>, Reason> {
    let (value, count) = http.header_at(Headers::Request, AUTHORIZATION, 0);
    let Some(value) = value else {
        return key_of_its_own(http, accepted);
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
pub(crate) fn host<'a>(http: &Http<'a>, route: &'a RouteSettings) -> &'a str {
    if !route.host.starts_with('*') {
        return &route.host;
    }
    let authority = http.header(Headers::Request, ":authority");
    std::str::from_utf8(authority.unwrap_or_default()).unwrap_or_default()
}

/// The API key in a header of its own.
fn key_of_its_own<'a>(http: &Http<'a>, accepted: &Accepted) -> Result<Option<&'a [u8]>, Reason> {
    let Some(name) = &accepted.api_keys else {
        return Ok(None);
    };
    match http.header_at(Headers::Request, name, 0) {
        (None, _) => Ok(None),
        (Some(key), 1) if key.starts_with(KEY_PREFIX) => Ok(Some(key)),
        (Some(_), 1) => Err(Reason::KeyMalformed),
        _ => Err(Reason::Several),
    }
}
