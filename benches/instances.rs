//! The shared measuring problems and what is known of them; shared by the benchmark programs.
#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};

use serde_json::Value;
use servemix_core::Problem;

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
    servemix_core::read_problem(folder.join(format!("{name}.json.gz"))).unwrap()
}
