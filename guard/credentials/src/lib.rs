//! Who asks: cookies, tokens and their hygiene, as values.
//!
//! [`Verifier`] says whether a token of ours is one, [`bearer`] whether one of another issuer is,
//! [`TokenCache`] remembers it, [`cookies`] finds it and takes it out again, [`TrustSigner`] signs what the guard itself says. Nothing here reads a
//! clock.

mod algorithm;
mod api_key;
pub mod bearer;
mod cache;
pub mod cookies;
mod keys;
mod reason;
mod sign;
mod strict;
mod structs;
mod token;

pub use algorithm::Algorithm;
pub use api_key::{KEY_PREFIX, key_digest};
pub use bearer::{Bearer, Issuer, IssuerTerms};
pub use cache::{Known, Latest, TokenCache};
pub use reason::Reason;
pub use sign::{TRUST_TYPE, TrustSigner};
pub use structs::{of_map, wrap};
pub use token::{Claims, LONGEST_TOKEN, Terms, Verified, Verifier, fingerprint};
