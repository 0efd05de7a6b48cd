//! Tokens that are none, each refused for its own reason.

mod forge;

use forge::{Forge, NOW, TYPE, decode, encode, good_header, good_payload, judge};
use ostiary_credentials::{LONGEST_TOKEN, Reason};
use serde_json::{Value, json};

type Case = (&'static str, String, Reason);

fn all_refused(forge: &Forge, cases: &[Case]) {
    let verifier = forge.verifier();
    let good = forge.token(&json!({}), &json!({}));
    assert!(judge(&verifier, good.as_bytes()).is_ok());
    for (name, token, reason) in cases {
        let got = judge(&verifier, token.as_bytes()).map(|one| one.claims);
        assert_eq!(got, Err(*reason), "{name}");
    }
}

fn parts(token: &str) -> (&str, &str, &str) {
    let mut all = token.split('.');
    let mut next = || all.next().unwrap();
    (next(), next(), next())
}

fn header(forge: &Forge, changes: &Value) -> String {
    forge.token(changes, &json!({}))
}

/// No signature at all.
fn unsigned(forge: &Forge, alg: &str) -> String {
    let token = header(forge, &json!({ "alg": alg }));
    let (header, payload, _) = parts(&token);
    format!("{header}.{payload}.")
}

#[test]
fn algorithms() {
    let forge = Forge::new();
    let alg = |name: Value| header(&forge, &json!({ "alg": name }));
    let all = [
        ("no signature", unsigned(&forge, "none")),
        ("none in capitals", unsigned(&forge, "NONE")),
        ("none with a signature", alg(json!("none"))),
        ("the public key as a secret", hmac(&forge)),
        ("RS256", alg(json!("RS256"))),
        ("ES384", alg(json!("ES384"))),
        ("EdDSA", alg(json!("EdDSA"))),
        ("small letters", alg(json!("es256"))),
        ("a blank more", alg(json!("ES256 "))),
        ("algorithms", alg(json!(["ES256"]))),
        ("no algorithm", alg(json!(null))),
    ];
    let cases = all.map(|(name, token)| (name, token, Reason::Algorithm));
    all_refused(&forge, &cases);
}

#[test]
fn types() {
    let forge = Forge::new();
    let typ = |name: Value| header(&forge, &json!({ "typ": name }));
    let all = [
        ("no type", typ(json!(null))),
        ("a plain type", typ(json!("JWT"))),
        ("a handover", typ(json!("ostiary-handover+jwt"))),
        ("an assertion", typ(json!("ostiary-assertion+jwt"))),
        ("a trust header", typ(json!("ostiary-trust+jwt"))),
        ("in capitals", typ(json!(TYPE.to_uppercase()))),
        ("types", typ(json!([TYPE]))),
    ];
    let cases = all.map(|(name, token)| (name, token, Reason::Type));
    all_refused(&forge, &cases);
}

#[test]
fn keys_and_extensions() {
    use Reason::{Critical, EmbeddedKey, Header, Nested, Signature, UnknownKey};
    let forge = Forge::new();
    let own = Forge::new();
    let with = |changes: Value| header(&forge, &changes);
    let embedded = header(&own, &json!({"jwk": own.jwk("k1")}));
    let url = "https://evil.test/keys";
    let cases = [
        ("its own key", embedded, EmbeddedKey),
        ("a key elsewhere", with(json!({ "jku": url })), EmbeddedKey),
        ("its own chain", with(json!({"x5c": ["MII"]})), EmbeddedKey),
        (
            "a chain elsewhere",
            with(json!({ "x5u": url })),
            EmbeddedKey,
        ),
        ("a print", with(json!({"x5t#S256": "x"})), EmbeddedKey),
        ("critical", with(json!({"crit": ["exp"]})), Critical),
        ("nothing critical", with(json!({"crit": []})), Critical),
        ("nested", with(json!({"cty": "JWT"})), Nested),
        ("plain payload", with(json!({"b64": false})), Header),
        ("compressed", with(json!({"zip": "DEF"})), Header),
        ("encrypted", with(json!({"enc": "A256GCM"})), Header),
        ("no key", with(json!({ "kid": null })), UnknownKey),
        ("an unknown key", with(json!({"kid": "k2"})), UnknownKey),
        ("an empty key", with(json!({"kid": ""})), UnknownKey),
        ("a key's number", with(json!({"kid": 1})), UnknownKey),
        ("a path", with(json!({"kid": "../dev/null"})), UnknownKey),
        ("a stranger's", header(&own, &json!({})), Signature),
    ];
    all_refused(&forge, &cases);
}

/// HS256 with the public point as the shared secret.
fn hmac(forge: &Forge) -> String {
    let header = json!({"alg": "HS256", "kid": "k1", "typ": TYPE}).to_string();
    let signed = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(good_payload().to_string().as_bytes())
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, forge.point());
    let tag = ring::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", encode(tag.as_ref()))
}

