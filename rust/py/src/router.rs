//! The class `Router`.

use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use servemix_core::{Plan, Result, Router, RouterMode, Step, UNSERVED};

use crate::convert::{integers, unsigned};
use crate::entry;
use crate::error::{invalid, to_py};

/// Requests chosen for at a time, so that what is converted is still in the cache.
const CHUNK: usize = 4096;

/// Chooses the deployment of each request by the fractions of a plan; made by `Plan.router`.
///
/// Any number of threads may use one router at once. The n-th choice for a query type is the same
/// for the same plan, mode and seed, whichever thread asks for it and whatever was requested
/// other types. A router does not survive a change of plan: make one of the new plan.
#[pyclass(name = "Router", module = "servemix", frozen, weakref)]
pub(crate) struct PyRouter {
    inner: Router,
}

impl PyRouter {
    pub(crate) fn of_plan(py: Python<'_>, plan: &Plan, seed: u64, mode: &str) -> PyResult<Self> {
        entry::call(py, || Router::new(plan, RouterMode::parse(mode)?, seed)).map(|inner| Self { inner })
    }

    pub(crate) fn of_step(py: Python<'_>, step: &Step, seed: u64, mode: &str) -> PyResult<Self> {
        entry::call(py, || step.router(RouterMode::parse(mode)?, seed)).map(|inner| Self { inner })
    }

    /// The configurations of many requests, -1 if one is not to be served.
    fn signed(&self, types: &[u32]) -> Result<Vec<i64>> {
        let mut chosen = [0; CHUNK];
        let mut configurations = Vec::with_capacity(types.len());
        // An entry that is not valid is found before anything is chosen.
        self.inner.check_types(types)?;
        for types in types.chunks(CHUNK) {
            let chosen = &mut chosen[..types.len()];
            self.inner.pick_many(types, chosen)?;
            configurations.extend(chosen.iter().map(|&a| if a == UNSERVED { -1 } else { i64::from(a) }));
        }
        Ok(configurations)
    }
}

#[pymethods]
impl PyRouter {
    /// Choose the deployment of the next request of a query type.
    ///
    /// Parameters
    /// ----------
    /// query_type
    ///     Index of the query type in the problem.
    ///
    /// Returns
    /// -------
    /// int or None
    ///     Index of the configuration in the problem; None if the plan leaves this request
    ///     unserved.
    ///
    /// Raises
    /// ------
    /// InvalidInputError
    ///     There is no such query type.
    fn pick(&self, query_type: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
        let py = query_type.py();
        // Too short to detach for; a number that is no u32 is described in the slow path.
        let i = match query_type.extract::<u32>() {
            Ok(i) => i,
            Err(_) => {
                let given = unsigned(query_type, "query_type")?;
                return Err(invalid(py, "query_type", &format!("is {given}, out of range")));
            }
        };
        self.inner.pick(i).map_err(|error| to_py(py, &error))
    }

    /// Choose the deployments of many requests, as `pick` would for each in turn.
    ///
    /// Parameters
    /// ----------
    /// query_types
    ///     Index of the query type of each request, shape (n,).
    ///
    /// Returns
    /// -------
    /// numpy.ndarray
    ///     Index of the configuration of each, int64, shape (n,); -1 if the plan leaves the
    ///     request unserved.
    ///
    /// Raises
    /// ------
    /// InvalidInputError
    ///     An entry names no query type; then nothing was chosen.
    fn pick_many<'py>(&self, query_types: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let py = query_types.py();
        let types = integers(query_types, "query_types")?;
        let configurations = entry::call(py, || self.signed(&types))?;
        Ok(configurations.into_pyarray(py))
    }

    /// "random" or "deficit".
    #[getter]
    fn mode(&self) -> &'static str {
        self.inner.mode().as_str()
    }

    /// Seed of every choice.
    #[getter]
    fn seed(&self) -> u64 {
        self.inner.seed()
    }

    /// Number of query types.
    #[getter]
    fn num_query_types(&self) -> usize {
        self.inner.num_query_types()
    }

    fn __repr__(&self) -> String {
        let (mode, seed) = (self.inner.mode().as_str(), self.inner.seed());
        format!("<Router of {} query types: mode {mode}, seed {seed}>", self.inner.num_query_types())
    }
}
