//! SQL and markup injection by structure: libinjection's tables, behind a gate.

mod plain;
mod reader;
mod table;
mod whole;

use crate::operators::class::Class;
use crate::operators::meter::{Meter, Spent};

/// The fingerprint when a value continues a statement of SQL.
pub(crate) fn sqli(value: &[u8], meter: &mut Meter) -> Result<Option<Vec<u8>>, Spent> {
    if plain::harmless(value) {
        return Ok(None);
    }
    whole::fingerprint(value, meter)
}

/// Whether a value would run as markup or in an attribute.
pub(crate) fn xss(value: &[u8]) -> bool {
    libinjectionrs::detect_xss(value).is_injection()
}

/// Bytes one of which a value needs to be SQL: one plain word or number never is.
pub(crate) fn sqli_gate() -> Class {
    words().not()
}

/// Bytes one of which a value needs to be markup: of a tag, or of an attribute's value.
pub(crate) fn xss_gate() -> Class {
    Class::of(b"<=")
}

fn words() -> Class {
    Class::of(b"_.")
        .with_range(b'a', b'z')
        .with_range(b'A', b'Z')
        .with_range(b'0', b'9')
}

#[cfg(test)]
fn found(value: &[u8]) -> Option<Vec<u8>> {
    let found = libinjectionrs::detect_sqli(value);
    let print = |print: libinjectionrs::Fingerprint| print.to_string().into_bytes();
    found
        .is_injection()
        .then(|| found.fingerprint.map(print).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Class, found, sqli_gate, xss, xss_gate};

    fn closed(gate: &Class, text: &str) -> bool {
        !text.bytes().any(|byte| gate.has(byte))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_markup_behind_the_gate(text in "([a-z/>'\"`!;:&# ?%\\\\\n\\[\\]-]|on|onload|style|xmlns|script|href|javascript:|--){0,12}") {
            prop_assert!(!closed(&xss_gate(), &text) || !xss(text.as_bytes()));
        }

        #[test]
        fn no_sql_behind_the_gate(text in "(select|union|or|and|[0-9]|_|\\.|x|0x|like|sleep|e[0-9]){0,6}") {
            prop_assert!(!closed(&sqli_gate(), &text) || found(text.as_bytes()).is_none());
        }
    }
}
