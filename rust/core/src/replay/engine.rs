//! One serving engine, iteration by iteration: [`Engine`]. What goes into a step is in `schedule`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::outcome::{EngineStats, Record};
use super::prefix::Blocks;
use super::requests::Jobs;
use super::settings::EngineSettings;
use super::{StepCurve, BLOCK_TOKENS};

pub(super) const BLOCK: u64 = BLOCK_TOKENS as u64;
const PHASES: usize = BLOCK_TOKENS as usize;

/// A request in this engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence {
    pub(super) request: u32,
    /// Tokens to compute before the next one is generated: the prompt, and after a preemption what was generated.
    pub(super) prompt: u64,
    /// Of them, computed or found in the cache.
    pub(super) computed: u64,
    /// Tokens generated when it was last admitted or began to decode.
    pub(super) generated: u32,
    /// The engine's decode steps when it began to decode; `None` while its prompt is computed.
    pub(super) decodes_since: Option<u64>,
    /// Leading hashes of its prompt whose blocks it shares.
    pub(super) shared: u32,
    /// Tells it from earlier users of its slot; 0 where the slot is not in use.
    pub(super) admission: u64,
}

/// What a step that is under way will have done.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnderWay {
    pub(super) end_s: f64,
    pub(super) decodes: bool,
}

impl Sequence {
    /// Tokens in the KV cache after `steps` decode steps of the engine.
    #[inline]
    pub(super) fn held(&self, steps: u64) -> u64 {
        self.decodes_since.map_or(self.computed, |since| self.prompt + steps - since)
    }

    /// Its place in the count by phase.
    #[inline]
    fn phase(&self, since: u64) -> usize {
        (self.prompt.wrapping_sub(since) % BLOCK) as usize
    }
}

/// One engine and its queue.
pub(super) struct Engine<'a> {
    pub(super) curve: StepCurve,
    pub(super) settings: EngineSettings,
    pub(super) jobs: &'a Jobs<'a>,
    /// When the next step can begin, s.
    pub(super) clock_s: f64,
    pub(super) under_way: Option<UnderWay>,
    /// Requests by arrival, each with the tokens it generated before it was preempted.
    pub(super) waiting: VecDeque<(u32, u32)>,
    pub(super) sequences: Vec<Sequence>,
    pub(super) unused_slots: Vec<u32>,
    /// Slots by admission; entries whose admission is over are skipped.
    pub(super) admitted: Vec<(u32, u64)>,
    /// Decoding sequences by their last step.
    pub(super) ends: BinaryHeap<Reverse<(u64, u32, u64)>>,
    /// Slots whose prompts the step under way completes.
    pub(super) completing: Vec<u32>,
    /// The sequence whose prompt is under way.
    pub(super) partial: Option<u32>,
    pub(super) running: u32,
    pub(super) decoding: u32,
    /// Tokens that decoding sequences hold.
    pub(super) context: u64,
    /// Decode steps so far.
    pub(super) steps: u64,
    /// Decoding sequences by (tokens held - steps) modulo the block, so that all of them move on at once.
    pub(super) phases: [u32; PHASES],
    pub(super) blocks: Blocks,
    pub(super) admissions: u64,
    /// Tokens to compute and to generate.
    pub(super) work: u64,
    /// The number of outstanding requests changes at no time before this, s.
    quiet_until_s: f64,
    pub(super) stats: EngineStats,
}

impl<'a> Engine<'a> {
    pub(super) fn new(curve: StepCurve, settings: EngineSettings, jobs: &'a Jobs<'a>) -> Self {
        let per_hash = jobs.prefixes.map_or(1, |prefixes| u64::from(prefixes.block_tokens) / BLOCK);
        Self {
            curve,
            settings,
            jobs,
            clock_s: 0.0,
            under_way: None,
            waiting: VecDeque::new(),
            sequences: Vec::new(),
            unused_slots: Vec::new(),
            admitted: Vec::new(),
            ends: BinaryHeap::new(),
            completing: Vec::new(),
            partial: None,
            running: 0,
            decoding: 0,
            context: 0,
            steps: 0,
            phases: [0; PHASES],
            blocks: Blocks::new(settings.kv_cache_tokens / BLOCK, per_hash),
            admissions: 0,
            work: 0,
            quiet_until_s: f64::INFINITY,
            stats: EngineStats::default(),
        }
    }

    /// Whether a request can ever be served here: its last token is generated, never stored.
    pub(super) fn can_hold(&self, request: u32) -> bool {
        let (input, output) = self.jobs.tokens(request);
        (input + output - 1).div_ceil(BLOCK) <= self.blocks.total()
    }

