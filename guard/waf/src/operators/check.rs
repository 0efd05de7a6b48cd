//! Checks of encodings.

use crate::transforms::nibble;

/// Whether a `%` is not followed by two hexadecimal digits.
pub(super) fn bad_url_encoding(value: &[u8]) -> bool {
    let digit = |at: usize| value.get(at).is_some_and(|byte| nibble(*byte).is_some());
    memchr::memchr_iter(b'%', value).any(|at| !(digit(at + 1) && digit(at + 2)))
}

/// Whether the bytes are no UTF-8.
pub(super) fn bad_utf8(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_err()
}
