//! The engines of the guard for Python: one file per engine.

use pyo3::prelude::*;

/// The extension `ostiary_guard._native`.
#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
