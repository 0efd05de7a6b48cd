//! Cookies of ours, against hostile lines and against slow readers that say what is meant.

use std::time::{Duration, Instant};

use ostiary_credentials::cookies::{Cleaned, Twice, clean, find, sets_ours};
use proptest::prelude::*;

const PREFIX: &[u8] = b"__Host-ostiary-";
const SESSION: &[u8] = b"__Host-ostiary-session";

/// As the Lua script for a proxy without the guard walks: one byte after the other.
mod slow {
    fn is_blank(byte: u8) -> bool {
        b" \t\n\r\x0b\x0c".contains(&byte)
    }

    pub fn name_at(text: &[u8], mut at: usize) -> Vec<u8> {
        while at < text.len() && (is_blank(text[at]) || text[at] == b'=') {
            at += 1;
        }
        let mut name = Vec::new();
        while at < text.len() && !is_blank(text[at]) && !b"=;".contains(&text[at]) {
            name.push(text[at]);
            at += 1;
        }
        name
    }

    /// What is kept of `lines`; None where a name of ours stands twice.
    pub fn clean(lines: &[&[u8]], prefix: &[u8]) -> Option<Vec<Vec<u8>>> {
        let text = lines.join(&b';');
        let (mut kept, mut seen, mut at) = (Vec::new(), Vec::new(), 0);
        while at < text.len() {
            let mut stop = at;
            while stop < text.len() && text[stop] != b';' {
                stop += 1;
            }
            let name = name_at(&text, at);
            if !name.starts_with(prefix) {
                let blanks = text[at..stop].iter().take_while(|one| is_blank(**one));
                let piece = text[at + blanks.count()..stop].to_vec();
                kept.extend((!piece.is_empty()).then_some(piece));
            } else if seen.contains(&name) {
                return None;
            } else {
                seen.push(name);
            }
            at = stop + 1;
        }
        Some(kept)
    }

    /// The first cookie `name`, as Envoy's jwt filter finds it.
    pub fn find(lines: &[&[u8]], name: &[u8]) -> Option<Vec<u8>> {
        for line in lines {
            for piece in line.split(|byte| *byte == b';') {
                let Some(equals) = piece.iter().position(|byte| *byte == b'=') else {
                    continue;
                };
                let start = piece.iter().position(|byte| *byte != b' ').unwrap_or(0);
                if piece[start.min(equals)..equals] == *name {
                    let value = piece[equals + 1..].to_vec();
                    let quoted = value.len() > 1 && value[0] == b'"' && value.ends_with(b"\"");
                    return Some(if quoted {
                        value[1..value.len() - 1].to_vec()
                    } else {
                        value
                    });
                }
            }
        }
        None
    }
}

fn kept(line: &[u8]) -> Result<Cleaned, Twice> {
    clean(&[line], PREFIX)
}

#[test]
fn ours_is_found_and_taken_out() {
    let line: &[u8] = b"a=1; __Host-ostiary-session=x.y.z; b=2";
    assert_eq!(find(&[line], PREFIX, SESSION), Ok(Some(&b"x.y.z"[..])));
    assert_eq!(kept(line), Ok(Cleaned::Kept(b"a=1; b=2".to_vec())));
    assert_eq!(kept(b"a=1"), Ok(Cleaned::Unchanged));
    assert_eq!(kept(b"__Host-ostiary-x=1;"), Ok(Cleaned::Empty));
    assert_eq!(clean(&[], PREFIX), Ok(Cleaned::Unchanged));
}

#[test]
fn a_name_counts_only_as_we_write_it() {
    for line in [
        &b"__Host-ostiary-session =x"[..],
        b"=__Host-ostiary-session=x",
        b"__Host-ostiary-session\t=x",
        b"\t__Host-ostiary-session=x",
        b"__Host-ostiary-session",
        b"__host-ostiary-session=x",
        b"__Host-ostiary-sessions=x",
        b"a=b, __Host-ostiary-session=x",
        b"a=\"b; c\"__Host-ostiary-session=x",
    ] {
        assert_eq!(find(&[line], PREFIX, SESSION), Ok(None));
    }
    for line in [
        &b"a=1;  __Host-ostiary-session=x"[..],
        b"__Host-ostiary-session=\"x\"",
        b"a=\"b;__Host-ostiary-session=x",
    ] {
        assert_eq!(find(&[line], PREFIX, SESSION), Ok(Some(&b"x"[..])));
    }
}

