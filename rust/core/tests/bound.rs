//! The lower bound against the exact optimum of small problems.

mod common;

use proptest::prelude::*;
use servemix_core::bound::{bound_at, reduce, Prices};
use servemix_core::{check, generate, lower_bound, solve, CancelToken, Method, Problem, SolveParams, Status, Stop};

fn bound(problem: &Problem, threads: usize) -> servemix_core::bound::LowerBound {
    let mut params = SolveParams::default();
    params.threads = threads;
    lower_bound(problem, &params, &Stop::new(&params, &CancelToken::new())).expect("threads start")
}

/// The plan of a heuristic with its bound, without a time limit.
fn bounded(problem: &Problem, method: Method, threads: usize) -> servemix_core::Plan {
    let mut params = SolveParams::default();
    (params.bound, params.threads) = (true, threads);
    solve(problem, method, &params, None, &CancelToken::new()).expect("valid parameters")
}

fn prices(problem: &Problem, numbers: &[f64]) -> Prices {
    let mut prices = Prices::from_cheapest_routes(problem);
    let mut next = numbers.iter().cycle().copied();
    let mut draw = move || next.next().unwrap_or(0.0);
    prices.supply.iter_mut().for_each(|price| *price *= draw());
    prices.error.iter_mut().chain(&mut prices.latency).chain(&mut prices.pool).for_each(|price| *price = 10.0 * draw());
    prices.budget = draw();
    prices.storage = draw();
    prices
}

fn check_against_enumeration(seed: u64, numbers: &[f64]) -> Result<(), TestCaseError> {
    let problem = generate::small(seed).expect("a valid problem");
    let found = bound(&problem, 1);
    let Some(optimum) = common::optimum(&problem) else {
        // Without a plan every number is a bound, and "infeasible" is right but not always found by a relaxation.
        return Ok(());
    };
    let most = optimum + 1e-7 * (1.0 + optimum.abs());
    let least = common::nearly_least_accepted(&problem).expect("no more than the optimum");
    let highest = least + 1e-7 * (1.0 + least.abs());
    prop_assert!(found.value <= highest, "seed {seed}: bound {} above a plan of {least}", found.value);
    prop_assert!(!found.infeasible, "seed {seed}: called infeasible with a plan of {optimum}");
    prop_assert!(found.value <= most, "seed {seed}: bound {} above optimum {optimum}", found.value);
    let at_any = bound_at(&problem, &prices(&problem, numbers));
    prop_assert!(at_any <= most, "seed {seed}: bound {at_any} at any prices above optimum {optimum}");
    prop_assert!(bound_at(&problem, &found.prices) <= most);
    // Nothing that the optimum needs is dropped, whichever the prices.
    for prices in [&found.prices, &prices(&problem, numbers)] {
        let reduction = reduce(&problem, prices, most + 1e-6);
        let mut replicas = vec![0; problem.num_configurations()];
        let kept = best_within(&problem, &reduction.domain, &mut replicas, 0);
        prop_assert!(
            kept.is_some_and(|value| value <= most),
            "seed {seed}: {kept:?} after the reduction, optimum {optimum}"
        );
    }
    Ok(())
}