    /// Requests that are waiting or running.
    pub(super) fn outstanding(&self) -> usize {
        self.waiting.len() + self.running as usize
    }

    /// Sequences that could be admitted beside those outstanding.
    pub(super) fn room(&self) -> usize {
        (self.settings.max_num_seqs as usize).saturating_sub(self.outstanding())
    }

    /// When something happens here next if nothing arrives, s; infinite where nothing is outstanding.
    pub(super) fn next_s(&self) -> f64 {
        match self.under_way {
            Some(step) => step.end_s,
            None if self.outstanding() > 0 => self.clock_s,
            None => f64::INFINITY,
        }
    }

    /// Gives it a request at `now_s`, up to which it has run.
    pub(super) fn push(&mut self, request: u32, now_s: f64) {
        if self.under_way.is_none() && self.outstanding() == 0 {
            self.clock_s = self.clock_s.max(now_s);
        }
        let (input, output) = self.jobs.tokens(request);
        self.work += input + output;
        self.waiting.push_back((request, 0));
        self.quiet_until_s = self.quiet_until_s.min(now_s);
    }

    /// Tokens that its outstanding requests have to compute and to generate.
    pub(super) fn work(&self) -> u64 {
        self.work
    }

    /// Ends the step under way where that is at `now_s`, or goes on idle until then.
    pub(super) fn arrive_at(&mut self, now_s: f64, record: &mut Record<'_>) {
        match self.under_way {
            Some(step) if step.end_s <= now_s => self.finish(step, record),
            None => self.clock_s = self.clock_s.max(now_s),
            Some(_) => {}
        }
    }

    /// Begins one step, or does several up to `until_s` in which no one comes or goes.
    pub(super) fn step(&mut self, until_s: f64, record: &mut Record<'_>) {
        if self.under_way.is_none() && self.outstanding() > 0 && !self.leap(until_s, record) {
            self.begin(record);
        }
    }

    /// Runs up to `until_s` where the number of outstanding requests may have changed by then.
    #[inline]
    pub(super) fn settle(&mut self, until_s: f64, record: &mut Record<'_>) {
        if until_s > self.quiet_until_s {
            self.run_until(until_s, record);
        }
    }

    /// Does all that ends at `until_s` or before; a step begins only before it, so that a request that arrives then is in it.
    pub(super) fn run_until(&mut self, until_s: f64, record: &mut Record<'_>) {
        loop {
            if let Some(step) = self.under_way {
                if step.end_s > until_s {
                    break;
                }
                self.finish(step, record);
            }
            if self.outstanding() == 0 || self.clock_s >= until_s {
                break;
            }
            if !self.leap(until_s, record) {
                self.begin(record);
            }
        }
        self.quiet_until_s = self.next_change_s();
    }

    /// A time before which no one leaves, on the safe side of rounding.
    fn next_change_s(&self) -> f64 {
        let Some(step) = self.under_way else {
            return if self.outstanding() == 0 { f64::INFINITY } else { self.clock_s };
        };
        let alone = step.decodes && self.partial.is_none() && self.completing.is_empty() && self.waiting.is_empty();
        let Some(&Reverse((last, ..))) = self.ends.peek() else { return step.end_s };
        let rest = last.saturating_sub(self.steps + 1);
        if !alone || rest == 0 || self.new_blocks(rest + 1) > self.blocks.available() {
            return step.end_s;
        }
        // In the step after the one under way every sequence holds a token more, and adds another.
        let context = (self.context + 2 * u64::from(self.decoding)) as f64;
        step.end_s + self.curve.stretch_s(self.decoding, context, rest as f64) * (1.0 - 1e-9)
    }

    /// Blocks that the next `steps` decode steps take.
    #[inline]
    fn new_blocks(&self, steps: u64) -> u64 {
        let whole = steps / BLOCK * u64::from(self.decoding);
        (0..steps % BLOCK).fold(whole, |sum, step| sum + u64::from(self.phases[phase_at(self.steps + step)]))
    }

    /// Decode steps in which nothing happens but that every sequence grows, all at once; `false` where there are not two.
    fn leap(&mut self, until_s: f64, record: &mut Record<'_>) -> bool {
        if !self.settings.leap || self.decoding == 0 || self.partial.is_some() || self.admissible().is_some() {
            return false;
        }
        let Some(&Reverse((last, ..))) = self.ends.peek() else { return false };
        let context = (self.context + u64::from(self.decoding)) as f64;
        let mut steps = last - self.steps;
        let available = self.blocks.available();
        if self.new_blocks(steps) > available {
            let mut low = 0;
            while steps - low > 1 {
                let middle = low + (steps - low) / 2;
                if self.new_blocks(middle) <= available {
                    low = middle;
                } else {
                    steps = middle;
                }
            }
            steps = low;
        }
        steps = self.curve.steps_within(self.decoding, context, until_s - self.clock_s, steps);
        if steps < 2 {
            return false;
        }
        let took_s = self.curve.stretch_s(self.decoding, context, steps as f64);
        self.blocks.take(self.new_blocks(steps));
        self.note(took_s);
        self.clock_s += took_s;
        self.decoded(steps, record);
        true
    }

