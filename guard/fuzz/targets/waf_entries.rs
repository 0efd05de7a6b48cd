//! What is fuzzed of the rule engine, and what must hold whatever the bytes are. `cargo test` runs
//! it too.

#![allow(dead_code)]

use std::sync::{Arc, LazyLock};

use ostiary_waf::{
    CORE, Conditions, NoFiles, Outcome, Plan, RequestHead, ResponseHead, RuleSet, Settings, Source,
    Transaction,
};

const KINDS: [&str; 6] = [
    "application/x-www-form-urlencoded",
    "application/json",
    "text/xml",
    "multipart/form-data; boundary=x",
    "text/plain",
    "multipart/form-data; boundary=\"\u{1}",
];

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let rules = RuleSet::parse(&[Source::new("core.conf", CORE)], &NoFiles);
    let rules = rules.expect("the core pack is sound");
    Plan::compile(&rules, Settings::default()).expect("the core pack compiles")
});

/// A rule file is read, or refused with the lines that are wrong; what compiles runs.
pub fn rules(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().count();
    let read = RuleSet::parse(&[Source::new("own.conf", text.as_ref())], &NoFiles);
    let compiled = read.and_then(|rules| Plan::compile(&rules, Settings::default()));
    match compiled {
        Ok(plan) => {
            let _ = ask(&plan, b"\x00/?a=b'<script>&c=1 union select 2");
        }
        Err(faults) => assert!(
            faults
                .iter()
                .all(|fault| { fault.file == "own.conf" && (1..=lines).contains(&fault.line) })
        ),
    }
}

/// The same request is decided the same way again: what a thread learned of its values changes
/// nothing. Used-up work stops it.
pub fn request(bytes: &[u8]) {
    let first = ask(&PLAN, bytes);
    for _ in 0..3 {
        let again = ask(&PLAN, bytes);
        assert_eq!(first.matches, again.matches);
        assert_eq!(
            (first.interrupted, first.status, first.by, first.score),
            (again.interrupted, again.status, again.by, again.score)
        );
    }
    assert!(!first.exhausted || first.interrupted);
}

/// One byte says which kind of body it is, a line the target and a header, the rest is the body.
fn ask(plan: &Arc<Plan>, bytes: &[u8]) -> Outcome {
    let (kind, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let mut lines = rest.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (uri, header, body) = (line(), line(), line());
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let headers: [(&[u8], &[u8]); 4] = [
        (b"host", b"notes.example"),
        (b"content-type", kind.as_bytes()),
        (b"cookie", header),
        (b"x-text", header),
    ];
    let conditions = Conditions {
        budget: Some(3_000_000),
        ..Conditions::default()
    };
    let mut transaction = Transaction::with(plan, &conditions);
    transaction.request_head(&RequestHead {
        method: b"POST",
        uri,
        protocol: b"HTTP/1.1",
        headers: &headers,
        remote: "192.0.2.7",
        id: "fuzz",
    });
    transaction.request_body(body);
    transaction.response_head(&ResponseHead {
        status: 200,
        protocol: b"HTTP/1.1",
        headers: &[(b"content-type", b"text/html")],
    });
    transaction.response_body(body);
    transaction.verdict()
}
