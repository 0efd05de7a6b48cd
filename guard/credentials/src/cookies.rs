//! Cookies of ours: found in a request, taken out of it, and out of what an application sets.
//!
//! RFC 6265 as Envoy reads it: the first cookie of a name wins. Two of one name of ours are refused,
//! for two readers could choose differently.

/// Two cookies of one name of ours in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twice;

/// The name of the cookie in `piece`. Browsers send a nameless cookie as its value alone: leading
/// blanks and `=` count for nothing.
fn name_of(piece: &[u8]) -> &[u8] {
    let start = piece
        .iter()
        .position(|byte| !is_blank(*byte) && *byte != b'=');
    let piece = &piece[start.unwrap_or(piece.len())..];
    let end = piece
        .iter()
        .position(|byte| is_blank(*byte) || *byte == b'=');
    &piece[..end.unwrap_or(piece.len())]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// The cookies of all lines. A token is long, so its bytes are looked at many at a time.
fn pieces<'a>(lines: &'a [&'a [u8]]) -> impl Iterator<Item = &'a [u8]> {
    lines.iter().flat_map(|line| {
        let mut rest = Some(*line);
        std::iter::from_fn(move || {
            let whole = rest?;
            let end = memchr::memchr(b';', whole);
            rest = end.map(|at| &whole[at + 1..]);
            Some(&whole[..end.unwrap_or(whole.len())])
        })
    })
}

/// The value of the cookie `name`; names that begin with `prefix` may stand only once each.
pub fn find<'a>(
    lines: &'a [&'a [u8]],
    prefix: &[u8],
    name: &[u8],
) -> Result<Option<&'a [u8]>, Twice> {
    let mut seen: Vec<&[u8]> = Vec::new();
    let mut found = None;
    for piece in pieces(lines) {
        let known = name_of(piece);
        if !known.starts_with(prefix) {
            continue;
        }
        if seen.contains(&known) {
            return Err(Twice);
        }
        seen.push(known);
        if known == name {
            found = value_of(piece, name);
        }
    }
    Ok(found)
}

/// The value, where the name is written exactly so: a blank before the `=` is part of the name to
/// some readers and not to others.
fn value_of<'a>(piece: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = piece.trim_ascii_start().strip_prefix(name)?;
    rest.strip_prefix(b"=").map(<[u8]>::trim_ascii)
}

/// The cookies of a request without those of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// None of ours was there.
    Unchanged,
    /// Nothing is left.
    Empty,
    /// What is left, as one line.
    Kept(Vec<u8>),
}

/// Takes every cookie whose name begins with `prefix` out of `lines`.
pub fn clean(lines: &[&[u8]], prefix: &[u8]) -> Result<Cleaned, Twice> {
    if !lines.iter().any(|line| contains(line, prefix)) {
        return Ok(Cleaned::Unchanged);
    }
    let mut seen: Vec<&[u8]> = Vec::new();
    let mut kept: Vec<u8> = Vec::new();
    for piece in pieces(lines) {
        let name = name_of(piece);
        if !name.starts_with(prefix) {
            let piece = piece.trim_ascii_start();
            if !piece.is_empty() {
                if !kept.is_empty() {
                    kept.extend_from_slice(b"; ");
                }
                kept.extend_from_slice(piece);
            }
        } else if seen.contains(&name) {
            return Err(Twice);
        } else {
            seen.push(name);
        }
    }
    Ok(if kept.is_empty() {
        Cleaned::Empty
    } else {
        Cleaned::Kept(kept)
    })
}

