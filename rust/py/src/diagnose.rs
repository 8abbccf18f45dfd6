//! Diagnosis: conflicts, relaxations and what constraints cost.

use pyo3::prelude::*;
use servemix_core::diagnose::{diagnose as core_diagnose, Constraint, Diagnosis};
use servemix_core::{Problem, Stop};

use crate::bound::limits;
use crate::entry;
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
///     Name of the query type or pool, None where it has none or stands for all of them.
/// value
///     Its value; 1.0 where it stands for many.
/// message
///     In words.
#[pyclass(name = "DiagnosedConstraint", module = "servemix", frozen, get_all)]
pub(crate) struct PyConstraint {
    kind: &'static str,
    entry: Option<String>,
    value: f64,
    message: String,
}

impl PyConstraint {
    fn new(problem: &Problem, constraint: Constraint) -> Self {
        Self {
            kind: constraint.kind(),
            entry: constraint.entry(problem).map(str::to_owned),
            value: constraint.value(problem),
            message: constraint.describe(problem),
        }
    }
}

#[pymethods]
impl PyConstraint {
    fn __repr__(&self) -> String {
        format!("<DiagnosedConstraint: {}>", self.message)
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
///     Its value now; 1.0 where it is a factor on many.
/// to_value
///     Its value with which a plan was found and checked.
/// not_enough
///     A value with which there is proven to be no plan.
/// message
///     In words.
#[pyclass(name = "ProposedChange", module = "servemix", frozen, get_all)]
pub(crate) struct PyRelaxation {
    kind: &'static str,
    entry: Option<String>,
    from_value: f64,
    to_value: f64,
    not_enough: f64,
    message: String,
}

#[pymethods]
impl PyRelaxation {
    fn __repr__(&self) -> String {
        format!("<ProposedChange: {}>", self.message)
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
    kind: &'static str,
    entry: Option<String>,
    usd_per_unit: f64,
    message: String,
}

#[pymethods]
impl PyMarginalValue {
    fn __repr__(&self) -> String {
        format!("<MarginalValue: {}: {:.6} USD per unit>", self.message, self.usd_per_unit)
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
    inner: Diagnosis,
}

#[pymethods]
impl PyDiagnosis {
    #[getter]
    fn status(&self) -> &'static str {
        self.inner.status.as_str()
    }

    /// Constraints that no plan meets together; without any one of them a plan exists.
    #[getter]
    fn conflict(&self) -> Vec<PyConstraint> {
        let problem = &self.problem.get().inner;
        self.inner.conflict.iter().map(|&constraint| PyConstraint::new(problem, constraint)).collect()
    }

    #[getter]
    fn conflict_is_smallest(&self) -> bool {
        self.inner.conflict_is_smallest
    }

    /// The least changes that give a plan, each of one constraint or of one kind.
    #[getter]
    fn relaxations(&self) -> Vec<PyRelaxation> {
        let problem = &self.problem.get().inner;
        let change = |relaxation: &servemix_core::diagnose::Relaxation| PyRelaxation {
            kind: relaxation.constraint.kind(),
            entry: relaxation.constraint.entry(problem).map(str::to_owned),
            from_value: relaxation.from,
            to_value: relaxation.to,
            not_enough: relaxation.not_enough,
            message: relaxation.describe(problem),
        };
        self.inner.relaxations.iter().map(change).collect()
    }

    /// For a feasible problem, the constraints that cost something.
    #[getter]
    fn marginal_values(&self) -> Vec<PyMarginalValue> {
        let problem = &self.problem.get().inner;
        let worth = |value: &servemix_core::diagnose::MarginalValue| PyMarginalValue {
            kind: value.constraint.kind(),
            entry: value.constraint.entry(problem).map(str::to_owned),
            usd_per_unit: value.usd_per_unit,
            message: value.constraint.describe(problem),
        };
        self.inner.marginal_values.iter().map(worth).collect()
    }

    fn __repr__(&self) -> String {
        let (conflict, changes) = (self.inner.conflict.len(), self.inner.relaxations.len());
        match self.status() {
            "INFEASIBLE" => format!("<Diagnosis: {conflict} constraints conflict, {changes} changes give a plan>"),
            status => format!("<Diagnosis: {status}, {} constraints bind>", self.inner.marginal_values.len()),
        }
    }
}

/// Say why a problem has no plan; see `servemix.diagnose`.
#[pyfunction]
#[pyo3(signature = (problem, *, time_limit=None, cancel=None))]
pub(crate) fn diagnose(
    problem: &Bound<'_, PyProblem>,
    time_limit: Option<&Bound<'_, PyAny>>,
    cancel: Option<&Bound<'_, PyCancelToken>>,
) -> PyResult<PyDiagnosis> {
    let py = problem.py();
    let params = limits(time_limit, None, py)?;
    let owner = &problem.get().inner;
    let cancel = cancel.map(|token| &token.get().inner);
    let inner = entry::call_with_token(py, cancel, params.threads, |token| {
        core_diagnose(owner, &params, &Stop::new(&params, token))
    })?;
    Ok(PyDiagnosis { problem: problem.clone().unbind(), inner })
}
