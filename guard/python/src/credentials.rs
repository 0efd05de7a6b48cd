//! Tokens and cookies, as the guard reads them.

use std::collections::BTreeMap;

use ostiary_credentials::bearer::{self, Issuer, IssuerTerms};
use ostiary_credentials::cookies::{self, Cleaned, Twice};
use ostiary_credentials::{Terms, Verifier};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A token that we signed and that holds.
#[pyclass(frozen, get_all, module = "ostiary_guard._native")]
pub(crate) struct Token {
    user: String,
    session: String,
    device: String,
    provider: String,
    auth_time: Option<i64>,
    kid: String,
    sha256: String,
    assertion: String,
    /// All claims but the assertion: a serialised `google.protobuf.Struct`.
    claims: Vec<u8>,
}

/// What `token` says at `now`; the error is the code of the log.
#[pyfunction]
#[pyo3(signature = (token, *, jwks, issuer, audience, typ, lifetime, skew, now))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn verify_token(
    token: &[u8],
    jwks: &str,
    issuer: &str,
    audience: &str,
    typ: &str,
    lifetime: i64,
    skew: i64,
    now: i64,
) -> PyResult<Token> {
    let keys = serde_json::from_str(jwks).map_err(|why| PyValueError::new_err(why.to_string()))?;
    let verifier = Verifier::new(issuer, audience, typ, &keys).map_err(PyValueError::new_err)?;
    let refused = |why: ostiary_credentials::Reason| PyValueError::new_err(why.code());
    let found = verifier.verify(token).map_err(refused)?;
    found
        .holds(Terms { lifetime, skew }, now)
        .map_err(refused)?;
    Ok(Token {
        user: found.claims.user,
        session: found.claims.session,
        device: found.claims.device,
        provider: found.claims.provider,
        auth_time: found.claims.auth_time,
        kid: found.kid,
        sha256: found.sha256,
        assertion: found.assertion,
        claims: found.structure,
    })
}

/// An access token of another issuer that holds.
#[pyclass(frozen, get_all, module = "ostiary_guard._native")]
pub(crate) struct Bearer {
    issuer: String,
    user: String,
    email: String,
    groups: Vec<String>,
    scopes: Vec<String>,
    acr: String,
    amr: Vec<String>,
    auth_time: Option<i64>,
    expires: i64,
    sha256: String,
}

/// What `token` says at `now`, of one of `issuers` (JSON: name to what the guard is told of it) and
/// for one of the audiences that `accepted` gives that name; the error is the code of the log.
#[pyfunction]
pub(crate) fn verify_bearer(
    token: &[u8],
    issuers: &str,
    accepted: BTreeMap<String, Vec<String>>,
    now: i64,
) -> PyResult<Bearer> {
    let broken = |why: String| PyValueError::new_err(why);
    let known: BTreeMap<String, IssuerTerms> =
        serde_json::from_str(issuers).map_err(|why| broken(why.to_string()))?;
    let made = known
        .into_iter()
        .map(|(name, terms)| Issuer::new(&name, terms));
    let made = made.collect::<Result<Vec<_>, _>>().map_err(broken)?;
    let named = made
        .iter()
        .filter_map(|one| Some((one, accepted.get(&one.name)?.as_slice())));
    let found = bearer::verify(token, &named.collect::<Vec<_>>(), now);
    let found = found.map_err(|why| PyValueError::new_err(why.reason.code()))?;
    Ok(Bearer {
        issuer: found.issuer,
        user: found.user,
        email: found.email,
        groups: found.groups,
        scopes: found.scopes,
        acr: found.acr,
        amr: found.amr,
        auth_time: found.auth_time,
        expires: found.expires,
        sha256: found.sha256,
    })
}

fn twice(_: Twice) -> PyErr {
    PyValueError::new_err("two cookies of one name of ours")
}

/// The cookie lines of a request without ours: None when nothing is left.
#[pyfunction]
pub(crate) fn clean_cookies<'py>(
    py: Python<'py>,
    lines: Vec<Vec<u8>>,
    prefix: &[u8],
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    Ok(match cookies::clean(&lines, prefix).map_err(twice)? {
        Cleaned::Empty => None,
        Cleaned::Kept(kept) => Some(PyBytes::new(py, &kept)),
        Cleaned::Unchanged if lines.is_empty() => None,
        Cleaned::Unchanged => Some(PyBytes::new(py, &lines.join(&b"; "[..]))),
    })
}

/// The value of the cookie `name`; None when it is not there.
#[pyfunction]
pub(crate) fn find_cookie<'py>(
    py: Python<'py>,
    lines: Vec<Vec<u8>>,
    prefix: &[u8],
    name: &[u8],
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let found = cookies::find(&lines, prefix, name).map_err(twice)?;
    Ok(found.map(|value| PyBytes::new(py, value)))
}

/// Whether an application's `Set-Cookie` would set a cookie of ours.
#[pyfunction]
pub(crate) fn sets_ours(value: &[u8], prefix: &[u8]) -> bool {
    cookies::sets_ours(value, prefix)
}
