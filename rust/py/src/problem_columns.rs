//! Columns of a problem, from Python and back.

use pyo3::prelude::*;
use servemix_core::{Configurations, Pools, QueryTypes, Routes, Tiers};

use crate::convert::{array, index_array, optional_index_array, Section};

/// The arguments of `Problem.from_arrays`, which are attributes of a problem.
pub(crate) const ARGUMENTS: [&str; 13] = [
    "name",
    "horizon_h",
    "budget_usd",
    "storage_gb",
    "storage_usd_per_gb_h",
    "max_utilization",
    "latency_scope",
    "pools",
    "query_types",
    "models",
    "tiers",
    "configurations",
    "routes",
];

pub(crate) fn pools_of(columns: &Bound<'_, PyAny>) -> PyResult<Pools> {
    let section = Section::new("pools", columns, &["name", "max_gpus"], &[])?;
    Ok(Pools { name: section.names("name")?, max_gpus: section.limits("max_gpus")? })
}

pub(crate) fn query_types_of(columns: &Bound<'_, PyAny>) -> PyResult<QueryTypes> {
    let keys = [
        "name",
        "rate_per_h",
        "latency_slo_s",
        "error_slo",
        "latency_usd_per_s",
        "unmet_usd_per_query",
        "max_unmet",
        "data_gb",
    ];
    let section = Section::new("query_types", columns, &keys, &[])?;
    Ok(QueryTypes {
        name: section.names("name")?,
        rate_per_h: section.floats("rate_per_h")?,
        latency_slo_s: section.floats("latency_slo_s")?,
        error_slo: section.floats("error_slo")?,
        latency_usd_per_s: section.floats("latency_usd_per_s")?,
        unmet_usd_per_query: section.floats("unmet_usd_per_query")?,
        max_unmet: section.floats("max_unmet")?,
        data_gb: section.floats("data_gb")?,
    })
}

pub(crate) fn tiers_of(columns: &Bound<'_, PyAny>) -> PyResult<Tiers> {
    let section = Section::new("tiers", columns, &["name", "gpu_usd_per_h", "pool"], &[])?;
    Ok(Tiers {
        name: section.names("name")?,
        gpu_usd_per_h: section.floats("gpu_usd_per_h")?,
        pool: section.optional_indices("pool")?,
    })
}

pub(crate) fn configurations_of(columns: &Bound<'_, PyAny>) -> PyResult<Configurations> {
    let keys = ["model", "tier", "tp", "pp", "weights_gb", "kv_cache_gb", "max_replicas"];
    let section =
        Section::new("configurations", columns, &keys, &["max_num_seqs", "max_utilization", "min_replicas", "pair"])?;
    let model = section.integers("model")?;
    Ok(Configurations {
        tier: section.integers("tier")?,
        tp: section.integers("tp")?,
        pp: section.integers("pp")?,
        weights_gb: section.floats("weights_gb")?,
        kv_cache_gb: section.floats("kv_cache_gb")?,
        max_replicas: section.integers("max_replicas")?,
        max_num_seqs: section.optional_counts("max_num_seqs", model.len(), 0)?,
        max_utilization: section.optional_shares("max_utilization", model.len())?,
        min_replicas: section.optional_counts("min_replicas", model.len(), 1)?,
        pair: if section.has("pair")? { section.optional_indices("pair")? } else { Vec::new() },
        model,
    })
}

pub(crate) fn routes_of(columns: &Bound<'_, PyAny>) -> PyResult<Routes> {
    let keys = ["query_type", "configuration", "busy_s", "kv_gb_s", "latency_s", "error"];
    let section = Section::new("routes", columns, &keys, &[])?;
    Ok(Routes {
        query_type: section.integers("query_type")?,
        configuration: section.integers("configuration")?,
        busy_s: section.floats("busy_s")?,
        kv_gb_s: section.floats("kv_gb_s")?,
        latency_s: section.floats("latency_s")?,
        error: section.floats("error")?,
    })
}

/// The columns of query types as arrays.
pub(crate) fn query_type_columns<'py>(py: Python<'py>, types: &QueryTypes) -> [(&'static str, Bound<'py, PyAny>); 7] {
    [
        ("rate_per_h", array(py, &types.rate_per_h)),
        ("latency_slo_s", array(py, &types.latency_slo_s)),
        ("error_slo", array(py, &types.error_slo)),
        ("latency_usd_per_s", array(py, &types.latency_usd_per_s)),
        ("unmet_usd_per_query", array(py, &types.unmet_usd_per_query)),
        ("max_unmet", array(py, &types.max_unmet)),
        ("data_gb", array(py, &types.data_gb)),
    ]
}

/// The columns of configurations as arrays.
pub(crate) fn configuration_columns<'py>(
    py: Python<'py>,
    configurations: &Configurations,
) -> [(&'static str, Bound<'py, PyAny>); 11] {
    [
        ("model", index_array(py, &configurations.model)),
        ("tier", index_array(py, &configurations.tier)),
        ("tp", index_array(py, &configurations.tp)),
        ("pp", index_array(py, &configurations.pp)),
        ("weights_gb", array(py, &configurations.weights_gb)),
        ("kv_cache_gb", array(py, &configurations.kv_cache_gb)),
        ("max_replicas", index_array(py, &configurations.max_replicas)),
        ("max_num_seqs", index_array(py, &configurations.max_num_seqs)),
        ("max_utilization", array(py, &configurations.max_utilization)),
        ("min_replicas", index_array(py, &configurations.min_replicas)),
        ("pair", optional_index_array(py, &configurations.pair)),
    ]
}

/// The columns of routes as arrays.
pub(crate) fn route_columns<'py>(py: Python<'py>, routes: &Routes) -> [(&'static str, Bound<'py, PyAny>); 6] {
    [
        ("query_type", index_array(py, &routes.query_type)),
        ("configuration", index_array(py, &routes.configuration)),
        ("busy_s", array(py, &routes.busy_s)),
        ("kv_gb_s", array(py, &routes.kv_gb_s)),
        ("latency_s", array(py, &routes.latency_s)),
        ("error", array(py, &routes.error)),
    ]
}