#[test]
fn disguises_are_seen_through() {
    for line in [
        &b"=__Host-ostiary-session=x"[..],
        b"a=1;  = __Host-ostiary-session",
        b";;__Host-ostiary-session =x",
        b"\t__Host-ostiary-session=x",
        b"a=1; =\x0b= __Host-ostiary-refresh=x",
    ] {
        match kept(line).unwrap() {
            Cleaned::Empty => {}
            Cleaned::Kept(rest) => assert_eq!(rest, b"a=1"),
            Cleaned::Unchanged => panic!("{}", line.escape_ascii()),
        }
    }
}

#[test]
fn two_of_one_name_are_refused_in_one_line_or_two() {
    let one: &[u8] = b"__Host-ostiary-session=x";
    let other: &[u8] = b"a=1; = __Host-ostiary-session =y";
    for lines in [vec![one, one], vec![one, other], vec![other, one]] {
        assert_eq!(clean(&lines, PREFIX), Err(Twice));
        assert_eq!(find(&lines, PREFIX, SESSION), Err(Twice));
    }
    assert_eq!(kept(b"__Host-ostiary-a=1;__Host-ostiary-a=2"), Err(Twice));
}

#[test]
fn thousands_of_names_cost_little_and_the_last_may_not_repeat_any() {
    let names: Vec<String> = (0..3_500).map(|n| format!("__Host-ostiary-{n}=")).collect();
    let line = names.join(";");
    let begun = Instant::now();
    assert_eq!(find(&[line.as_bytes()], PREFIX, SESSION), Ok(None));
    assert!(begun.elapsed() < Duration::from_millis(200));
    for early in [0, 7, 8, 9, 3_499] {
        let again = format!("{line};{}", names[early]);
        assert_eq!(kept(again.as_bytes()), Err(Twice));
    }
}

#[test]
fn an_application_sets_no_cookie_of_ours() {
    for ours in [
        &b"__Host-ostiary-session=x; Path=/"[..],
        b" =__Host-ostiary-sso",
        b"__Host-ostiary-;x",
    ] {
        assert!(sets_ours(ours, PREFIX));
    }
    for other in [&b"a=__Host-ostiary-session"[..], b"", b"=", b"__Host-x=1"] {
        assert!(!sets_ours(other, PREFIX));
    }
}

/// Lines of what a hostile client puts together.
fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let part = prop_oneof![
        Just(SESSION.to_vec()),
        Just(b"__Host-ostiary-refresh".to_vec()),
        Just(PREFIX.to_vec()),
        "[;= \t\"a,]{1,3}".prop_map(String::into_bytes),
        Just(b"; ".to_vec()),
        Just(b"=".to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    let line = prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat());
    prop::collection::vec(line, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn cleaning_is_what_the_slow_reader_does(lines in lines()) {
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let wanted = slow::clean(&lines, PREFIX);
        match clean(&lines, PREFIX) {
            Err(Twice) => prop_assert!(wanted.is_none()),
            Ok(Cleaned::Unchanged) => {
                let line = lines.join(&b';');
                prop_assert!(!line.windows(PREFIX.len()).any(|part| part == PREFIX));
            }
            Ok(Cleaned::Empty) => prop_assert_eq!(wanted, Some(vec![])),
            Ok(Cleaned::Kept(line)) => {
                prop_assert_eq!(wanted.map(|kept| kept.join(&b"; "[..])), Some(line));
            }
        }
    }

    #[test]
    fn finding_is_what_envoy_does_unless_two_readers_could_differ(lines in lines()) {
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        match find(&lines, PREFIX, SESSION) {
            Err(Twice) => prop_assert!(slow::clean(&lines, PREFIX).is_none()),
            Ok(found) => {
                prop_assert!(slow::clean(&lines, PREFIX).is_some());
                prop_assert_eq!(found.map(<[u8]>::to_vec), slow::find(&lines, SESSION));
            }
        }
    }

    #[test]
    fn what_is_cleaned_is_clean(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = find(&[&line], PREFIX, SESSION);
        prop_assert_eq!(sets_ours(&line, PREFIX), slow::name_at(&line, 0).starts_with(PREFIX));
        if let Ok(Cleaned::Kept(kept)) = clean(&[&line], PREFIX) {
            prop_assert!(kept.split(|byte| *byte == b';').all(|one| !sets_ours(one, PREFIX)));
        }
    }
}
