//! What reads bytes of strangers, and bytes that come near to the truth.

#[path = "../../fuzz/targets/entries.rs"]
mod entries;
#[path = "../../fuzz/targets/waf_entries.rs"]
mod waf_entries;

use ostiary_credentials::bearer::{IssuerTerms, Names, verify};
use ostiary_credentials::{Algorithm, Issuer, cookies, key_digest};
use ostiary_verdicts::wire::{Change, Delta, Heartbeat, Snapshot, ToGuard, Told, Verdict, What};
use ostiary_verdicts::{Session, Settings, Table, dump, frame};
use ostiary_waf::CORE;

/// What is hunted in.
pub struct Target {
    pub name: &'static str,
    /// Panics where something does not hold.
    pub run: fn(&[u8]),
    pub seeds: fn() -> Vec<Vec<u8>>,
}

pub const ALL: [Target; 7] = [
    Target {
        name: "frames",
        run: entries::frames,
        seeds: stream,
    },
    Target {
        name: "session",
        run: entries::session,
        seeds: stream,
    },
    Target {
        name: "persist",
        run: entries::persist,
        seeds: stored,
    },
    Target {
        name: "cookies",
        run: cookie_lines,
        seeds: jars,
    },
    Target {
        name: "bearer",
        run: access_token,
        seeds: access_tokens,
    },
    Target {
        name: "rules",
        run: waf_entries::rules,
        seeds: rule_texts,
    },
    Target {
        name: "request",
        run: waf_entries::request,
        seeds: requests,
    },
];

fn verdicts() -> Vec<Verdict> {
    let one = |number: u8| Verdict {
        id: vec![number; 16],
        kind: i32::from(number % 8) + 1,
        key: ["ada", "192.0.2.0/24", "2001:db8::7"][usize::from(number % 3)].into(),
        effect: i32::from(number % 4) + 1,
        reason: "left".into(),
        source: "hunt".into(),
        since_ms: 1000,
        expires_ms: i64::from(number) * 7,
        score: u32::from(number) * 9,
        rate: u32::from(number),
        per_ms: 1000,
    };
    (0..12).map(one).collect()
}

fn stream() -> Vec<Vec<u8>> {
    let put = |one| Change {
        what: Some(What::Put(one)),
    };
    let changes = verdicts().into_iter().map(put).collect();
    let all = [
        Told::Snapshot(Snapshot {
            epoch: "e".into(),
            seq: 3,
            part: 0,
            last: true,
            verdicts: verdicts(),
            time_ms: 5,
        }),
        Told::Delta(Delta {
            from: 3,
            seq: 15,
            changes,
            time_ms: 6,
        }),
        Told::Heartbeat(Heartbeat {
            seq: 15,
            time_ms: 7,
        }),
    ];
    let each: Vec<Vec<u8>> = all
        .into_iter()
        .map(|told| frame(&ToGuard { kind: Some(told) }))
        .collect();
    [vec![each.concat()], each].concat()
}

fn stored() -> Vec<Vec<u8>> {
    let table = Table::new(Settings {
        seeds: [1, 2],
        most: 64,
    });
    let mut found = vec![dump(&table, &Session::default())];
    for one in verdicts() {
        let _ = table.put(&one, 0);
    }
    found.push(dump(&table, &Session::default()));
    found
}

const PREFIX: &[u8] = b"__Host-ostiary-";
const SESSION: &[u8] = b"__Host-ostiary-session";

fn jars() -> Vec<Vec<u8>> {
    [
        &b"a=1; __Host-ostiary-session=one; b=\"2\""[..],
        b"__Host-ostiary-session=one\n__Host-ostiary-session=two",
        b" =__Host-ostiary-session; __Host-ostiary-refresh =\"x\";;",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

/// Whatever is kept holds nothing of ours, and cleaning it again changes nothing.
fn cookie_lines(bytes: &[u8]) {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let found = cookies::find(&lines, PREFIX, SESSION);
    let cleaned = cookies::clean(&lines, PREFIX);
    assert_eq!(found.is_err(), cleaned.is_err());
    if let Ok(cookies::Cleaned::Kept(kept)) = cleaned {
        assert_eq!(cookies::find(&[&kept], PREFIX, SESSION), Ok(None));
        let again = cookies::clean(&[&kept], PREFIX);
        let same = match &again {
            Ok(cookies::Cleaned::Unchanged) => true,
            Ok(cookies::Cleaned::Kept(other)) => *other == kept,
            _ => false,
        };
        assert!(same, "{kept:?} became {again:?}");
    }
    let _ = cookies::sets_ours(bytes, PREFIX);
}

fn rule_texts() -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = CORE
        .split("\n\n")
        .map(|one| one.as_bytes().to_vec())
        .collect();
    found.push(
        b"SecRule ARGS|!ARGS:/^x/ \"@rx a(b|c)*d\" \"id:1,phase:2,deny,t:lowercase\"".to_vec(),
    );
    found
}

fn requests() -> Vec<Vec<u8>> {
    [
        &b"\x00/a?b=%3Cscript%3E\nx\na=1&b=%27+union+select+1--&c[]=2"[..],
        b"\x01/%2e%2e/etc/passwd\nx\n{\"a\":[1,{\"b\":\"x' or 'a'='a\"}]}",
        b"\x02/x\ny\n<a b=\"c\"><!--d--><![CDATA[e]]>&lt;</a>",
        b"\x03/up\nz\n--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b.php\"\r\n\r\n\
          <?php\r\n--x--\r\n",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

/// Nobody has signed it, so whatever it says it opens nothing.
fn access_token(bytes: &[u8]) {
    let names = ["sub", "email", "r.x", ""].map(str::to_owned);
    let [user, email, groups, scopes] = names;
    let terms = IssuerTerms {
        issuer: "i".into(),
        jwks: serde_json::json!({"keys": []}),
        algorithms: vec![Algorithm::ES256],
        types: vec!["at+jwt".into()],
        clock_skew: 5,
        longest: 3600,
        claims: Names {
            user,
            email,
            groups,
            scopes,
        },
        email_domains: Vec::new(),
    };
    let issuer = Issuer::new("i", terms).expect("a set without keys is one");
    let wanted = ["a".to_owned()];
    assert!(verify(bytes, &[(&issuer, &wanted)], 1000).is_err());
    let _ = key_digest(bytes);
}

fn access_tokens() -> Vec<Vec<u8>> {
    let token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJpIiwiYXVkIjpbImEiXSwic3ViIjoicyIsImV4cCI6MjAwMCwiZ3JvdXBzIjpbImciXSwic2NvcGUiOiJyIHciLCJyIjp7IngiOlsxXX19.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    vec![
        token.into(),
        b"ostk_00000000000000000000000000000000000000000000000000".to_vec(),
    ]
}
