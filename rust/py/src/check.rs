//! The function `check` and what it returns.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use servemix_core::{CheckReport, Cost};

use crate::entry;
use crate::pickle::{reduced, Pickled, Reduced};
use crate::plan::PyPlan;
use crate::plan_columns::cost_dict;
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
    constraint: String,
    entry: String,
    amount: f64,
    message: String,
}

impl Pickled for PyViolation {
    fn restore(state: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let (constraint, entry, amount, message) = state.extract()?;
        Ok(Self { constraint, entry, amount, message })
    }
}

#[pymethods]
impl PyViolation {
    fn __repr__(&self) -> String {
        format!("<Violation of {} at {}: {}>", self.constraint, self.entry, self.message)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        reduced::<Self, _>(py, (&self.constraint, &self.entry, self.amount, &self.message))
    }
}

/// What a check finds.
#[pyclass(name = "CheckReport", module = "servemix", frozen)]
pub(crate) struct PyCheckReport {
    violations: Vec<Py<PyViolation>>,
    cost: Option<Cost>,
}

impl PyCheckReport {
    fn new(py: Python<'_>, report: CheckReport) -> PyResult<Self> {
        let wrap = |violation: servemix_core::Violation| {
            Py::new(
                py,
                PyViolation {
                    constraint: violation.constraint.as_str().to_owned(),
                    entry: violation.entry,
                    amount: violation.amount,
                    message: violation.message,
                },
            )
        };
        Ok(Self { violations: report.violations.into_iter().map(wrap).collect::<PyResult<_>>()?, cost: report.cost })
    }
}

impl Pickled for PyCheckReport {
    fn restore(state: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let (violations, cost): (_, Option<(f64, f64, f64, f64)>) = state.extract()?;
        let cost = cost.map(|(rental, storage, latency, unmet)| Cost { rental, storage, latency, unmet });
        Ok(Self { violations, cost })
    }
}

#[pymethods]
impl PyCheckReport {
    /// What the plan breaks, in the order of the formulation.
    #[getter]
    fn violations(&self, py: Python<'_>) -> Vec<Py<PyViolation>> {
        self.violations.iter().map(|violation| violation.clone_ref(py)).collect()
    }

    /// The parts of the cost that the plan has, whatever it claims, USD; None if there is no plan.
    #[getter]
    fn cost<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.cost.map(|cost| cost_dict(py, &cost)).transpose()
    }

    /// The cost that the plan has, whatever it claims, USD; None if there is no plan.
    #[getter]
    fn objective_value(&self) -> Option<f64> {
        self.cost.map(|cost| cost.total())
    }

    /// Whether there is a plan and it breaks nothing.
    #[getter]
    fn feasible(&self) -> bool {
        self.cost.is_some() && self.violations.is_empty()
    }

    fn __repr__(&self) -> String {
        match (self.objective_value(), self.violations.as_slice()) {
            (None, _) => "<CheckReport: no plan>".to_owned(),
            (Some(value), []) => format!("<CheckReport: feasible, {value:.2} USD>"),
            (Some(_), all @ [first, ..]) => {
                format!("<CheckReport: {} violations, first: {}>", all.len(), first.get().message)
            }
        }
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("servemix.report.notebook")?.call_method1("check_html", (slf,))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let cost = self.cost.map(|cost| (cost.rental, cost.storage, cost.latency, cost.unmet));
        reduced::<Self, _>(py, (self.violations(py), cost))
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
    PyCheckReport::new(py, entry::call(py, || servemix_core::check(problem, plan))?)
}