#[test]
fn signatures() {
    let forge = Forge::new();
    let good = header(&forge, &json!({}));
    let (head, payload, signature) = parts(&good);
    let bytes = decode(signature);
    let (r, s) = bytes.split_at(32);
    let order = decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");
    let admin = forge::merged(good_payload(), &json!({"groups": ["admins"]}));
    let admin = encode(admin.to_string().as_bytes());
    let with = |parts: &[&[u8]]| format!("{head}.{payload}.{}", encode(&parts.concat()));
    let all = [
        ("zeros", with(&[&[0; 64]])),
        ("a first half of zeros", with(&[&[0; 32], s])),
        ("a second half of zeros", with(&[r, &[0; 32]])),
        ("the order", with(&[&order, &order])),
        ("all ones", with(&[&[0xff; 64]])),
        ("halves swapped", with(&[s, r])),
        ("a byte less", with(&[&bytes[..63]])),
        ("a byte more", with(&[&bytes, &[0]])),
        ("none", with(&[])),
        ("in DER", with(&[&[0x30, 0x44, 2, 0x20], r, &[2, 0x20], s])),
        ("another payload", format!("{head}.{admin}.{signature}")),
    ];
    let cases = all.map(|(name, token)| (name, token, Reason::Signature));
    all_refused(&forge, &cases);
    let ends = [
        ("with an end", format!("{good}=")),
        ("with bits that say nothing", last_letter_next(&good)),
    ];
    all_refused(
        &forge,
        &ends.map(|(name, token)| (name, token, Reason::Malformed)),
    );
}

/// The same signature under another last letter: the letter has bits that no byte holds.
fn last_letter_next(token: &str) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut made = token.as_bytes().to_vec();
    let last = made.last_mut().unwrap();
    let at = letters.iter().position(|one| one == last).unwrap();
    *last = letters[at + 1];
    String::from_utf8(made).unwrap()
}

#[test]
fn shapes() {
    let forge = Forge::new();
    let good = header(&forge, &json!({}));
    let (head, payload, signature) = parts(&good);
    let all = [
        ("nothing", String::new()),
        ("dots", "..".into()),
        ("two parts", format!("{head}.{payload}")),
        ("four parts", format!("{good}.x")),
        ("five parts", format!("{head}.{payload}.{signature}.x.y")),
        ("a dot before", format!(".{good}")),
        ("a dot after", format!("{good}.")),
        ("a blank after", format!("{good} ")),
        ("a line after", format!("{good}\n")),
        ("two with a comma", format!("{good},{good}")),
        (
            "another alphabet",
            format!("eyJ+/w==.{payload}.{signature}"),
        ),
        (
            "JSON in the open",
            format!("{}.{payload}.{signature}", good_header()),
        ),
    ];
    let cases = all.map(|(name, token)| (name, token, Reason::Malformed));
    all_refused(&forge, &cases);
    let long = json!({"pad": "x".repeat(LONGEST_TOKEN)});
    let long = forge.token(&json!({}), &long);
    all_refused(&forge, &[("longer than any", long, Reason::TooLong)]);
}

/// The members of `object` and then `more`, which may repeat one.
fn and(object: &Value, more: &str) -> String {
    let text = object.to_string();
    format!("{},{more}}}", &text[..text.len() - 1])
}

