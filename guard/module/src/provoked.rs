//! Panics on demand, so that a test can see what becomes of them. Not in any build that is shipped:
//! without the feature `provoked-panics` these functions are empty.

use crate::abi::{Early, Http};

/// Panics where a request says so.
#[cfg(feature = "provoked-panics")]
pub(crate) fn in_hook(http: &Http<'_>, hook: &str) {
    let wanted = http.header(crate::abi::Headers::Request, "x-provoke-panic");
    assert!(wanted != Some(hook.as_bytes()), "provoked in {hook}");
}

/// Panics where a request says so.
#[cfg(feature = "provoked-panics")]
pub(crate) fn early(request: &Early<'_>) {
    let wanted = request.header("x-provoke-panic");
    assert!(wanted != Some(b"early"), "provoked early");
}

/// Panics on a message in which these words stand.
#[cfg(feature = "provoked-panics")]
pub(crate) fn in_message(message: &[u8]) {
    let words = b"provoke-panic";
    let found = message.windows(words.len()).any(|part| part == words);
    assert!(!found, "provoked by a message");
}

#[cfg(not(feature = "provoked-panics"))]
pub(crate) fn in_hook(_http: &Http<'_>, _hook: &str) {}

#[cfg(not(feature = "provoked-panics"))]
pub(crate) fn early(_request: &Early<'_>) {}

#[cfg(not(feature = "provoked-panics"))]
pub(crate) fn in_message(_message: &[u8]) {}
