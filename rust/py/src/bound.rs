//! Lower bounds.

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use servemix_core::bound::{lower_bound as core_lower_bound, LowerBound};
use servemix_core::{SolveParams, Stop};

use crate::convert::{number, unsigned};
use crate::entry;
use crate::problem::PyProblem;
use crate::solve::PyCancelToken;

/// What every plan of a problem must cost at least.
///
/// Attributes
/// ----------
/// value
///     No plan costs less, USD over the horizon; infinite where it is proven that there is no plan.
/// infeasible
///     Whether it is proven that no plan meets every constraint.
/// converged
///     Whether the search for a better bound ran to its end.
/// evaluations
///     Times that the Lagrangian function was evaluated.
#[pyclass(name = "LowerBound", module = "servemix", frozen)]
pub(crate) struct PyLowerBound {
    inner: LowerBound,
}

#[pymethods]
impl PyLowerBound {
    #[getter]
    fn value(&self) -> f64 {
        self.inner.value
    }

    #[getter]
    fn infeasible(&self) -> bool {
        self.inner.infeasible
    }

    #[getter]
    fn converged(&self) -> bool {
        self.inner.converged
    }

    #[getter]
    fn evaluations(&self) -> u64 {
        self.inner.evaluations
    }

    /// Prices of the constraints in the relaxation, USD over the horizon per unit: per query type
    /// "supply" (for all of it), "error" (per 1.0) and "latency" (per s, average scope only), per
    /// pool "pool" (per GPU), and "budget" (per USD) and "storage" (per GB).
    #[getter]
    fn prices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let prices = &self.inner.prices;
        let dict = PyDict::new(py);
        for (name, column) in
            [("supply", &prices.supply), ("error", &prices.error), ("latency", &prices.latency), ("pool", &prices.pool)]
        {
            dict.set_item(name, PyArray1::from_slice(py, column))?;
        }
        dict.set_item("budget", prices.budget)?;
        dict.set_item("storage", prices.storage)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        if self.inner.infeasible {
            "<LowerBound: no plan exists>".to_owned()
        } else {
            format!("<LowerBound: {:.2} USD>", self.inner.value)
        }
    }
}

/// The limits of a call that is no solve.
pub(crate) fn limits(
    time_limit: Option<&Bound<'_, PyAny>>,
    threads: Option<&Bound<'_, PyAny>>,
    py: Python<'_>,
) -> PyResult<SolveParams> {
    let mut params = SolveParams::default();
    params.time_limit_s = time_limit.map(|limit| number(limit, "time_limit")).transpose()?;
    if let Some(threads) = threads {
        params.threads = usize::try_from(unsigned(threads, "threads")?).unwrap_or(usize::MAX);
    }
    params.validate().map_err(|error| crate::error::to_py(py, &error))?;
    Ok(params)
}

/// Find a lower bound; see `servemix.lower_bound`.
#[pyfunction]
#[pyo3(signature = (problem, *, time_limit=None, threads=None, cancel=None))]
pub(crate) fn lower_bound(
    problem: &Bound<'_, PyProblem>,
    time_limit: Option<&Bound<'_, PyAny>>,
    threads: Option<&Bound<'_, PyAny>>,
    cancel: Option<&Bound<'_, PyCancelToken>>,
) -> PyResult<PyLowerBound> {
    let py = problem.py();
    let params = limits(time_limit, threads, py)?;
    let owner = &problem.get().inner;
    let cancel = cancel.map(|token| &token.get().inner);
    let inner = entry::call_with_token(py, cancel, params.threads, |token| {
        core_lower_bound(owner, &params, &Stop::new(&params, token))
    })?;
    Ok(PyLowerBound { inner })
}
