//! The problem that a plan answers.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use servemix_core::{Problem, ProblemData};

use crate::entry;
use crate::problem::PyProblem;

/// What a planner has changed in a problem.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) rate_per_h: Vec<f64>,
    pub(crate) gpu_usd_per_h: Vec<f64>,
    pub(crate) max_gpus: Vec<f64>,
}

impl Numbers {
    pub(crate) fn of(problem: &ProblemData) -> Self {
        Self {
            rate_per_h: problem.query_types.rate_per_h.clone(),
            gpu_usd_per_h: problem.tiers.gpu_usd_per_h.clone(),
            max_gpus: problem.pools.max_gpus.clone(),
        }
    }
}

/// A problem as given, or one with other numbers that is made when it is first requested: a planner returns plans far
/// more often than anybody asks for their problem.
pub(crate) struct PlanProblem {
    given: Py<PyProblem>,
    numbers: Option<Numbers>,
    made: PyOnceLock<Py<PyProblem>>,
}

impl From<Py<PyProblem>> for PlanProblem {
    fn from(given: Py<PyProblem>) -> Self {
        Self { given, numbers: None, made: PyOnceLock::new() }
    }
}

impl PlanProblem {
    pub(crate) fn with_numbers(given: Py<PyProblem>, numbers: Numbers) -> Self {
        Self { given, numbers: Some(numbers), made: PyOnceLock::new() }
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyProblem>> {
        let Some(numbers) = &self.numbers else { return Ok(self.given.bind(py).clone()) };
        let made = self.made.get_or_try_init(py, || {
            let given = self.given.get();
            let problem = entry::call(py, || {
                let mut problem = Problem::clone(&given.inner);
                problem.set_rates(&numbers.rate_per_h)?;
                problem.set_prices(&numbers.gpu_usd_per_h)?;
                problem.set_pools(&numbers.max_gpus)?;
                Ok(problem)
            })?;
            Py::new(py, PyProblem::new(problem))
        })?;
        Ok(made.bind(py).clone())
    }
}
