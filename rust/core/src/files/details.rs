//! What a plan file says beyond the problem: [`PlanDetails`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What only the maker of a problem knows and a plan file carries, so that it can be acted upon without the scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanDetails {
    /// One per deployment of the plan, in its order; or none.
    pub deployments: Vec<EngineDetails>,
    /// One per query type of the problem, in its order; or none.
    pub query_types: Vec<QueryTypeDetails>,
    /// Share of all requests that meet every SLO.
    pub attainment: Option<Attainment>,
    /// What the figures rest on.
    pub basis: Option<Basis>,
}

/// How to start the engine of one deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineDetails {
    /// What to load: a Hugging Face id or a path.
    pub checkpoint: Option<String>,
    /// Quantization method of the engine (vLLM `--quantization`); `None` where the checkpoint decides.
    pub quantization: Option<String>,
    /// GPU, as the catalog names it.
    pub gpu: Option<String>,
    /// GPUs in one node.
    pub gpus_per_node: Option<u32>,
    /// Precision of weights and arithmetic, as the catalog names it.
    pub precision: Option<String>,
    /// Format of the KV cache (vLLM `--kv-cache-dtype`).
    pub kv_precision: Option<String>,
    /// Tokens of one engine step at most.
    pub max_num_batched_tokens: Option<u32>,
    /// Longest sequence that the engine takes, tokens.
    pub max_model_len: Option<u32>,
    /// Share of a GPU's memory that the engine uses.
    pub gpu_memory_utilization: Option<f64>,
    /// KV cache of one replica, tokens.
    pub kv_cache_tokens: Option<f64>,
    /// Weights of one replica, GB.
    pub weights_gb: Option<f64>,
    /// Service curve of one pipeline lane.
    pub curve: Option<CurveRow>,
}

/// Coefficients of a service curve, seconds; see [`crate::replay::StepCurve`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // as in StepCurve
pub struct CurveRow {
    pub prefill_fixed_s: f64,
    pub prefill_per_token_s: f64,
    pub prefill_per_token2_s: f64,
    pub weights_s: f64,
    pub per_context_token_s: f64,
    pub per_sequence_s: f64,
    pub step_fixed_s: f64,
    #[serde(default)]
    pub step_sequence_s: f64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub experts_s: f64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub expert_share: f64,
}

/// A dense model has no experts, and its file says nothing of them.
#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// What a query type asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueryTypeDetails {
    /// Tokens of the prompt.
    pub input_tokens: Option<f64>,
    /// Tokens of the answer.
    pub output_tokens: Option<f64>,
    /// Geometric means of prompt and answer, tokens, by which requests are assigned to query types.
    pub geometric_mean: Option<[f64; 2]>,
    /// Limit of the time to first token, s.
    pub ttft_slo_s: Option<f64>,
    /// Limit of the time per output token, s.
    pub tpot_slo_s: Option<f64>,
    /// Share of its requests that meet every SLO.
    pub attainment: Option<Attainment>,
}

/// Share of requests that meet every SLO: what the plan was made for, and what a replay of it showed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attainment {
    /// What was planned for.
    pub planned: Option<f64>,
    /// What a replay showed; `None` where the plan was never replayed.
    pub replayed: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub high: Option<f64>,
}

/// What the figures of a plan rest on, for people.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Basis {
    /// Name of the performance model.
    pub performance_model: Option<String>,
    /// Where its efficiencies or measurements come from.
    pub calibration: Vec<String>,
    /// Facts that no one has verified.
    pub unverified: Vec<String>,
    /// Error rates that are no published numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub estimated_errors: Vec<EstimatedErrors>,
    /// What was assumed.
    pub assumptions: Vec<String>,
    /// What was replayed; `None` where the plan was never replayed.
    pub replayed: Option<String>,
    /// What was used of measured files; nothing is written where there were none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measured_files: Vec<MeasuredFile>,
    /// Deployments that rest on the performance model although a file covers their model and GPU.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modelled_although_covered: Vec<String>,
}

/// What a plan's problem used of one measured file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeasuredFile {
    /// The file.
    pub file: String,
    /// Its format.
    pub format: String,
    /// Measured rows in it.
    pub rows: u64,
    /// Rows of a deployment that the scenario has.
    pub matched: u64,
    /// Rows that a route's figures come from.
    pub used: u64,
    /// Why the others were not used, with their number.
    pub unused: BTreeMap<String, u64>,
}

/// Error rates of one model at one precision that were estimated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EstimatedErrors {
    /// Name of the model.
    pub model: String,
    /// Name of the precision.
    pub precision: String,
    /// The query types whose errors were estimated.
    pub query_types: Vec<EstimatedError>,
    /// What the precision keeps of the accuracy.
    pub retention: Option<PublishedRetention>,
}

/// The estimated error rate of a query type.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EstimatedError {
    /// Name of the query type.
    pub name: String,
    /// Error rate, from 0 to 1.
    pub error: f64,
    /// Error rate at the largest retention published.
    pub low: f64,
    /// Error rate at the least retention published.
    pub high: f64,
}

/// What is published of the accuracy that a precision keeps, over that at 16 bits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublishedRetention {
    /// The precision that was measured.
    pub precision: String,
    /// Median of all that is published.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// How many numbers are published.
    pub published: u32,
    /// Where.
    pub sources: Vec<String>,
}

impl PlanDetails {
    /// Reads details from their JSON form.
    ///
    /// # Errors
    /// [`Error::Invalid`] names what is unknown or of the wrong type.
    pub fn from_json(content: &[u8]) -> Result<Self> {
        serde_json::from_slice(content).map_err(|error| Error::invalid("details", error.to_string()))
    }

    pub(super) fn validate(&self, deployments: usize, query_types: usize) -> Result<()> {
        for (entry, length, expected) in [
            ("details.deployments", self.deployments.len(), deployments),
            ("details.query_types", self.query_types.len(), query_types),
        ] {
            if length != 0 && length != expected {
                let message = format!("has {length} entries where {expected} are expected");
                return Err(Error::invalid(entry, message));
            }
        }
        Ok(())
    }
}
