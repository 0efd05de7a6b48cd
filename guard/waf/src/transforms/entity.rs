//! Character references of HTML.

use super::nibble;

const NAMED: &[(&[u8], &[u8])] = &[
    (b"quot", b"\""),
    (b"amp", b"&"),
    (b"lt", b"<"),
    (b"gt", b">"),
    (b"nbsp", b"\xa0"),
    (b"apos", b"'"),
    (b"tab", b"\t"),
    (b"newline", b"\n"),
    (b"colon", b":"),
    (b"lpar", b"("),
    (b"rpar", b")"),
    (b"sol", b"/"),
    (b"bsol", b"\\"),
    (b"equals", b"="),
    (b"comma", b","),
    (b"period", b"."),
    (b"semi", b";"),
    (b"excl", b"!"),
    (b"num", b"#"),
    (b"dollar", b"$"),
    (b"percnt", b"%"),
    (b"ast", b"*"),
    (b"plus", b"+"),
    (b"quest", b"?"),
    (b"commat", b"@"),
    (b"lsqb", b"["),
    (b"rsqb", b"]"),
    (b"lowbar", b"_"),
    (b"grave", b"`"),
    (b"lcub", b"{"),
    (b"rcub", b"}"),
    (b"vert", b"|"),
    (b"verbar", b"|"),
    (b"hat", b"^"),
];

/// Decode numbers and the names that attacks use; a missing semicolon is forgiven.
pub(super) fn html(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        let decoded = if input[at] == b'&' {
            reference(&input[at + 1..], out)
        } else {
            None
        };
        if let Some(length) = decoded {
            at += 1 + length;
        } else {
            out.push(input[at]);
            at += 1;
        }
    }
}

/// Append what a reference (without its `&`) means; its length.
fn reference(input: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let length = if input.first() == Some(&b'#') {
        let hex = matches!(input.get(1), Some(b'x' | b'X'));
        let start = if hex { 2 } else { 1 };
        let digit = |byte: &u8| {
            if hex {
                nibble(*byte).is_some()
            } else {
                byte.is_ascii_digit()
            }
        };
        let digits = input[start..].iter().take_while(|byte| digit(byte)).count();
        if digits == 0 {
            return None;
        }
        let base = if hex { 16 } else { 10 };
        let number = input[start..start + digits]
            .iter()
            .fold(0u32, |number, byte| {
                number
                    .wrapping_mul(base)
                    .wrapping_add(u32::from(nibble(*byte).unwrap_or(0)))
            });
        out.push(number as u8);
        start + digits
    } else {
        let letters = input
            .iter()
            .take(8)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let name = &input[..letters];
        let (_, text) = NAMED
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        out.extend(*text);
        letters
    };
    Some(length + usize::from(input.get(length) == Some(&b';')))
}
