//! Encodings with an alphabet: base 64, hexadecimal, URL.

use md5::Digest as _;

use super::{hex_pair, nibble};

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

fn sextets(bytes: impl Iterator<Item = u32>, out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u32, 0);
    for value in bytes {
        bits = bits << 6 | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
}

/// Decode up to the first byte outside of the alphabet.
pub(super) fn base64(input: &[u8], out: &mut Vec<u8>) {
    let plain = input.iter().filter(|byte| !matches!(byte, b'\r' | b'\n'));
    sextets(plain.map_while(|byte| sextet(*byte)), out);
}

/// Decode, ignoring bytes outside of the alphabet.
pub(super) fn base64_lenient(input: &[u8], out: &mut Vec<u8>) {
    sextets(input.iter().filter_map(|byte| sextet(*byte)), out);
}

pub(super) fn base64_encode(input: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in input.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            out.push(if place <= chunk.len() {
                ALPHABET[index as usize]
            } else {
                b'='
            });
        }
    }
}

pub(super) fn hex(input: &[u8], out: &mut Vec<u8>) {
    for pair in input.chunks_exact(2) {
        let digit = |byte| nibble(byte).unwrap_or(0);
        out.push(digit(pair[0]) << 4 | digit(pair[1]));
    }
}

pub(super) fn hex_encode(input: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in input {
        out.extend([
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    }
}

pub(super) fn sha1(input: &[u8], out: &mut Vec<u8>) {
    out.extend(sha1::Sha1::digest(input));
}

pub(super) fn md5(input: &[u8], out: &mut Vec<u8>) {
    out.extend(md5::Md5::digest(input));
}

/// `0x41424344` in a text becomes `ABCD`.
pub(super) fn sql_hex(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        let start = input[at] == b'0' && matches!(input.get(at + 1), Some(b'x' | b'X'));
        if start && hex_pair(input, at + 2).is_some() {
            at += 2;
            while let Some(byte) = hex_pair(input, at) {
                out.push(byte);
                at += 2;
            }
        } else {
            out.push(input[at]);
            at += 1;
        }
    }
}

/// How the two bytes of `%uhhhh` become one.
pub(super) type Narrow = fn(u8, u8) -> u8;

/// Decode `%hh` and `+`; what is not an escape stays.
pub(crate) fn url(input: &[u8], out: &mut Vec<u8>) {
    url_with(input, out, None);
}

/// Decode `%hh` alone, as in a path.
pub(crate) fn path(input: &[u8], out: &mut Vec<u8>) {
    for (index, piece) in input.split(|byte| *byte == b'+').enumerate() {
        if index > 0 {
            out.push(b'+');
        }
        url(piece, out);
    }
}

/// As [`url`], and `%uhhhh`: the low byte, full-width forms as their ASCII.
pub(super) fn url_uni(input: &[u8], out: &mut Vec<u8>) {
    url_with(input, out, Some(low_byte));
}

pub(super) fn url_with(input: &[u8], out: &mut Vec<u8>, narrow: Option<Narrow>) {
    let mut at = 0;
    while at < input.len() {
        let (byte, length) = match input[at] {
            b'%' => escaped(input, at, narrow).unwrap_or((b'%', 1)),
            b'+' => (b' ', 1),
            byte => (byte, 1),
        };
        out.push(byte);
        at += length;
    }
}

/// The byte that the escape at `at` stands for, and how long it is.
fn escaped(input: &[u8], at: usize, narrow: Option<Narrow>) -> Option<(u8, usize)> {
    match (narrow, input.get(at + 1)) {
        (Some(narrow), Some(b'u' | b'U')) => {
            let (high, low) = (hex_pair(input, at + 2)?, hex_pair(input, at + 4)?);
            Some((narrow(high, low), 6))
        }
        _ => Some((hex_pair(input, at + 1)?, 3)),
    }
}

/// The low byte of a character; full-width ASCII becomes ASCII.
pub(super) fn low_byte(high: u8, low: u8) -> u8 {
    if high == 0xff && (0x01..=0x5e).contains(&low) {
        low + 0x20
    } else {
        low
    }
}

pub(super) fn url_encode(input: &[u8], out: &mut Vec<u8>) {
    for byte in input {
        match byte {
            b' ' => out.push(b'+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(*byte),
            _ => {
                out.push(b'%');
                hex_encode(&[*byte], out);
            }
        }
    }
}