    /// Ends the step under way.
    fn finish(&mut self, step: UnderWay, record: &mut Record<'_>) {
        self.under_way = None;
        self.clock_s = step.end_s;
        if step.decodes {
            self.decoded(1, record);
        }
        let mut completing = std::mem::take(&mut self.completing);
        for slot in completing.drain(..) {
            self.first_token(slot, record);
        }
        self.completing = completing;
    }

    /// Every decoding sequence has generated `steps` more tokens; those that are complete leave.
    fn decoded(&mut self, steps: u64, record: &mut Record<'_>) {
        self.steps += steps;
        self.work -= steps * u64::from(self.decoding);
        self.context += steps * u64::from(self.decoding);
        while let Some(&Reverse((last, slot, admission))) = self.ends.peek() {
            if last > self.steps {
                break;
            }
            self.ends.pop();
            let sequence = self.sequences[slot as usize];
            if sequence.admission == admission {
                self.leave_decoding(sequence);
                record.completed(self.jobs, sequence.request, self.clock_s);
                self.leave(slot);
            }
        }
    }

    /// The pass that completed a prompt has generated a token; the sequence decodes from now on, unless that was its last.
    fn first_token(&mut self, slot: u32, record: &mut Record<'_>) {
        let steps = self.steps;
        let sequence = &mut self.sequences[slot as usize];
        let request = sequence.request;
        if sequence.generated == 0 {
            record.outcomes.ttft_s[request as usize] = self.clock_s - self.jobs.arrival_s[request as usize];
        }
        sequence.generated += 1;
        self.work -= 1;
        if let Some(prefixes) = self.jobs.prefixes.filter(|_| self.settings.prefix_caching) {
            let hashes = prefixes.of(self.jobs.id[request as usize]);
            let whole = (sequence.prompt / u64::from(prefixes.block_tokens)).min(hashes.len() as u64) as usize;
            let computed = hashes.get(sequence.shared as usize..whole).unwrap_or_default();
            sequence.shared += self.blocks.keep(computed) as u32;
        }
        let left = u64::from(self.jobs.output_tokens[request as usize] - sequence.generated);
        if left == 0 {
            record.completed(self.jobs, request, self.clock_s);
            self.leave(slot);
            return;
        }
        sequence.decodes_since = Some(steps);
        let (held, phase, admission) = (sequence.prompt, sequence.phase(steps), sequence.admission);
        self.decoding += 1;
        self.context += held;
        self.phases[phase] += 1;
        self.ends.push(Reverse((steps + left, slot, admission)));
    }

    /// Takes a sequence out of what is counted of decoding ones.
    pub(super) fn leave_decoding(&mut self, sequence: Sequence) {
        let Some(since) = sequence.decodes_since else { return };
        self.decoding -= 1;
        self.context -= sequence.held(self.steps);
        self.phases[sequence.phase(since)] -= 1;
    }

    /// Frees a sequence's slot and blocks.
    pub(super) fn leave(&mut self, slot: u32) {
        let sequence = &mut self.sequences[slot as usize];
        let shared = u64::from(sequence.shared);
        self.blocks.give_back(sequence.held(self.steps).div_ceil(BLOCK) - shared * self.blocks.per_hash());
        if let Some(prefixes) = self.jobs.prefixes.filter(|_| shared > 0) {
            self.blocks.release(&prefixes.of(self.jobs.id[sequence.request as usize])[..sequence.shared as usize]);
        }
        sequence.admission = 0;
        self.running -= 1;
        self.unused_slots.push(slot);
    }

    /// Counts a stretch of time in the statistics.
    #[inline]
    pub(super) fn note(&mut self, took_s: f64) {
        self.stats.busy_s += took_s;
        self.stats.sequence_s += took_s * f64::from(self.running);
        self.stats.kv_peak_tokens = self.stats.kv_peak_tokens.max(self.blocks.used() * BLOCK);
    }
}

/// Decoding sequences whose tokens fill their blocks before decode step `step`.
#[inline]
pub(super) fn phase_at(step: u64) -> usize {
    ((BLOCK - step % BLOCK) % BLOCK) as usize
}
