//! API keys of ours: a word in front by which scanners know them, 256 random bits, a checksum.
//!
//! `ostk_` + 43 letters and digits + 6 of the CRC-32 of what stands before. The checksum keeps
//! mistyped keys from everything behind; that a key exists, the table of verdicts says.

use crate::reason::Reason;
use crate::token::fingerprint;

/// How every key begins.
pub const KEY_PREFIX: &[u8] = b"ostk_";
/// Bytes of a key without its checksum.
const BODY: usize = 48;
const CHECKSUM: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The SHA-256 of `key`, hexadecimal, by which it is known; an error when it can be none of ours.
pub fn key_digest(key: &[u8]) -> Result<String, Reason> {
    let whole = key.len() == BODY + CHECKSUM && key.starts_with(KEY_PREFIX);
    let secret = key.get(KEY_PREFIX.len()..).unwrap_or_default();
    if !whole || !secret.iter().all(u8::is_ascii_alphanumeric) {
        return Err(Reason::KeyMalformed);
    }
    if key[BODY..] != checksum(&key[..BODY]) {
        return Err(Reason::KeyMalformed);
    }
    Ok(fingerprint(&[key]))
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = crc32(body);
    let mut made = [b'0'; CHECKSUM];
    for place in made.iter_mut().rev() {
        *place = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    made
}

/// CRC-32 as in ISO 3309, which `zlib.crc32` computes too.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum: u32, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_everybody() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_key_with_another_letter_is_none() {
        let mut key = [KEY_PREFIX, &[b'a'; 43]].concat();
        key.extend(checksum(&key));
        assert_eq!(key_digest(&key), Ok(fingerprint(&[&key])));
        for place in 0..key.len() {
            let mut other = key.clone();
            other[place] = if other[place] == b'b' { b'c' } else { b'b' };
            assert_eq!(key_digest(&other), Err(Reason::KeyMalformed));
        }
        assert_eq!(key_digest(&key[..53]), Err(Reason::KeyMalformed));
    }
}
