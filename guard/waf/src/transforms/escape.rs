//! Escapes that begin with a backslash.

use super::{hex_pair, nibble};

fn control(byte: u8) -> Option<u8> {
    Some(match byte {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => 10,
        b'r' => 13,
        b't' => 9,
        b'v' => 11,
        _ => return None,
    })
}

/// Up to three octal digits whose number fits a byte: the byte and how many digits.
fn octal(input: &[u8]) -> Option<(u8, usize)> {
    let mut digits = input
        .iter()
        .take_while(|byte| (b'0'..=b'7').contains(byte))
        .take(3)
        .count();
    if digits == 3 && input[0] > b'3' {
        digits = 2;
    }
    let number = input[..digits]
        .iter()
        .fold(0u32, |number, byte| number * 8 + u32::from(byte - b'0'));
    (digits > 0).then_some((number as u8, digits))
}

/// `\uhhhh`, `\xhh`, octal and the letters of JavaScript.
pub(super) fn js(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        if input[at] != b'\\' || at + 1 >= input.len() {
            out.push(input[at]);
            at += 1;
            continue;
        }
        let next = input[at + 1];
        let wide = (hex_pair(input, at + 2), hex_pair(input, at + 4));
        if let (b'u', (Some(high), Some(low))) = (next, wide) {
            out.push(super::decode::low_byte(high, low));
            at += 6;
        } else if let (b'x', Some(byte)) = (next, wide.0) {
            out.push(byte);
            at += 4;
        } else if let Some((byte, digits)) = octal(&input[at + 1..]) {
            out.push(byte);
            at += 1 + digits;
        } else {
            out.push(control(next).unwrap_or(next));
            at += 2;
        }
    }
}

/// ANSI C escapes.
pub(super) fn sequences(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        if input[at] != b'\\' || at + 1 >= input.len() {
            out.push(input[at]);
            at += 1;
            continue;
        }
        let next = input[at + 1];
        let short =
            control(next).or_else(|| matches!(next, b'\\' | b'?' | b'\'' | b'"').then_some(next));
        if let Some(byte) = short {
            out.push(byte);
            at += 2;
        } else if let (b'x' | b'X', Some(byte)) = (next, hex_pair(input, at + 2)) {
            out.push(byte);
            at += 4;
        } else if let Some((byte, digits)) = octal(&input[at + 1..]) {
            out.push(byte);
            at += 1 + digits;
        } else {
            out.push(b'\\');
            at += 1;
        }
    }
}

/// A backslash and up to six hexadecimal digits, or any one character.
pub(super) fn css(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        if input[at] != b'\\' {
            out.push(input[at]);
            at += 1;
            continue;
        }
        let digits = input[at + 1..]
            .iter()
            .take(6)
            .take_while(|byte| nibble(**byte).is_some())
            .count();
        let after = at + 1 + digits;
        if digits > 0 {
            out.push(css_byte(&input[at + 1..after]));
            at = after + usize::from(input.get(after).is_some_and(u8::is_ascii_whitespace));
        } else {
            match input.get(at + 1) {
                None | Some(b'\n') => {}
                Some(byte) => out.push(*byte),
            }
            at += 2;
        }
    }
}

fn css_byte(digits: &[u8]) -> u8 {
    let number = digits
        .iter()
        .filter_map(|byte| nibble(*byte))
        .fold(0u32, |number, digit| number << 4 | u32::from(digit));
    let low = number as u8;
    let wide = digits.len() >= 4 && number & 0xffff >= 0xff01 && number & 0xffff <= 0xff5e;
    if wide { low.wrapping_add(0x20) } else { low }
}
