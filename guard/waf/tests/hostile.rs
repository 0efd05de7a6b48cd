//! Requests that are made to slip past a reader, or to keep it busy.

use std::sync::Arc;

use ostiary_waf::{
    CORE, Conditions, NoFiles, Outcome, Plan, RequestHead, RuleSet, Settings, Source, Transaction,
};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const PARTS: &str = "multipart/form-data; boundary=xyz";

fn compile(text: &str) -> Arc<Plan> {
    let rules = RuleSet::parse(&[Source::new("own.conf", text)], &NoFiles).expect("sound");
    Plan::compile(&rules, Settings::default()).expect("compiles")
}

fn ask(plan: &Arc<Plan>, headers: &[(&str, &str)], body: &[u8]) -> Outcome {
    under(plan, &Conditions::default(), headers, body)
}

fn under(
    plan: &Arc<Plan>,
    conditions: &Conditions,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Outcome {
    let headers: Vec<(&[u8], &[u8])> = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let mut transaction = Transaction::with(plan, conditions);
    transaction.request_head(&RequestHead {
        method: b"POST",
        uri: b"/notes",
        protocol: b"HTTP/1.1",
        headers: &headers,
        remote: "192.0.2.7",
        id: "test",
    });
    transaction.request_body(body);
    transaction.verdict()
}

fn typed(plan: &Arc<Plan>, kind: &str, body: &str) -> Outcome {
    ask(plan, &[("content-type", kind)], body.as_bytes())
}

#[test]
fn each_of_two_equal_keys_is_looked_at() {
    let plan = compile(CORE);
    for body in [
        r#"{"a":"<script>alert(1)</script>","a":"fine"}"#,
        r#"{"a":"fine","a":"<script>alert(1)</script>"}"#,
        r#"{"a":"\u003cscript\u003ealert(1)\u003c/script\u003e"}"#,
    ] {
        assert!(typed(&plan, JSON, body).interrupted, "{body}");
    }
    let pollution = "a=fine&a=%3Cscript%3Ealert(1)%3C/script%3E";
    assert!(typed(&plan, FORM, pollution).interrupted);
}

#[test]
fn nesting_and_counts_have_an_end() {
    let plan = compile(CORE);
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(!typed(&plan, JSON, &nested(64)).interrupted);
    assert_eq!(typed(&plan, JSON, &nested(65)).status, 400);
    assert_eq!(typed(&plan, JSON, &"[".repeat(100_000)).status, 400);
    let elements = format!("{}{}", "<a>".repeat(65), "</a>".repeat(65));
    assert_eq!(typed(&plan, "text/xml", &elements).status, 400);
    let leaves = |count: usize| {
        let leaves: Vec<String> = (0..count)
            .map(|at| format!("\"key{at}\":\"it's {at}\""))
            .collect();
        format!("{{{}}}", leaves.join(","))
    };
    let fine = typed(&plan, JSON, &leaves(900));
    assert!(!fine.interrupted && !fine.exhausted, "{fine:?}");
    assert_eq!(typed(&plan, JSON, &leaves(1001)).status, 400);
}

#[test]
fn a_body_that_two_readers_could_read_differently_is_refused() {
    let plan = compile(CORE);
    let part = "Content-Disposition: form-data; name=\"a\"\r\n\r\nfine";
    let good = format!("--xyz\r\n{part}\r\n--xyz--\r\n");
    assert!(!typed(&plan, PARTS, &good).interrupted);
    for (kind, body) in [
        (PARTS, format!("--xyz\r\n{part}\r\n")),
        (PARTS, format!("preamble\r\n{good}")),
        (PARTS, good.replace("\r\n", "\n")),
        (PARTS, format!("{good}--xyz\r\n{part}\r\n--xyz--\r\n")),
        (PARTS, "--xyz\r\nX: y\r\n\r\nfine\r\n--xyz--\r\n".to_owned()),
        (PARTS, format!("--xyz \t\r\n{part}\r\n--xyz--\r\n")),
        ("multipart/form-data", good.clone()),
        ("multipart/form-data; boundary=", good.clone()),
        (JSON, "{\"a\":1}{\"b\":2}".to_owned()),
        (JSON, "{\"a\":1,}".to_owned()),
        (JSON, "\u{feff}{\"a\":1}".to_owned()),
        ("text/xml", "<a><b></a>".to_owned()),
    ] {
        assert_eq!(typed(&plan, kind, &body).status, 400, "{kind} {body}");
    }
}

#[test]
fn a_file_name_keeps_its_backslashes() {
    let plan = compile("SecRule FILES \"@streq ..\\1.7z\" \"id:1,phase:2,deny\"");
    let part = "Content-Disposition: form-data; name=\"a\"; filename=\"..\\1.7z\"\r\n\r\nx";
    assert!(typed(&plan, PARTS, &format!("--xyz\r\n{part}\r\n--xyz--\r\n")).interrupted);
}

#[test]
fn what_no_rule_could_read_is_refused() {
    let plan = compile(CORE);
    let ask = |headers: &[(&str, &str)]| ask(&plan, headers, b"a=fine").status;
    assert_eq!(
        ask(&[("content-type", FORM), ("content-encoding", "gzip")]),
        415
    );
    assert_eq!(ask(&[("content-type", FORM), ("content-type", JSON)]), 400);
    for charset in ["ibm037", "utf-7", "utf-16le", "utf-8x"] {
        let kind = format!("{FORM}; charset={charset}");
        assert_eq!(ask(&[("content-type", &kind)]), 415, "{charset}");
    }
    for charset in ["UTF-8", "\"utf-8\"", "iso-8859-1; q=1"] {
        let kind = format!("{FORM}; charset={charset}");
        assert_eq!(ask(&[("content-type", &kind)]), 0, "{charset}");
    }
}

#[test]
fn nul_bytes_hide_nothing() {
    let plan = compile(CORE);
    for body in [
        "a=x%00y",
        "a%00b=c",
        "a=un%00ion+select+1%00",
        "a=<scr%00ipt>alert(1)",
    ] {
        assert!(typed(&plan, FORM, body).interrupted, "{body}");
    }
    let raw = ask(&plan, &[("content-type", FORM)], b"a=x\0y");
    assert!(raw.interrupted);
}

/// Texts of `a` and `b` in no order: a pattern that looks back fourteen letters needs a state
/// for nearly each of them.
fn noise(length: usize) -> String {
    let mut seed = 1u64;
    let mut letter = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if seed >> 40 & 1 == 0 { 'a' } else { 'b' }
    };
    (0..length).map(|_| letter()).collect()
}

