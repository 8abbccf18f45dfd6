//! The class `Problem`.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use servemix_core::{LatencyScope, Models, Problem, ProblemData};

use crate::convert::{array, limit, name_list, number, optional_index_array, Section};
use crate::entry;
use crate::error::invalid;
use crate::files::return_or_write;
use crate::problem_columns::{
    configuration_columns, configurations_of, pools_of, query_type_columns, query_types_of, route_columns, routes_of,
    tiers_of, ARGUMENTS,
};

/// What is to be planned: the arrays of the formulation, validated once and never changed.
///
/// Made by `Problem.from_arrays` or `load_problem`. Its sections (`pools`, `query_types`, `models`,
/// `tiers`, `configurations`, `routes`) are dicts of read-only columns with the keys of
/// servemix-problem/2; names are lists. Safe to share between threads.
#[pyclass(name = "Problem", module = "servemix", frozen, weakref)]
pub(crate) struct PyProblem {
    pub(crate) inner: Arc<Problem>,
    columns: [PyOnceLock<Py<PyDict>>; NUM_SECTIONS],
}

const NUM_SECTIONS: usize = 5;

impl PyProblem {
    pub(crate) fn new(problem: Problem) -> Self {
        Self { inner: Arc::new(problem), columns: [const { PyOnceLock::new() }; NUM_SECTIONS] }
    }

    /// The columns of a section, copied to Python the first time that they are requested.
    fn section<'py, const N: usize>(
        &self,
        py: Python<'py>,
        section: usize,
        names: Option<&[String]>,
        build: impl FnOnce() -> [(&'static str, Bound<'py, PyAny>); N],
    ) -> PyResult<Bound<'py, PyDict>> {
        let columns = self.columns[section].get_or_try_init(py, || {
            let columns = PyDict::new(py);
            if names.is_some() {
                columns.set_item("name", py.None())?;
            }
            for (key, column) in build() {
                columns.set_item(key, column)?;
            }
            PyResult::Ok(columns.unbind())
        })?;
        // A copy of the dict and a new list of names: what a caller does to them stays with the caller.
        let columns = columns.bind(py).copy()?;
        if let Some(names) = names {
            columns.set_item("name", name_list(py, names)?)?;
        }
        Ok(columns)
    }
}

