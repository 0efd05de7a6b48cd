//! One request through the plan.

mod cache;
mod collect;
pub mod conditions;
mod eval;
mod hash;
mod local;
mod lookup;
mod memory;
pub mod outcome;
pub mod request;
mod secrets;
mod strings;
pub mod transaction;
