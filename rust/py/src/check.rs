//! The function `check` and what it returns.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use servemix_core::CheckReport;

use crate::entry;
use crate::plan::{cost_dict, PyPlan};
use crate::problem::PyProblem;

/// A constraint that a plan breaks.
///
/// Attributes
/// ----------
/// constraint
///     Which kind: ``"bounds"``, ``"max_unmet"``, ``"supply"``, ``"activation"``,
///     ``"max_replicas"``, ``"min_replicas"``, ``"one_per_pair"``, ``"time"``, ``"memory"``,
///     ``"error_slo"``, ``"latency_slo"``, ``"budget"``, ``"storage"``, ``"pools"`` or ``"claim"`` (the plan's own
///     cost or bound is not what it says).
/// entry
///     Where: an entry of the problem, such as ``configurations[3]``, or of the plan, such as
///     ``routing[5]``.
/// amount
///     By how much, in the unit of the constraint: a share, replicas, GB, GPUs, s or USD.
/// message
///     In words.
#[pyclass(name = "Violation", module = "servemix", frozen, get_all)]
pub(crate) struct PyViolation {
    constraint: &'static str,
    entry: String,
    amount: f64,
    message: String,
}

#[pymethods]
impl PyViolation {
    fn __repr__(&self) -> String {
        format!("<Violation of {} at {}: {}>", self.constraint, self.entry, self.message)
    }
}

/// What a check finds.
#[pyclass(name = "CheckReport", module = "servemix", frozen)]
pub(crate) struct PyCheckReport {
    inner: CheckReport,
}

#[pymethods]
impl PyCheckReport {
    /// What the plan breaks, in the order of the formulation.
    #[getter]
    fn violations(&self) -> Vec<PyViolation> {
        let violations = self.inner.violations.iter();
        violations
            .map(|violation| PyViolation {
                constraint: violation.constraint.as_str(),
                entry: violation.entry.clone(),
                amount: violation.amount,
                message: violation.message.clone(),
            })
            .collect()
    }

    /// The parts of the cost that the plan has, whatever it claims, USD; None where there is no plan.
    #[getter]
    fn cost<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.inner.cost.map(|cost| cost_dict(py, &cost)).transpose()
    }

    /// The cost that the plan has, whatever it claims, USD; None where there is no plan.
    #[getter]
    fn objective_value(&self) -> Option<f64> {
        self.inner.objective_value()
    }

    /// Whether there is a plan and it breaks nothing.
    #[getter]
    fn feasible(&self) -> bool {
        self.inner.is_feasible()
    }

    fn __repr__(&self) -> String {
        let violations = &self.inner.violations;
        match (self.inner.objective_value(), violations.len()) {
            (None, _) => "<CheckReport: no plan>".to_owned(),
            (Some(value), 0) => format!("<CheckReport: feasible, {value:.2} USD>"),
            (Some(_), count) => format!("<CheckReport: {count} violations, first: {}>", violations[0].message),
        }
    }
}

/// Check a plan against every constraint of a problem, and what it claims of its cost.
///
/// The check is written from the formulation alone and shares no code with the methods that make
/// plans. A constraint holds where its excess is at most 1e-6 of its right-hand side.
///
/// Parameters
/// ----------
/// problem
///     The problem.
/// plan
///     A plan for it, from whatever source.
///
/// Returns
/// -------
/// CheckReport
///     The violations, with amounts, and the cost breakdown.
///
/// Raises
/// ------
/// InvalidInputError
///     An entry of the plan has no meaning in this problem, such as an index out of range; the
///     message names it.
#[pyfunction]
pub(crate) fn check(
    py: Python<'_>,
    problem: &Bound<'_, PyProblem>,
    plan: &Bound<'_, PyPlan>,
) -> PyResult<PyCheckReport> {
    let (problem, plan) = (&problem.get().inner, &plan.get().inner);
    Ok(PyCheckReport { inner: entry::call(py, || servemix_core::check(problem, plan))? })
}
