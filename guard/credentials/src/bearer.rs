//! Access tokens of other issuers: signed JSON Web Tokens (RFC 9068), read as RFC 8725 asks.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::algorithm::{self, Algorithm, ForeignKey};
use crate::keys::{self, decode};
use crate::reason::Reason;
use crate::token::{LONGEST_TOKEN, Map, audiences, fingerprint, object, seconds};

/// Headers by which a token could choose its own key (RFC 8725, 3.10). A thumbprint chooses none.
const OWN_KEY: [&str; 4] = ["jwk", "jku", "x5c", "x5u"];
/// Claims that only an ID token has (`OpenID` Connect Core, sections 2 and 3.3.2.11).
const OF_ID_TOKENS: [&str; 3] = ["nonce", "at_hash", "c_hash"];

/// What an issuer's tokens have to be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerTerms {
    /// `iss`, compared byte by byte.
    pub issuer: String,
    /// Its key set (RFC 7517).
    pub jwks: Value,
    /// Those of the closed list that its tokens may be signed by.
    pub algorithms: Vec<Algorithm>,
    /// The values of `typ` that count, in lower case and without `application/`.
    pub types: Vec<String>,
    /// Seconds by which its clock may differ from ours.
    pub clock_skew: i64,
    /// Seconds that may be left of a token at most.
    pub longest: i64,
    /// Which claims say what.
    pub claims: Names,
    /// The domains for whose addresses it vouches without `email_verified`.
    #[serde(default)]
    pub email_domains: Vec<String>,
}

/// The names of claims; a dot leads into an object unless a claim is called exactly so.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// Text; who the token is about.
    pub user: String,
    /// Text.
    pub email: String,
    /// A list of texts, or one text.
    pub groups: String,
    /// A list of texts, or one text with blanks between. Empty: `scope`, or else `scp`.
    #[serde(default)]
    pub scopes: String,
}

/// One issuer that routes may name.
pub struct Issuer {
    /// Its name in the document.
    pub name: String,
    terms: IssuerTerms,
    keys: HashMap<String, Vec<ForeignKey>>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Issuer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a token of another issuer says. Whether it holds now, [`Issuer::holds`] says.
#[derive(Clone, Debug, PartialEq)]
pub struct Bearer {
    /// The issuer's name in the document.
    pub issuer: String,
    /// `<issuer>:<sub>`.
    pub user: String,
    /// An address that the issuer vouches for, or nothing.
    pub email: String,
    /// All groups it says.
    pub groups: Vec<String>,
    /// What the client was allowed.
    pub scopes: Vec<String>,
    /// `acr`, or nothing.
    pub acr: String,
    /// `amr`.
    pub amr: Vec<String>,
    /// `auth_time`, or when it was issued.
    pub auth_time: Option<i64>,
    /// SHA-256 of the whole token, hexadecimal.
    pub sha256: String,
    /// That of the other token that says the same, where the algorithm has such a one; or nothing.
    pub twin: String,
    /// After which second (Unix) it is over.
    pub expires: i64,
    not_before: i64,
    audiences: Vec<String>,
    typ: String,
    algorithm: Algorithm,
    kid: String,
    key: ForeignKey,
}

/// Why a token is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub reason: Reason,
    /// The issuer it claims to be of, as far as that was one of those asked for; or nothing.
    pub issuer: String,
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        let issuer = String::new();
        Self { reason, issuer }
    }
}

impl Issuer {
    /// Tokens that are as `terms` say.
    pub fn new(name: &str, terms: IssuerTerms) -> Result<Self, String> {
        let keys = algorithm::read(&terms.jwks).map_err(|why| format!("issuer {name}: {why}"))?;
        Ok(Self {
            name: name.to_owned(),
            terms,
            keys,
        })
    }

    /// Whether this issuer would still say the same about a token that was verified before.
    #[must_use]
    pub fn accepts(&self, bearer: &Bearer, wanted: &[String]) -> bool {
        let known = self.keys.get(&bearer.kid);
        known.is_some_and(|all| all.contains(&bearer.key))
            && self.name == bearer.issuer
            && self.terms.types.contains(&bearer.typ)
            && self.terms.algorithms.contains(&bearer.algorithm)
            && bearer.is_for(wanted)
    }

    /// Whether it counts at `now` (Unix seconds).
    pub fn holds(&self, bearer: &Bearer, now: i64) -> Result<(), Reason> {
        self.in_time(bearer.expires, bearer.not_before, now)
    }

