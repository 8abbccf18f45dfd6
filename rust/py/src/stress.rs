//! Stress tests, re-routing of fixed deployments, and generated problems.

use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use servemix_core::generate::{physical as core_physical, Family, Size};
use servemix_core::recourse::{plan_with_recourse, RecourseParams};
use servemix_core::stress::{reroute as core_reroute, stress as core_stress, Inflation, StressParams};
use servemix_core::Plan;

use crate::convert::{number, unsigned};
use crate::entry;
use crate::error::{invalid, to_py};
use crate::plan::PyPlan;
use crate::problem::PyProblem;
use crate::solve::PyCancelToken;

fn count(value: &Bound<'_, PyAny>, entry: &str) -> PyResult<u32> {
    let given = unsigned(value, entry)?;
    u32::try_from(given).map_err(|_| invalid(value.py(), entry, &format!("must be at most {}, got {given}", u32::MAX)))
}

/// Stress the deployments of a plan; see `servemix.experiments.stress`.
#[pyfunction]
#[pyo3(signature = (problem, plan, *, latency, error, demand, scenarios, first, seed, threads, cancel=None))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn _stress<'py>(
    problem: &Bound<'py, PyProblem>,
    plan: &Bound<'py, PyPlan>,
    latency: &Bound<'py, PyAny>,
    error: &Bound<'py, PyAny>,
    demand: &Bound<'py, PyAny>,
    scenarios: &Bound<'py, PyAny>,
    first: &Bound<'py, PyAny>,
    seed: &Bound<'py, PyAny>,
    threads: &Bound<'py, PyAny>,
    cancel: Option<&Bound<'py, PyCancelToken>>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = problem.py();
    let params = StressParams {
        inflation: Inflation {
            latency: number(latency, "inflation.latency")?,
            error: number(error, "inflation.error")?,
            demand: number(demand, "inflation.demand")?,
        },
        scenarios: count(scenarios, "scenarios")?,
        first: count(first, "first")?,
        seed: unsigned(seed, "seed")?,
        threads: usize::try_from(unsigned(threads, "threads")?).unwrap_or(usize::MAX),
    };
    let (owner, plan) = (&problem.get().inner, &plan.get().inner);
    let cancel = cancel.map(|token| &token.get().inner);
    let report = entry::call_with_token(py, cancel, params.threads, |token| core_stress(owner, plan, &params, token))?;
    let columns = PyDict::new(py);
    for (name, column) in [
        ("cost_usd", &report.cost_usd),
        ("latency_usd", &report.latency_usd),
        ("unmet_usd", &report.unmet_usd),
        ("violation_rate", &report.violation_rate),
    ] {
        columns.set_item(name, PyArray1::from_slice(py, column))?;
    }
    let unmet = PyArray1::from_slice(py, &report.unmet);
    columns.set_item("unmet", unmet.reshape([report.cost_usd.len(), owner.num_query_types()])?)?;
    Ok(columns)
}

/// Route the traffic of `problem` over the deployments of `plan`; see `servemix.experiments.reroute`.
#[pyfunction]
#[pyo3(signature = (problem, plan, *, lift_unmet=false))]
pub(crate) fn _reroute<'py>(
    problem: &Bound<'py, PyProblem>,
    plan: &Bound<'py, PyPlan>,
    lift_unmet: bool,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = problem.py();
    let (owner, given) = (&problem.get().inner, &plan.get().inner);
    let Some(best) = entry::call(py, || core_reroute(owner, given, lift_unmet))? else { return Ok(None) };
    let columns = PyDict::new(py);
    columns.set_item("unmet", PyArray1::from_slice(py, &best.unmet))?;
    columns.set_item("latency_usd", best.latency_usd)?;
    columns.set_item("unmet_usd", best.unmet_usd)?;
    let mut rerouted =
        entry::call(py, || Plan::from_solution(owner, given.deployments.clone(), &best.routing, best.unmet.clone()))?;
    rerouted.method.clone_from(&given.method);
    rerouted.seed = given.seed;
    columns.set_item("plan", Py::new(py, PyPlan::new(problem.clone().unbind(), rerouted))?)?;
    Ok(Some(columns))
}

/// Make a problem; see `servemix.experiments.generate`.
#[pyfunction]
#[pyo3(signature = (query_types, models, tiers, *, rate_scale, family, seed))]
pub(crate) fn _generate(
    query_types: &Bound<'_, PyAny>,
    models: &Bound<'_, PyAny>,
    tiers: &Bound<'_, PyAny>,
    rate_scale: &Bound<'_, PyAny>,
    family: &str,
    seed: &Bound<'_, PyAny>,
) -> PyResult<PyProblem> {
    const MOST: u32 = 10_000;
    let py = query_types.py();
    let size = |value: &Bound<'_, PyAny>, entry: &str| match count(value, entry)? {
        number @ 1..=MOST => Ok(number as usize),
        number => Err(invalid(py, entry, &format!("must lie between 1 and {MOST}, got {number}"))),
    };
    let size = Size::new(size(query_types, "query_types")?, size(models, "models")?, size(tiers, "tiers")?);
    let family = Family::parse(family).ok_or_else(|| {
        let names = Family::ALL.map(Family::as_str).join(", ");
        to_py(py, &servemix_core::Error::invalid("family", format!("must be one of {names}, got {family:?}")))
    })?;
    let rate_scale = number(rate_scale, "rate_scale")?;
    let seed = unsigned(seed, "seed")?;
    entry::call(py, || core_physical(size, rate_scale, family, seed)).map(PyProblem::new)
}

/// Plan for the least expected cost over sampled scenarios; see `servemix.Recourse`.
#[pyfunction]
#[pyo3(signature = (problem, starts, *, latency, error, demand, scenarios, seed, max_violation_rate, max_evaluations, time_limit=None, cancel=None))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn _plan_with_recourse(
    problem: &Bound<'_, PyProblem>,
    starts: Vec<Bound<'_, PyPlan>>,
    latency: &Bound<'_, PyAny>,
    error: &Bound<'_, PyAny>,
    demand: &Bound<'_, PyAny>,
    scenarios: &Bound<'_, PyAny>,
    seed: &Bound<'_, PyAny>,
    max_violation_rate: Option<f64>,
    max_evaluations: &Bound<'_, PyAny>,
    time_limit: Option<f64>,
    cancel: Option<&Bound<'_, PyCancelToken>>,
) -> PyResult<Option<PyPlan>> {
    let py = problem.py();
    let params = RecourseParams {
        inflation: Inflation {
            latency: number(latency, "inflation.latency")?,
            error: number(error, "inflation.error")?,
            demand: number(demand, "inflation.demand")?,
        },
        scenarios: count(scenarios, "recourse.scenarios")?,
        seed: unsigned(seed, "recourse.seed")?,
        max_violation_rate,
        max_evaluations: unsigned(max_evaluations, "recourse.max_evaluations")?,
        time_limit_s: time_limit,
    };
    let owner = &problem.get().inner;
    let starts: Vec<&Plan> = starts.iter().map(|start| &start.get().inner).collect();
    let cancel = cancel.map(|token| &token.get().inner);
    let found = entry::call_with_token(py, cancel, 1, |token| plan_with_recourse(owner, &params, &starts, token))?;
    Ok(found.map(|plan| PyPlan::new(problem.clone().unbind(), plan)))
}
