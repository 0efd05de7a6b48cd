//! Tokens of every kind, made while the tests run.

// Each file of tests takes what it needs.
#![allow(dead_code)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ostiary_credentials::{Reason, Terms, Verified, Verifier};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

pub const NOW: i64 = 1_800_000_000;
pub const AUDIENCE: &str = "ostiary:session";
pub const TYPE: &str = "ostiary-session+jwt";
pub const TERMS: Terms = Terms {
    lifetime: 60,
    skew: 5,
};

/// A key and what can be signed with it.
pub struct Forge {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Forge {
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap();
        Self { pair, random }
    }

    pub fn jwk(&self, kid: &str) -> Value {
        let (x, y) = self.point()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
            "x": encode(x), "y": encode(y)})
    }

    pub fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// Knows the key as `k1`.
    pub fn verifier(&self) -> Verifier {
        self.verifier_for(AUDIENCE)
    }

    pub fn verifier_for(&self, audience: &str) -> Verifier {
        let jwks = json!({"keys": [self.jwk("k1")]});
        Verifier::new("ostiary", audience, TYPE, &jwks).unwrap()
    }

    pub fn signature(&self, signed: &str) -> Vec<u8> {
        let made = self.pair.sign(&self.random, signed.as_bytes()).unwrap();
        made.as_ref().to_vec()
    }

    /// Signs these very bytes.
    pub fn raw(&self, header: &[u8], payload: &[u8]) -> String {
        self.seal(format!("{}.{}", encode(header), encode(payload)))
    }

    /// `signed` with its signature.
    pub fn seal(&self, signed: String) -> String {
        let signature = encode(&self.signature(&signed));
        signed + "." + &signature
    }

    /// A good token, but for what is changed in it; null takes out.
    pub fn token(&self, header: &Value, payload: &Value) -> String {
        let header = merged(good_header(), header).to_string();
        let payload = merged(good_payload(), payload).to_string();
        self.raw(header.as_bytes(), payload.as_bytes())
    }
}

pub fn good_header() -> Value {
    json!({"alg": "ES256", "kid": "k1", "typ": TYPE})
}

pub fn good_payload() -> Value {
    json!({"iss": "ostiary", "aud": AUDIENCE, "sub": "ada", "sid": "s1", "host": "notes.test",
        "email": "ada@corp.example", "groups": ["staff", "ops"], "gv": "gv-1", "iat": NOW,
        "exp": NOW + 60, "how": "local password 1799990000 pwd", "assertion": "a.b.c"})
}

pub fn merged(mut base: Value, changes: &Value) -> Value {
    let map = base.as_object_mut().unwrap();
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            map.remove(key);
        } else {
            map.insert(key.clone(), value.clone());
        }
    }
    base
}

/// As a request would be judged.
pub fn judge(verifier: &Verifier, token: &[u8]) -> Result<Verified, Reason> {
    let said = verifier.verify(token)?;
    said.holds(TERMS, NOW)?;
    Ok(said)
}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