#[test]
fn json_that_two_readers_read_differently() {
    use Reason::{DuplicateKey, Malformed, Nested};
    let forge = Forge::new();
    let (head, body) = (good_header().to_string(), good_payload());
    let raw = |payload: &[u8]| forge.raw(head.as_bytes(), payload);
    let more = |text: &str| raw(and(&body, text).as_bytes());
    let double = and(&good_header(), r#""alg":"none""#);
    let double = forge.raw(double.as_bytes(), body.to_string().as_bytes());
    let lists = format!(r#""x":{}{}"#, "[".repeat(40), "]".repeat(40));
    let maps = format!("{}1{}", r#"{"a":"#.repeat(900), "}".repeat(900));
    let cases = [
        ("a list", raw(b"[1]"), Malformed),
        ("a text", raw(b"\"x\""), Malformed),
        ("not JSON", raw(b"sub=ada"), Malformed),
        ("and more", raw(format!("{body}{{}}").as_bytes()), Malformed),
        (
            "a mark",
            raw(format!("\u{feff}{body}").as_bytes()),
            Malformed,
        ),
        ("not UTF-8", raw(b"{\"sub\":\"\xff\"}"), Malformed),
        ("half a pair", raw(br#"{"sub":"\ud800"}"#), Malformed),
        ("too great", more(r#""nbf":1e999"#), Malformed),
        ("exp twice", more(r#""exp":9999999999"#), DuplicateKey),
        ("sub twice", more(r#""sub":"root""#), DuplicateKey),
        ("aud twice", more(r#""\u0061ud":"x""#), DuplicateKey),
        ("twice below", more(r#""x":{"a":1,"a":2}"#), DuplicateKey),
        ("alg twice", double, DuplicateKey),
        ("deep lists", more(&lists), Nested),
        ("deep maps", raw(maps.as_bytes()), Nested),
    ];
    all_refused(&forge, &cases);
}

#[test]
fn claims() {
    use Reason::{Audience, Claim, Issuer};
    let forge = Forge::new();
    let body = |changes: Value| forge.token(&json!({}), &changes);
    let aud = |whom: Value| body(json!({ "aud": whom }));
    let cases = [
        ("no issuer", body(json!({ "iss": null })), Issuer),
        ("another", body(json!({"iss": "https://evil.test"})), Issuer),
        ("a longer issuer", body(json!({"iss": "ostiary/"})), Issuer),
        ("issuers", body(json!({"iss": ["ostiary"]})), Claim),
        ("no audience", aud(json!(null)), Audience),
        ("a handover", aud(json!("ostiary:handover")), Audience),
        (
            "a service",
            aud(json!(["spiffe://t/service/notes"])),
            Audience,
        ),
        ("a slash more", aud(json!("ostiary:session/")), Audience),
        ("a map", aud(json!({"ostiary:session": 1})), Audience),
        ("a number too", aud(json!(["ostiary:session", 1])), Audience),
        ("nobody in particular", aud(json!([])), Audience),
        ("a person's number", body(json!({"sub": 7})), Claim),
        ("sessions", body(json!({"sid": ["s1", "s2"]})), Claim),
        ("a true host", body(json!({"host": true})), Claim),
        (
            "an odd assertion",
            body(json!({"assertion": {"a": 1}})),
            Claim,
        ),
    ];
    all_refused(&forge, &cases);
}

#[test]
fn times() {
    use Reason::{Early, Expired, Lifetime, Times};
    let forge = Forge::new();
    let body = |changes: Value| forge.token(&json!({}), &changes);
    let exp = |when: Value| body(json!({ "exp": when }));
    let cases = [
        ("no end", exp(json!(null)), Times),
        ("in words", exp(json!((NOW + 60).to_string())), Times),
        ("before all time", exp(json!(-1)), Times),
        ("beyond all time", exp(json!(1e300)), Times),
        ("ends", exp(json!([NOW + 60])), Times),
        ("over", exp(json!(NOW - 6)), Expired),
        ("over for long", exp(json!(0)), Expired),
        ("for too long", exp(json!(NOW + 66)), Lifetime),
        ("milliseconds", exp(json!((NOW + 60) * 1000)), Lifetime),
        ("not yet", body(json!({"nbf": NOW + 6})), Early),
        ("a beginning in words", body(json!({"nbf": "1"})), Times),
        ("signed in words", body(json!({"iat": "now"})), Times),
    ];
    all_refused(&forge, &cases);
}

#[test]
fn every_reason_has_its_own_code() {
    #[allow(clippy::enum_glob_use)]
    use Reason::*;
    let all = [
        TooLong,
        Malformed,
        DuplicateKey,
        Nested,
        Algorithm,
        Type,
        EmbeddedKey,
        Critical,
        Header,
        UnknownKey,
        Signature,
        Issuer,
        Audience,
        Claim,
        Times,
        Expired,
        Early,
        Lifetime,
    ];
    let codes: std::collections::HashSet<_> = all.iter().map(|one| one.code()).collect();
    assert_eq!(codes.len(), all.len());
    let plain = |one: &&str| one.bytes().all(|b| b == b'-' || b.is_ascii_lowercase());
    assert!(codes.iter().all(plain));
}
