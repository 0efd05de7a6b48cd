//! Tokens that we signed: what they say, when they hold, and that nobody slips from under a verdict.

mod forge;

use forge::{AUDIENCE, Forge, NOW, TERMS, TYPE, decode, encode, judge};
use ostiary_credentials::{
    Latest, Reason, TRUST_TYPE, Terms, TokenCache, TrustSigner, Verifier, wrap,
};
use ring::rand::SystemRandom;
use serde_json::{Value, json};

#[test]
fn a_good_token_says_who() {
    let forge = Forge::new();
    let token = forge.token(&json!({}), &json!({}));
    let got = judge(&forge.verifier(), token.as_bytes()).unwrap();
    assert_eq!(got.claims.user, "ada");
    assert_eq!(got.claims.session, "s1");
    assert_eq!(got.claims.provider, "local");
    assert_eq!(got.claims.auth_time, Some(1_799_990_000));
    assert_eq!((got.kid.as_str(), got.assertion.as_str()), ("k1", "a.b.c"));
    assert_eq!(got.issued, Some(NOW));
}

#[test]
fn it_holds_as_long_as_the_jwt_filter_would_say() {
    let forge = Forge::new();
    let verifier = forge.verifier();
    let at = |exp: Value, terms: Terms| {
        let token = forge.token(&json!({}), &json!({"exp": exp}));
        verifier.verify(token.as_bytes())?.holds(terms, NOW)
    };
    assert_eq!(at(json!(NOW - 5), TERMS), Ok(()));
    assert_eq!(at(json!(NOW - 6), TERMS), Err(Reason::Expired));
    assert_eq!(at(json!(NOW + 65), TERMS), Ok(()));
    assert_eq!(at(json!(NOW + 66), TERMS), Err(Reason::Lifetime));
    let fraction = f64::from(1_800_000_060) + 0.5;
    assert_eq!(at(json!(fraction), TERMS), Ok(()));
    let stale = Terms {
        lifetime: 3_600,
        skew: 3_600,
    };
    assert_eq!(at(json!(NOW - 3_600), stale), Ok(()));
    assert_eq!(at(json!(NOW - 3_601), stale), Err(Reason::Expired));
    let grace = Terms {
        lifetime: 60,
        skew: 600,
    };
    assert_eq!(at(json!(NOW - 600), grace), Ok(()));
    assert_eq!(at(json!(NOW + 66), grace), Err(Reason::Lifetime));
    let endless = Terms {
        lifetime: i64::MAX,
        skew: i64::MAX,
    };
    assert_eq!(at(json!(0), endless), Ok(()));
}

#[test]
fn a_beginning_is_respected() {
    let forge = Forge::new();
    let at = |nbf: i64| {
        let token = forge.token(&json!({}), &json!({"nbf": nbf}));
        judge(&forge.verifier(), token.as_bytes()).map(|one| one.issued)
    };
    assert_eq!(at(NOW + 5), Ok(Some(NOW)));
    assert_eq!(at(NOW + 6), Err(Reason::Early));
}

