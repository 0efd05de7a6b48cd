//! Our tokens: ES256 JSON Web Tokens (RFC 7519, RFC 8725), read as strictly as we write them.

use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use crate::strict::Strict;
use crate::structs;

/// Bytes of the longest token that is looked at.
pub const LONGEST_TOKEN: usize = 8 * 1024;
/// The claim that holds the identity assertion; too long for what every rule reads.
const ASSERTION: &str = "assertion";

/// Why a token is none. The code goes into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Longer than [`LONGEST_TOKEN`].
    TooLong,
    /// Not three parts of base64url with JSON in two of them, each key once.
    Malformed,
    /// Any algorithm but ES256.
    Algorithm,
    /// Another `typ`: a token for something else.
    Type,
    /// A header that wants to be understood or brings its own key.
    Header,
    /// No key of ours has this `kid`.
    UnknownKey,
    /// The signature is not that key's.
    Signature,
    /// Another issuer.
    Issuer,
    /// For somebody else.
    Audience,
    /// No `exp`, or times that are no numbers.
    Times,
    /// Over.
    Expired,
    /// Not yet valid.
    Early,
    /// Valid for longer than we ever sign.
    Lifetime,
}

impl Reason {
    /// The code of the log.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "token-too-long",
            Self::Malformed => "token-malformed",
            Self::Algorithm => "token-algorithm",
            Self::Type => "token-type",
            Self::Header => "token-header",
            Self::UnknownKey => "token-unknown-key",
            Self::Signature => "token-signature",
            Self::Issuer => "token-issuer",
            Self::Audience => "token-audience",
            Self::Times => "token-times",
            Self::Expired => "token-expired",
            Self::Early => "token-early",
            Self::Lifetime => "token-lifetime",
        }
    }
}

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
    /// All claims but the assertion, as a serialised `google.protobuf.Struct`.
    pub structure: Vec<u8>,
    /// The identity assertion it carries, or nothing.
    pub assertion: String,
    /// When it was signed, Unix seconds.
    pub issued: Option<i64>,
    expires: f64,
    not_before: f64,
}

/// When a token counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Seconds that may be left of it at most.
    pub lifetime: i64,
    /// Seconds by which it may be over.
    pub skew: i64,
}

/// Seconds by which clocks of ours may differ.
const CLOCK_SKEW: f64 = 5.0;

