//! Who asks: cookies, tokens and their hygiene, as values.
//!
//! [`Verifier`] says whether a token of ours is one, [`TokenCache`] remembers it, [`cookies`] finds it
//! and takes it out again. Nothing here reads a clock.

mod cache;
pub mod cookies;
mod strict;
mod structs;
mod token;

pub use cache::{Known, TokenCache};
pub use structs::wrap;
pub use token::{Claims, LONGEST_TOKEN, Reason, Terms, Verified, Verifier};
