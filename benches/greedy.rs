//! Time of the greedy heuristic from a built problem, whole and in parts, on one thread.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion};
use servemix_core::construct::{construct, falling_rate, Workspace};
use servemix_core::generate::{physical, Family, Size};
use servemix_core::{solve, CancelToken, Method, Problem, SolveParams, Switches};

fn problems() -> Vec<Problem> {
    let sizes = [Size::new(6, 6, 10), Size::new(10, 10, 10), Size::new(20, 20, 20)];
    let families = [(1.0, Family::Plain), (10.0, Family::Plain), (10.0, Family::Budget), (10.0, Family::Pools)];
    let mut problems = Vec::new();
    for size in sizes {
        for (scale, family) in families {
            problems.push(physical(size, scale, family, 1).unwrap());
        }
    }
    problems
}

fn whole(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gh");
    let (params, cancel) = (SolveParams::default(), CancelToken::new());
    for problem in problems() {
        group.bench_function(BenchmarkId::from_parameter(&problem.name), |bencher| {
            bencher.iter(|| solve(black_box(&problem), Method::Gh, &params, None, &cancel).unwrap());
        });
    }
}

/// Problems whose budget serves about half of the query types, all of which have to be served.
fn without_plan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gh without a plan");
    let (params, cancel) = (SolveParams::default(), CancelToken::new());
    for num_types in [25, 50, 100, 200] {
        let ample = physical(Size::new(num_types, 6, 10), 10.0, Family::Plain, 1).unwrap();
        let cost = solve(&ample, Method::Gh, &params, None, &cancel).unwrap().cost.unwrap();
        let mut data = ample.data().clone();
        data.query_types.max_unmet.fill(0.0);
        data.budget_usd = 0.5 * (cost.rental + cost.storage);
        let problem = Problem::new(data).unwrap();
        group.bench_function(BenchmarkId::new("routes", problem.num_routes()), |bencher| {
            bencher.iter(|| solve(black_box(&problem), Method::Gh, &params, None, &cancel).unwrap());
        });
    }
}

fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("construct");
    for problem in problems() {
        let order = falling_rate(&problem);
        group.bench_function(BenchmarkId::new("first", &problem.name), |bencher| {
            bencher.iter(|| {
                construct(black_box(&problem), &order, Switches::default(), &mut Workspace::new()).objective_usd
            });
        });
        let mut workspace = Workspace::new();
        group.bench_function(BenchmarkId::new("again", &problem.name), |bencher| {
            bencher.iter(|| construct(black_box(&problem), &order, Switches::default(), &mut workspace).objective_usd);
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(100))
        .measurement_time(std::time::Duration::from_millis(300));
    targets = whole, without_plan, parts
}
criterion_main!(benches);
