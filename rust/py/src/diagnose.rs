//! Diagnosis: conflicts, relaxations and what constraints cost.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use servemix_core::diagnose::{diagnose as core_diagnose, Constraint, Diagnosis};
use servemix_core::{Problem, Stop};

use crate::bound::limits;
use crate::entry;
use crate::pickle::{reduced, Pickled, Reduced};
use crate::problem::PyProblem;
use crate::solve::PyCancelToken;

/// A constraint in a diagnosis.
///
/// Attributes
/// ----------
/// kind
///     The problem's name for it: ``"latency_slo_s"``, ``"error_slo"``, ``"max_unmet"``,
///     ``"budget_usd"``, ``"storage_gb"``, ``"max_gpus"``, ``"max_replicas"`` or
///     ``"kv_cache_gb"``.
/// entry
///     Name of the query type or pool, None if it has none or stands for all of them.
/// value
///     Its value; 1.0 if it stands for many.
/// message
///     In words.
#[pyclass(name = "DiagnosedConstraint", module = "servemix", frozen, get_all)]
pub(crate) struct PyConstraint {
    kind: String,
    entry: Option<String>,
    value: f64,
    message: String,
}

impl PyConstraint {
    fn new(problem: &Problem, constraint: Constraint) -> Self {
        Self {
            kind: constraint.kind().to_owned(),
            entry: constraint.entry(problem).map(str::to_owned),
            value: constraint.value(problem),
            message: constraint.describe(problem),
        }
    }
}

impl Pickled for PyConstraint {
    fn restore(state: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let (kind, entry, value, message) = state.extract()?;
        Ok(Self { kind, entry, value, message })
    }
}

#[pymethods]
impl PyConstraint {
    fn __repr__(&self) -> String {
        format!("<DiagnosedConstraint: {}>", self.message)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        reduced::<Self, _>(py, (&self.kind, &self.entry, self.value, &self.message))
    }
}

/// A change of one constraint that gives a problem a plan.
///
/// Attributes
/// ----------
/// kind
///     As `DiagnosedConstraint.kind`.
/// entry
///     As `DiagnosedConstraint.entry`.
/// from_value
///     Its value now; 1.0 if it is a factor on many.
/// to_value
///     Its value with which a plan was found and checked.
/// not_enough
///     A value with which there is proven to be no plan.
/// message
///     In words.
#[pyclass(name = "ProposedChange", module = "servemix", frozen, get_all)]
pub(crate) struct PyRelaxation {
    kind: String,
    entry: Option<String>,
    from_value: f64,
    to_value: f64,
    not_enough: f64,
    message: String,
}

impl Pickled for PyRelaxation {
    fn restore(state: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let (kind, entry, from_value, to_value, not_enough, message) = state.extract()?;
        Ok(Self { kind, entry, from_value, to_value, not_enough, message })
    }
}

#[pymethods]
impl PyRelaxation {
    fn __repr__(&self) -> String {
        format!("<ProposedChange: {}>", self.message)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        reduced::<Self, _>(
            py,
            (&self.kind, &self.entry, self.from_value, self.to_value, self.not_enough, &self.message),
        )
    }
}

/// What one unit more of a binding constraint is worth.
///
/// Attributes
/// ----------
/// kind
///     As `DiagnosedConstraint.kind`.
/// entry
///     As `DiagnosedConstraint.entry`.
/// usd_per_unit
///     USD over the horizon saved per unit: per GPU of a pool, per GB, per USD of budget, per s of a
///     latency SLO, per 1.0 of an error SLO.
/// message
///     The constraint in words.
#[pyclass(name = "MarginalValue", module = "servemix", frozen, get_all)]
pub(crate) struct PyMarginalValue {
    kind: String,
    entry: Option<String>,
    usd_per_unit: f64,
    message: String,
}

impl Pickled for PyMarginalValue {
    fn restore(state: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let (kind, entry, usd_per_unit, message) = state.extract()?;
        Ok(Self { kind, entry, usd_per_unit, message })
    }
}

#[pymethods]
impl PyMarginalValue {
    fn __repr__(&self) -> String {
        format!("<MarginalValue: {}: {:.6} USD per unit>", self.message, self.usd_per_unit)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        reduced::<Self, _>(py, (&self.kind, &self.entry, self.usd_per_unit, &self.message))
    }
}

/// What is known about a problem's constraints.
///
/// Attributes
/// ----------
/// status
///     ``"INFEASIBLE"`` where it is proven that there is no plan, ``"FEASIBLE"`` where there is one,
///     ``"NO_SOLUTION_FOUND"`` where time ran out first.
/// conflict_is_smallest
///     Whether no smaller set of constraints conflicts.
#[pyclass(name = "Diagnosis", module = "servemix", frozen)]
pub(crate) struct PyDiagnosis {
    problem: Py<PyProblem>,
    status: String,
    conflict: Vec<Py<PyConstraint>>,
    conflict_is_smallest: bool,
    relaxations: Vec<Py<PyRelaxation>>,
    marginal_values: Vec<Py<PyMarginalValue>>,
}

