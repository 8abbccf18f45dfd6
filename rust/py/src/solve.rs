//! Solving: the settings of a solve and the token that cancels it.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};
use servemix_core::{CancelToken, Method, SolveParams};

use crate::convert::{number, unsigned};
use crate::entry;
use crate::error::{invalid, to_py};
use crate::plan::PyPlan;
use crate::problem::PyProblem;

/// A flag that ends a solve from any thread; the solve returns the best plan that it has.
#[pyclass(name = "CancelToken", module = "servemix", frozen)]
#[derive(Default)]
pub(crate) struct PyCancelToken {
    pub(crate) inner: CancelToken,
}

#[pymethods]
impl PyCancelToken {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Ask every solve that was given this token to end.
    fn cancel(&self) {
        self.inner.cancel();
    }

    /// Whether `cancel` was called.
    #[getter]
    fn is_cancelled(&self) -> bool {
        self.inner.is_cancelled()
    }
}

/// Find a plan by one of the native methods; see `servemix.solve`.
#[pyfunction]
#[pyo3(signature = (
    problem, method, *, seed, time_limit=None, threads, max_iterations=None, rel_gap, initial_plan=None,
    bound=false, cancel=None, switches=None
))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn solve(
    problem: &Bound<'_, PyProblem>,
    method: &str,
    seed: &Bound<'_, PyAny>,
    time_limit: Option<&Bound<'_, PyAny>>,
    threads: &Bound<'_, PyAny>,
    max_iterations: Option<&Bound<'_, PyAny>>,
    rel_gap: &Bound<'_, PyAny>,
    initial_plan: Option<&Bound<'_, PyPlan>>,
    bound: bool,
    cancel: Option<&Bound<'_, PyCancelToken>>,
    switches: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyPlan> {
    let py = problem.py();
    let method = Method::parse(method).map_err(|error| to_py(py, &error))?;
    let mut params = SolveParams::default();
    params.seed = unsigned(seed, "seed")?;
    params.time_limit_s = time_limit.map(|limit| number(limit, "time_limit")).transpose()?;
    params.threads = usize::try_from(unsigned(threads, "threads")?).unwrap_or(usize::MAX);
    params.max_iterations = max_iterations.map(|limit| unsigned(limit, "max_iterations")).transpose()?;
    params.rel_gap = number(rel_gap, "rel_gap")?;
    params.bound = bound;
    for (name, on) in switches.into_iter().flatten() {
        let name: String = name.extract()?;
        let Ok(on) = on.cast::<PyBool>() else {
            return Err(invalid(py, &name, "must be True or False"));
        };
        params.switches.set(&name, on.is_true()).map_err(|error| to_py(py, &error))?;
    }
    let owner = &problem.get().inner;
    let initial_plan = initial_plan.map(|plan| &plan.get().inner);
    if let Some(plan) = initial_plan {
        plan.validate(owner).map_err(|error| invalid(py, "initial_plan", &error.to_string()))?;
    }
    let cancel = cancel.map(|token| &token.get().inner);
    let plan = entry::call_with_token(py, cancel, params.threads, |token| {
        servemix_core::solve(owner, method, &params, initial_plan, token)
    })?;
    Ok(PyPlan::new(problem.clone().unbind(), plan))
}
