//! SQL and markup injection by structure: libinjection's tables, behind a gate.

use crate::operators::class::Class;

/// The fingerprint when a value continues a statement of SQL.
pub(crate) fn sqli(value: &[u8]) -> Option<Vec<u8>> {
    let found = libinjectionrs::detect_sqli(value);
    found.is_injection().then(|| {
        found
            .fingerprint
            .map(|print| print.to_string().into_bytes())
            .unwrap_or_default()
    })
}

/// Whether a value would run as markup or in an attribute.
pub(crate) fn xss(value: &[u8]) -> bool {
    libinjectionrs::detect_xss(value).is_injection()
}

/// Bytes one of which a value needs to be SQL: one plain word or number never is.
pub(crate) fn sqli_gate() -> Class {
    words().not()
}

/// Bytes one of which a value needs to be markup.
pub(crate) fn xss_gate() -> Class {
    words().not()
}

fn words() -> Class {
    Class::of(b"_.")
        .with_range(b'a', b'z')
        .with_range(b'A', b'Z')
        .with_range(b'0', b'9')
}
