//! Plans for the least expected cost over scenarios, judged by the checker and the stress test.

use servemix_core::generate::{physical, small, Family, Size};
use servemix_core::recourse::{plan_with_recourse, RecourseParams};
use servemix_core::stress::{stress, Inflation, StressParams};
use servemix_core::{check, solve, CancelToken, Method, Plan, Problem, SolveParams, StopReason};

const PARAMS: RecourseParams = RecourseParams {
    inflation: Inflation::uniform(1.4),
    scenarios: 20,
    seed: 3,
    max_violation_rate: None,
    max_evaluations: 1_000,
    time_limit_s: None,
};

fn plan(problem: &Problem, params: &RecourseParams, starts: &[&Plan]) -> Option<Plan> {
    plan_with_recourse(problem, params, starts, &CancelToken::new()).expect("valid settings")
}

/// Mean cost and mean unserved share in the scenarios of `params`.
fn outcome(problem: &Problem, plan: &Plan, params: &RecourseParams) -> (f64, f64) {
    let RecourseParams { inflation, scenarios, seed, .. } = *params;
    let params = StressParams { inflation, scenarios, seed, ..StressParams::default() };
    let report = stress(problem, plan, &params, &CancelToken::new()).expect("a plan of this problem");
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    (mean(&report.cost_usd), mean(&report.violation_rate))
}

#[test]
fn plans_keep_every_constraint_at_the_figures_as_given() {
    let mut planned = 0;
    for seed in 0..150 {
        let problem = small(seed).expect("a valid problem");
        let params = RecourseParams { scenarios: 5, max_evaluations: 200, ..PARAMS };
        if let Some(plan) = plan(&problem, &params, &[]) {
            planned += 1;
            let report = check(&problem, &plan).expect("a plan of this problem");
            assert!(report.is_feasible(), "{seed}: {:?}", report.violations);
        }
    }
    assert!(planned > 50, "{planned}");
}

#[test]
fn a_plan_costs_no_more_in_its_scenarios_than_the_one_that_it_starts_from() {
    for (family, seed) in [(Family::Plain, 1), (Family::Pools, 2), (Family::Storage, 3), (Family::Average, 4)] {
        let problem = physical(Size::new(4, 4, 5), 1.0, family, seed).expect("a valid problem");
        let start = solve(&problem, Method::Agh, &SolveParams::default(), None, &CancelToken::new()).expect("settings");
        let found = plan(&problem, &PARAMS, &[&start]).expect("a plan, as the start is one");
        let (before, after) = (outcome(&problem, &start, &PARAMS).0, outcome(&problem, &found, &PARAMS).0);
        assert!(after <= before * (1.0 + 1e-9), "{family:?}: {after} against {before}");
    }
}

#[test]
fn a_search_that_ends_early_returns_what_it_has() {
    let problem = physical(Size::new(6, 6, 10), 10.0, Family::Plain, 1).expect("a valid problem");
    let start = solve(&problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).expect("settings");
    let limited = RecourseParams { time_limit_s: Some(0.0), max_evaluations: u64::MAX, ..PARAMS };
    assert!(plan(&problem, &limited, &[&start]).is_none_or(|plan| check(&problem, &plan).unwrap().is_feasible()));
    let cancelled = CancelToken::new();
    cancelled.cancel();
    let found = plan_with_recourse(&problem, &PARAMS, &[&start], &cancelled).expect("valid settings");
    assert!(found.is_none_or(|plan| plan.stop_reason == StopReason::Cancelled));
    // Long enough to begin, far too short to end.
    let limited = RecourseParams { time_limit_s: Some(0.3), scenarios: 200, max_evaluations: u64::MAX, ..PARAMS };
    let found = plan(&problem, &limited, &[&start]);
    assert!(found.is_none_or(|plan| check(&problem, &plan).unwrap().is_feasible()));
}

#[test]
fn the_largest_unserved_share_is_kept_where_it_can_be() {
    let problem = physical(Size::new(6, 6, 10), 1.0, Family::Plain, 1).expect("a valid problem");
    let mut data = problem.data().clone();
    data.query_types.unmet_usd_per_query.iter_mut().for_each(|usd| *usd *= 1e-3);
    let problem = Problem::new(data).expect("a valid problem");
    let params = RecourseParams { inflation: Inflation::uniform(1.3), max_evaluations: 5_000, ..PARAMS };
    let priced = plan(&problem, &params, &[]).expect("a plan");
    let capped = RecourseParams { max_violation_rate: Some(0.02), ..params };
    let found = plan(&problem, &capped, &[]).expect("a plan");
    assert!(outcome(&problem, &found, &params).1 <= 0.02);
    assert!(outcome(&problem, &priced, &params).1 > 0.02);
}

#[test]
fn settings_out_of_range_are_named() {
    let problem = small(1).expect("a valid problem");
    for (params, entry) in [
        (RecourseParams { scenarios: 0, ..PARAMS }, "recourse.scenarios"),
        (RecourseParams { max_evaluations: 0, ..PARAMS }, "recourse.max_evaluations"),
        (RecourseParams { max_violation_rate: Some(2.0), ..PARAMS }, "recourse.max_violation_rate"),
        (RecourseParams { time_limit_s: Some(f64::NAN), ..PARAMS }, "time_limit"),
        (RecourseParams { inflation: Inflation::uniform(0.5), ..PARAMS }, "inflation.latency"),
    ] {
        let error = plan_with_recourse(&problem, &params, &[], &CancelToken::new()).expect_err(entry);
        assert!(error.to_string().contains(entry), "{error}");
    }
}
