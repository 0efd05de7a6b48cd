//! One request through the plan.

mod collect;
pub mod conditions;
mod eval;
mod lookup;
pub mod outcome;
pub mod request;
mod secrets;
mod strings;
pub mod transaction;
