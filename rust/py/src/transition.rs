//! The classes `Transition` and `TransitionStep`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use servemix_core::{Action, ProblemData, Routing, Step, Transition};

use crate::convert::{array, index_array};
use crate::pickle::{reduced, Pickled, Reduced};
use crate::plan::seed_of;
use crate::plan_columns::columns;
use crate::router::PyRouter;

/// One step of a transition; each waits for the one before.
#[pyclass(name = "TransitionStep", module = "servemix", frozen)]
pub(crate) struct PyTransitionStep {
    inner: Step,
    description: String,
    routing: PyOnceLock<Py<PyDict>>,
}

/// Columns of a routing.
type Columns = (Vec<u32>, Vec<u32>, Vec<f64>);

fn columns_of(routing: &Routing) -> Columns {
    (routing.query_type.clone(), routing.configuration.clone(), routing.fraction.clone())
}

fn routing_of((query_type, configuration, fraction): Columns) -> Routing {
    Routing { query_type, configuration, fraction }
}

impl Pickled for PyTransitionStep {
    fn restore(state: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let (starts, configuration, replicas, start_s, served_share, served, routing, description) = state.extract()?;
        let inner = Step {
            action: if starts { Action::Start } else { Action::Stop },
            configuration,
            replicas,
            start_s,
            served_share,
            served,
            routing: routing_of(routing),
        };
        Ok(Self { inner, description, routing: PyOnceLock::new() })
    }
}

#[pymethods]
impl PyTransitionStep {
    /// "start" (and wait until the replicas serve) or "stop" (take the traffic away, let them finish, stop them).
    #[getter]
    fn action(&self) -> &'static str {
        self.inner.action.as_str()
    }

    /// Index of the configuration.
    #[getter]
    fn configuration(&self) -> u32 {
        self.inner.configuration
    }

    /// Replicas started or stopped.
    #[getter]
    fn replicas(&self) -> u32 {
        self.inner.replicas
    }

    /// Seconds until started replicas serve; 0 for a stop.
    #[getter]
    fn start_s(&self) -> f64 {
        self.inner.start_s
    }

    /// Share of all queries that the routing of this step serves, within the SLOs.
    #[getter]
    fn served_share(&self) -> f64 {
        self.inner.served_share
    }

    /// Share of each query type that it serves; as many queries as possible are served.
    #[getter]
    fn served<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        array(py, &self.inner.served)
    }

    /// Where traffic goes from this step on, as in `Plan.routing`: for a start once the replicas are ready, for a stop
    /// before they drain. None goes to a replica that does not serve.
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

    /// Make a router by the fractions of this step's routing.
    ///
    /// Parameters
    /// ----------
    /// seed, mode
    ///     As for `Plan.router`.
    ///
    /// Returns
    /// -------
    /// Router
    ///     The router, for use until the next step.
    ///
    /// Raises
    /// ------
    /// InvalidInputError
    ///     There is no such mode.
    #[pyo3(signature = (seed=0, *, mode="random"))]
    fn router(&self, py: Python<'_>, #[pyo3(from_py_with = seed_of)] seed: u64, mode: &str) -> PyResult<PyRouter> {
        PyRouter::of_step(py, &self.inner, seed, mode)
    }

    fn __repr__(&self) -> String {
        format!("<TransitionStep: {}>", self)
    }

    fn __str__(&self) -> String {
        self.to_string()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let step = &self.inner;
        let state = (
            matches!(step.action, Action::Start),
            step.configuration,
            step.replicas,
            step.start_s,
            step.served_share,
            step.served.clone(),
            columns_of(&step.routing),
            &self.description,
        );
        reduced::<Self, _>(py, state)
    }
}

impl std::fmt::Display for PyTransitionStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, then {:.2} % of the queries can be served", self.description, 100.0 * self.inner.served_share)
    }
}

/// How to get from one plan's deployments to another's; returned by `Plan.transition`.
#[pyclass(name = "Transition", module = "servemix", frozen)]
pub(crate) struct PyTransition {
    inner: Transition,
    steps: Vec<Py<PyTransitionStep>>,
}

