//! Rows of a plan file: deployments and query types with what a reader without the problem needs.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::details::{Attainment, CurveRow, PlanDetails};
use super::write::json;
use crate::{Error, Plan, Problem, Result};

/// The indices decide; what stands beside them is for people and for tools that have no problem, and has to agree with the
/// problem where there is one ([`agree`]).
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeploymentRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    pub(super) configuration: u32,
    pub(super) replicas: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantization: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gpu: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gpus_per_node: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kv_precision: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tp: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pp: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_num_seqs: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_num_batched_tokens: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_model_len: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gpu_memory_utilization: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kv_cache_tokens: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weights_gb: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gpus: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usd_per_h: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_replicas: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    curve: Option<CurveRow>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryTypeRow {
    name: String,
    rate_per_h: f64,
    latency_slo_s: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input_tokens: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_tokens: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    geometric_mean: Option<[f64; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttft_slo_s: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tpot_slo_s: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attainment: Option<Attainment>,
}

/// Whether rows name what their indices stand for in `problem`: a plan of an edited problem would mean other engines.
///
/// # Errors
/// [`Error::Invalid`] names the first entry that says something else. Indices have to be those of `problem`.
pub(super) fn agree(deployments: &[DeploymentRow], query_types: &[QueryTypeRow], problem: &Problem) -> Result<()> {
    let differs = |entry: String, given: String, own: String| {
        Err(Error::invalid(
            entry,
            format!("is {given} where the problem has {own}; is the plan of another version of it?"),
        ))
    };
    let text = |value: &Option<String>| value.as_ref().map(|value| format!("{value:?}"));
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    for (index, row) in deployments.iter().enumerate() {
        let own = deployment_row(problem, row.configuration, row.replicas);
        let facts = [
            ("model", text(&row.model), text(&own.model)),
            ("tier", text(&row.tier), text(&own.tier)),
            ("tp", number(row.tp), number(own.tp)),
            ("pp", number(row.pp), number(own.pp)),
            ("max_num_seqs", number(row.max_num_seqs), number(own.max_num_seqs)),
        ];
        for (name, given, own) in facts {
            match (given, own) {
                (Some(given), Some(own)) if given != own => {
                    return differs(format!("deployments[{index}].{name}"), given, own);
                }
                _ => {}
            }
        }
    }
    let names = &problem.query_types.name;
    for (index, (row, own)) in query_types.iter().zip(names).enumerate() {
        if row.name != *own {
            return differs(format!("query_types[{index}].name"), format!("{:?}", row.name), format!("{own:?}"));
        }
    }
    if !query_types.is_empty() && query_types.len() != names.len() {
        return differs("query_types".to_owned(), format!("{} rows", query_types.len()), names.len().to_string());
    }
    Ok(())
}

/// One row per deployment. Names are unique within the plan, and the same from plan to plan as long as the engine is.
pub(super) fn deployment_rows(plan: &Plan, problem: &Problem, details: &PlanDetails) -> Vec<DeploymentRow> {
    let mut names = HashSet::new();
    let rows = plan.deployments.iter().enumerate();
    rows.map(|(index, deployment)| {
        let mut row = deployment_row(problem, deployment.configuration, deployment.replicas);
        if let Some(engine) = details.deployments.get(index).cloned() {
            row.checkpoint = engine.checkpoint;
            row.quantization = engine.quantization;
            row.gpu = engine.gpu;
            row.gpus_per_node = engine.gpus_per_node;
            row.precision = engine.precision;
            row.kv_precision = engine.kv_precision;
            row.max_num_batched_tokens = engine.max_num_batched_tokens;
            row.max_model_len = engine.max_model_len;
            row.gpu_memory_utilization = engine.gpu_memory_utilization;
            row.kv_cache_tokens = engine.kv_cache_tokens;
            row.weights_gb = engine.weights_gb.or(row.weights_gb);
            row.curve = engine.curve;
        }
        let mut name = row.name.take().unwrap_or_default();
        while !names.insert(name.clone()) {
            name = format!("{name}-c{}", deployment.configuration);
        }
        row.name = Some(name);
        row
    })
    .collect()
}

fn deployment_row(problem: &Problem, configuration: u32, replicas: u32) -> DeploymentRow {
    let (a, c) = (configuration as usize, &problem.configurations);
    if a >= problem.num_configurations() {
        // of another problem; the plan's own check says so
        return DeploymentRow { configuration, replicas, ..DeploymentRow::default() };
    }
    let (j, k) = (c.model[a] as usize, c.tier[a] as usize);
    let (model, tier) = (&problem.models.name[j], &problem.tiers.name[k]);
    let max_num_seqs = Some(c.max_num_seqs[a]).filter(|&limit| limit > 0);
    let batch = max_num_seqs.map_or_else(String::new, |limit| format!("-seqs{limit}"));
    let gpus = u64::from(c.tp[a]) * u64::from(c.pp[a]) * u64::from(replicas);
    DeploymentRow {
        name: Some(format!("{model}-{tier}-tp{}-pp{}{batch}", c.tp[a], c.pp[a])),
        configuration,
        replicas,
        model: Some(model.clone()),
        tier: Some(tier.clone()),
        tp: Some(c.tp[a]),
        pp: Some(c.pp[a]),
        max_num_seqs,
        weights_gb: Some(c.weights_gb[a]),
        gpus: Some(gpus),
        usd_per_h: Some(gpus as f64 * problem.tiers.gpu_usd_per_h[k]),
        max_replicas: Some(c.max_replicas[a]),
        ..DeploymentRow::default()
    }
}

pub(super) fn query_type_rows(problem: &Problem, details: &PlanDetails) -> Vec<QueryTypeRow> {
    let q = &problem.query_types;
    (0..problem.num_query_types())
        .map(|i| {
            let known = details.query_types.get(i).cloned().unwrap_or_default();
            QueryTypeRow {
                name: q.name[i].clone(),
                rate_per_h: q.rate_per_h[i],
                latency_slo_s: q.latency_slo_s[i],
                input_tokens: known.input_tokens,
                output_tokens: known.output_tokens,
                geometric_mean: known.geometric_mean,
                ttft_slo_s: known.ttft_slo_s,
                tpot_slo_s: known.tpot_slo_s,
                attainment: known.attainment,
            }
        })
        .collect()
}

/// The routing in columns: indices, and the names that they stand for.
pub(super) fn routing_columns(
    plan: &Plan,
    problem: &Problem,
    deployments: &[DeploymentRow],
) -> [(&'static str, String); 5] {
    let routing = &plan.routing;
    let type_name = |&i: &u32| problem.query_types.name.get(i as usize).cloned().unwrap_or_default();
    let deployment = |&a: &u32| {
        let row = deployments.iter().find(|row| row.configuration == a);
        row.and_then(|row| row.name.clone()).unwrap_or_default()
    };
    [
        ("query_type", json(&routing.query_type)),
        ("configuration", json(&routing.configuration)),
        ("fraction", json(&routing.fraction)),
        ("query_type_name", json(&routing.query_type.iter().map(type_name).collect::<Vec<_>>())),
        ("deployment", json(&routing.configuration.iter().map(deployment).collect::<Vec<_>>())),
    ]
}
