//! The engines of the guard for Python: one file per engine, one line for each of its names here and
//! in `ostiary_guard/_native.pyi`.

// PyO3 gives a function what it made of an argument, not a borrow.
#![allow(clippy::needless_pass_by_value)]

mod credentials;
mod verdicts;
mod waf;

use pyo3::prelude::*;

/// The extension `ostiary_guard._native`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::credentials::{
        Bearer, Token, clean_cookies, find_cookie, sets_ours, verify_bearer, verify_token,
    };
    #[pymodule_export]
    use super::verdicts::{Replica, Standing, Table, frame, read_frames, verdict};
    #[pymodule_export]
    use super::waf::{Match, Outcome, Plan, RuleFaults, RuleSet, target_fault};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("CORE", ostiary_waf::CORE)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