#[pymethods]
impl PyProblem {
    /// Make a problem from columns; each section maps the keys of servemix-problem/2 to columns.
    ///
    /// Parameters
    /// ----------
    /// name
    ///     Name, for people.
    /// horizon_h
    ///     Planning horizon, h.
    /// budget_usd
    ///     Most that rental and storage may cost over the horizon, USD; None for no limit.
    /// storage_gb
    ///     Storage capacity, GB; None for no limit.
    /// storage_usd_per_gb_h
    ///     Storage price, USD per GB and hour.
    /// max_utilization
    ///     Share of a replica's time that may be planned, in (0, 1].
    /// latency_scope
    ///     ``"route"``: no query is planned onto a route that misses its SLO; ``"average"``: the
    ///     mean over the served queries of a type meets it.
    /// pools
    ///     Columns ``name``, ``max_gpus`` (None or infinity for no limit).
    /// query_types
    ///     Columns ``name``, ``rate_per_h``, ``latency_slo_s``, ``error_slo``,
    ///     ``latency_usd_per_s``, ``unmet_usd_per_query``, ``max_unmet``, ``data_gb``.
    /// models
    ///     Column ``name``.
    /// tiers
    ///     Columns ``name``, ``gpu_usd_per_h``, ``pool`` (None or -1 for no pool).
    /// configurations
    ///     Columns ``model``, ``tier``, ``tp``, ``pp``, ``weights_gb``, ``kv_cache_gb``,
    ///     ``max_replicas`` and, where there are any, ``max_num_seqs`` (the engine's batch limit),
    ///     ``max_utilization`` (its own share of a replica's time that may be planned),
    ///     ``min_replicas`` (least replicas of a deployment) and ``pair`` (a number; of
    ///     configurations with the same one at most one is deployed, of those without one at most
    ///     one per model and tier). None stands for "not known" or "the usual", as do 0, 0, 1
    ///     and -1.
    /// routes
    ///     Columns ``query_type``, ``configuration``, ``busy_s``, ``kv_gb_s``, ``latency_s``,
    ///     ``error``.
    ///
    /// Returns
    /// -------
    /// Problem
    ///     The validated problem; it keeps a copy of the columns.
    ///
    /// Raises
    /// ------
    /// InvalidInputError
    ///     An entry breaks a rule; the message names it, as in ``routes.busy_s[17]: …``.
    #[staticmethod]
    #[pyo3(signature = (
        *, name, horizon_h, budget_usd=None, storage_gb=None, storage_usd_per_gb_h, max_utilization,
        latency_scope="route", pools, query_types, models, tiers, configurations, routes
    ))]
    #[allow(clippy::too_many_arguments)]
    fn from_arrays(
        py: Python<'_>,
        name: String,
        horizon_h: &Bound<'_, PyAny>,
        budget_usd: Option<&Bound<'_, PyAny>>,
        storage_gb: Option<&Bound<'_, PyAny>>,
        storage_usd_per_gb_h: &Bound<'_, PyAny>,
        max_utilization: &Bound<'_, PyAny>,
        latency_scope: &str,
        pools: &Bound<'_, PyAny>,
        query_types: &Bound<'_, PyAny>,
        models: &Bound<'_, PyAny>,
        tiers: &Bound<'_, PyAny>,
        configurations: &Bound<'_, PyAny>,
        routes: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let scope = LatencyScope::parse(latency_scope).ok_or_else(|| {
            invalid(py, "latency_scope", &format!("must be \"route\" or \"average\", got {latency_scope:?}"))
        })?;
        let data = ProblemData {
            name,
            horizon_h: number(horizon_h, "horizon_h")?,
            budget_usd: limit(budget_usd, "budget_usd")?,
            storage_gb: limit(storage_gb, "storage_gb")?,
            storage_usd_per_gb_h: number(storage_usd_per_gb_h, "storage_usd_per_gb_h")?,
            max_utilization: number(max_utilization, "max_utilization")?,
            latency_scope: scope,
            pools: pools_of(pools)?,
            query_types: query_types_of(query_types)?,
            models: Models { name: Section::new("models", models, &["name"], &[])?.names("name")? },
            tiers: tiers_of(tiers)?,
            configurations: configurations_of(configurations)?,
            routes: routes_of(routes)?,
        };
        entry::call(py, || Problem::new(data)).map(Self::new)
    }

    /// Name, for people.
    #[getter]
    fn name(&self) -> &str {
        &self.inner.name
    }

    /// Planning horizon, h.
    #[getter]
    fn horizon_h(&self) -> f64 {
        self.inner.horizon_h
    }

    /// Most that rental and storage may cost over the horizon, USD; infinite where there is no limit.
    #[getter]
    fn budget_usd(&self) -> f64 {
        self.inner.budget_usd
    }

    /// Storage capacity, GB; infinite where there is no limit.
    #[getter]
    fn storage_gb(&self) -> f64 {
        self.inner.storage_gb
    }

    /// Storage price, USD per GB and hour.
    #[getter]
    fn storage_usd_per_gb_h(&self) -> f64 {
        self.inner.storage_usd_per_gb_h
    }

    /// Share of a replica's time that may be planned.
    #[getter]
    fn max_utilization(&self) -> f64 {
        self.inner.max_utilization
    }

    /// How the latency SLO is meant: "route" or "average".
    #[getter]
    fn latency_scope(&self) -> &'static str {
        self.inner.latency_scope.as_str()
    }

    /// Number of GPU pools.
    #[getter]
    fn num_pools(&self) -> usize {
        self.inner.num_pools()
    }

    /// Number of query types.
    #[getter]
    fn num_query_types(&self) -> usize {
        self.inner.num_query_types()
    }

    /// Number of models.
    #[getter]
    fn num_models(&self) -> usize {
        self.inner.models.name.len()
    }

    /// Number of tiers.
    #[getter]
    fn num_tiers(&self) -> usize {
        self.inner.tiers.name.len()
    }

    /// Number of configurations.
    #[getter]
    fn num_configurations(&self) -> usize {
        self.inner.num_configurations()
    }

    /// Number of routes, those included that the latency SLO rules out.
    #[getter]
    fn num_routes(&self) -> usize {
        self.inner.num_routes()
    }

    /// GPU pools: `name`, `max_gpus` (infinite where there is no limit).
    #[getter]
    fn pools<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let pools = &self.inner.pools;
        self.section(py, 0, Some(&pools.name), || [("max_gpus", array(py, &pools.max_gpus))])
    }

    /// Query types: `name`, `rate_per_h`, `latency_slo_s`, `error_slo`, `latency_usd_per_s`,
    /// `unmet_usd_per_query`, `max_unmet`, `data_gb`.
    #[getter]
    fn query_types<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let types = &self.inner.query_types;
        self.section(py, 1, Some(&types.name), || query_type_columns(py, types))
    }

    /// Models: `name`.
    #[getter]
    fn models<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        columns.set_item("name", name_list(py, &self.inner.models.name)?)?;
        Ok(columns)
    }

    /// Tiers: `name`, `gpu_usd_per_h`, `pool` (-1 if there is none).
    #[getter]
    fn tiers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let tiers = &self.inner.tiers;
        self.section(py, 2, Some(&tiers.name), || {
            [("gpu_usd_per_h", array(py, &tiers.gpu_usd_per_h)), ("pool", optional_index_array(py, &tiers.pool))]
        })
    }

    /// Configurations: `model`, `tier`, `tp`, `pp`, `weights_gb`, `kv_cache_gb`, `max_replicas`,
    /// `max_num_seqs` (0 if it is not known), `max_utilization` (0 if the problem's holds),
    /// `min_replicas`, `pair` (-1 if the model and the tier are the pair).
    #[getter]
    fn configurations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let configurations = &self.inner.configurations;
        self.section(py, 3, None, || configuration_columns(py, configurations))
    }

    /// Routes: `query_type`, `configuration`, `busy_s`, `kv_gb_s`, `latency_s`, `error`.
    #[getter]
    fn routes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let routes = &self.inner.routes;
        self.section(py, 4, None, || route_columns(py, routes))
    }

    /// The problem as a servemix-problem/2 file.
    ///
    /// Parameters
    /// ----------
    /// path
    ///     Where to write it, whole or not at all; gzipped where the name ends in ``.gz``.
    ///
    /// Returns
    /// -------
    /// str or None
    ///     The text where no path is given.
    ///
    /// Raises
    /// ------
    /// OSError
    ///     The file cannot be written; an older one is as it was.
    #[pyo3(signature = (path=None))]
    fn to_json(&self, py: Python<'_>, path: Option<&Bound<'_, PyAny>>) -> PyResult<Option<String>> {
        let text = entry::call(py, || Ok(self.inner.to_json()))?;
        return_or_write(py, text, path)
    }

    /// Tables as polars frames, with names beside the indices (package polars).
    ///
    /// Returns
    /// -------
    /// dict of str to polars.DataFrame
    ///     ``pools``, ``query_types``, ``models``, ``tiers``, ``configurations`` and ``routes``.
    ///
    /// Raises
    /// ------
    /// MissingExtraError
    ///     polars is not installed (extra ``traces``).
    fn to_polars<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("servemix.report.frames")?.call_method1("to_polars", (slf,))
    }

    /// Tables as pandas frames, with names beside the indices (package pandas).
    ///
    /// Returns
    /// -------
    /// dict of str to pandas.DataFrame
    ///     As of ``to_polars``.
    ///
    /// Raises
    /// ------
    /// MissingExtraError
    ///     pandas is not installed (extra ``pandas``).
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("servemix.report.frames")?.call_method1("to_pandas", (slf,))
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("servemix.report.notebook")?.call_method1("problem_html", (slf,))
    }

    fn __repr__(&self) -> String {
        let p = &self.inner;
        format!(
            "<Problem {:?}: {} query types, {} models, {} tiers, {} configurations, {} routes>",
            p.name,
            p.num_query_types(),
            p.models.name.len(),
            p.tiers.name.len(),
            p.num_configurations(),
            p.num_routes()
        )
    }

    fn __eq__(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) || self.inner.data() == other.inner.data()
    }

    fn __hash__(&self) -> u64 {
        let p = &self.inner;
        let mut hasher = DefaultHasher::new();
        (&p.name, p.num_query_types(), p.num_configurations(), p.num_routes()).hash(&mut hasher);
        hasher.finish()
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyDict>,))> {
        let arrays = PyDict::new(slf.py());
        for key in ARGUMENTS {
            arrays.set_item(key, slf.getattr(key)?)?;
        }
        Ok((slf.py().import("servemix._core")?.getattr("_problem_from_arrays")?, (arrays,)))
    }
}

/// For pickle: the keyword arguments of `Problem.from_arrays` as a dict.
#[pyfunction]
#[pyo3(name = "_problem_from_arrays")]
pub(crate) fn problem_from_arrays<'py>(arrays: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    let py = arrays.py();
    py.get_type::<PyProblem>().getattr("from_arrays")?.call(PyTuple::empty(py), Some(arrays))
}
