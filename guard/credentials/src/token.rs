//! Our tokens: ES256 JSON Web Tokens (RFC 7519, RFC 8725), read as strictly as we write them.

use std::collections::HashMap;
use std::fmt;

use ring::digest::{Context, SHA256};
use serde_json::Value;

use crate::keys::{self, Point, decode};
use crate::reason::Reason;
use crate::{strict, structs};

/// Bytes of the longest token that is looked at.
pub const LONGEST_TOKEN: usize = 8 * 1024;
/// The claim that holds the identity assertion; too long for what every rule reads.
const ASSERTION: &str = "assertion";
/// Claims that rules, verdicts and the log take for text.
const TEXTS: [&str; 12] = [
    "sub",
    "sid",
    "device",
    "host",
    "email",
    "gv",
    "how",
    "jti",
    "iss",
    "kind",
    "credential",
    ASSERTION,
];
/// Headers by which a token could choose its own key (RFC 7515, 4.1.2 to 4.1.8).
const OWN_KEY: [&str; 6] = ["jwk", "jku", "x5c", "x5u", "x5t", "x5t#S256"];
/// Seconds by which clocks of ours may differ.
const CLOCK_SKEW: i64 = 5;
/// The greatest second that a JSON number holds exactly.
const LAST_SECOND: f64 = 9_007_199_254_740_991.0;

/// Who the token is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `sub`.
    pub user: String,
    /// `sid`.
    pub session: String,
    /// `device`, where there is one.
    pub device: String,
    /// The provider that signed the person in.
    pub provider: String,
    /// When the person signed in, Unix seconds.
    pub auth_time: Option<i64>,
    /// `email`, where there is one.
    pub email: String,
    /// `groups`, of those that some policy names.
    pub groups: Vec<String>,
    /// `gv`: for which set of group names it was minted.
    pub group_set: String,
    /// `host`: where it counts.
    pub host: String,
    /// `kind`: what was shown instead of a session (`bearer`); of a session, nothing.
    pub kind: String,
    /// `credential`: SHA-256 of what was shown instead of a session, hexadecimal.
    pub credential: String,
}

/// A token that we signed for this audience; whether it holds now, [`Verified::holds`] says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// Who it is about.
    pub claims: Claims,
    /// The key that signed it.
    pub kid: String,
    /// The audience it was verified for.
    pub audience: String,
    /// SHA-256 of the whole token, hexadecimal.
    pub sha256: String,
    /// The same of the one other token that says the same under a signature that counts. Whoever
    /// holds a token can make it, so a verdict about a token is about both.
    pub twin: String,
    /// All claims but the assertion, as a serialised `google.protobuf.Struct`.
    pub structure: Vec<u8>,
    /// The identity assertion it carries, or nothing.
    pub assertion: String,
    /// When it was signed, Unix seconds.
    pub issued: Option<i64>,
    issuer: String,
    typ: String,
    audiences: Vec<String>,
    point: Point,
    expires: i64,
    not_before: i64,
}

/// When a token counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Seconds that may be left of it at most.
    pub lifetime: i64,
    /// Seconds by which it may be over.
    pub skew: i64,
}

impl Verified {
    /// After which second (Unix) it is over.
    #[must_use]
    pub fn expires(&self) -> i64 {
        self.expires
    }

    /// Whether it counts at `now` (Unix seconds).
    pub fn holds(&self, terms: Terms, now: i64) -> Result<(), Reason> {
        if now > self.expires.saturating_add(terms.skew) {
            return Err(Reason::Expired);
        }
        if now.saturating_add(terms.skew) < self.not_before {
            return Err(Reason::Early);
        }
        if self.expires.saturating_sub(now) > terms.lifetime.saturating_add(CLOCK_SKEW) {
            return Err(Reason::Lifetime);
        }
        Ok(())
    }
}

/// The keys and words by which tokens of one kind are known.
pub struct Verifier {
    issuer: String,
    audience: String,
    typ: String,
    keys: HashMap<String, Point>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Verifier")
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// Tokens of `issuer` for `audience` with the type `typ`, signed by one of `jwks` (RFC 7517).
    pub fn new(issuer: &str, audience: &str, typ: &str, jwks: &Value) -> Result<Self, String> {
        Ok(Self {
            issuer: issuer.into(),
            audience: audience.into(),
            typ: typ.into(),
            keys: keys::read(jwks)?,
        })
    }

    /// Whether the key is still one of ours.
    #[must_use]
    pub fn knows(&self, kid: &str) -> bool {
        self.keys.contains_key(kid)
    }

    /// Whether this verifier would say the same about a token that any verifier has verified.
    #[must_use]
    pub fn accepts(&self, verified: &Verified) -> bool {
        self.keys.get(&verified.kid) == Some(&verified.point)
            && verified.audiences.contains(&self.audience)
            && verified.issuer == self.issuer
            && verified.typ == self.typ
    }

