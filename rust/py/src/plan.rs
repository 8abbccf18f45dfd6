//! The class `Plan`.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use servemix_core::{Error, Plan, PlanDetails, Status, StopReason};

use crate::convert::{array, floats, index_array, number, unsigned};
use crate::entry;
use crate::error::invalid;
use crate::files::return_or_write;
use crate::plan_columns::{columns, cost_dict, deployments_of, figures, routing_of, transition_costs};
use crate::plan_problem::PlanProblem;
use crate::problem::PyProblem;
use crate::router::PyRouter;
use crate::transition::PyTransition;

/// What to deploy and where to send each kind of request; attributes as in servemix-plan/2.
///
/// Returned by `solve`, `load_plan` and `Plan.from_arrays`.
#[pyclass(name = "Plan", module = "servemix", frozen, weakref)]
pub(crate) struct PyPlan {
    problem: PlanProblem,
    pub(crate) inner: Plan,
    deployments: PyOnceLock<Py<PyDict>>,
    routing: PyOnceLock<Py<PyDict>>,
}

impl PyPlan {
    pub(crate) fn new(problem: Py<PyProblem>, plan: Plan) -> Self {
        Self::of(PlanProblem::from(problem), plan)
    }

    pub(crate) fn of(problem: PlanProblem, plan: Plan) -> Self {
        Self { problem, inner: plan, deployments: PyOnceLock::new(), routing: PyOnceLock::new() }
    }
}

#[pymethods]
impl PyPlan {
    /// Make a plan from decisions, such as those of another solver; its cost is computed.
    ///
    /// Parameters
    /// ----------
    /// problem
    ///     What it is a plan for.
    /// method
    ///     Name of the method that found it.
    /// seed
    ///     Seed of the method's random choices.
    /// status
    ///     ``"OPTIMAL"``, ``"FEASIBLE"``, ``"INFEASIBLE"`` or ``"NO_SOLUTION_FOUND"``; with the
    ///     last two there are no decisions.
    /// stop_reason
    ///     Why the method ended, such as ``"TIME_LIMIT"``.
    /// runtime_s
    ///     Wall-clock time of the solve, s.
    /// deployments
    ///     Columns ``configuration`` (index) and ``replicas``.
    /// routing
    ///     Columns ``query_type``, ``configuration`` (indices) and ``fraction``.
    /// unmet
    ///     Share of each query type that goes unserved.
    /// objective_bound
    ///     A valid lower bound on the cost of every plan, USD; None if unknown.
    /// message
    ///     Where there is no plan, what was missing.
    /// statistics
    ///     Figures of the solve by name.
    ///
    /// Returns
    /// -------
    /// Plan
    ///     The plan. Whether it meets the constraints is for `check` to tell.
    ///
    /// Raises
    /// ------
    /// InvalidInputError
    ///     An entry is out of range, not finite or there twice, or there is traffic where the
    ///     problem has no route; the message names it.
    #[staticmethod]
    #[pyo3(signature = (
        problem, *, method, seed, status, stop_reason, runtime_s, deployments, routing, unmet,
        objective_bound=None, message=None, statistics=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn from_arrays(
        problem: &Bound<'_, PyProblem>,
        method: String,
        seed: &Bound<'_, PyAny>,
        status: &str,
        stop_reason: &str,
        runtime_s: &Bound<'_, PyAny>,
        deployments: &Bound<'_, PyAny>,
        routing: &Bound<'_, PyAny>,
        unmet: &Bound<'_, PyAny>,
        objective_bound: Option<&Bound<'_, PyAny>>,
        message: Option<String>,
        statistics: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let py = problem.py();
        let unknown = |entry: &str, text: &str| invalid(py, entry, &format!("{text:?} is not one"));
        let status = Status::parse(status).ok_or_else(|| unknown("status", status))?;
        let stop_reason = StopReason::parse(stop_reason).ok_or_else(|| unknown("stop_reason", stop_reason))?;
        let seed = unsigned(seed, "seed")?;
        let runtime_s = number(runtime_s, "runtime_s")?;
        let objective_bound = objective_bound.map(|bound| number(bound, "objective_bound")).transpose()?;
        let statistics = statistics.map_or(Ok(Vec::new()), figures)?;
        let (deployments, routing) = (deployments_of(deployments)?, routing_of(routing)?);
        let unmet = floats(unmet, "unmet")?;
        let owner = &problem.get().inner;
        let plan = entry::call(py, || {
            let mut plan = if status.has_plan() {
                Plan::from_solution(owner, deployments, &routing, unmet)?
            } else if deployments.is_empty() && routing.fraction.is_empty() && unmet.is_empty() {
                Plan::none(&owner.name, "", seed, status, String::new())
            } else {
                return Err(Error::invalid("status", format!("is {} beside a plan", status.as_str())));
            };
            plan.method = method;
            plan.seed = seed;
            plan.status = status;
            plan.stop_reason = stop_reason;
            plan.runtime_s = runtime_s;
            plan.objective_bound = objective_bound;
            plan.message = message;
            plan.statistics = statistics;
            plan.validate(owner)?;
            Ok(plan)
        })?;
        Ok(Self::new(problem.clone().unbind(), plan))
    }

