//! Columns and figures of a plan, from Python and back.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use servemix_core::{Deployment, Routing, TransitionCosts};

use crate::convert::{number, Section};
use crate::error::invalid;

/// What starting replicas costs and takes; 0 if nothing is said.
pub(crate) fn transition_costs(
    start_usd: Option<&Bound<'_, PyAny>>,
    start_usd_per_gb: Option<&Bound<'_, PyAny>>,
    start_s: Option<&Bound<'_, PyAny>>,
    start_s_per_gb: Option<&Bound<'_, PyAny>>,
) -> PyResult<TransitionCosts> {
    let or_zero = |value: Option<&Bound<'_, PyAny>>, name: &str| value.map_or(Ok(0.0), |value| number(value, name));
    Ok(TransitionCosts {
        start_usd: or_zero(start_usd, "start_usd")?,
        start_usd_per_gb: or_zero(start_usd_per_gb, "start_usd_per_gb")?,
        start_s: or_zero(start_s, "start_s")?,
        start_s_per_gb: or_zero(start_s_per_gb, "start_s_per_gb")?,
    })
}

/// The parts of a cost by name.
pub(crate) fn cost_dict<'py>(py: Python<'py>, cost: &servemix_core::Cost) -> PyResult<Bound<'py, PyDict>> {
    let parts = PyDict::new(py);
    parts.set_item("rental", cost.rental)?;
    parts.set_item("storage", cost.storage)?;
    parts.set_item("latency", cost.latency)?;
    parts.set_item("unmet", cost.unmet)?;
    Ok(parts)
}

/// A copy of a dict of columns that is made once.
pub(crate) fn columns<'py, const N: usize>(
    py: Python<'py>,
    cell: &PyOnceLock<Py<PyDict>>,
    build: impl FnOnce() -> [(&'static str, Bound<'py, PyAny>); N],
) -> PyResult<Bound<'py, PyDict>> {
    let columns = cell.get_or_try_init(py, || {
        let columns = PyDict::new(py);
        for (key, column) in build() {
            columns.set_item(key, column)?;
        }
        PyResult::Ok(columns.unbind())
    })?;
    columns.bind(py).copy()
}

pub(crate) fn figures(statistics: &Bound<'_, PyDict>) -> PyResult<Vec<(String, f64)>> {
    let figure = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let name: String = key.extract()?;
        let value = number(&value, &format!("statistics.{name}"))?;
        Ok((name, value))
    };
    statistics.iter().map(figure).collect()
}

pub(crate) fn deployments_of(columns: &Bound<'_, PyAny>) -> PyResult<Vec<Deployment>> {
    let section = Section::new("deployments", columns, &["configuration", "replicas"], &[])?;
    let (configurations, replicas) = (section.integers("configuration")?, section.integers("replicas")?);
    if replicas.len() != configurations.len() {
        let message = format!("has {} entries where {} are expected", replicas.len(), configurations.len());
        return Err(invalid(columns.py(), "deployments.replicas", &message));
    }
    let deployment = |(configuration, replicas)| Deployment { configuration, replicas };
    Ok(configurations.into_iter().zip(replicas).map(deployment).collect())
}

pub(crate) fn routing_of(columns: &Bound<'_, PyAny>) -> PyResult<Routing> {
    let section = Section::new("routing", columns, &["query_type", "configuration", "fraction"], &[])?;
    Ok(Routing {
        query_type: section.integers("query_type")?,
        configuration: section.integers("configuration")?,
        fraction: section.floats("fraction")?,
    })
}