    /// Whom its tokens are for.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// What `token` says, if we signed it for this.
    pub fn verify(&self, token: &[u8]) -> Result<Verified, Reason> {
        if token.len() > LONGEST_TOKEN {
            return Err(Reason::TooLong);
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let next = [(); 4].map(|()| parts.next());
        let [Some(header), Some(payload), Some(signature), None] = next else {
            return Err(Reason::Malformed);
        };
        let header = object(header)?;
        let kid = self.accepted(&header)?;
        let point = self.keys.get(kid).ok_or(Reason::UnknownKey)?;
        let signed = &token[..token.len() - signature.len() - 1];
        let signature = decode(signature).ok_or(Reason::Malformed)?;
        if !keys::signs(point, signed, &signature) {
            return Err(Reason::Signature);
        }
        let mut verified = self.read(kid, point, object(payload)?)?;
        let twin = keys::encode(&keys::twin(&signature));
        verified.sha256 = fingerprint(&[token]);
        verified.twin = fingerprint(&[signed, b".", twin.as_bytes()]);
        Ok(verified)
    }

    fn accepted<'a>(&self, header: &'a Map) -> Result<&'a str, Reason> {
        let text = |key: &str| header.get(key).and_then(Value::as_str);
        if text("alg") != Some("ES256") {
            return Err(Reason::Algorithm);
        }
        for key in header.keys().map(String::as_str) {
            match key {
                "alg" | "typ" | "kid" => {}
                "crit" => return Err(Reason::Critical),
                "cty" => return Err(Reason::Nested),
                _ if OWN_KEY.contains(&key) => return Err(Reason::EmbeddedKey),
                _ => return Err(Reason::Header),
            }
        }
        if text("typ") != Some(&self.typ) {
            return Err(Reason::Type);
        }
        text("kid").ok_or(Reason::UnknownKey)
    }

    fn read(&self, kid: &str, point: &Point, mut payload: Map) -> Result<Verified, Reason> {
        let is_text = |key: &&str| payload.get(*key).is_none_or(Value::is_string);
        if !TEXTS.iter().all(is_text) {
            return Err(Reason::Claim);
        }
        if text(&payload, "iss") != self.issuer {
            return Err(Reason::Issuer);
        }
        let audiences = audiences(&payload)?;
        if !audiences.contains(&self.audience) {
            return Err(Reason::Audience);
        }
        let expires = seconds(&payload, "exp")?.ok_or(Reason::Times)?;
        let not_before = seconds(&payload, "nbf")?.unwrap_or(0);
        let issued = seconds(&payload, "iat")?;
        let claims = claims(&payload);
        let assertion = text(&payload, ASSERTION).to_owned();
        payload.remove(ASSERTION);
        Ok(Verified {
            claims,
            kid: kid.to_owned(),
            audience: self.audience.clone(),
            sha256: String::new(),
            twin: String::new(),
            structure: structs::of_map(&payload),
            assertion,
            issued,
            issuer: self.issuer.clone(),
            typ: self.typ.clone(),
            audiences,
            point: *point,
            expires,
            not_before,
        })
    }
}

pub(crate) type Map = serde_json::Map<String, Value>;

pub(crate) fn object(part: &[u8]) -> Result<Map, Reason> {
    let bytes = decode(part).ok_or(Reason::Malformed)?;
    match strict::read(&bytes)? {
        Value::Object(map) => Ok(map),
        _ => Err(Reason::Malformed),
    }
}

fn text<'a>(payload: &'a Map, key: &str) -> &'a str {
    let found = payload.get(key).and_then(Value::as_str);
    found.unwrap_or_default()
}

/// `how` is the provider, the assurance, the time of signing in and the methods.
fn claims(payload: &Map) -> Claims {
    let mut how = text(payload, "how").split(' ');
    let (provider, auth) = (how.next().unwrap_or_default(), how.nth(1));
    Claims {
        user: text(payload, "sub").to_owned(),
        session: text(payload, "sid").to_owned(),
        device: text(payload, "device").to_owned(),
        provider: provider.to_owned(),
        auth_time: auth.and_then(|one| one.parse().ok()),
        email: text(payload, "email").to_owned(),
        groups: groups(payload),
        group_set: text(payload, "gv").to_owned(),
        host: text(payload, "host").to_owned(),
        kind: text(payload, "kind").to_owned(),
        credential: text(payload, "credential").to_owned(),
    }
}

/// What is no text in the list is no group.
fn groups(payload: &Map) -> Vec<String> {
    let all = payload.get("groups").and_then(Value::as_array);
    let texts = all.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// One text or a list of nothing but texts.
pub(crate) fn audiences(payload: &Map) -> Result<Vec<String>, Reason> {
    let all = match payload.get("aud") {
        Some(Value::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let texts = all.iter().map(|one| one.as_str().map(str::to_owned));
    texts.collect::<Option<_>>().ok_or(Reason::Audience)
}

/// A time in Unix seconds; parts of a second are dropped.
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn seconds(payload: &Map, key: &str) -> Result<Option<i64>, Reason> {
    let Some(value) = payload.get(key) else {
        return Ok(None);
    };
    let number = value.as_f64().ok_or(Reason::Times)?;
    if !(0.0..=LAST_SECOND).contains(&number) {
        return Err(Reason::Times);
    }
    Ok(Some(number as i64))
}

/// SHA-256 of `parts`, hexadecimal.
#[must_use]
pub fn fingerprint(parts: &[&[u8]]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let digest = context.finish();
    let halves = digest
        .as_ref()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf]);
    halves
        .filter_map(|half| char::from_digit(u32::from(half), 16))
        .collect()
}

#[cfg(test)]
pub(crate) fn tests_empty() -> Verified {
    Verified {
        claims: Claims::default(),
        kid: String::new(),
        audience: String::new(),
        sha256: String::new(),
        twin: String::new(),
        structure: Vec::new(),
        assertion: String::new(),
        issued: None,
        issuer: String::new(),
        typ: String::new(),
        audiences: Vec::new(),
        point: [0; 65],
        expires: 0,
        not_before: 0,
    }
}
