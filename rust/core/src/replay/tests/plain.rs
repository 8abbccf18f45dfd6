//! The simulator's rules once more, slow and plain: one token and one block at a time, nothing counted that could be looked up.

use super::super::{EngineSettings, Passes, Requests, Scheduling, StepCurve};

#[derive(Clone)]
struct Sequence {
    request: usize,
    /// The prompt as it came.
    input: usize,
    /// And what was generated before a preemption.
    prompt: usize,
    computed: usize,
    generated: usize,
    blocks: usize,
    decodes: bool,
}

/// TTFT, latency and queueing time of every request on one engine without prefix caching.
pub(super) fn simulate(requests: &Requests, curve: &StepCurve, settings: &EngineSettings) -> Vec<[f64; 3]> {
    let count = requests.len();
    let mut times = vec![[f64::NAN; 3]; count];
    let mut free = (settings.kv_cache_tokens / 16) as usize;
    let mut waiting: Vec<(usize, usize)> = Vec::new();
    let mut running: Vec<Sequence> = Vec::new();
    let (mut now, mut next) = (0.0, 0);
    let budget = settings.max_num_batched_tokens as usize;
    loop {
        if running.is_empty() && waiting.is_empty() {
            if next == count {
                return times;
            }
            now = requests.arrival_s[next].max(now);
        }
        while next < count && requests.arrival_s[next] <= now {
            waiting.push((next, 0));
            next += 1;
        }
        let prefill_first = settings.scheduling == Scheduling::PrefillFirst;
        let mut left = budget;
        let mut prefills: Vec<(usize, usize, bool)> = Vec::new(); // (place in running, tokens, first chunk)
        let mut preempted = false;
        let mut decoding: Vec<usize> = Vec::new();
        if prefill_first {
            admit(requests, settings, &mut waiting, &mut running, &mut free, &mut left, &mut prefills, now, &mut times);
        }
        if prefills.is_empty() {
            // Blocks of all decoding sequences, the last admitted giving way.
            loop {
                let needed: usize = running.iter().filter(|one| one.decodes && held(one) % 16 == 0).count();
                if needed <= free {
                    break;
                }
                let last = running.pop().unwrap();
                free += last.blocks;
                waiting.insert(0, (last.request, last.generated));
                preempted = true;
            }
            for (place, one) in running.iter_mut().enumerate() {
                if one.decodes {
                    if held(one) % 16 == 0 {
                        one.blocks += 1;
                        free -= 1;
                    }
                    decoding.push(place);
                }
            }
            left = left.saturating_sub(decoding.len());
        }
        if !prefill_first {
            if let Some(place) = running.iter().position(|one| !one.decodes) {
                let tokens = (running[place].prompt - running[place].computed).min(left);
                let blocks = (running[place].computed + tokens).div_ceil(16) - running[place].computed.div_ceil(16);
                if blocks > free {
                    let last = running.pop().unwrap();
                    free += last.blocks;
                    waiting.insert(0, (last.request, last.generated));
                    preempted = true;
                } else {
                    free -= blocks;
                    running[place].blocks += blocks;
                    left -= tokens;
                    prefills.push((place, tokens, false));
                }
            }
            if !preempted {
                admit(
                    requests,
                    settings,
                    &mut waiting,
                    &mut running,
                    &mut free,
                    &mut left,
                    &mut prefills,
                    now,
                    &mut times,
                );
            }
        }
        // How long the step takes.
        let context: usize = decoding.iter().map(|&place| held(&running[place]) + 1).sum();
        let (mut alone, mut attention, mut tokens) = (0.0, 0.0, 0);
        for &(place, chunk, first) in &prefills {
            let (a, b) = (running[place].computed as f64, (running[place].computed + chunk) as f64);
            alone += if first { curve.prefill_fixed_s } else { 0.0 } + curve.prefill_per_token_s * chunk as f64;
            attention += curve.prefill_per_token2_s * (b * b - a * a);
            tokens += chunk;
        }
        let batch = decoding.len() as f64;
        let touching = if settings.passes == Passes::Fused { batch + tokens as f64 } else { batch };
        let touched = if touching > 0.0 { 1.0 - (1.0 - curve.expert_share).powf(touching) } else { 0.0 };
        let memory = curve.weights_s + curve.experts_s * touched + curve.per_context_token_s * context as f64;
        let fixed = curve.step_fixed_s + curve.step_sequence_s * batch;
        now += match settings.passes {
            Passes::Additive => {
                let decode = if decoding.is_empty() { 0.0 } else { memory.max(curve.per_sequence_s * batch) + fixed };
                decode + alone + attention
            }
            Passes::Fused => {
                let compute = curve.per_sequence_s * batch + curve.prefill_per_token_s * tokens as f64;
                memory.max(compute) + attention + fixed.max(if tokens > 0 { curve.prefill_fixed_s } else { 0.0 })
            }
        };
        // What it did.
        for &place in &decoding {
            running[place].generated += 1;
        }
        for &(place, chunk, _) in &prefills {
            let one = &mut running[place];
            one.computed += chunk;
            if one.computed == one.prompt {
                if one.generated == 0 {
                    times[one.request][0] = now - requests.arrival_s[one.request];
                }
                one.generated += 1;
                one.decodes = true;
            }
        }
        running.retain(|one| {
            let complete = one.generated == requests.output_tokens[one.request] as usize;
            if complete {
                free += one.blocks;
                times[one.request][1] = now - requests.arrival_s[one.request];
            }
            !complete
        });
    }
}

/// Tokens of a sequence in the cache: all but the one generated last.
fn held(one: &Sequence) -> usize {
    if one.decodes {
        one.input + one.generated - 1
    } else {
        one.computed
    }
}

#[allow(clippy::too_many_arguments)]
fn admit(
    requests: &Requests,
    settings: &EngineSettings,
    waiting: &mut Vec<(usize, usize)>,
    running: &mut Vec<Sequence>,
    free: &mut usize,
    left: &mut usize,
    prefills: &mut Vec<(usize, usize, bool)>,
    now: f64,
    times: &mut [[f64; 3]],
) {
    while !waiting.is_empty()
        && running.len() < settings.max_num_seqs as usize
        && running.iter().enumerate().all(|(place, one)| one.decodes || completes(one, place, prefills))
    {
        let (request, generated) = waiting[0];
        let prompt = requests.input_tokens[request] as usize + generated;
        let whole = settings.scheduling == Scheduling::PrefillFirst;
        let alone = whole && *left == settings.max_num_batched_tokens as usize;
        let tokens = if alone { prompt } else { prompt.min(*left) };
        if tokens == 0 || (whole && tokens < prompt) || tokens.div_ceil(16) > *free {
            return;
        }
        waiting.remove(0);
        *free -= tokens.div_ceil(16);
        *left = left.saturating_sub(tokens);
        if times[request][2].is_nan() {
            times[request][2] = now - requests.arrival_s[request];
        }
        prefills.push((running.len(), tokens, true));
        let input = requests.input_tokens[request] as usize;
        running.push(Sequence {
            request,
            input,
            prompt,
            computed: 0,
            generated,
            blocks: tokens.div_ceil(16),
            decodes: false,
        });
    }
}

/// Whether a prompt is complete with what this step computes of it.
fn completes(one: &Sequence, place: usize, prefills: &[(usize, usize, bool)]) -> bool {
    prefills.iter().any(|&(at, tokens, _)| at == place && one.computed + tokens == one.prompt)
}
