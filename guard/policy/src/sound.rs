//! Which paths and hosts every application reads in one way; `ostiary.compiler.paths` has the reason
//! and, for proxies without the guard, the same as expressions.

/// Whether the whole `:path`, as Envoy has normalised it, can be read in one way only. The query's
/// content is the application's affair, but it is one line of UTF-8.
#[must_use]
pub fn is_sound_path(whole: &[u8]) -> bool {
    let end = whole.iter().position(|byte| *byte == b'?');
    let (path, query) = whole.split_at(end.unwrap_or(whole.len()));
    let one_line = !query.contains(&b'\n') && (query.is_ascii() || str::from_utf8(query).is_ok());
    let Some(mut rest) = path.strip_prefix(b"/") else {
        return false;
    };
    while let [first, after @ ..] = rest {
        let length = match first {
            b'%' => escape(rest),
            b'!' | b'"' | b'$' | b'&'..=b':' | b'<'..=b'>' | b'@'..=b'[' | b']'..=b'~' => 1,
            _ => 0,
        };
        match length {
            0 => return false,
            1 => rest = after,
            more => rest = &rest[more..],
        }
    }
    one_line
}

/// How many bytes of `rest` are one escaped character that stays what it is; 0 for none.
fn escape(rest: &[u8]) -> usize {
    let Some(first) = escaped(rest) else { return 0 };
    // RFC 3629, section 4: neither overlong forms nor surrogates. Controls are none either.
    let (more, second) = match first {
        0x20..=0x7e if !matches!(first, b'%' | b'/' | b';' | b'\\') => return 3,
        0xc2 => (1, 0xa0..=0xbf),
        0xc3..=0xdf => (1, 0x80..=0xbf),
        0xe0 => (2, 0xa0..=0xbf),
        0xe1..=0xec | 0xee..=0xef => (2, 0x80..=0xbf),
        0xed => (2, 0x80..=0x9f),
        0xf0 => (3, 0x90..=0xbf),
        0xf1..=0xf3 => (3, 0x80..=0xbf),
        0xf4 => (3, 0x80..=0x8f),
        _ => return 0,
    };
    let at = |index: usize| rest.get(3 * index..).and_then(escaped);
    let tail = |index| at(index).is_some_and(|byte| matches!(byte, 0x80..=0xbf));
    let begins = at(1).is_some_and(|byte| second.contains(&byte));
    if begins && (2..=more).all(tail) {
        3 * (more + 1)
    } else {
        0
    }
}

fn escaped(rest: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = rest else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Whether a host is a plain name in lower case, or an address of IPv6 in its brackets.
#[must_use]
pub fn is_sound_host(host: &[u8]) -> bool {
    let inside = host
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"));
    if let Some(address) = inside {
        let plain = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b':' | b'.');
        return !address.is_empty() && address.iter().all(plain);
    }
    let plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    host.split(|byte| *byte == b'.')
        .all(|label| !label.is_empty() && label.iter().all(plain))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use proptest::prelude::*;
    use regex::Regex;

    /// As `ostiary.compiler.paths` has it; `tests/unit/compiler/test_compiled_guard.py` compares.
    const GOOD_PATH: &str = include_str!("../sound_path.txt");
    const GOOD_HOST: &str = r"\A(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])\z";

    static PATH: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(&format!(r"\A(?:{})\z", GOOD_PATH.trim_end())).unwrap());
    static HOST: LazyLock<Regex> = LazyLock::new(|| Regex::new(GOOD_HOST).unwrap());

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_path_is_sound_where_the_expression_says_so(
            path in r#"/?([a-z/;%#?\\ "\[\x7f]|%[0-9a-fA-F]{2}|(%[c-fC-F][0-9a-f]%[89abAB][0-9a-f])(%[89ab][0-9a-f]){0,2}|é){0,6}(\?[a-z;é%\n]{0,3})?"#
        ) {
            prop_assert_eq!(is_sound_path(path.as_bytes()), PATH.is_match(&path), "{}", path);
        }

        #[test]
        fn a_host_is_sound_where_the_expression_says_so(host in r"[\[]?[a-zA-Z0-9:._ ,@-]{0,6}[\]]?") {
            prop_assert_eq!(is_sound_host(host.as_bytes()), HOST.is_match(&host), "{}", host);
        }
    }

    #[test]
    fn what_is_no_text_is_not_sound() {
        assert!(is_sound_path(b"/a%C3%A9?q=%"));
        assert!(!is_sound_path(b"/a\xc3\xa9"));
        assert!(is_sound_path("/a?é".as_bytes()));
        assert!(!is_sound_path(b"/a?\xff"));
        assert!(!is_sound_path(b"*") && !is_sound_path(b""));
    }
}
