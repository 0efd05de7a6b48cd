//! The guard's own signature under what it says about a request: a key of this process alone.

use ring::error::Unspecified;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::Value;

use crate::keys::encode;

/// The `typ` of what is signed here: no token of ours that opens anything.
pub const TRUST_TYPE: &str = "ostiary-trust+jwt";
/// Characters of a key's id, as the control plane's keys have them.
const KID_LENGTH: usize = 11;

/// Signs trust headers with a key that never leaves the process.
pub struct TrustSigner {
    random: SystemRandom,
    pair: EcdsaKeyPair,
    kid: String,
    /// The protected header, encoded.
    header: String,
}

impl TrustSigner {
    /// A signer with a fresh key.
    pub fn new(random: SystemRandom) -> Result<Self, Unspecified> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random)?;
        let pair =
            EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).map_err(|_| Unspecified)?;
        let kid = key_id(pair.public_key().as_ref());
        let header = serde_json::json!({"alg": "ES256", "kid": kid, "typ": TRUST_TYPE});
        let header = encode(header.to_string().as_bytes());
        Ok(Self {
            random,
            pair,
            kid,
            header,
        })
    }

    /// The public key: an uncompressed point of P-256.
    #[must_use]
    pub fn public_point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The key's id: the beginning of its RFC 7638 thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// A JSON Web Token that says `claims`.
    pub fn sign(&self, claims: &Value) -> Result<String, Unspecified> {
        let payload = encode(claims.to_string().as_bytes());
        let mut token = format!("{}.{payload}", self.header);
        let signature = self.pair.sign(&self.random, token.as_bytes())?;
        token.push('.');
        token.push_str(&encode(signature.as_ref()));
        Ok(token)
    }
}

fn key_id(point: &[u8]) -> String {
    let (x, y) = point[1..].split_at(32);
    let members = format!(
        r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
        encode(x),
        encode(y)
    );
    let digest = ring::digest::digest(&ring::digest::SHA256, members.as_bytes());
    let mut kid = encode(digest.as_ref());
    kid.truncate(KID_LENGTH);
    kid
}