    /// Name of the problem that it answers.
    #[getter]
    fn problem(&self) -> &str {
        &self.inner.problem
    }

    /// Name of the problem that it answers; the same as `problem`.
    #[getter]
    fn problem_name(&self) -> &str {
        &self.inner.problem
    }

    /// Method that found it, such as "gh".
    #[getter]
    fn method(&self) -> &str {
        &self.inner.method
    }

    /// Seed of the method's random choices.
    #[getter]
    fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// What is known of it: "OPTIMAL", "FEASIBLE", "DEGRADED" (of a planner), "INFEASIBLE" or
    /// "NO_SOLUTION_FOUND".
    #[getter]
    fn status(&self) -> &'static str {
        self.inner.status.as_str()
    }

    /// Why the method ended, such as "LOCAL_OPTIMUM" or "TIME_LIMIT".
    #[getter]
    fn stop_reason(&self) -> &'static str {
        self.inner.stop_reason.as_str()
    }

    /// Wall-clock time of the solve, s.
    #[getter]
    fn runtime_s(&self) -> f64 {
        self.inner.runtime_s
    }

    /// Cost over the horizon, USD; None without a plan.
    #[getter]
    fn objective_value(&self) -> Option<f64> {
        self.inner.objective_value
    }

    /// A valid lower bound on the cost of every plan, USD; None if none was requested.
    #[getter]
    fn objective_bound(&self) -> Option<f64> {
        self.inner.objective_bound
    }

    /// `|objective_value - objective_bound| / |objective_value|`; None if either is unknown.
    #[getter]
    fn gap(&self) -> Option<f64> {
        self.inner.gap()
    }

    /// The parts of the objective, USD: `rental`, `storage`, `latency`, `unmet`; None without a plan.
    #[getter]
    fn cost<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.inner.cost.map(|cost| cost_dict(py, &cost)).transpose()
    }

    /// What is deployed: `configuration` (index), `replicas`, by rising configuration.
    #[getter]
    fn deployments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        columns(py, &self.deployments, || {
            let deployments = &self.inner.deployments;
            let configurations: Vec<u32> = deployments.iter().map(|deployment| deployment.configuration).collect();
            let replicas: Vec<u32> = deployments.iter().map(|deployment| deployment.replicas).collect();
            [("configuration", index_array(py, &configurations)), ("replicas", index_array(py, &replicas))]
        })
    }

    /// Where the traffic goes: `query_type`, `configuration` (indices), `fraction`.
    #[getter]
    fn routing<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        columns(py, &self.routing, || {
            let routing = &self.inner.routing;
            [
                ("query_type", index_array(py, &routing.query_type)),
                ("configuration", index_array(py, &routing.configuration)),
                ("fraction", array(py, &routing.fraction)),
            ]
        })
    }

    /// Share of each query type that goes unserved; empty without a plan.
    #[getter]
    fn unmet<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        array(py, &self.inner.unmet)
    }

    /// Where there is no plan, what was missing, per query type; None otherwise.
    #[getter]
    fn message(&self) -> Option<&str> {
        self.inner.message.as_deref()
    }

    /// Figures of the solve by name; which ones there are depends on the method.
    #[getter]
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let figures = PyDict::new(py);
        for (name, value) in &self.inner.statistics {
            figures.set_item(name, value)?;
        }
        Ok(figures)
    }

    /// Make a router, which chooses the deployment of each request by this plan's fractions.
    ///
    /// Parameters
    /// ----------
    /// seed
    ///     Decides every draw, and which of several equally due deployments comes first. Give
    ///     routers that work side by side different seeds.
    /// mode
    ///     ``"random"``: independent draws, in constant time and without a lock (alias tables,
    ///     Walker 1977). ``"deficit"``: after any number of requests of a type, what each
    ///     deployment got, and what went unserved, differs from its fraction by less than one
    ///     request (Tijdeman 1980).
    ///
    /// Returns
    /// -------
    /// Router
    ///     The router. It keeps nothing of the plan.
    ///
    /// Raises
    /// ------
    /// InvalidInputError
    ///     There is no plan, a query type's fractions and unserved share do not sum to 1, or
    ///     there is no such mode.
    #[pyo3(signature = (seed=0, *, mode="random"))]
    fn router(&self, py: Python<'_>, #[pyo3(from_py_with = seed_of)] seed: u64, mode: &str) -> PyResult<PyRouter> {
        PyRouter::of_plan(py, &self.inner, seed, mode)
    }

    /// The steps from another plan's deployments to this plan's.
    ///
    /// Starts come before stops as far as pools, budget and storage leave room, so that no moment
    /// serves less than the poorer of both plans; where no such order exists, the one with the
    /// least shortfall. Rates and limits are those that this plan was made for.
    ///
    /// Parameters
    /// ----------
    /// previous
    ///     The plan that is deployed now, of a problem with the same configurations.
    /// start_usd, start_usd_per_gb
    ///     Cost of starting a replica, USD, and more per GB of weights; 0 by default.
    /// start_s, start_s_per_gb
    ///     Seconds until a started replica serves, and more per GB of weights; 0 by default.
    ///
    /// Returns
    /// -------
    /// Transition
    ///     The steps with what can be served after each.
    ///
    /// Raises
    /// ------
    /// InvalidInputError
    ///     A plan is none (status ``"INFEASIBLE"``) or of another problem, or a setting is out of
    ///     range; the message names it.
    #[pyo3(signature = (previous, *, start_usd=None, start_usd_per_gb=None, start_s=None, start_s_per_gb=None))]
    fn transition(
        &self,
        py: Python<'_>,
        previous: &Bound<'_, Self>,
        start_usd: Option<&Bound<'_, PyAny>>,
        start_usd_per_gb: Option<&Bound<'_, PyAny>>,
        start_s: Option<&Bound<'_, PyAny>>,
        start_s_per_gb: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyTransition> {
        let costs = transition_costs(start_usd, start_usd_per_gb, start_s, start_s_per_gb)?;
        let problem = self.problem.get(py)?;
        let (owner, given) = (&problem.get().inner, &previous.get().inner);
        let steps = entry::call(py, || {
            costs.validate()?;
            self.inner.transition(owner, given, &costs)
        })?;
        PyTransition::new(py, owner.data(), steps)
    }

    /// The plan as a table that a person reads.
    fn summary<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let report = slf.py().import("servemix.report.plan_text")?;
        report.call_method1("plan_summary", (slf.get().problem.get(slf.py())?, slf))
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let report = slf.py().import("servemix.report.plan_html")?;
        report.call_method1("plan_html", (slf.get().problem.get(slf.py())?, slf))
    }

    /// Tables as polars frames, with names beside the indices (package polars).
    ///
    /// Returns
    /// -------
    /// dict of str to polars.DataFrame
    ///     ``deployments``, ``routing`` and ``query_types``.
    ///
    /// Raises
    /// ------
    /// MissingExtraError
    ///     polars is not installed (extra ``traces``).
    fn to_polars<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("servemix.report.frames")?.call_method1("to_polars", (slf, slf.get().problem.get(slf.py())?))
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
        slf.py().import("servemix.report.frames")?.call_method1("to_pandas", (slf, slf.get().problem.get(slf.py())?))
    }

    /// The plan as a servemix-plan/2 file.
    ///
    /// Parameters
    /// ----------
    /// path
    ///     Where to write it, whole or not at all; gzipped where the name ends in ``.gz``.
    /// details
    ///     What the scenario knows beyond the problem (``servemix.performance.plan_details``), so
    ///     that the file can be acted upon by itself.
    ///
    /// Returns
    /// -------
    /// str or None
    ///     The text where no path is given. The statistics are not part of the format.
    ///
    /// Raises
    /// ------
    /// OSError
    ///     The file cannot be written; an older one is as it was.
    /// InvalidInputError
    ///     The details are those of another plan.
    #[pyo3(signature = (path=None, *, details=None))]
    fn to_json(
        &self,
        py: Python<'_>,
        path: Option<&Bound<'_, PyAny>>,
        details: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<String>> {
        let problem = self.problem.get(py)?;
        let problem = &problem.get().inner;
        let text = match details {
            None => self.inner.to_json(problem),
            Some(details) => {
                let encoded = py.import("msgspec.json")?.call_method1("encode", (details,))?;
                let encoded: &[u8] = encoded.extract()?;
                entry::call(py, || self.inner.to_json_with(problem, &PlanDetails::from_json(encoded)?))?
            }
        };
        return_or_write(py, text, path)
    }

    fn __repr__(&self) -> String {
        let plan = &self.inner;
        let cost = plan.objective_value.map_or_else(String::new, |value| format!(", {value:.2} USD"));
        let gap = plan.gap().map_or_else(String::new, |gap| format!(", gap {:.2} %", 100.0 * gap));
        format!(
            "<Plan for {:?} by {}: {}{cost}{gap}, {} deployments>",
            plan.problem,
            plan.method,
            plan.status.as_str(),
            plan.deployments.len()
        )
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner == other.inner
    }

    fn __hash__(&self) -> u64 {
        let plan = &self.inner;
        let mut hasher = DefaultHasher::new();
        (&plan.problem, &plan.method, plan.seed, plan.deployments.len(), plan.routing.fraction.len()).hash(&mut hasher);
        hasher.finish()
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let arguments = PyDict::new(py);
        for key in ARGUMENTS {
            arguments.set_item(key, slf.getattr(key)?)?;
        }
        let state = (slf.get().problem.get(py)?, arguments).into_pyobject(py)?;
        Ok((py.import("servemix._core")?.getattr("_plan_from_arrays")?, state))
    }
}

const ARGUMENTS: [&str; 11] = [
    "method",
    "seed",
    "status",
    "stop_reason",
    "runtime_s",
    "deployments",
    "routing",
    "unmet",
    "objective_bound",
    "message",
    "statistics",
];

/// For pickle: a problem and the keyword arguments of `Plan.from_arrays` as a dict.
#[pyfunction]
#[pyo3(name = "_plan_from_arrays")]
pub(crate) fn plan_from_arrays<'py>(
    problem: &Bound<'py, PyProblem>,
    arguments: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = problem.py();
    py.get_type::<PyPlan>().getattr("from_arrays")?.call((problem,), Some(arguments))
}

pub(crate) fn seed_of(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    unsigned(value, "seed")
}
