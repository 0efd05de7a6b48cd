//! What is fuzzed (`guard/fuzz`), on generated requests and rules.

#[path = "../../fuzz/targets/waf_entries.rs"]
mod entries;

use proptest::prelude::*;

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\\n]{0,12}",
        "(a=|&|<script>|%00|%u002f|\\.\\./|' or |1=1|union select|\\{\"a\":|\\[|\\]|\\}|--x\\r\\n|--x--|<a>|&lt;|\n\n)",
        "(SecRule |ARGS|\\|!|&|REQUEST_HEADERS:a | \"@rx |@pm |@eq |\\(|\\)|\\[|\" \"|id:|1,|phase:|deny|,t:|lowercase|chain|setvar:tx\\.a=\\+|%\\{tx\\.a\\}|\\\\\n|\n|SecAction|SecMarker )",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn requests_are_decided_the_same_way_again(
        kind in 0u8..6,
        pieces in proptest::collection::vec(piece(), 0..20),
    ) {
        let text: String = pieces.concat();
        entries::request(&[&[kind], text.as_bytes()].concat());
    }

    #[test]
    fn rules_are_read_or_refused_with_their_line(
        pieces in proptest::collection::vec(piece(), 0..30),
    ) {
        entries::rules(pieces.concat().as_bytes());
    }
}