impl PyDiagnosis {
    fn new(owner: &Bound<'_, PyProblem>, found: &Diagnosis) -> PyResult<Self> {
        let (py, problem) = (owner.py(), &owner.get().inner);
        let entry = |constraint: Constraint| constraint.entry(problem).map(str::to_owned);
        let conflict = found.conflict.iter().map(|&constraint| Py::new(py, PyConstraint::new(problem, constraint)));
        let relaxations = found.relaxations.iter().map(|relaxation| {
            let change = PyRelaxation {
                kind: relaxation.constraint.kind().to_owned(),
                entry: entry(relaxation.constraint),
                from_value: relaxation.from,
                to_value: relaxation.to,
                not_enough: relaxation.not_enough,
                message: relaxation.describe(problem),
            };
            Py::new(py, change)
        });
        let marginal_values = found.marginal_values.iter().map(|value| {
            let worth = PyMarginalValue {
                kind: value.constraint.kind().to_owned(),
                entry: entry(value.constraint),
                usd_per_unit: value.usd_per_unit,
                message: value.constraint.describe(problem),
            };
            Py::new(py, worth)
        });
        Ok(Self {
            problem: owner.clone().unbind(),
            status: found.status.as_str().to_owned(),
            conflict: conflict.collect::<PyResult<_>>()?,
            conflict_is_smallest: found.conflict_is_smallest,
            relaxations: relaxations.collect::<PyResult<_>>()?,
            marginal_values: marginal_values.collect::<PyResult<_>>()?,
        })
    }
}

impl Pickled for PyDiagnosis {
    fn restore(state: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let (problem, status, conflict, conflict_is_smallest, relaxations, marginal_values) = state.extract()?;
        Ok(Self { problem, status, conflict, conflict_is_smallest, relaxations, marginal_values })
    }
}

fn shared<T>(py: Python<'_>, all: &[Py<T>]) -> Vec<Py<T>> {
    all.iter().map(|one| one.clone_ref(py)).collect()
}

#[pymethods]
impl PyDiagnosis {
    #[getter]
    fn status(&self) -> &str {
        &self.status
    }

    /// Constraints that no plan meets together; without any one of them a plan exists.
    #[getter]
    fn conflict(&self, py: Python<'_>) -> Vec<Py<PyConstraint>> {
        shared(py, &self.conflict)
    }

    #[getter]
    fn conflict_is_smallest(&self) -> bool {
        self.conflict_is_smallest
    }

    /// The least changes that give a plan, each of one constraint or of one kind.
    #[getter]
    fn relaxations(&self, py: Python<'_>) -> Vec<Py<PyRelaxation>> {
        shared(py, &self.relaxations)
    }

    /// For a feasible problem, the constraints that cost something.
    #[getter]
    fn marginal_values(&self, py: Python<'_>) -> Vec<Py<PyMarginalValue>> {
        shared(py, &self.marginal_values)
    }

    fn __repr__(&self) -> String {
        let (conflict, changes) = (self.conflict.len(), self.relaxations.len());
        match self.status.as_str() {
            "INFEASIBLE" => format!("<Diagnosis: {conflict} constraints conflict, {changes} changes give a plan>"),
            status => format!("<Diagnosis: {status}, {} constraints bind>", self.marginal_values.len()),
        }
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let notebook = slf.py().import("servemix.report.notebook")?;
        notebook.call_method1("diagnosis_html", (&slf.get().problem, slf))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let state = (
            &self.problem,
            &self.status,
            shared(py, &self.conflict),
            self.conflict_is_smallest,
            shared(py, &self.relaxations),
            shared(py, &self.marginal_values),
        );
        reduced::<Self, _>(py, state)
    }
}

/// Say why a problem has no plan; see `servemix.diagnose`.
#[pyfunction]
#[pyo3(signature = (problem, *, time_limit=None, threads=None, cancel=None))]
pub(crate) fn diagnose(
    problem: &Bound<'_, PyProblem>,
    time_limit: Option<&Bound<'_, PyAny>>,
    threads: Option<&Bound<'_, PyAny>>,
    cancel: Option<&Bound<'_, PyCancelToken>>,
) -> PyResult<PyDiagnosis> {
    let py = problem.py();
    let params = limits(time_limit, threads, py)?;
    let owner = &problem.get().inner;
    let cancel = cancel.map(|token| &token.get().inner);
    let inner = entry::call_with_token(py, cancel, params.threads, |token| {
        core_diagnose(owner, &params, &Stop::new(&params, token))
    })?;
    PyDiagnosis::new(problem, &inner)
}
