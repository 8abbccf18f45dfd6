//! The SLOs of the query types, and whether an answer meets them.

use crate::{Error, Result};

/// SLOs per query type; infinite where a type states none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slos {
    /// Time to the first token, s.
    pub ttft_s: Vec<f64>,
    /// Mean time per output token after the first, s.
    pub tpot_s: Vec<f64>,
    /// End-to-end latency, s.
    pub latency_s: Vec<f64>,
}

impl Slos {
    /// The number of query types, where the columns fit each other.
    pub(super) fn num_types(&self) -> Result<usize> {
        let num_types = self.ttft_s.len();
        if self.tpot_s.len() != num_types || self.latency_s.len() != num_types {
            return Err(Error::invalid("slos", "columns of different lengths"));
        }
        Ok(num_types)
    }
}

/// Time per output token after the first; NaN where there is only one, or none was served.
#[inline]
pub fn tpot_s(ttft_s: f64, latency_s: f64, output_tokens: u32) -> f64 {
    match output_tokens {
        0 | 1 => f64::NAN,
        more => (latency_s - ttft_s) / f64::from(more - 1),
    }
}

/// Whether an answer meets the SLOs of TTFT, TPOT and latency of query type `i`.
#[inline]
pub(super) fn meets(slos: &Slos, i: usize, ttft_s: f64, latency_s: f64, output_tokens: u32) -> [bool; 3] {
    let tpot = tpot_s(ttft_s, latency_s, output_tokens);
    [ttft_s <= slos.ttft_s[i], tpot.is_nan() || tpot <= slos.tpot_s[i], latency_s <= slos.latency_s[i]]
}
