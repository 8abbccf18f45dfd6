//! Lower bounds.

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use servemix_core::bound::LowerBound;
use servemix_core::{lower_bound as core_lower_bound, SolveParams, Stop};

use crate::convert::{number, unsigned};
use crate::entry;
use crate::pickle::{reduced, Pickled, Reduced};
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
    value: f64,
    infeasible: bool,
    converged: bool,
    evaluations: u64,
    /// Of supply, error, latency and pools; of budget and storage.
    prices: ([Vec<f64>; 4], f64, f64),
}

impl PyLowerBound {
    fn new(found: LowerBound) -> Self {
        let prices = found.prices;
        Self {
            value: found.value,
            infeasible: found.infeasible,
            converged: found.converged,
            evaluations: found.evaluations,
            prices: ([prices.supply, prices.error, prices.latency, prices.pool], prices.budget, prices.storage),
        }
    }
}

impl Pickled for PyLowerBound {
    fn restore(state: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let (value, infeasible, converged, evaluations, prices) = state.extract()?;
        Ok(Self { value, infeasible, converged, evaluations, prices })
    }
}

#[pymethods]
impl PyLowerBound {
    #[getter]
    fn value(&self) -> f64 {
        self.value
    }

    #[getter]
    fn infeasible(&self) -> bool {
        self.infeasible
    }

    #[getter]
    fn converged(&self) -> bool {
        self.converged
    }

    #[getter]
    fn evaluations(&self) -> u64 {
        self.evaluations
    }

    /// Prices of the constraints in the relaxation, USD over the horizon per unit: per query type
    /// "supply" (for all of it), "error" (per 1.0) and "latency" (per s, average scope only), per
    /// pool "pool" (per GPU), and "budget" (per USD) and "storage" (per GB).
    #[getter]
    fn prices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (columns, budget, storage) = &self.prices;
        let dict = PyDict::new(py);
        for (name, column) in ["supply", "error", "latency", "pool"].into_iter().zip(columns) {
            dict.set_item(name, PyArray1::from_slice(py, column))?;
        }
        dict.set_item("budget", budget)?;
        dict.set_item("storage", storage)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        if self.infeasible {
            "<LowerBound: no plan exists>".to_owned()
        } else {
            format!("<LowerBound: {:.2} USD>", self.value)
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let (columns, budget, storage) = &self.prices;
        let prices = (columns.clone(), *budget, *storage);
        reduced::<Self, _>(py, (self.value, self.infeasible, self.converged, self.evaluations, prices))
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
    Ok(PyLowerBound::new(inner))
}
