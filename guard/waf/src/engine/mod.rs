//! One request through the plan.

mod collect;
mod eval;
mod lookup;
pub mod outcome;
pub mod request;
mod strings;
pub mod transaction;
