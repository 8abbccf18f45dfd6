//! Pickling of results: each class tells its state as a tuple of plain values and is made from one again.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::PyClass;

use crate::bound::PyLowerBound;
use crate::check::{PyCheckReport, PyViolation};
use crate::diagnose::{PyConstraint, PyDiagnosis, PyMarginalValue, PyRelaxation};
use crate::error::invalid;
use crate::transition::{PyTransition, PyTransitionStep};

/// What `__reduce__` returns: a function and its arguments.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, (&'static str, Bound<'py, PyTuple>));

/// A class whose instances are their state.
pub(crate) trait Pickled: PyClass {
    /// An instance with this state.
    fn restore(state: &Bound<'_, PyTuple>) -> PyResult<Self>
    where
        Self: Sized;
}

/// What `__reduce__` of a class with this state returns.
pub(crate) fn reduced<'py, T: Pickled, S>(py: Python<'py>, state: S) -> PyResult<Reduced<'py>>
where
    S: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
{
    Ok((py.import("servemix._core")?.getattr("_restore")?, (<T as PyClass>::NAME, state.into_pyobject(py)?)))
}

/// For pickle: an instance of a class from its state.
#[pyfunction]
pub(crate) fn _restore<'py>(class_: &str, state: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    fn made<'py, T: Pickled + Into<PyClassInitializer<T>>>(state: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(state.py(), T::restore(state)?)?.into_any())
    }
    match class_ {
        "Violation" => made::<PyViolation>(state),
        "CheckReport" => made::<PyCheckReport>(state),
        "DiagnosedConstraint" => made::<PyConstraint>(state),
        "ProposedChange" => made::<PyRelaxation>(state),
        "MarginalValue" => made::<PyMarginalValue>(state),
        "Diagnosis" => made::<PyDiagnosis>(state),
        "LowerBound" => made::<PyLowerBound>(state),
        "TransitionStep" => made::<PyTransitionStep>(state),
        "Transition" => made::<PyTransition>(state),
        _ => Err(invalid(state.py(), "class", &format!("{class_:?} is not one that is restored"))),
    }
}
