//! What the application is told about the trust in a request: a header that only we can sign.
//!
//! It stands on requests about which a verdict says something that does not refuse them: a score, a
//! limit. A client's own was taken away before. The control plane knows the key of each guard.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::OnceLock;

use ostiary_credentials::TrustSigner;
use ostiary_verdicts::Standing;
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use crate::abi::{Headers, Http, Level, log};
use crate::ending::{rfc3339, uuid};

const HEADER: &str = "x-ostiary-trust";
/// Seconds that a header counts.
const LIFETIME: i64 = 60;
/// Seconds after which a new one is signed: half a life is left when it is sent.
const AGAIN: i64 = 30;
/// Signed texts that a worker remembers.
const MOST: usize = 8192;

/// Effect, verdict, risk, host.
type Said = (&'static str, [u8; 16], u8, String);

thread_local! {
    static SIGNED: RefCell<HashMap<Said, (i64, String)>> = RefCell::default();
}

/// The key by which our headers are known, an uncompressed point of P-256; empty for none.
pub(crate) fn public_key() -> &'static [u8] {
    signer().map_or(&[], TrustSigner::public_point)
}

/// The application of `host` reads what `standing` says, as it stands at `now_ms`.
pub(crate) fn tell(http: &Http<'_>, standing: &Standing, risk: u8, host: &str, now_ms: i64) {
    let now = now_ms / 1000;
    let said = (
        standing.effect.word(),
        standing.verdict,
        risk,
        host.to_owned(),
    );
    SIGNED.with_borrow_mut(|signed| {
        if let Some((at, text)) = signed.get(&said)
            && (0..AGAIN).contains(&(now - at))
        {
            return http.set_header(Headers::Request, HEADER, Some(text.as_bytes()));
        }
        let claims = claims(standing, risk, host, now);
        let Some(text) = signer().and_then(|one| one.sign(&claims).ok()) else {
            return http.set_header(Headers::Request, HEADER, None);
        };
        http.set_header(Headers::Request, HEADER, Some(text.as_bytes()));
        if signed.len() >= MOST {
            signed.clear();
        }
        signed.insert(said, (now, text));
    });
}

fn claims(standing: &Standing, risk: u8, host: &str, now: i64) -> Value {
    json!({
        "iss": "ostiary-guard",
        "aud": host,
        "iat": now,
        "exp": now + LIFETIME,
        "risk": risk,
        "effect": standing.effect.word(),
        "reason": &*standing.reason,
        "since": rfc3339(standing.since_ms),
        "verdict": uuid(&standing.verdict),
    })
}

/// Made afresh with each process; the key never leaves it.
fn signer() -> Option<&'static TrustSigner> {
    static SIGNER: OnceLock<Option<TrustSigner>> = OnceLock::new();
    let made = SIGNER.get_or_init(|| {
        let made = TrustSigner::new(SystemRandom::new()).ok();
        if made.is_none() {
            log(Level::Error, "ostiary guard: no key for trust headers");
        }
        made
    });
    made.as_ref()
}
