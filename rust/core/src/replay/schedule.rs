//! What goes into a step of an [`Engine`], as vLLM's v1 scheduler chooses it.
//!
//! Every step decodes all running sequences, then gives what is left of the token budget to prompts: first the one that is under
//! way, then waiting ones in order of arrival, as long as a sequence slot and KV-cache blocks are free. The pass that completes a
//! prompt yields its first token. Where decoding needs a block and none is free, the sequence admitted last goes back to the
//! front of the queue and computes its tokens again later.
//!
//! Source: vLLM, `vllm/v1/core/sched/scheduler.py` (0.9 and later).

use std::cmp::Reverse;

use super::engine::{phase_at, Engine, Sequence, UnderWay, BLOCK};
use super::outcome::Record;
use super::settings::{Passes, Scheduling};

/// The prompts of a step.
#[derive(Debug, Default)]
struct Pass {
    /// Prompt tokens in it.
    tokens: u64,
    /// What the prompts take in passes of their own, s.
    alone_s: f64,
    /// The part of it that grows with the square of the prompts, s.
    attention_s: f64,
}

/// A waiting request that can be admitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admission {
    request: u32,
    generated: u32,
    prompt: u64,
    shared: usize,
    cached: u64,
    tokens: u64,
    blocks: u64,
}

