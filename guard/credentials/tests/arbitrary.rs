//! Bytes that nobody thought of.

mod forge;

use forge::{Forge, good_header};
use proptest::prelude::*;
use serde_json::json;

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_token(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let verifier = Forge::new().verifier();
        prop_assert!(verifier.verify(&bytes).is_err());
    }

    #[test]
    fn one_changed_byte_is_no_token(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let forge = Forge::new();
        let good = forge.token(&json!({}), &json!({}));
        let mut bytes = good.into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(forge.verifier().verify(&bytes).is_err());
    }

    #[test]
    fn signed_bytes_do_no_harm(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let forge = Forge::new();
        let token = forge.raw(good_header().to_string().as_bytes(), &payload);
        prop_assert!(forge.verifier().verify(token.as_bytes()).is_err());
    }
}
