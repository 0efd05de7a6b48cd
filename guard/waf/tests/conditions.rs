//! One plan, many routes: what each of them decides about it, and what it never shows.

use std::sync::Arc;

use ostiary_waf::{
    Conditions, Exclusion, Exhausted, Mode, NoFiles, Outcome, Plan, RequestHead, ResponseHead,
    RuleSet, Settings, Source, Transaction,
};

const RULES: &str = r#"
SecRequestBodyAccess On
SecAction "id:1,phase:1,nolog,pass,setvar:tx.inbound_anomaly_score_threshold=5"
SecRule REQUEST_HEADERS:Content-Type "@contains json" "id:2,phase:1,nolog,pass,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_URI "@contains wake" "id:3,phase:1,nolog,pass,ctl:ruleEngine=On"
SecRule ARGS|REQUEST_COOKIES "@rx evil" "id:10,phase:2,pass,msg:'Evil in %{MATCHED_VAR_NAME}',logdata:'%{MATCHED_VAR} in %{REQUEST_BODY}',tag:'attack-evil',severity:2,setvar:tx.blocking_inbound_anomaly_score=+5"
SecRule ARGS "@rx bad" "id:11,phase:2,pass,tag:'attack-bad',setvar:tx.blocking_inbound_anomaly_score=+3"
SecRule QUERY_STRING|REQUEST_URI|REQUEST_BODY|REQUEST_HEADERS|RESPONSE_HEADERS "@rx hunter2" "id:12,phase:5,log,pass"
SecRule TX:blocking_inbound_anomaly_score "@ge %{tx.inbound_anomaly_score_threshold}" "id:20,phase:2,deny"
"#;

fn plan(settings: Settings) -> Arc<Plan> {
    let rules = RuleSet::parse(&[Source::new("own.conf", RULES)], &NoFiles).expect("sound");
    Plan::compile(&rules, settings).expect("compiles")
}

fn ask(transaction: &mut Transaction, uri: &str, kind: &str, body: &str) -> Outcome {
    let headers: [(&[u8], &[u8]); 4] = [
        (b"content-type", kind.as_bytes()),
        (b"authorization", b"Basic hunter2"),
        (
            b"cookie",
            b"__Host-ostiary-session=hunter2; seen=evil; x=hunter3",
        ),
        (b"referer", b"https://a.example/?password=hunter2"),
    ];
    transaction.request_head(&RequestHead {
        method: b"POST",
        uri: uri.as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &headers,
        remote: "192.0.2.7",
        id: "test",
    });
    transaction.request_body(body.as_bytes());
    transaction.verdict()
}

fn decide(plan: &Arc<Plan>, conditions: &Conditions, query: &str) -> Outcome {
    let mut transaction = Transaction::with(plan, conditions);
    ask(&mut transaction, &format!("/?{query}"), "text/plain", "")
}

fn leaving(plan: &Plan, rules: &[&str], targets: &[&str]) -> Conditions {
    Conditions {
        exclude: vec![Exclusion::new(plan, rules, targets).expect("sound")],
        ..Conditions::default()
    }
}

#[test]
fn one_plan_serves_routes_with_other_modes_and_thresholds() {
    let plan = plan(Settings::default());
    let none = Conditions::default();
    let cookie = leaving(&plan, &["10"], &["REQUEST_COOKIES"]);
    assert!(decide(&plan, &none, "").interrupted, "the cookie alone");
    assert!(!decide(&plan, &cookie, "a=bad").interrupted);
    let strict = Conditions {
        threshold: Some(3),
        ..cookie.clone()
    };
    assert!(decide(&plan, &strict, "a=bad").interrupted);
    let shadow = Conditions {
        mode: Some(Mode::Shadow),
        ..Conditions::default()
    };
    let outcome = decide(&plan, &shadow, "a=evil&wake=1");
    assert!(
        !outcome.interrupted,
        "no ctl:ruleEngine goes beyond the route"
    );
    assert_eq!(outcome.rules(), [10, 20]);
    assert_eq!(outcome.by, 20, "the rule that would have stopped it");
    let off = Conditions {
        mode: Some(Mode::Off),
        ..Conditions::default()
    };
    assert_eq!(decide(&plan, &off, "a=evil&wake=1").matches, []);
}

#[test]
fn exclusions_leave_out_rules_and_targets() {
    let plan = plan(Settings::default());
    let rules = |conditions: &Conditions, query: &str| decide(&plan, conditions, query).rules();
    assert_eq!(rules(&leaving(&plan, &["10"], &[]), "a=evil"), []);
    assert_eq!(rules(&leaving(&plan, &["10-11"], &[]), "a=evil&b=bad"), []);
    assert_eq!(
        rules(&leaving(&plan, &["tag:ATTACK-evil"], &[]), "a=evil"),
        []
    );
    let named = leaving(&plan, &["10"], &["ARGS:Comment", "REQUEST_COOKIES:seen"]);
    assert_eq!(rules(&named, "comment=evil"), []);
    assert_eq!(rules(&named, "comments=evil"), [10, 20]);
    let like = leaving(
        &plan,
        &["tag:attack-evil"],
        &["ARGS:/^free_/", "REQUEST_COOKIES"],
    );
    assert_eq!(rules(&like, "FREE_text=evil"), []);
    assert_eq!(rules(&like, "a_free_text=evil"), [10, 20]);
}