/// Whether an application's `Set-Cookie` would set a cookie of ours.
#[must_use]
pub fn sets_ours(value: &[u8], prefix: &[u8]) -> bool {
    name_of(value).starts_with(prefix)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PREFIX: &[u8] = b"__Host-ostiary-";

    #[test]
    fn ours_is_found_and_taken_out() {
        let line: &[u8] = b"a=1; __Host-ostiary-session=x.y.z; b=2";
        assert_eq!(
            find(&[line], PREFIX, b"__Host-ostiary-session"),
            Ok(Some(&b"x.y.z"[..]))
        );
        assert_eq!(
            clean(&[line], PREFIX),
            Ok(Cleaned::Kept(b"a=1; b=2".to_vec()))
        );
        assert_eq!(clean(&[b"a=1"], PREFIX), Ok(Cleaned::Unchanged));
        assert_eq!(clean(&[b"__Host-ostiary-x=1;"], PREFIX), Ok(Cleaned::Empty));
    }

    #[test]
    fn a_name_counts_only_as_we_write_it() {
        for line in [
            &b"__Host-ostiary-session =x"[..],
            b"=__Host-ostiary-session=x",
            b"__Host-ostiary-session\t=x",
            b"__Host-ostiary-session",
            b"a=b, __Host-ostiary-session=x",
        ] {
            assert_eq!(find(&[line], PREFIX, b"__Host-ostiary-session"), Ok(None));
        }
        let spaced: &[u8] = b"a=1;  __Host-ostiary-session= x ";
        assert_eq!(
            find(&[spaced], PREFIX, b"__Host-ostiary-session"),
            Ok(Some(&b"x"[..]))
        );
    }

    #[test]
    fn disguises_are_seen_through() {
        for line in [
            &b"=__Host-ostiary-session=x"[..],
            b"a=1;  = __Host-ostiary-session",
            b";;__Host-ostiary-session =x",
            b"\t__Host-ostiary-session=x",
        ] {
            let cleaned = clean(&[line], PREFIX).unwrap();
            let text = format!("{cleaned:?}");
            assert!(
                matches!(cleaned, Cleaned::Empty | Cleaned::Kept(_)),
                "{text}"
            );
            if let Cleaned::Kept(kept) = cleaned {
                assert!(!contains(&kept, PREFIX));
            }
        }
    }

    #[test]
    fn two_of_one_name_are_refused_in_one_line_or_two() {
        let one: &[u8] = b"__Host-ostiary-session=x";
        assert_eq!(clean(&[one, one], PREFIX), Err(Twice));
        assert_eq!(
            find(&[one, one], PREFIX, b"__Host-ostiary-session"),
            Err(Twice)
        );
        let both: &[u8] = b"__Host-ostiary-session=x;__Host-ostiary-session=y";
        assert_eq!(clean(&[both], PREFIX), Err(Twice));
    }

    proptest! {
        #[test]
        fn nothing_of_ours_is_left_and_nothing_else_is_lost(
            names in prop::collection::vec("(__Host-ostiary-[ab]|[a-z]{1,3})", 0..8),
        ) {
            let all: Vec<String> = names.iter().map(|name| format!("{name}=v")).collect();
            let line = all.join("; ");
            let mut ours: Vec<&String> = names.iter().filter(|one| one.starts_with("__")).collect();
            ours.sort();
            let twice = ours.windows(2).any(|two| two[0] == two[1]);
            let rest: Vec<&str> =
                all.iter().filter(|one| !one.starts_with("__")).map(String::as_str).collect();
            match clean(&[line.as_bytes()], PREFIX) {
                Err(Twice) => prop_assert!(twice),
                Ok(Cleaned::Unchanged) => prop_assert!(ours.is_empty()),
                Ok(Cleaned::Empty) => prop_assert!(!ours.is_empty() && rest.is_empty()),
                Ok(Cleaned::Kept(kept)) => prop_assert_eq!(kept, rest.join("; ").into_bytes()),
            }
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = find(&[&line], PREFIX, b"__Host-ostiary-session");
            if let Ok(Cleaned::Kept(kept)) = clean(&[&line], PREFIX) {
                let again = clean(&[&kept], PREFIX).unwrap();
                let clean_now = kept.split(|byte| *byte == b';').all(|one| !sets_ours(one, PREFIX));
                prop_assert!(clean_now, "{:?}", again);
            }
        }
    }
}