impl Pickled for PyTransition {
    fn restore(state: &Bound<'_, PyTuple>) -> PyResult<Self> {
        type Figures = (bool, bool, f64, f64, f64, f64);
        type State = (Vec<Py<PyTransitionStep>>, Figures, Option<String>, Columns, Vec<f64>);
        let (steps, figures, message, routing, served): State = state.extract()?;
        let (is_safe, is_best, lowest_share, previous_share, next_share, start_usd) = figures;
        let inner = Transition {
            steps: steps.iter().map(|step| step.get().inner.clone()).collect(),
            is_safe,
            is_best,
            lowest_share,
            previous_share,
            next_share,
            start_usd,
            message,
            routing: routing_of(routing),
            served,
        };
        Ok(Self { inner, steps })
    }
}

impl PyTransition {
    pub(crate) fn new(py: Python<'_>, data: &ProblemData, inner: Transition) -> PyResult<Self> {
        let describe = |step: &Step| {
            let (c, a) = (&data.configurations, step.configuration as usize);
            format!(
                "{} {} of {} on {} (TP {}, PP {})",
                step.action.as_str(),
                step.replicas,
                data.models.name[c.model[a] as usize],
                data.tiers.name[c.tier[a] as usize],
                c.tp[a],
                c.pp[a]
            )
        };
        let wrap = |step: &Step| {
            Py::new(
                py,
                PyTransitionStep { inner: step.clone(), description: describe(step), routing: PyOnceLock::new() },
            )
        };
        let steps = inner.steps.iter().map(wrap).collect::<PyResult<_>>()?;
        Ok(Self { inner, steps })
    }
}

#[pymethods]
impl PyTransition {
    /// The steps in order; empty if nothing changes.
    #[getter]
    fn steps(&self, py: Python<'_>) -> Vec<Py<PyTransitionStep>> {
        self.steps.iter().map(|step| step.clone_ref(py)).collect()
    }

    /// Whether no moment serves less than the poorer of both plans.
    #[getter]
    fn safe(&self) -> bool {
        self.inner.is_safe
    }

    /// Whether it is proven that no other order of these starts and stops serves more at its lowest moment.
    #[getter]
    fn best(&self) -> bool {
        self.inner.is_best
    }

    /// Lowest share of all queries that can be served on the way, both ends included.
    #[getter]
    fn lowest_share(&self) -> f64 {
        self.inner.lowest_share
    }

    /// Share of all queries that the previous deployments can serve at the rates of the plan.
    #[getter]
    fn previous_share(&self) -> f64 {
        self.inner.previous_share
    }

    /// Share of all queries that the next deployments can serve.
    #[getter]
    fn next_share(&self) -> f64 {
        self.inner.next_share
    }

    /// Cost of the starts, USD.
    #[getter]
    fn start_usd(&self) -> f64 {
        self.inner.start_usd
    }

    /// Seconds that the starts take where steps that follow each other start at once.
    #[getter]
    fn duration_s(&self) -> f64 {
        let (mut total_s, mut wave_s) = (0.0, 0.0_f64);
        for step in &self.inner.steps {
            match step.action {
                Action::Start => wave_s = wave_s.max(step.start_s),
                Action::Stop => {
                    total_s += wave_s;
                    wave_s = 0.0;
                }
            }
        }
        total_s + wave_s
    }

    /// Where no safe order was found, how much less can be served on the way; None otherwise.
    #[getter]
    fn message(&self) -> Option<&str> {
        self.inner.message.as_deref()
    }

    fn __len__(&self) -> usize {
        self.steps.len()
    }

    fn __repr__(&self) -> String {
        let safety = if self.inner.is_safe { "safe" } else { "not safe" };
        format!("<Transition: {} steps, {safety}, {:.2} USD>", self.steps.len(), self.inner.start_usd)
    }

    fn __str__(&self) -> String {
        let mut lines: Vec<String> =
            (1..).zip(&self.steps).map(|(number, step)| format!("{number}. {}", step.get())).collect();
        lines.extend(self.inner.message.clone());
        lines.join("\n")
    }
    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("servemix.report.notebook")?.call_method1("transition_html", (slf,))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let all = &self.inner;
        let figures = (all.is_safe, all.is_best, all.lowest_share, all.previous_share, all.next_share, all.start_usd);
        reduced::<Self, _>(py, (self.steps(py), figures, &all.message, columns_of(&all.routing), all.served.clone()))
    }
}