#[test]
fn an_exclusion_given_to_the_request_holds_for_it_alone() {
    let plan = plan(Settings::default());
    let exclusion = Exclusion::new(&plan, &["10"], &[] as &[&str]).expect("sound");
    assert_eq!(exclusion.rules(), [10]);
    let mut transaction = Transaction::new(&plan);
    transaction.exclude(&exclusion);
    assert_eq!(ask(&mut transaction, "/", "text/plain", "").rules(), []);
    let other = self::plan(Settings::default());
    let mut transaction = Transaction::new(&other);
    transaction.exclude(&exclusion);
    assert!(
        ask(&mut transaction, "/", "text/plain", "").interrupted,
        "made for another plan"
    );
}

#[test]
fn bad_exclusions_say_what_is_expected() {
    let plan = plan(Settings::default());
    let fault = |rules: &[&str], targets: &[&str]| {
        Exclusion::new(&plan, rules, targets).expect_err("a fault")
    };
    assert_eq!(
        fault(&[], &[]),
        "an exclusion names no rule: give numbers or tag:NAME"
    );
    assert_eq!(
        fault(&["x"], &[]),
        "\"x\" is no rule: give a number, a range as in 941100-941199, or tag:NAME"
    );
    assert_eq!(fault(&["9-1"], &[]), "\"9-1\" ends before it begins");
    assert!(fault(&["tag: "], &[]).contains("wants a name"));
    assert!(fault(&["1"], &["NOPE:a"]).contains("unknown variable NOPE"));
    assert!(fault(&["1"], &["&ARGS"]).contains("without ! and &"));
    assert!(fault(&["1"], &["TX:a"]).contains("part of the request"));
    assert!(fault(&["1"], &["ARGS:/(/"]).contains("ARGS:/(/"));
}

#[test]
fn limits_are_the_routes() {
    let plan = plan(Settings::default());
    let narrow = Conditions {
        body_limit: Some(4),
        ..leaving(&plan, &["10"], &[])
    };
    let ask = |body: &str| ask(&mut Transaction::with(&plan, &narrow), "/", "text/x", body);
    assert!(!ask("abcd").interrupted);
    assert_eq!(ask("abcde").status, 413);
    let poor = Conditions {
        budget: Some(1),
        ..Conditions::default()
    };
    let outcome = decide(&plan, &poor, "a=b");
    assert!(outcome.exhausted && outcome.interrupted);
}

#[test]
fn beyond_the_budget_what_was_found_is_judged_all_the_same() {
    let plan = plan(Settings::default());
    let under = |exhausted, budget| {
        let conditions = Conditions {
            exhausted: Some(exhausted),
            budget: Some(budget),
            ..Conditions::default()
        };
        decide(&plan, &conditions, &format!("b={}", "x".repeat(500)))
    };
    let (flag, score) = (under(Exhausted::Flag, 1), under(Exhausted::Score, 1));
    assert!(flag.exhausted && !flag.interrupted && flag.score == 0);
    assert!(
        score.exhausted && score.interrupted && score.by == 20 && score.score == 5,
        "{score:?}"
    );
    let mut both = false;
    for budget in 0..2_000 {
        let found = under(Exhausted::Flag, budget);
        assert_eq!(found.rules().contains(&10), found.interrupted, "{found:?}");
        both |= found.exhausted && found.interrupted;
    }
    assert!(
        both,
        "an attack that was found before the budget was used up"
    );
}

#[test]
fn secrets_are_neither_looked_at_nor_shown() {
    let plan = plan(Settings {
        secret_arguments: vec!["password".to_owned()],
        ..Settings::default()
    });
    let form = "application/x-www-form-urlencoded";
    for (uri, kind, body) in [
        ("/?password=hunter2&a=evil", "text/plain", ""),
        ("/", form, "a=evil&pass%77ord=hunter2"),
        ("/", form, "a=evil&user[Password]=hunter2"),
        (
            "/",
            "application/json",
            r#"{"a":"evil","user":{"password":["hunter2"]}}"#,
        ),
    ] {
        let mut transaction = Transaction::new(&plan);
        ask(&mut transaction, uri, kind, body);
        let ours = (
            &b"set-cookie"[..],
            &b"__Host-ostiary-session=hunter2; Path=/"[..],
        );
        transaction.response_head(&ResponseHead {
            status: 200,
            protocol: b"HTTP/1.1",
            headers: &[ours],
        });
        transaction.finish();
        let outcome = transaction.verdict();
        assert_eq!(outcome.rules(), [10, 20], "{uri} {body}");
        assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
    }
}

#[test]
fn a_plan_tells_its_rules() {
    let plan = plan(Settings::default());
    let rule = plan.rule(10).expect("there");
    assert_eq!((rule.file, rule.line, rule.phase), ("own.conf", 6, 2));
    assert_eq!(rule.message, "Evil in %{MATCHED_VAR_NAME}");
    assert_eq!(rule.tags, ["attack-evil"]);
    assert_eq!((rule.severity, rule.logged), (Some(2), true));
    assert_eq!(plan.rule(99), None);
    assert_eq!(plan.each_rule().count(), 7);
    assert!(!plan.inspects_responses());
}
