//! Time of choosing a deployment, one request at a time and many, on one thread and on two. Every figure is per request.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use servemix_core::generate::{physical, Family, Size};
use servemix_core::{solve, CancelToken, Method, Plan, RouterMode, SolveParams};

const REQUESTS: usize = 1 << 16;

/// A plan of 20 query types at a rate where most are split over several deployments.
fn plan() -> Plan {
    let problem = physical(Size::new(20, 20, 20), 10.0, Family::Budget, 1).unwrap();
    solve(&problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).unwrap()
}

/// Query types in an order that cannot be predicted.
fn requests(num_types: usize) -> Vec<u32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % num_types as u64) as u32
    };
    (0..REQUESTS).map(|_| next()).collect()
}

fn pick(criterion: &mut Criterion) {
    let plan = plan();
    let requests = requests(plan.unmet.len());
    for mode in [RouterMode::Random, RouterMode::Deficit] {
        let router = plan.router(mode, 0).unwrap();
        let mut group = criterion.benchmark_group(format!("router/{}", mode.as_str()));
        group.bench_function("pick", |bencher| {
            let mut n = 0;
            bencher.iter(|| {
                n = (n + 1) % REQUESTS;
                router.pick(black_box(requests[n])).unwrap()
            });
        });
        group.bench_function("pick, two threads", |bencher| {
            bencher.iter_custom(|count| {
                let start = Instant::now();
                thread::scope(|scope| {
                    for offset in [0, REQUESTS / 2] {
                        let (router, requests) = (&router, &requests);
                        scope.spawn(move || {
                            for n in 0..count as usize {
                                black_box(router.pick(requests[(n + offset) % REQUESTS]).unwrap());
                            }
                        });
                    }
                });
                start.elapsed()
            });
        });
        let mut chosen = vec![0; REQUESTS];
        for length in [16, REQUESTS] {
            group.throughput(Throughput::Elements(length as u64));
            group.bench_function(BenchmarkId::new("pick_many", length), |bencher| {
                bencher.iter(|| router.pick_many(black_box(&requests[..length]), &mut chosen[..length]).unwrap());
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(500));
    targets = pick
}
criterion_main!(benches);