impl Verified {
    /// Whether it counts at `now` (Unix seconds).
    #[allow(clippy::cast_precision_loss)]
    pub fn holds(&self, terms: Terms, now: i64) -> Result<(), Reason> {
        let (now, skew) = (now as f64, terms.skew as f64);
        if now > self.expires + skew {
            return Err(Reason::Expired);
        }
        if now + CLOCK_SKEW.max(skew) < self.not_before {
            return Err(Reason::Early);
        }
        if self.expires - now > terms.lifetime as f64 + CLOCK_SKEW {
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
    keys: HashMap<String, Vec<u8>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Verifier")
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    kid: String,
    x: String,
    y: String,
}

impl Verifier {
    /// Tokens of `issuer` for `audience` with the type `typ`, signed by one of `jwks` (RFC 7517).
    pub fn new(issuer: &str, audience: &str, typ: &str, jwks: &Value) -> Result<Self, String> {
        let read = Jwks::deserialize(jwks).map_err(|why| format!("the key set: {why}"))?;
        let mut keys = HashMap::new();
        for one in read.keys {
            if one.kty != "EC" || one.crv != "P-256" {
                return Err(format!("the key {} is not on P-256", one.kid));
            }
            let mut point = vec![4];
            for half in [&one.x, &one.y] {
                let bytes = decode(half.as_bytes()).filter(|bytes| bytes.len() == 32);
                point.extend(bytes.ok_or_else(|| format!("the key {} is no point", one.kid))?);
            }
            keys.insert(one.kid, point);
        }
        Ok(Self {
            issuer: issuer.into(),
            audience: audience.into(),
            typ: typ.into(),
            keys,
        })
    }

    /// Whether the key is still one of ours.
    #[must_use]
    pub fn knows(&self, kid: &str) -> bool {
        self.keys.contains_key(kid)
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
        let dot = token
            .iter()
            .rposition(|byte| *byte == b'.')
            .ok_or(Reason::Malformed)?;
        let (signed, signature) = (&token[..dot], &token[dot + 1..]);
        let mut parts = signed.split(|byte| *byte == b'.');
        let (header, payload) = match (parts.next(), parts.next(), parts.next()) {
            (Some(header), Some(payload), None) => (object(header)?, object(payload)?),
            _ => return Err(Reason::Malformed),
        };
        let kid = self.accepted(&header)?;
        let point = self.keys.get(kid).ok_or(Reason::UnknownKey)?;
        let signature = decode(signature).ok_or(Reason::Malformed)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed, &signature)
            .map_err(|_| Reason::Signature)?;
        let mut verified = self.read(kid, payload)?;
        verified.sha256 = hexadecimal(digest(&SHA256, token).as_ref());
        Ok(verified)
    }

    fn accepted<'a>(&self, header: &'a Map) -> Result<&'a str, Reason> {
        let text = |key: &str| header.get(key).and_then(Value::as_str);
        if text("alg") != Some("ES256") {
            return Err(Reason::Algorithm);
        }
        if text("typ") != Some(&self.typ) {
            return Err(Reason::Type);
        }
        if header
            .keys()
            .any(|key| !matches!(key.as_str(), "alg" | "typ" | "kid"))
        {
            return Err(Reason::Header);
        }
        text("kid").ok_or(Reason::UnknownKey)
    }

    fn read(&self, kid: &str, mut payload: Map) -> Result<Verified, Reason> {
        let text = |map: &Map, key: &str| {
            map.get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        if text(&payload, "iss") != self.issuer {
            return Err(Reason::Issuer);
        }
        let for_us = match payload.get("aud") {
            Some(Value::String(one)) => *one == self.audience,
            Some(Value::Array(all)) => all.iter().any(|one| one == self.audience.as_str()),
            _ => false,
        };
        if !for_us {
            return Err(Reason::Audience);
        }
        let number = |key: &str| match payload.get(key) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(Reason::Times),
        };
        let expires = number("exp")?.ok_or(Reason::Times)?;
        let not_before = number("nbf")?.unwrap_or(f64::MIN);
        let issued = number("iat")?;
        let how = text(&payload, "how");
        let mut how = how.split(' ');
        let (provider, auth) = (how.next().unwrap_or_default(), how.nth(1));
        let claims = Claims {
            user: text(&payload, "sub"),
            session: text(&payload, "sid"),
            device: text(&payload, "device"),
            provider: provider.to_owned(),
            auth_time: auth.and_then(|one| one.parse().ok()),
        };
        let assertion = match payload.remove(ASSERTION) {
            Some(Value::String(one)) => one,
            _ => String::new(),
        };
        Ok(Verified {
            claims,
            kid: kid.to_owned(),
            audience: self.audience.clone(),
            sha256: String::new(),
            structure: structs::of_map(&payload),
            assertion,
            #[allow(clippy::cast_possible_truncation)]
            issued: issued.map(|one| one as i64),
            expires,
            not_before,
        })
    }
}

type Map = serde_json::Map<String, Value>;

fn object(part: &[u8]) -> Result<Map, Reason> {
    let bytes = decode(part).ok_or(Reason::Malformed)?;
    match serde_json::from_slice::<Strict>(&bytes) {
        Ok(Strict(Value::Object(map))) => Ok(map),
        _ => Err(Reason::Malformed),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    halves
        .filter_map(|half| char::from_digit(u32::from(half), 16))
        .collect()
}

fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

#[cfg(test)]
pub(crate) fn tests_empty() -> Verified {
    Verified {
        claims: Claims::default(),
        kid: String::new(),
        audience: String::new(),
        sha256: String::new(),
        structure: Vec::new(),
        assertion: String::new(),
        issued: None,
        expires: 0.0,
        not_before: 0.0,
    }
}