/// ES256 has two signatures for each text and key; whoever has one has the other.
#[test]
fn the_other_signature_of_a_token_is_the_same_token_to_a_verdict() {
    let forge = Forge::new();
    let verifier = forge.verifier();
    let token = forge.token(&json!({}), &json!({}));
    let one = verifier.verify(token.as_bytes()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let bytes = decode(signature);
    let order = decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");
    let mut second = vec![0; 32];
    let mut borrow = 0;
    for at in (0..32).rev() {
        let left = 256 + i32::from(order[at]) - i32::from(bytes[32 + at]) - borrow;
        borrow = i32::from(left < 256);
        second[at] = u8::try_from(left % 256).unwrap();
    }
    let twin = format!("{signed}.{}", encode(&[&bytes[..32], &second].concat()));
    assert_ne!(twin, token);
    let other = verifier.verify(twin.as_bytes()).unwrap();
    assert_eq!((&other.sha256, &other.twin), (&one.twin, &one.sha256));
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    assert_eq!(format!("{digest:?}"), format!("SHA256:{}", one.sha256));
}

#[test]
fn another_verifier_takes_it_over_only_where_it_would_say_the_same() {
    let forge = Forge::new();
    let both = forge.token(&json!({}), &json!({"aud": [AUDIENCE, "other"]}));
    let known = forge.verifier().verify(both.as_bytes()).unwrap();
    assert!(forge.verifier().accepts(&known));
    assert!(forge.verifier_for("other").accepts(&known));
    assert!(!forge.verifier_for("third").accepts(&known));
    let keys = json!({"keys": [forge.jwk("k1")]});
    let stranger = json!({"keys": [Forge::new().jwk("k1")]});
    let renamed = json!({"keys": [forge.jwk("k2")]});
    let new = |issuer: &str, typ: &str, jwks: &Value| {
        Verifier::new(issuer, AUDIENCE, typ, jwks)
            .unwrap()
            .accepts(&known)
    };
    assert!(new("ostiary", TYPE, &keys));
    assert!(!new("another", TYPE, &keys));
    assert!(!new("ostiary", "ostiary-assertion+jwt", &keys));
    assert!(!new("ostiary", TYPE, &stranger));
    assert!(!new("ostiary", TYPE, &renamed));
}

#[test]
fn a_key_set_that_says_two_things_is_refused() {
    let (one, other) = (Forge::new(), Forge::new());
    let changed = |change: Value| forge::merged(one.jwk("k1"), &change);
    for keys in [
        json!([one.jwk("k1"), other.jwk("k1")]),
        json!([changed(json!({"crv": "P-384"}))]),
        json!([changed(json!({"kty": "oct"}))]),
        json!([changed(json!({"alg": "ES384"}))]),
        json!([changed(json!({"use": "enc"}))]),
        json!([changed(json!({"x": "AAAA"}))]),
        json!([changed(json!({"kid": null}))]),
        json!(null),
    ] {
        assert!(Verifier::new("ostiary", AUDIENCE, TYPE, &json!({"keys": keys})).is_err());
    }
}

#[test]
fn the_claims_are_a_struct_without_the_assertion() {
    let forge = Forge::new();
    let odd = json!({"x": {"t": true, "n": null, "l": [1, "a", {}]}});
    let token = forge.token(&json!({}), &odd);
    let got = judge(&forge.verifier(), token.as_bytes()).unwrap();
    let mut wanted = forge::merged(forge::good_payload(), &odd);
    wanted.as_object_mut().unwrap().remove("assertion");
    assert_eq!(structure(&got.structure), floats(wanted.clone()));
    let wrapped = wrap("session", &got.structure);
    assert_eq!(structure(&wrapped), floats(json!({"session": wanted})));
}

/// Reads a serialised `google.protobuf.Struct`.
fn structure(bytes: &[u8]) -> Value {
    let fields = fields(bytes).into_iter().map(|(_, entry)| {
        let parts = self::fields(entry);
        let key = String::from_utf8(parts[0].1.to_vec()).unwrap();
        (key, value(parts[1].1))
    });
    Value::Object(fields.collect())
}

fn value(bytes: &[u8]) -> Value {
    match (bytes[0] >> 3, bytes[0] & 7) {
        (1, 0) => Value::Null,
        (2, 1) => f64::from_le_bytes(bytes[1..].try_into().unwrap()).into(),
        (4, 0) => Value::Bool(bytes[1] == 1),
        (3, 2) => String::from_utf8(fields(bytes)[0].1.to_vec())
            .unwrap()
            .into(),
        (5, 2) => structure(fields(bytes)[0].1),
        (6, 2) => fields(fields(bytes)[0].1)
            .iter()
            .map(|(_, one)| value(one))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    while let Some((tag, mut rest)) = bytes.split_first() {
        let (mut length, mut shift) = (0, 0);
        while let Some((byte, after)) = rest.split_first() {
            length |= usize::from(byte & 0x7f) << shift;
            (rest, shift) = (after, shift + 7);
            if byte & 0x80 == 0 {
                break;
            }
        }
        all.push((tag >> 3, &rest[..length]));
        bytes = &rest[length..];
    }
    all
}

/// A Struct knows one kind of number.
fn floats(value: Value) -> Value {
    match value {
        Value::Number(one) => one.as_f64().into(),
        Value::Array(all) => all.into_iter().map(floats).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, one)| (key, floats(one)))
            .collect(),
        other => other,
    }
}

#[test]
fn remembered_tokens_are_the_very_same_bytes() {
    let forge = Forge::new();
    let cache = TokenCache::new(1_000);
    let token = forge.token(&json!({}), &json!({}));
    let verified = judge(&forge.verifier(), token.as_bytes()).unwrap();
    cache.put(token.as_bytes(), verified, ());
    assert!(cache.get(token.as_bytes()).is_some());
    let mut forged = token.clone().into_bytes();
    forged[40] ^= 1;
    assert!(cache.get(&forged).is_none());
    assert!(cache.get(&token.as_bytes()[1..]).is_none());
    assert!(cache.get(b"").is_none());
}

#[test]
fn what_was_looked_at_last_is_found_by_all_its_bytes_and_made_anew() {
    let forge = Forge::new();
    let (cache, latest) = (TokenCache::new(1_000), Latest::new());
    let token = forge.token(&json!({}), &json!({}));
    let verified = || judge(&forge.verifier(), token.as_bytes()).unwrap();
    latest.put(&cache, token.as_bytes(), verified(), 1);
    let slot = |bytes: &[u8]| latest.get(&cache, bytes).map(|one| one.slot);
    assert_eq!(slot(token.as_bytes()), Some(1));
    assert_eq!(slot(&token.as_bytes()[1..]), None);
    latest.put(&cache, token.as_bytes(), verified(), 2);
    assert_eq!(slot(token.as_bytes()), Some(2));
    let elsewhere = Latest::new();
    assert_eq!(elsewhere.get(&cache, token.as_bytes()).unwrap().slot, 2);
}

#[test]
fn the_guard_signs_what_it_says_and_opens_nothing_with_it() {
    let signer = TrustSigner::new(SystemRandom::new()).unwrap();
    let point = signer.public_point();
    assert_eq!((point.len(), point[0], signer.kid().len()), (65, 4, 11));
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": signer.kid(),
        "x": encode(&point[1..33]), "y": encode(&point[33..])});
    let keys = json!({"keys": [jwk]});
    let claims = json!({"iss": "ostiary", "aud": AUDIENCE, "exp": NOW + 30, "risk": 7});
    let token = signer.sign(&claims).unwrap();
    let of = |typ: &str| Verifier::new("ostiary", AUDIENCE, typ, &keys).unwrap();
    assert!(judge(&of(TRUST_TYPE), token.as_bytes()).is_ok());
    assert_eq!(of(TYPE).verify(token.as_bytes()), Err(Reason::Type));
}
