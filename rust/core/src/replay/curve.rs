//! What a step of one engine takes: [`StepCurve`].

use crate::{Error, Result};

/// Service curve of one engine: one pipeline lane of one replica.
///
/// With `h` prompt tokens, `B` sequences in a decode step and `C` context tokens in all of them:
///
/// ```text
/// prefill_s(h) = prefill_fixed_s + prefill_per_token_s·h + prefill_per_token2_s·h²
/// step_s(B, C) = max(read_s(B) + per_context_token_s·C, per_sequence_s·B) + step_fixed_s + step_sequence_s·B
/// read_s(B)    = weights_s + experts_s·(1 - (1 - expert_share)^B)
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepCurve {
    /// Fixed part of a prefill, s.
    pub prefill_fixed_s: f64,
    /// Prefill of one prompt token, s.
    pub prefill_per_token_s: f64,
    /// Prefill per square of the prompt's tokens (causal attention), s.
    pub prefill_per_token2_s: f64,
    /// Reading once the weights that every sequence passes through, s per step.
    pub weights_s: f64,
    /// Reading the KV cache of one token, s per step.
    pub per_context_token_s: f64,
    /// Arithmetic of one sequence, s per step.
    pub per_sequence_s: f64,
    /// Communication and launches of a step, s.
    pub step_fixed_s: f64,
    /// What each sequence adds to the fixed part of a step (sampling, activations on the links), s.
    pub step_sequence_s: f64,
    /// Reading all routed experts of a mixture once, s; a step reads those that its batch touches.
    pub experts_s: f64,
    /// Share of the routed experts that one sequence passes through.
    pub expert_share: f64,
}

impl StepCurve {
    /// Checks that every coefficient is a finite number of at least 0 and that a step takes time.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the coefficient, below `entry`.
    pub fn validate(&self, entry: &str) -> Result<()> {
        let named = [
            ("prefill_fixed_s", self.prefill_fixed_s),
            ("prefill_per_token_s", self.prefill_per_token_s),
            ("prefill_per_token2_s", self.prefill_per_token2_s),
            ("weights_s", self.weights_s),
            ("per_context_token_s", self.per_context_token_s),
            ("per_sequence_s", self.per_sequence_s),
            ("step_fixed_s", self.step_fixed_s),
            ("step_sequence_s", self.step_sequence_s),
            ("experts_s", self.experts_s),
        ];
        for (name, value) in named {
            if !(value.is_finite() && (0.0..=1e9).contains(&value)) {
                let message = format!("must lie between 0 and 1e9 s, got {value}");
                return Err(Error::invalid(format!("{entry}.{name}"), message));
            }
        }
        if !(0.0..=1.0).contains(&self.expert_share) {
            let message = format!("must lie between 0 and 1, got {}", self.expert_share);
            return Err(Error::invalid(format!("{entry}.expert_share"), message));
        }
        if self.step_s(1, 1.0) <= 0.0 {
            return Err(Error::invalid(entry, "a decode step of one sequence takes no time"));
        }
        Ok(())
    }

    /// One decode step of `sequences` sequences that hold `context_tokens` tokens in all, s.
    #[inline]
    pub fn step_s(&self, sequences: u32, context_tokens: f64) -> f64 {
        let batch = f64::from(sequences);
        let memory_s = self.read_s(batch) + self.per_context_token_s * context_tokens;
        memory_s.max(self.per_sequence_s * batch) + self.fixed_s(batch)
    }

    /// Weights that a pass of `tokens` tokens reads, s: all that every token passes through, and of the routed experts those that
    /// the tokens touch on average.
    #[inline]
    fn read_s(&self, tokens: f64) -> f64 {
        if self.experts_s == 0.0 || tokens == 0.0 {
            return self.weights_s;
        }
        // 1 - (1 - share)^tokens
        self.weights_s - self.experts_s * (tokens * (-self.expert_share).ln_1p()).exp_m1()
    }

    /// The part of a step that depends on no context, s.
    #[inline]
    fn fixed_s(&self, batch: f64) -> f64 {
        self.step_fixed_s + self.step_sequence_s * batch
    }

    /// Prefill of the `tokens` prompt tokens that follow the first `done`, without the fixed part, s.
    #[inline]
    pub fn prefill_tokens_s(&self, done: f64, tokens: f64) -> f64 {
        // (done + tokens)² - done², without the cancellation
        self.prefill_per_token_s * tokens + self.prefill_per_token2_s * tokens * (2.0 * done + tokens)
    }

    /// A pass that decodes `sequences` sequences and prefills `tokens` prompt tokens together: the weights are read once, and the
    /// arithmetic of both adds up. `attention_s` is the prefill's part that grows with the square of the prompt.
    #[inline]
    pub fn fused_s(&self, sequences: u32, context_tokens: f64, tokens: f64, attention_s: f64) -> f64 {
        let batch = f64::from(sequences);
        let memory_s = self.read_s(batch + tokens) + self.per_context_token_s * context_tokens;
        let compute_s = self.per_sequence_s * batch + self.prefill_per_token_s * tokens;
        let launch_s = if tokens > 0.0 { self.prefill_fixed_s } else { 0.0 };
        memory_s.max(compute_s) + attention_s + self.fixed_s(batch).max(launch_s)
    }

    /// `steps` decode steps in a row of the same sequences, each of which grows by a token per step; `context_tokens` is their
    /// context in the first step. Closed form of the sum of [`StepCurve::step_s`], s.
    pub fn stretch_s(&self, sequences: u32, context_tokens: f64, steps: f64) -> f64 {
        let batch = f64::from(sequences);
        let first = self.read_s(batch) + self.per_context_token_s * context_tokens;
        let slope = self.per_context_token_s * batch;
        let compute = self.per_sequence_s * batch;
        // Steps bound by arithmetic come first: the context only grows.
        let bound = if first >= compute {
            0.0
        } else if slope > 0.0 {
            ((compute - first) / slope).ceil().min(steps)
        } else {
            steps
        };
        let rest = steps - bound;
        let reading = rest * (first + slope * bound) + slope * rest * (rest - 1.0) / 2.0;
        bound * compute + reading + steps * self.fixed_s(batch)
    }

    /// The most steps, at most `most`, that [`StepCurve::stretch_s`] fits into `time_s`.
    pub fn steps_within(&self, sequences: u32, context_tokens: f64, time_s: f64, most: u64) -> u64 {
        let fits = |steps: u64| self.stretch_s(sequences, context_tokens, steps as f64) <= time_s;
        if most == 0 || !fits(1) {
            return 0;
        }
        if time_s == f64::INFINITY || fits(most) {
            return most;
        }
        // The steps grow by the same amount each, once they are bound by memory: start from the root of that parabola.
        let batch = f64::from(sequences);
        let one = self.step_s(sequences, context_tokens);
        let slope = self.per_context_token_s * batch;
        let linear = one - slope / 2.0;
        let root = (linear * linear + 2.0 * slope * time_s).sqrt();
        let guess = 2.0 * time_s / (linear + root);
        let (mut low, mut high) = (1, most);
        let mut middle = (guess as u64).clamp(low, high - 1);
        loop {
            if fits(middle) {
                low = middle;
            } else {
                high = middle;
            }
            if high - low <= 1 {
                return low;
            }
            // The guess is off by a step or two at most where memory binds throughout; bisection covers the rest.
            middle = if low == middle && high - low > 2 && fits(low + 1) && !fits(low + 2) {
                return low + 1;
            } else {
                low + (high - low) / 2
            };
        }
    }
}
