//! Rules that match where something is not, and chains over bodies of responses.

use std::sync::Arc;

use ostiary_waf::{
    NoFiles, Plan, RequestHead, ResponseHead, RuleSet, Settings, Source, Transaction,
};

const RULES: &str = r#"
SecResponseBodyAccess On
SecRule RESPONSE_BODY "!@pm sqlerror oracle" "id:1,phase:4,log,pass"
SecRule RESPONSE_STATUS "@streq 500" "id:2,phase:4,log,pass,chain"
SecRule RESPONSE_BODY "@rx (?i)server error in.{0,9}app" "t:none"
SecRule RESPONSE_BODY "@rx <b>.*</b>" "id:3,phase:4,log,pass,chain"
SecRule MATCHED_VAR "@pm secret" "t:none"
SecRule ARGS "!@pm good fine" "id:4,phase:2,log,pass"
"#;

fn rules(plan: &Arc<Plan>, query: &str, body: &str) -> Vec<u32> {
    let mut transaction = Transaction::new(plan);
    transaction.request_head(&RequestHead {
        method: b"GET",
        uri: format!("/?{query}").as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &[],
        remote: "192.0.2.7",
        id: "test",
    });
    transaction.request_body(b"");
    transaction.response_head(&ResponseHead {
        status: 500,
        protocol: b"HTTP/1.1",
        headers: &[(b"content-type", b"text/html")],
    });
    transaction.response_body(body.as_bytes());
    transaction.verdict().rules()
}

#[test]
fn what_is_not_there_is_known_without_a_search() {
    let sources = [Source::new("own.conf", RULES)];
    let set = RuleSet::parse(&sources, &NoFiles).expect("sound");
    let plan = Plan::compile(&set, Settings::default()).expect("compiles");
    for pad in [0, 3000] {
        let rules = |query: &str, body: &str| {
            let pad = "-".repeat(pad);
            rules(&plan, query, &format!("{pad}{body}{pad}"))
        };
        assert_eq!(rules("", "a plain page"), [1]);
        assert_eq!(rules("", "an SQLError"), [0u32; 0]);
        assert_eq!(rules("", "Server Error in your App"), [1, 2]);
        assert_eq!(rules("", "Server Error anywhere"), [1]);
        assert_eq!(rules("", "oracle: <b>a secret</b>"), [3]);
        assert_eq!(rules("", "oracle: <b>nothing</b>"), [0u32; 0]);
        assert_eq!(rules("a=bad&b=good", "oracle"), [4]);
        assert_eq!(rules("a=fine", "oracle"), [0u32; 0]);
    }
}
