//! The stress test against a general solver, and what it promises of seeds, parts and threads.

#![allow(clippy::unwrap_used)]

mod common;

use proptest::prelude::*;
use servemix_core::generate::{physical, small, Family, Size};
use servemix_core::stress::{reroute, stress, Inflation, StressParams};
use servemix_core::{solve, CancelToken, Error, Method, Plan, Problem, ProblemData, SolveParams, Status};

fn plan_of(problem: &Problem) -> Option<Plan> {
    let plan = solve(problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).unwrap();
    plan.objective_value.is_some().then_some(plan)
}

fn problem_of(seed: u64) -> Problem {
    physical(Size::new(6, 6, 10), 5.0, Family::ALL[(seed % 5) as usize], seed).unwrap()
}

/// What the routing of the plan's deployments costs at best, by another solver; rental and storage are paid for.
fn by_general_solver(problem: &Problem, plan: &Plan, lift_unmet: bool) -> Option<f64> {
    let mut data: ProblemData = problem.data().clone();
    data.budget_usd = f64::INFINITY;
    data.storage_usd_per_gb_h = 0.0;
    data.pools.max_gpus.fill(f64::INFINITY);
    data.tiers.gpu_usd_per_h.fill(0.0);
    if lift_unmet {
        data.query_types.max_unmet.fill(1.0);
    }
    let paid = Problem::new(data).unwrap();
    let mut replicas = vec![0; problem.num_configurations()];
    for deployment in &plan.deployments {
        replicas[deployment.configuration as usize] = deployment.replicas;
    }
    common::value_of(&paid, &replicas, None)
}

/// The problem with a price for the unserved queries of every type.
fn priced(problem: &Problem) -> Problem {
    let mut data = problem.data().clone();
    for usd in data.query_types.unmet_usd_per_query.iter_mut().filter(|usd| **usd == 0.0) {
        *usd = 0.01;
    }
    Problem::new(data).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rerouting_is_optimal(seed in any::<u64>(), slower in 1.0..2.0_f64, lift in any::<bool>(), all_priced in any::<bool>()) {
        let problem = small(seed).unwrap();
        let problem = if all_priced { priced(&problem) } else { problem };
        let Some(plan) = plan_of(&problem) else { return Ok(()) };
        let mut data = problem.data().clone();
        for route in 0..problem.num_routes() {
            data.routes.busy_s[route] *= slower;
            data.routes.latency_s[route] *= slower;
            data.routes.error[route] *= slower;
        }
        let worse = Problem::new(data).unwrap();
        let best = reroute(&worse, &plan, lift).unwrap();
        let expected = by_general_solver(&worse, &plan, lift);
        match (best, expected) {
            (None, None) => prop_assert!(!lift),
            (Some(best), Some(expected)) => {
                let usd = best.latency_usd + best.unmet_usd;
                let within = 1e-5 * (1.0 + expected.abs());
                // With the cap lifted, types without a price are served nevertheless, which may cost latency.
                let served_for_nothing = lift && problem.data().query_types.unmet_usd_per_query.contains(&0.0);
                prop_assert!(usd >= expected - within, "{usd} {expected}");
                prop_assert!(served_for_nothing || usd <= expected + within, "{usd} {expected}");
                prop_assert!(best.unmet.iter().all(|share| (0.0..=1.0 + 1e-9).contains(share)));
            }
            (best, expected) => prop_assert!(false, "{best:?} {expected:?}"),
        }
    }

    #[test]
    fn without_inflation_nothing_gets_worse(seed in any::<u64>()) {
        let problem = priced(&small(seed).unwrap());
        let Some(plan) = plan_of(&problem) else { return Ok(()) };
        let params = StressParams { inflation: Inflation::uniform(1.0), scenarios: 3, ..StressParams::default() };
        let report = stress(&problem, &plan, &params, &CancelToken::new()).unwrap();
        prop_assert_eq!(report.cost_usd.len(), 3);
        let value = plan.objective_value.unwrap();
        for &usd in &report.cost_usd {
            // Stage 2 may trade served for unserved queries beyond the cap, never at a loss but for stored tokens.
            let stored: f64 = (0..problem.num_query_types()).map(|i| problem.data_usd(i)).sum();
            prop_assert!(usd <= value + stored + 1e-5 * (1.0 + value), "{usd} {value}");
        }
        prop_assert!(report.violation_rate.iter().all(|rate| (0.0..=1.0 + 1e-9).contains(rate)));
    }
}

#[test]
fn threads_and_parts_change_nothing_and_seeds_do() {
    for seed in 0..5 {
        let problem = problem_of(seed);
        let Some(plan) = plan_of(&problem) else { continue };
        let run = |params| stress(&problem, &plan, &params, &CancelToken::new()).unwrap();
        let params = StressParams { scenarios: 25, seed: 3, ..StressParams::default() };
        let whole = run(params);
        assert_eq!(whole, run(StressParams { threads: 4, ..params }));
        let rest = run(StressParams { first: 10, scenarios: 15, ..params });
        assert_eq!(whole.cost_usd[10..], rest.cost_usd);
        assert_ne!(whole.cost_usd, run(StressParams { seed: 4, ..params }).cost_usd);
        assert_eq!(whole.unmet.len(), 25 * problem.num_query_types());
    }
}

#[test]
fn more_inflation_costs_more_on_average() {
    let problem = problem_of(0);
    let plan = plan_of(&problem).unwrap();
    let mean = |factor| {
        let params = StressParams { inflation: Inflation::uniform(factor), scenarios: 60, ..StressParams::default() };
        let report = stress(&problem, &plan, &params, &CancelToken::new()).unwrap();
        report.cost_usd.iter().sum::<f64>() / 60.0
    };
    assert!(mean(1.0) < mean(1.2) && mean(1.2) < mean(1.5));
}

#[test]
fn settings_and_plans_that_cannot_be_are_refused() {
    let problem = problem_of(0);
    let plan = plan_of(&problem).unwrap();
    let refused = |plan: &Plan, params: StressParams| match stress(&problem, plan, &params, &CancelToken::new()) {
        Err(Error::Invalid { entry, .. }) => entry,
        other => panic!("{other:?}"),
    };
    for factor in [0.9, f64::NAN, f64::INFINITY] {
        let inflation = Inflation { error: factor, ..Inflation::uniform(1.2) };
        assert_eq!(refused(&plan, StressParams { inflation, ..StressParams::default() }), "inflation.error");
    }
    assert_eq!(refused(&plan, StressParams { threads: 0, ..StressParams::default() }), "threads");
    let none = Plan::none("", "gh", 0, Status::NoSolutionFound, String::new());
    assert_eq!(refused(&none, StressParams::default()), "plan");
}

#[test]
fn a_cancelled_test_ends_early() {
    let problem = problem_of(0);
    let plan = plan_of(&problem).unwrap();
    let token = CancelToken::new();
    token.cancel();
    assert!(stress(&problem, &plan, &StressParams::default(), &token).unwrap().cost_usd.is_empty());
}
