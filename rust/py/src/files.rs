//! Content of files; reading and writing them is Python's, so that its errors are those of the operating system.

use pyo3::prelude::*;
use servemix_core::{Plan, Problem};

use crate::entry;
use crate::plan::PyPlan;
use crate::problem::PyProblem;

/// Make a problem from the content of a servemix-problem/2 file; see `servemix.load_problem`.
#[pyfunction]
#[pyo3(name = "_problem_from_json")]
pub(crate) fn problem_from_json(py: Python<'_>, content: &[u8]) -> PyResult<PyProblem> {
    entry::call(py, || Problem::from_json(content)).map(PyProblem::new)
}

/// Make a plan from the content of a servemix-plan/2 or servemix-plan/1 file; see `servemix.load_plan`.
#[pyfunction]
#[pyo3(name = "_plan_from_json")]
pub(crate) fn plan_from_json(content: &[u8], problem: &Bound<'_, PyProblem>) -> PyResult<PyPlan> {
    let owner = &problem.get().inner;
    let plan = entry::call(problem.py(), || Plan::from_json(content, owner))?;
    Ok(PyPlan::new(problem.clone().unbind(), plan))
}

/// Returns `text`, or writes it to the file at `path`, whole or not at all.
pub(crate) fn return_or_write(
    py: Python<'_>,
    text: String,
    path: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<String>> {
    let Some(path) = path else {
        return Ok(Some(text));
    };
    py.import("servemix._files")?.call_method1("write_whole", (path, text))?;
    Ok(None)
}
