//! What became of the requests, and what the engines did: [`Outcomes`], [`DeploymentStats`].

/// Per request, in columns; NaN where it was not served.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcomes {
    /// From arrival to the first token, s.
    pub ttft_s: Vec<f64>,
    /// From arrival to the last token, s.
    pub latency_s: Vec<f64>,
    /// From arrival to the first pass that computes of its prompt, s.
    pub queue_s: Vec<f64>,
}

impl Outcomes {
    /// Nothing served yet.
    pub(super) fn none(count: usize) -> Self {
        Self { ttft_s: vec![f64::NAN; count], latency_s: vec![f64::NAN; count], queue_s: vec![f64::NAN; count] }
    }
}

/// What one engine did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EngineStats {
    pub(super) busy_s: f64,
    pub(super) sequence_s: f64,
    pub(super) kv_peak_tokens: u64,
    pub(super) preemptions: u64,
}

/// What one deployment did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeploymentStats {
    /// Index of the configuration in the problem.
    pub configuration: u32,
    /// Replicas.
    pub replicas: u32,
    /// Requests that were sent to it.
    pub requests: u64,
    /// Requests that fit in none of its engines' KV caches.
    pub refused: u64,
    /// Mean number of running sequences of an engine while it is busy.
    pub mean_batch: f64,
    /// Share of its engines' time, from the first arrival to the last answer of all, that they were busy.
    pub busy: f64,
    /// Mean number of requests waiting for their first pass, over the same time.
    pub queue: f64,
    /// The largest share of an engine's KV cache that was ever in use.
    pub kv_peak: f64,
    /// Sequences that lost their KV cache to others and were computed anew.
    pub preemptions: u64,
}
