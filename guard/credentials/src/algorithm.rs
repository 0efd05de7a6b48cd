//! The keys of other issuers (RFC 7517), and the closed list of algorithms whose signatures count.

use std::collections::HashMap;

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

use crate::keys::decode;

/// The algorithms that count (RFC 7518, RFC 8037). A symmetric one is none of them, nor is `none`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    pub(crate) fn of(word: &str) -> Option<Self> {
        match word {
            "RS256" => Some(Self::RS256),
            "PS256" => Some(Self::PS256),
            "ES256" => Some(Self::ES256),
            // RFC 9864 gave it a name of its own.
            "EdDSA" | "Ed25519" => Some(Self::EdDSA),
            _ => None,
        }
    }
}

/// One public key; its kind says which algorithms it is for, so that none can be mistaken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    kind: Kind,
    only: Option<Algorithm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Jwk {
    kid: Option<String>,
    kty: Option<String>,
    crv: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl ForeignKey {
    /// In the place of a key that is not found yet; it signs nothing.
    pub(crate) fn none() -> Self {
        let kind = Kind::Ed25519(Vec::new());
        Self { kind, only: None }
    }

    /// None for a key that no signature of ours can be checked with: it is another's business.
    fn of(jwk: &Jwk) -> Option<Self> {
        if jwk.purpose.as_deref().is_some_and(|one| one != "sig") {
            return None;
        }
        let part = |text: &Option<String>| decode(text.as_ref()?.as_bytes());
        let kind = match (jwk.kty.as_deref()?, jwk.crv.as_deref()) {
            ("RSA", _) => Kind::Rsa {
                n: part(&jwk.n)?,
                e: part(&jwk.e)?,
            },
            ("EC", Some("P-256")) => {
                let (x, y) = (part(&jwk.x)?, part(&jwk.y)?);
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                (x.len() == 32 && point.len() == 65).then_some(Kind::P256(point))?
            }
            ("OKP", Some("Ed25519")) => Kind::Ed25519(part(&jwk.x)?),
            _ => return None,
        };
        let only = match jwk.alg.as_deref() {
            None => None,
            Some(word) => Some(Algorithm::of(word)?),
        };
        Some(Self { kind, only })
    }

    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => matches!(self.kind, Kind::Rsa { .. }),
            Algorithm::ES256 => matches!(self.kind, Kind::P256(_)),
            Algorithm::EdDSA => matches!(self.kind, Kind::Ed25519(_)),
        };
        kind && self.only.is_none_or(|one| one == algorithm)
    }

    /// Whether `signature` is this key's over `signed`, made by `algorithm`, for which it is.
    pub(crate) fn signs(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let checked = match (&self.kind, algorithm) {
            (Kind::Rsa { n, e }, Algorithm::RS256) => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                signed,
                signature,
            ),
            (Kind::Rsa { n, e }, Algorithm::PS256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, signed, signature)
            }
            (Kind::P256(point), Algorithm::ES256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            (Kind::Ed25519(point), Algorithm::EdDSA) => {
                UnparsedPublicKey::new(&ED25519, point).verify(signed, signature)
            }
            _ => return false,
        };
        checked.is_ok()
    }
}

/// The usable keys of `jwks` by their ids. Keys without an id, of other kinds and for encryption are
/// left out: an issuer publishes them for others.
pub(crate) fn read(jwks: &Value) -> Result<HashMap<String, Vec<ForeignKey>>, String> {
    let all = jwks.get("keys").and_then(Value::as_array);
    let all = all.ok_or("a key set has a list `keys`")?;
    let mut keys: HashMap<String, Vec<ForeignKey>> = HashMap::new();
    for one in all {
        let jwk = Jwk::deserialize(one).map_err(|why| format!("a key of the set: {why}"))?;
        if let (Some(key), Some(kid)) = (ForeignKey::of(&jwk), &jwk.kid) {
            keys.entry(kid.clone()).or_default().push(key);
        }
    }
    Ok(keys)
}