#[test]
fn a_pattern_written_to_explode_stops_at_the_counted_budget() {
    let plan = compile(
        "SecRule ARGS \"@rx [ab]*a[ab]{14}c\" \"id:1,phase:2,pass\"\nSecRule ARGS \"@rx ^a\" \"id:2,phase:2,pass\"",
    );
    let body = format!("q=c{}", noise(100_000));
    let with = |budget: u64| {
        let conditions = Conditions {
            budget: Some(budget),
            ..Conditions::default()
        };
        under(
            &plan,
            &conditions,
            &[("content-type", FORM)],
            body.as_bytes(),
        )
    };
    let stopped = with(1_000_000);
    assert!(stopped.exhausted && stopped.interrupted, "{stopped:?}");
    assert_eq!(
        (stopped.status, stopped.uncertain.as_slice()),
        (403, &[1][..])
    );
    let answered = with(1_000_000_000);
    assert!(!answered.exhausted && !answered.interrupted, "{answered:?}");
    assert!(
        answered.work > 1_000_000,
        "the same work is more than the budget was"
    );
}

#[test]
fn a_backtracking_pattern_gives_up_and_says_so() {
    let plan = compile("SecRule ARGS \"@rx ^(a)(\\1|\\1\\1)+b\" \"id:1,phase:2,deny\"");
    let outcome = typed(&plan, FORM, &format!("q={}!", "a".repeat(60)));
    assert_eq!(outcome.uncertain, [1]);
    assert!(outcome.work >= 1_000_000, "{}", outcome.work);
}

#[test]
fn the_budget_of_a_core_request_is_spent_by_count() {
    let plan = compile(CORE);
    let soup = "union select <script onload= ../ $( jndi: ' or 1=1 ".repeat(2000);
    let conditions = Conditions {
        budget: Some(100_000),
        ..Conditions::default()
    };
    let kind = [("content-type", FORM)];
    let body = format!("q={}", soup.replace(' ', "+").replace('=', "%3d"));
    let outcome = under(&plan, &conditions, &kind, body.as_bytes());
    assert!(
        outcome.exhausted && outcome.interrupted && outcome.by == 0,
        "{outcome:?}"
    );
}
