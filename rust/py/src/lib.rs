//! The Python module `servemix._core`: PyO3 only, no logic of its own.

use pyo3::prelude::*;

/// Native part of servemix.
#[pymodule]
mod _core {
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
