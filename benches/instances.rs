//! The shared measuring problems and what is known of them; shared by the benchmark programs.
#![allow(dead_code, unreachable_pub)]

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use servemix_core::{
    Configurations, LatencyScope, Models, Pools, Problem, ProblemData, QueryTypes, Routes, Tiers, NO_POOL,
};

/// What an exact solver found.
pub struct Known {
    pub name: String,
    pub status: String,
    pub objective_value: f64,
    pub objective_bound: f64,
    pub runtime_s: f64,
}

impl Known {
    pub fn is_optimal(&self) -> bool {
        self.status == "Optimal"
    }

    pub fn is_infeasible(&self) -> bool {
        self.status == "Infeasible"
    }
}

/// The folder of the problems: `SERVEMIX_SHARED/instances`, or beside the checkout.
pub fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("SERVEMIX_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    Some(shared.join("instances")).filter(|path| path.join("known.json").exists())
}

/// Everything in `known.json`, in its order.
pub fn known(folder: &Path) -> Vec<Known> {
    let text = std::fs::read_to_string(folder.join("known.json")).unwrap();
    // Tokens that JSON does not have.
    let text = text.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null");
    let values: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let number = |value: &Value, key: &str| value[key].as_f64().unwrap_or(f64::NAN);
    values
        .iter()
        .map(|(name, value)| Known {
            name: name.clone(),
            status: value["status"].as_str().unwrap_or_default().to_owned(),
            objective_value: number(value, "objective_value"),
            objective_bound: number(value, "objective_bound"),
            runtime_s: number(value, "runtime_s"),
        })
        .collect()
}

/// Reads one problem.
pub fn load(folder: &Path, name: &str) -> Problem {
    let file = std::fs::File::open(folder.join(format!("{name}.json.gz"))).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let v: Value = serde_json::from_str(&text).unwrap();
    let number = |value: &Value| value.as_f64().unwrap_or(f64::INFINITY);
    let rows = |section: &str| v[section].as_array().unwrap().clone();
    let names = |section: &str| rows(section).iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    let floats = |section: &str, key: &str| rows(section).iter().map(|row| number(&row[key])).collect::<Vec<f64>>();
    let counts = |section: &str, key: &str| -> Vec<u32> {
        rows(section).iter().map(|row| row[key].as_u64().map_or(0, |count| count as u32)).collect()
    };
    let column = |key: &str| v["routes"][key].as_array().unwrap().iter().map(number).collect::<Vec<f64>>();
    let index = |key: &str| -> Vec<u32> {
        v["routes"][key].as_array().unwrap().iter().map(|value| value.as_u64().unwrap() as u32).collect()
    };
    Problem::new(ProblemData {
        name: name.to_owned(),
        horizon_h: number(&v["horizon_h"]),
        budget_usd: number(&v["budget_usd"]),
        storage_gb: number(&v["storage_gb"]),
        storage_usd_per_gb_h: number(&v["storage_usd_per_gb_h"]),
        max_utilization: number(&v["max_utilization"]),
        latency_scope: LatencyScope::parse(v["latency_scope"].as_str().unwrap()).unwrap(),
        pools: Pools { name: names("pools"), max_gpus: floats("pools", "max_gpus") },
        query_types: QueryTypes {
            name: names("query_types"),
            rate_per_h: floats("query_types", "rate_per_h"),
            latency_slo_s: floats("query_types", "latency_slo_s"),
            error_slo: floats("query_types", "error_slo"),
            latency_usd_per_s: floats("query_types", "latency_usd_per_s"),
            unmet_usd_per_query: floats("query_types", "unmet_usd_per_query"),
            max_unmet: floats("query_types", "max_unmet"),
            data_gb: floats("query_types", "data_gb"),
        },
        models: Models { name: names("models") },
        tiers: Tiers {
            name: names("tiers"),
            gpu_usd_per_h: floats("tiers", "gpu_usd_per_h"),
            pool: rows("tiers").iter().map(|row| row["pool"].as_u64().map_or(NO_POOL, |pool| pool as u32)).collect(),
        },
        configurations: Configurations {
            model: counts("configurations", "model"),
            tier: counts("configurations", "tier"),
            tp: counts("configurations", "tp"),
            pp: counts("configurations", "pp"),
            weights_gb: floats("configurations", "weights_gb"),
            kv_cache_gb: floats("configurations", "kv_cache_gb"),
            max_replicas: counts("configurations", "max_replicas"),
            max_num_seqs: counts("configurations", "max_num_seqs"),
        },
        routes: Routes {
            query_type: index("query_type"),
            configuration: index("configuration"),
            busy_s: column("busy_s"),
            kv_gb_s: column("kv_gb_s"),
            latency_s: column("latency_s"),
            error: column("error"),
        },
    })
    .unwrap()
}
