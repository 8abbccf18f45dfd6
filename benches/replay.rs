//! Time of replays on one thread; the throughput is requests per second.
//!
//! An hour like the Azure trace's (28,185 requests, in bursts, long tails) on one replica that is too small for it, on one that
//! is not, on one whose KV cache is full, and on eight replicas; leaping and, for comparison, step by step.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use servemix_core::replay::{replay, Dispatch, EngineSettings, Requests, Served, StepCurve};
use servemix_core::CancelToken;

const COUNT: usize = 28_185;

/// Lengths as wide as those of the trace, and arrivals in an hour whose minutes differ.
fn requests() -> Requests {
    let mut rng = Pcg64::seed_from_u64(1);
    let mut requests = Requests::default();
    let minute: Vec<f64> = (0..60).map(|_| 0.3 + 1.4 * rng.random::<f64>()).collect();
    let total: f64 = minute.iter().sum();
    for (at, share) in minute.iter().enumerate() {
        let count = (COUNT as f64 * share / total) as usize;
        let mut arrivals: Vec<f64> = (0..count).map(|_| 60.0 * (at as f64 + rng.random::<f64>())).collect();
        arrivals.sort_by(f64::total_cmp);
        requests.arrival_s.extend(arrivals);
    }
    for _ in 0..requests.arrival_s.len() {
        let (long, wide) = (rng.random::<f64>(), rng.random::<f64>());
        requests.input_tokens.push((100.0 * 60.0_f64.powf(long)) as u32);
        requests.output_tokens.push((6.0 * 80.0_f64.powf(wide)) as u32);
        requests.query_type.push(0);
    }
    requests
}

fn hour(criterion: &mut Criterion) {
    // Llama-3.1-8B in 8 bits on an H100, about.
    let curve = StepCurve {
        prefill_fixed_s: 5e-3,
        prefill_per_token_s: 2e-5,
        prefill_per_token2_s: 2e-10,
        weights_s: 4e-3,
        per_context_token_s: 4e-8,
        per_sequence_s: 2e-5,
        step_fixed_s: 2e-3,
        step_sequence_s: 1e-5,
        ..StepCurve::default()
    };
    let requests = requests();
    let deployment = vec![0; requests.len()];
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(requests.len() as u64));
    let roomy = EngineSettings::default();
    let full = EngineSettings { kv_cache_tokens: 24_000, ..roomy };
    let small = EngineSettings { max_num_seqs: 8, ..roomy };
    for (name, settings, replicas) in [
        ("one replica", roomy, 1),
        ("one replica, overloaded", small, 1),
        ("one replica, KV cache full", full, 1),
        ("eight replicas", roomy, 8),
        ("one replica, step by step", EngineSettings { leap: false, ..roomy }, 1),
    ] {
        let served =
            [Served { configuration: 0, replicas: vec![(0.0, f64::INFINITY); replicas], lanes: 1, curve, settings }];
        let token = CancelToken::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                replay(black_box(&requests), &deployment, &served, Dispatch::LeastOutstanding, 1, &token).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, hour);
criterion_main!(benches);
