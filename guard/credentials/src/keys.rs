//! The keys of a JWK set (RFC 7517), and what their signatures allow.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

/// A point on P-256, uncompressed.
pub(crate) type Point = [u8; 65];
/// Bytes of a coordinate, and of each half of a signature.
const HALF: usize = 32;
/// The order of P-256.
const ORDER: [u8; HALF] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

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
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
}

impl Jwk {
    fn point(&self) -> Result<Point, String> {
        if self.kty != "EC" || self.crv != "P-256" {
            return Err(format!("the key {} is not on P-256", self.kid));
        }
        let other = |word: &Option<String>, ours: &str| word.as_ref().is_some_and(|w| w != ours);
        if other(&self.alg, "ES256") || other(&self.purpose, "sig") {
            return Err(format!("the key {} is not for ES256 signatures", self.kid));
        }
        let mut point = [4; 65];
        for (half, place) in [&self.x, &self.y].into_iter().zip([1, 1 + HALF]) {
            let bytes = decode(half.as_bytes()).filter(|bytes| bytes.len() == HALF);
            let bytes = bytes.ok_or_else(|| format!("the key {} is no point", self.kid))?;
            point[place..place + HALF].copy_from_slice(&bytes);
        }
        Ok(point)
    }
}

/// The keys of `jwks` by their ids, of which none stands twice.
pub(crate) fn read(jwks: &Value) -> Result<HashMap<String, Point>, String> {
    let read = Jwks::deserialize(jwks).map_err(|why| format!("the key set: {why}"))?;
    let mut keys = HashMap::new();
    for one in read.keys {
        let point = one.point()?;
        if keys.get(&one.kid).is_some_and(|known| *known != point) {
            return Err(format!("two keys have the id {}", one.kid));
        }
        keys.insert(one.kid, point);
    }
    Ok(keys)
}

/// Whether `signature` is that of the key at `point` over `signed`.
pub(crate) fn signs(point: &Point, signed: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(signed, signature)
        .is_ok()
}

/// The other signature that counts for the same key and text: anybody can make it of the first.
///
/// `signature` counts itself, so that its second half is less than the order.
pub(crate) fn twin(signature: &[u8]) -> Vec<u8> {
    let mut made = signature.to_vec();
    let mut borrow = 0;
    for (byte, order) in made.iter_mut().rev().zip(ORDER.iter().rev()) {
        let left = i16::from(*order) - i16::from(*byte) - borrow;
        borrow = i16::from(left < 0);
        *byte = left.to_le_bytes()[0];
    }
    made
}

pub(crate) fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
