//! Unicode in disguise: `%uhhhh`, UTF-8 as `%uhhhh`, overlong UTF-8.

use super::decode::{low_byte, url_with};

/// As `urlDecodeUni`, and look-alikes of path and shell characters become those; overlong UTF-8 is decoded.
pub(super) fn url(input: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    url_with(input, out, Some(look_alike));
    shorten(out, start);
}

/// The ASCII a lenient server may read for a character.
fn look_alike(high: u8, low: u8) -> u8 {
    match u16::from(high) << 8 | u16::from(low) {
        0x2044 | 0x2215 | 0x29f8 | 0x3033 => b'/',
        0x2216 | 0x29f5 | 0x29f9 | 0xfe68 => b'\\',
        0x2024 | 0x3002 | 0xfe52 => b'.',
        0x2018 | 0x2019 | 0x02b9 | 0x02bc | 0x2032 | 0x2035 => b'\'',
        0x201c | 0x201d | 0x02ba | 0x2033 => b'"',
        0x2039 | 0x2329 | 0x3008 => b'<',
        0x203a | 0x232a | 0x3009 => b'>',
        _ => low_byte(high, low),
    }
}

/// Decode overlong forms of ASCII from `start` on, in place.
fn shorten(out: &mut Vec<u8>, start: usize) {
    if !out[start..]
        .iter()
        .any(|byte| matches!(byte, 0xc0 | 0xc1 | 0xe0 | 0xf0))
    {
        return;
    }
    let (mut read, mut write) = (start, start);
    while read < out.len() {
        let (byte, length) = overlong(&out[read..]).unwrap_or((out[read], 1));
        out[write] = byte;
        write += 1;
        read += length;
    }
    out.truncate(write);
}

fn overlong(input: &[u8]) -> Option<(u8, usize)> {
    let tail = |byte: u8| (byte & 0xc0 == 0x80).then_some(byte & 0x3f);
    match *input {
        [lead @ (0xc0 | 0xc1), last, ..] => Some(((lead & 1) << 6 | tail(last)?, 2)),
        [0xe0, middle @ (0x80 | 0x81), last, ..] => Some(((middle & 1) << 6 | tail(last)?, 3)),
        [0xf0, 0x80, middle @ (0x80 | 0x81), last, ..] => {
            Some(((middle & 1) << 6 | tail(last)?, 4))
        }
        _ => None,
    }
}

/// Each character beyond ASCII becomes `%uhhhh`; bytes that are no UTF-8 stay.
pub(super) fn utf8_to_unicode(input: &[u8], out: &mut Vec<u8>) {
    for chunk in input.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char.is_ascii() {
                out.push(char as u8);
            } else {
                out.extend(format!("%u{:04x}", u32::from(char)).into_bytes());
            }
        }
        out.extend(chunk.invalid());
    }
}
