//! Nanoseconds of what a request pays for its session cookie: `cargo run --release --example
//! credentials_bench`.

use std::hint::black_box;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ostiary_credentials::cookies::{clean, find};
use ostiary_credentials::{TRUST_TYPE, Terms, TokenCache, TrustSigner, Verifier, wrap};
use ring::rand::SystemRandom;
use serde_json::json;

const PREFIX: &[u8] = b"__Host-ostiary-";
const SESSION: &[u8] = b"__Host-ostiary-session";
const NOW: i64 = 1_800_000_000;
const TERMS: Terms = Terms {
    lifetime: 60,
    skew: 5,
};
const ROUNDS: usize = 7;

/// Prints the median of several rounds.
fn measure(name: &str, times: u32, mut work: impl FnMut()) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            (0..times).for_each(|_| work());
            begun.elapsed().as_secs_f64() * 1e9 / f64::from(times)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name:<44} {:>9.0} ns", rounds[ROUNDS / 2]);
}

fn token(signer: &TrustSigner) -> String {
    let groups: Vec<String> = (0..12).map(|n| format!("department-{n:03}")).collect();
    let claims = json!({"iss": "ostiary", "aud": "ostiary:session", "sub": "ada", "sid": "x".repeat(22),
        "email": "ada@corp.example", "host": "notes.test", "groups": groups, "gv": "0123456789ab",
        "iat": NOW, "exp": NOW + 60, "how": "local password 1799990000 pwd",
        "assertion": "a".repeat(560)});
    signer.sign(&claims).expect("a signature")
}

fn verifier(signer: &TrustSigner) -> Verifier {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (x, y) = signer.public_point()[1..].split_at(32);
    let jwk =
        json!({"kty": "EC", "crv": "P-256", "kid": signer.kid(), "x": encode(x), "y": encode(y)});
    let keys = json!({"keys": [jwk]});
    Verifier::new("ostiary", "ostiary:session", TRUST_TYPE, &keys).expect("a verifier")
}

fn main() {
    let signer = TrustSigner::new(SystemRandom::new()).expect("a key");
    let verifier = verifier(&signer);
    let token = token(&signer);
    let line = format!("theme=dark; __Host-ostiary-session={token}; lang=de");
    let lines = [line.as_bytes()];
    println!(
        "cookie header of {} bytes, token of {}",
        line.len(),
        token.len()
    );
    let cache = TokenCache::new(100_000);
    let first = verifier.verify(token.as_bytes()).expect("a good token");
    cache.put(token.as_bytes(), first.clone(), ());

    measure("find the cookie", 200_000, || {
        black_box(find(black_box(&lines), PREFIX, SESSION)).ok();
    });
    measure("find + cache hit + times", 200_000, || {
        let found = find(black_box(&lines), PREFIX, SESSION).ok().flatten();
        let known = found.and_then(|one| cache.get(one)).expect("a hit");
        assert!(verifier.accepts(&known.verified));
        black_box(known.verified.holds(TERMS, NOW)).ok();
    });
    measure("clean the request's cookies", 200_000, || {
        black_box(clean(black_box(&lines), PREFIX)).ok();
    });
    measure("miss: verify", 2_000, || {
        black_box(verifier.verify(black_box(token.as_bytes()))).ok();
    });
    measure("miss: verify + remember", 2_000, || {
        let said = verifier.verify(black_box(token.as_bytes())).expect("good");
        black_box(cache.put(token.as_bytes(), said, ()));
    });
    measure("claims under their key", 200_000, || {
        black_box(wrap("session", black_box(&first.structure)));
    });
    measure("sign a trust header", 2_000, || {
        black_box(signer.sign(&json!({"risk": 7, "exp": NOW}))).ok();
    });
}
