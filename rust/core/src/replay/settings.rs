//! How engines and deployments work: [`EngineSettings`], [`Dispatch`].

use crate::{Error, Result};

/// What an engine may do in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheduling {
    /// Decodes first, then as many prompt tokens as the budget leaves (vLLM v1, chunked prefill). The default.
    #[default]
    ChunkedPrefill,
    /// Whole prompts in steps of their own, before any decoding (vLLM v0 without chunked prefill).
    PrefillFirst,
}

/// How long a step takes that decodes and prefills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Passes {
    /// A decode step and the prefills, one after the other: what `busy_s` of a route counts. The default.
    #[default]
    Additive,
    /// One pass that reads the weights once: the larger of memory time and the arithmetic of both.
    Fused,
}

/// Settings of one engine: one pipeline lane of one replica.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineSettings {
    /// The most sequences that run at once; at least 1.
    pub max_num_seqs: u32,
    /// The most tokens, decoded and prefilled, of one step; at least `max_num_seqs`.
    pub max_num_batched_tokens: u32,
    /// KV cache of the engine, tokens; at least one block of 16.
    pub kv_cache_tokens: u64,
    /// What may be in a step.
    pub scheduling: Scheduling,
    /// How long a step takes.
    pub passes: Passes,
    /// Whether prompts share the blocks of equal beginnings, where the requests say which are equal.
    pub prefix_caching: bool,
    /// Whether stretches of pure decoding are done in closed form: the same results in a fraction of the time.
    pub leap: bool,
}

impl Default for EngineSettings {
    /// vLLM's defaults: 256 sequences, 8,192 tokens, chunked prefill, prefix caching; a KV cache without limit.
    fn default() -> Self {
        Self {
            max_num_seqs: 256,
            max_num_batched_tokens: 8192,
            kv_cache_tokens: 1 << 40,
            scheduling: Scheduling::default(),
            passes: Passes::default(),
            prefix_caching: true,
            leap: true,
        }
    }
}

impl EngineSettings {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the setting, below `entry`.
    pub fn validate(&self, entry: &str) -> Result<()> {
        let invalid = |name: &str, message: String| Err(Error::invalid(format!("{entry}.{name}"), message));
        if !(1..=1 << 24).contains(&self.max_num_seqs) {
            return invalid("max_num_seqs", format!("must lie between 1 and {}, got {}", 1 << 24, self.max_num_seqs));
        }
        if self.max_num_batched_tokens < self.max_num_seqs {
            let message =
                format!("must be at least max_num_seqs ({}), got {}", self.max_num_seqs, self.max_num_batched_tokens);
            return invalid("max_num_batched_tokens", message);
        }
        let least = u64::from(super::BLOCK_TOKENS);
        if !(least..=1 << 50).contains(&self.kv_cache_tokens) {
            return invalid(
                "kv_cache_tokens",
                format!("must lie between {least} and 2^50, got {}", self.kv_cache_tokens),
            );
        }
        Ok(())
    }
}

/// Which replica of a deployment gets a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dispatch {
    /// The one with the fewest requests waiting or running; of several, the first. The default.
    #[default]
    LeastOutstanding,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest tokens to prefill and to generate among its outstanding requests.
    LeastWork,
    /// None until one has room: all wait in one queue in order of arrival.
    SharedQueue,
}

impl Dispatch {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::LeastOutstanding, Self::RoundRobin, Self::LeastWork, Self::SharedQueue];

    /// The name in Python and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeastOutstanding => "least_outstanding",
            Self::RoundRobin => "round_robin",
            Self::LeastWork => "least_work",
            Self::SharedQueue => "shared_queue",
        }
    }

    /// The inverse of [`Dispatch::as_str`].
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such policy.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid("dispatch", format!("must be one of {names}, got {text:?}"))
        })
    }
}
