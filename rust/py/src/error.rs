//! The one place where errors of the core become Python exceptions.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use servemix_core::Error;

static INVALID: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static INTERNAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The exception for an error of the core.
pub(crate) fn to_py(py: Python<'_>, error: &Error) -> PyErr {
    match error {
        Error::Invalid { entry, message } => invalid(py, entry, message),
        Error::File { path, message } => PyOSError::new_err(format!("{path}: {message}")),
        Error::Internal(message) => internal(py, message),
        // The enum may grow; what has no exception of its own is at least not lost.
        other => internal(py, &other.to_string()),
    }
}

/// An `InvalidInputError` that names the entry.
pub(crate) fn invalid(py: Python<'_>, entry: &str, message: &str) -> PyErr {
    raise(py, &INVALID, "InvalidInputError", format!("{entry}: {message}"))
}

/// An `InternalError`.
pub(crate) fn internal(py: Python<'_>, message: &str) -> PyErr {
    raise(py, &INTERNAL, "InternalError", message.to_owned())
}

// The classes are Python's, so that their bases and their documentation stand where a reader looks for them.
fn raise(py: Python<'_>, cell: &'static PyOnceLock<Py<PyType>>, name: &str, message: String) -> PyErr {
    match cell.import(py, "servemix._errors", name) {
        Ok(class) => PyErr::from_type(class.clone(), message),
        Err(error) => error,
    }
}