impl Engine<'_> {
    /// Begins the next step: chooses what is in it and how long it takes.
    pub(super) fn begin(&mut self, record: &mut Record<'_>) {
        let mut pass = Pass::default();
        let budget = u64::from(self.settings.max_num_batched_tokens);
        let prefill_first = self.settings.scheduling == Scheduling::PrefillFirst;
        if prefill_first {
            self.admit(budget, &mut pass, record);
        }
        let decodes = self.decoding > 0 && pass.tokens == 0;
        let mut room = true;
        if decodes {
            let mut needed = u64::from(self.phases[phase_at(self.steps)]);
            while !self.blocks.take(needed) {
                room = false;
                self.preempt_last();
                needed = u64::from(self.phases[phase_at(self.steps)]);
            }
        }
        let batch = if decodes { self.decoding } else { 0 };
        if !prefill_first {
            let mut left = budget.saturating_sub(u64::from(batch));
            if let Some(slot) = self.partial {
                room &= self.go_on(slot, &mut left, &mut pass);
            }
            if room {
                self.admit(left, &mut pass, record);
            }
        }
        let context = (self.context + u64::from(batch)) as f64;
        let took_s = match self.settings.passes {
            Passes::Additive if batch > 0 => pass.alone_s + self.curve.step_s(batch, context),
            Passes::Additive => pass.alone_s,
            Passes::Fused => {
                self.curve.fused_s(batch, if batch > 0 { context } else { 0.0 }, pass.tokens as f64, pass.attention_s)
            }
        };
        self.note(took_s);
        self.under_way = Some(UnderWay { end_s: self.clock_s + took_s, decodes: batch > 0 });
    }

    /// The first waiting request, where it could be admitted now: how many hashes it shares, and how many blocks the next chunk takes.
    pub(super) fn admissible(&self) -> Option<Admission> {
        if self.running >= self.settings.max_num_seqs || self.partial.is_some() {
            return None;
        }
        let beside = if self.settings.scheduling == Scheduling::PrefillFirst { 0 } else { self.decoding };
        self.admission(u64::from(self.settings.max_num_batched_tokens).saturating_sub(u64::from(beside)))
    }

    /// What admitting the first waiting request with `budget` tokens takes; `None` where it cannot be.
    fn admission(&self, budget: u64) -> Option<Admission> {
        let &(request, generated) = self.waiting.front()?;
        let prompt = u64::from(self.jobs.input_tokens[request as usize]) + u64::from(generated);
        let (mut shared, mut unused, mut cached) = (0, 0, 0);
        if let Some(prefixes) = self.jobs.prefixes.filter(|_| self.settings.prefix_caching) {
            let hashes = prefixes.of(self.jobs.id[request as usize]);
            // One token at least is computed, for what it says about the next one.
            let whole = ((prompt - 1) / u64::from(prefixes.block_tokens)).min(hashes.len() as u64) as usize;
            (shared, unused) = self.blocks.matching(&hashes[..whole]);
            cached = shared as u64 * u64::from(prefixes.block_tokens);
        }
        let whole = self.settings.scheduling == Scheduling::PrefillFirst;
        // A whole prompt beyond the budget gets a step of its own.
        let alone = whole && budget == u64::from(self.settings.max_num_batched_tokens);
        let tokens = if alone { prompt - cached } else { (prompt - cached).min(budget) };
        if tokens == 0 || (whole && tokens < prompt - cached) {
            return None;
        }
        let blocks = (cached + tokens).div_ceil(BLOCK) - cached / BLOCK;
        let pinned = unused * self.blocks.per_hash();
        (blocks + pinned <= self.blocks.available()).then_some(Admission {
            request,
            generated,
            prompt,
            shared,
            cached,
            tokens,
            blocks,
        })
    }

    /// Admits waiting requests while there is room for them.
    fn admit(&mut self, mut budget: u64, pass: &mut Pass, record: &mut Record<'_>) {
        while self.running < self.settings.max_num_seqs && self.partial.is_none() {
            let Some(one) = self.admission(budget) else { break };
            self.waiting.pop_front();
            if let Some(prefixes) = self.jobs.prefixes.filter(|_| one.shared > 0) {
                self.blocks.share(&prefixes.of(self.jobs.id[one.request as usize])[..one.shared]);
            }
            self.blocks.take(one.blocks);
            self.work -= one.cached;
            let queue_s = &mut record.outcomes.queue_s[one.request as usize];
            if queue_s.is_nan() {
                *queue_s = self.clock_s - self.jobs.arrival_s[one.request as usize];
            }
            self.admissions += 1;
            let sequence = Sequence {
                request: one.request,
                prompt: one.prompt,
                computed: one.cached,
                generated: one.generated,
                decodes_since: None,
                shared: one.shared as u32,
                admission: self.admissions,
            };
            let slot = self.unused_slots.pop().unwrap_or(self.sequences.len() as u32);
            match self.sequences.get_mut(slot as usize) {
                Some(place) => *place = sequence,
                None => self.sequences.push(sequence),
            }
            self.admitted.push((slot, self.admissions));
            self.running += 1;
            pass.alone_s += self.curve.prefill_fixed_s;
            budget = budget.saturating_sub(one.tokens);
            self.compute(slot, one.tokens, pass);
        }
        if self.admitted.len() > 64 + 4 * self.running as usize {
            let sequences = &self.sequences;
            self.admitted.retain(|&(slot, admission)| sequences[slot as usize].admission == admission);
        }
    }

    /// The next chunk of the prompt under way; `false` where it was preempted for want of blocks.
    fn go_on(&mut self, slot: u32, budget: &mut u64, pass: &mut Pass) -> bool {
        let sequence = self.sequences[slot as usize];
        let tokens = (sequence.prompt - sequence.computed).min(*budget);
        let blocks = (sequence.computed + tokens).div_ceil(BLOCK) - sequence.computed.div_ceil(BLOCK);
        if !self.blocks.take(blocks) {
            self.preempt_last();
            return false;
        }
        *budget -= tokens;
        self.compute(slot, tokens, pass);
        true
    }

    /// Computes a chunk in this pass.
    fn compute(&mut self, slot: u32, tokens: u64, pass: &mut Pass) {
        let sequence = &mut self.sequences[slot as usize];
        let (done, count) = (sequence.computed as f64, tokens as f64);
        pass.alone_s += self.curve.prefill_tokens_s(done, count);
        pass.attention_s += self.curve.prefill_per_token2_s * count * (2.0 * done + count);
        pass.tokens += tokens;
        self.work -= tokens;
        sequence.computed += tokens;
        if sequence.computed == sequence.prompt {
            self.partial = None;
            self.completing.push(slot);
        } else {
            self.partial = Some(slot);
        }
    }

    /// Sends the sequence admitted last back to the front of the queue.
    fn preempt_last(&mut self) {
        while let Some((slot, admission)) = self.admitted.pop() {
            let sequence = self.sequences[slot as usize];
            if sequence.admission != admission {
                continue;
            }
            let mut generated = sequence.generated;
            if let Some(since) = sequence.decodes_since {
                self.leave_decoding(sequence);
                generated += (self.steps - since) as u32;
                // Its last token was never stored.
                self.work += sequence.held(self.steps) + 1;
            } else {
                self.partial = None;
                self.work += sequence.computed;
            }
            self.leave(slot);
            self.waiting.push_front((sequence.request, generated));
            self.stats.preemptions += 1;
            break;
        }
        let sequences = &self.sequences;
        while self
            .ends
            .peek()
            .is_some_and(|&Reverse((_, slot, admission))| sequences[slot as usize].admission != admission)
        {
            self.ends.pop();
        }
    }
}