    fn in_time(&self, expires: i64, not_before: i64, now: i64) -> Result<(), Reason> {
        if now > expires.saturating_add(self.terms.clock_skew) {
            return Err(Reason::Expired);
        }
        if now.saturating_add(self.terms.clock_skew) < not_before {
            return Err(Reason::Early);
        }
        let longest = self.terms.longest.saturating_add(self.terms.clock_skew);
        if expires.saturating_sub(now) > longest {
            return Err(Reason::Lifetime);
        }
        Ok(())
    }
}

impl Bearer {
    /// Whether it is for one of `wanted`.
    #[must_use]
    pub fn is_for(&self, wanted: &[String]) -> bool {
        wanted.iter().any(|one| self.audiences.contains(one))
    }
}

/// What `token` says, if one of `issuers` signed it for an audience of its own at the same place.
///
/// Everything but the signature is looked at first, so that [`Reason::UnknownKey`] is only said of
/// a token that would count if one of its issuer's newest keys had signed it.
pub fn verify(token: &[u8], issuers: &[(&Issuer, &[String])], now: i64) -> Result<Bearer, Refused> {
    if token.len() > LONGEST_TOKEN {
        return Err(Reason::TooLong.into());
    }
    let [header, payload, signature] = parts(token)?;
    let header = object(header)?;
    let algorithm = plain(&header)?;
    let payload = object(payload)?;
    let said = payload.get("iss").and_then(Value::as_str);
    let found = issuers
        .iter()
        .find(|(one, _)| Some(one.terms.issuer.as_str()) == said);
    let (issuer, wanted) = found.ok_or(Reason::Issuer)?;
    let of = |reason| Refused {
        reason,
        issuer: issuer.name.clone(),
    };
    let signed = &token[..token.len() - signature.len() - 1];
    let signature = decode(signature).ok_or(Reason::Malformed)?;
    let mut bearer = issuer.read(&header, algorithm, &payload).map_err(of)?;
    if !bearer.is_for(wanted) {
        return Err(of(Reason::Audience));
    }
    issuer.holds(&bearer, now).map_err(of)?;
    let known = issuer.keys.get(&bearer.kid);
    let known = known.ok_or_else(|| of(Reason::UnknownKey))?;
    let mut fitting = known.iter().filter(|key| key.fits(algorithm)).peekable();
    if fitting.peek().is_none() {
        return Err(of(Reason::Algorithm));
    }
    let key = fitting.find(|key| key.signs(algorithm, signed, &signature));
    bearer.key = key.ok_or_else(|| of(Reason::Signature))?.clone();
    bearer.sha256 = fingerprint(&[token]);
    if algorithm == Algorithm::ES256 {
        let twin = keys::encode(&keys::twin(&signature));
        bearer.twin = fingerprint(&[signed, b".", twin.as_bytes()]);
    }
    Ok(bearer)
}

/// Header, payload and signature.
fn parts(token: &[u8]) -> Result<[&[u8]; 3], Reason> {
    let mut parts = token.split(|byte| *byte == b'.');
    let next = [(); 6].map(|()| parts.next());
    match next {
        [Some(header), Some(payload), Some(signature), None, ..] => {
            Ok([header, payload, signature])
        }
        [Some(_), Some(_), Some(_), Some(_), Some(_), None] => Err(Reason::Encrypted),
        _ => Err(Reason::Malformed),
    }
}

/// The algorithm of a header that asks for nothing beyond a plain signature.
fn plain(header: &Map) -> Result<Algorithm, Reason> {
    for key in header.keys().map(String::as_str) {
        match key {
            "crit" => return Err(Reason::Critical),
            "cty" => return Err(Reason::Nested),
            "enc" | "zip" => return Err(Reason::Encrypted),
            _ if OWN_KEY.contains(&key) => return Err(Reason::EmbeddedKey),
            _ => {}
        }
    }
    let word = header.get("alg").and_then(Value::as_str);
    word.and_then(Algorithm::of).ok_or(Reason::Algorithm)
}

