//! A `SecLang` engine in linear time.
//!
//! Rules are parsed once ([`RuleSet`]), compiled once ([`Plan`]) and run for
//! each request ([`Transaction`]). The engine does no I/O: whoever embeds it
//! hands over bytes and reads back an [`Outcome`].
#![allow(
    clippy::cast_possible_truncation,
    reason = "offsets into one request are far below 4 GiB: the body limit is checked before"
)]

mod bodies;
mod engine;
mod injection;
mod operators;
mod plan;
mod seclang;
mod transforms;

pub use engine::conditions::Conditions;
pub use engine::outcome::{Match, Outcome};
pub use engine::request::{RequestHead, ResponseHead};
pub use engine::transaction::Transaction;
pub use plan::exclusion::Exclusion;
pub use plan::settings::{Exhausted, Mode, Settings};
pub use plan::{Plan, RuleInfo};
pub use seclang::files::{Files, NoFiles, Source};
pub use seclang::{Fault, RuleSet};

/// The small rule pack that is compiled in.
pub const CORE: &str = include_str!("../rules/core.conf");