fn best_within(
    problem: &Problem,
    domain: &servemix_core::bound::Domain,
    replicas: &mut Vec<u32>,
    a: usize,
) -> Option<f64> {
    if a == replicas.len() {
        return common::value_of(problem, replicas, None);
    }
    let taken = (0..a).any(|other| replicas[other] > 0 && problem.pair(other) == problem.pair(a));
    let mut best: Option<f64> = None;
    for count in 0..=if taken { 0 } else { domain.max[a] } {
        if count == 0 || domain.allows(a, count) {
            replicas[a] = count;
            let value = best_within(problem, domain, replicas, a + 1);
            best = best.into_iter().chain(value).reduce(f64::min);
        }
    }
    replicas[a] = 0;
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn with_time_to_branch_agh_proves_its_plan_or_that_there_is_none(seed in any::<u64>()) {
        let problem = generate::small(seed).expect("a valid problem");
        let mut params = SolveParams::default();
        params.bound = true;
        params.time_limit_s = Some(60.0);
        let plan = solve(&problem, Method::Agh, &params, None, &CancelToken::new()).expect("settings are valid");
        let Some(optimum) = common::optimum(&problem) else {
            prop_assert_eq!(plan.status, Status::Infeasible, "seed {}", seed);
            return Ok(());
        };
        let slack = 1e-7 * (1.0 + optimum.abs());
        let (value, bound) = (plan.objective_value.unwrap_or(f64::NAN), plan.objective_bound.unwrap_or(f64::NAN));
        prop_assert_eq!(plan.status, Status::Optimal, "seed {}", seed);
        let accepted = common::nearly_least_accepted(&problem).expect("no more than the optimum");
        prop_assert!(bound <= accepted + slack, "seed {seed}: bound {bound} above a plan of {accepted}");
        let least = common::least_accepted(&problem).expect("no more than the optimum");
        prop_assert!((value - least).abs() <= 1e-4 * value.abs() + slack, "seed {seed}: {value} for {least}");
        prop_assert!(check(&problem, &plan).expect("a plan of this problem").violations.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_bound_exceeds_the_optimum_and_no_reduction_loses_it(
        seed in any::<u64>(),
        numbers in prop::collection::vec(prop_oneof![Just(0.0), 0.0..3.0_f64, 0.9..1.1_f64], 1..12),
    ) {
        check_against_enumeration(seed, &numbers)?;
    }

    #[test]
    fn prices_that_are_no_prices_still_give_a_bound(
        seed in any::<u64>(),
        numbers in prop::collection::vec(any::<f64>(), 1..12),
    ) {
        let problem = generate::small(seed).expect("a valid problem");
        let value = bound_at(&problem, &prices(&problem, &numbers));
        prop_assert!(value >= 0.0);
        if let Some(optimum) = common::optimum(&problem) {
            prop_assert!(value <= optimum + 1e-7 * (1.0 + optimum.abs()));
        }
    }

    #[test]
    fn the_bound_of_a_heuristic_plan_is_below_every_accepted_plan_whatever_branching_adds(seed in any::<u64>()) {
        let problem = generate::small(seed).expect("a valid problem");
        if let Some(least) = common::nearly_least_accepted(&problem) {
            for method in [Method::Gh, Method::Agh] {
                let plan = bounded(&problem, method, 1);
                prop_assert_ne!(plan.status, Status::Infeasible);
                if let Some(bound) = plan.objective_bound {
                    prop_assert!(bound <= least + 1e-7 * (1.0 + least.abs()), "{method:?}: {bound} above a plan of {least}");
                }
            }
        }
    }

    #[test]
    fn a_plan_with_a_bound_is_the_same_on_any_number_of_threads(seed in any::<u64>()) {
        let problem = generate::wild(seed).expect("a valid problem");
        let (one, three) = (bounded(&problem, Method::Gh, 1), bounded(&problem, Method::Gh, 3));
        prop_assert_eq!((one.objective_value, one.objective_bound), (three.objective_value, three.objective_bound));
    }

    #[test]
    fn threads_do_not_change_the_bound(seed in any::<u64>()) {
        let problem = generate::wild(seed).expect("a valid problem");
        prop_assert_eq!(bound(&problem, 1), bound(&problem, 3));
    }
}

#[test]
fn what_branching_proves_at_once_is_called_optimal() {
    let mut proven = 0;
    for seed in 0..60 {
        let problem = generate::small(seed).expect("a valid problem");
        let exact = bounded(&problem, Method::Bnb, 1);
        let nodes = exact.statistics.iter().find(|(name, _)| name == "nodes").map_or(0.0, |(_, count)| *count);
        if exact.status == Status::Optimal && nodes <= 16.0 {
            let plan = bounded(&problem, Method::Agh, 1);
            assert_eq!(plan.status, Status::Optimal, "seed {seed}: {:?} after {nodes} nodes", plan.gap());
            proven += 1;
        }
    }
    assert!(proven > 20);
}

#[test]
#[ignore = "minutes in a debug build; run with --release"]
fn no_bound_exceeds_the_optimum_of_five_thousand_problems() {
    for seed in 0..5_000 {
        check_against_enumeration(seed, &[1.0, 0.3, 0.0, 1.7]).expect("a valid bound");
    }
}

/// The shared measuring problems, where they are.
fn instances() -> Option<std::path::PathBuf> {
    let shared = std::env::var_os("SERVEMIX_SHARED").map(std::path::PathBuf::from);
    let beside = || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    Some(shared.unwrap_or_else(beside).join("instances")).filter(|folder| folder.join("known.json").exists())
}

#[test]
fn no_bound_exceeds_the_known_optima() {
    // Skipped where there are no measuring problems beside the checkout.
    let Some(folder) = instances() else { return };
    let text = std::fs::read_to_string(folder.join("known.json")).expect("it is there");
    let text = text.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null");
    let known: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).expect("it is JSON");
    let mut checked = 0;
    // The larger ones take long in a debug build.
    let sizes: &[&str] = if cfg!(debug_assertions) { &["06-06-10", "wild"] } else { &[""] };
    for (name, found) in known.iter().filter(|(name, _)| sizes.iter().any(|size| name.contains(size))) {
        let problem = servemix_core::read_problem(folder.join(format!("{name}.json.gz"))).expect("it is valid");
        let bound = bound(&problem, 1);
        assert!(bound.converged, "{name}");
        assert!(!bound.infeasible || found["status"] == "Infeasible", "{name}: {bound:?}");
        if let (Some(value), "Optimal") = (found["objective_value"].as_f64(), found["status"].as_str().unwrap_or("")) {
            assert!(bound.value <= value * (1.0 + 1e-6), "{name}: {} above {value}", bound.value);
            checked += 1;
        }
    }
    assert!(checked > 20);
}