impl Issuer {
    fn read(&self, header: &Map, algorithm: Algorithm, payload: &Map) -> Result<Bearer, Reason> {
        let typ = kind_of(header)?;
        if !self.terms.types.contains(&typ) {
            return Err(Reason::Type);
        }
        if !self.terms.algorithms.contains(&algorithm) {
            return Err(Reason::Algorithm);
        }
        if payload.contains_key("events") {
            return Err(Reason::Event);
        }
        if OF_ID_TOKENS.iter().any(|key| payload.contains_key(*key)) {
            return Err(Reason::IdToken);
        }
        if payload.contains_key("cnf") {
            return Err(Reason::Bound);
        }
        let kid = header.get("kid").and_then(Value::as_str);
        let kid = kid.filter(|kid| !kid.is_empty()).ok_or(Reason::NoKeyId)?;
        let names = &self.terms.claims;
        let user = text(payload, &names.user)?;
        if user.is_empty() {
            return Err(Reason::Claim);
        }
        let issued = seconds(payload, "iat")?;
        let not_before = seconds(payload, "nbf")?.unwrap_or(0);
        let signed_in = seconds(payload, "auth_time")?;
        Ok(Bearer {
            issuer: self.name.clone(),
            user: format!("{}:{user}", self.name),
            email: self.vouched(payload)?,
            groups: texts(payload, &names.groups, false)?,
            scopes: self.scopes(payload)?,
            acr: text(payload, "acr")?,
            amr: texts(payload, "amr", false)?,
            auth_time: signed_in.or(issued),
            sha256: String::new(),
            twin: String::new(),
            expires: seconds(payload, "exp")?.ok_or(Reason::Times)?,
            not_before: not_before.max(issued.unwrap_or(0)),
            audiences: audiences(payload)?,
            typ,
            algorithm,
            kid: kid.to_owned(),
            key: ForeignKey::none(),
        })
    }

    /// The address, where the issuer says that it was verified, or is believed for its domain.
    fn vouched(&self, payload: &Map) -> Result<String, Reason> {
        let email = text(payload, &self.terms.claims.email)?;
        let domain = email.rsplit_once('@').map(|(_, domain)| domain);
        let believed = |domain: &str| {
            let all = &self.terms.email_domains;
            all.iter().any(|one| one.eq_ignore_ascii_case(domain))
        };
        let verified = payload.get("email_verified") == Some(&Value::Bool(true));
        let restricted = !self.terms.email_domains.is_empty();
        let vouched = domain.is_some_and(|one| if restricted { believed(one) } else { verified });
        Ok(if vouched { email } else { String::new() })
    }

    fn scopes(&self, payload: &Map) -> Result<Vec<String>, Reason> {
        match self.terms.claims.scopes.as_str() {
            "" if payload.contains_key("scope") => texts(payload, "scope", true),
            "" => texts(payload, "scp", true),
            name => texts(payload, name, true),
        }
    }
}

/// `typ` without `application/`, in lower case (RFC 7515, 4.1.9); one that is absent says `jwt`.
fn kind_of(header: &Map) -> Result<String, Reason> {
    let Some(value) = header.get("typ") else {
        return Ok("jwt".to_owned());
    };
    let word = value.as_str().ok_or(Reason::Type)?.to_ascii_lowercase();
    let bare = word.strip_prefix("application/");
    Ok(bare.map(str::to_owned).unwrap_or(word))
}

fn find<'a>(payload: &'a Map, name: &str) -> Option<&'a Value> {
    if let Some(found) = payload.get(name) {
        return Some(found);
    }
    let (first, rest) = name.split_once('.')?;
    let mut found = payload.get(first)?;
    for step in rest.split('.') {
        found = found.get(step)?;
    }
    Some(found)
}

/// The text of a claim, or nothing; it must not be anything else.
fn text(payload: &Map, name: &str) -> Result<String, Reason> {
    match find(payload, name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) if is_printable(text) => Ok(text.clone()),
        Some(_) => Err(Reason::Claim),
    }
}

/// The texts of a claim; one text is a list of one, or of its words.
fn texts(payload: &Map, name: &str, words: bool) -> Result<Vec<String>, Reason> {
    let all: Vec<String> = match find(payload, name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(text)) if words => text.split(' ').map(str::to_owned).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(all)) => {
            let texts = all.iter().map(|one| one.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or(Reason::Claim)?
        }
        Some(_) => return Err(Reason::Claim),
    };
    if !all.iter().all(|one| is_printable(one)) {
        return Err(Reason::Claim);
    }
    Ok(all.into_iter().filter(|one| !one.is_empty()).collect())
}

/// What goes into logs and headers has no line ends and the like.
fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
