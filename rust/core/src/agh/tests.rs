//! Plans of the adaptive greedy heuristic.

use proptest::prelude::*;

use crate::{check, generate, solve, CancelToken, Method, Plan, SolveParams, Status, Switches};

fn plan_of(problem: &crate::Problem, params: &SolveParams) -> Plan {
    solve(problem, Method::Agh, params, None, &CancelToken::new()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn plans_meet_every_constraint_and_cost_no_more_than_the_greedy_ones(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let params = SolveParams { seed, ..SolveParams::default() };
        let plan = plan_of(&problem, &params);
        let greedy = solve(&problem, Method::Gh, &params, None, &CancelToken::new()).unwrap();
        if plan.status.has_plan() {
            let report = check(&problem, &plan).unwrap();
            prop_assert!(report.violations.is_empty(), "{:?}", report.violations);
        }
        if let Some(value) = greedy.objective_value {
            prop_assert!(plan.objective_value.unwrap() <= value * (1.0 + 1e-9));
        }
    }

    #[test]
    fn the_plan_does_not_depend_on_the_number_of_threads(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let params = SolveParams { seed, max_iterations: Some(3), ..SolveParams::default() };
        let one = plan_of(&problem, &params);
        let four = plan_of(&problem, &SolveParams { threads: 4, ..params });
        prop_assert_eq!(&one.deployments, &four.deployments);
        prop_assert_eq!(one.objective_value, four.objective_value);
    }

    #[test]
    fn every_part_can_be_turned_off_on_its_own(seed in any::<u64>(), index in 0..Switches::NAMES.len()) {
        let problem = generate::small(seed).unwrap();
        let mut params = SolveParams { seed, max_iterations: Some(2), ..SolveParams::default() };
        params.switches.set(Switches::NAMES[index], false).unwrap();
        let plan = plan_of(&problem, &params);
        if plan.status.has_plan() {
            prop_assert!(check(&problem, &plan).unwrap().violations.is_empty());
        }
    }

    #[test]
    fn a_bound_never_exceeds_the_plan_and_proves_what_it_claims(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let plan = plan_of(&problem, &SolveParams { seed, bound: true, ..SolveParams::default() });
        if let (Some(value), Some(bound)) = (plan.objective_value, plan.objective_bound) {
            prop_assert!(bound <= value);
            prop_assert!(plan.status != Status::Optimal || plan.gap().unwrap() <= 1e-4);
        }
    }
}

#[test]
fn a_large_problem_with_many_replicas_is_searched_beyond_the_greedy_plan() {
    let problem = generate::physical(generate::Size::new(20, 20, 20), 10.0, generate::Family::Plain, 0).unwrap();
    let greedy = solve(&problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).unwrap();
    let plan = plan_of(&problem, &SolveParams::default());
    assert!(plan.objective_value.unwrap() < 0.95 * greedy.objective_value.unwrap());
}

#[test]
fn an_initial_plan_is_never_made_worse() {
    for seed in 0..40 {
        let problem = generate::small(seed).unwrap();
        let first = plan_of(&problem, &SolveParams { seed, ..SolveParams::default() });
        let params = SolveParams { seed: seed + 1, max_iterations: Some(0), ..SolveParams::default() };
        let second = solve(&problem, Method::Agh, &params, Some(&first), &CancelToken::new()).unwrap();
        if let Some(value) = first.objective_value {
            assert!(second.objective_value.unwrap() <= value * (1.0 + 1e-9));
        }
    }
}

#[test]
fn an_initial_plan_with_many_replicas_is_never_made_worse() {
    for seed in 0..4 {
        let problem = generate::physical(generate::Size::new(6, 6, 10), 10.0, generate::Family::Plain, seed).unwrap();
        let first = plan_of(&problem, &SolveParams { seed, ..SolveParams::default() });
        let params = SolveParams { seed: seed + 1, max_iterations: Some(0), ..SolveParams::default() };
        let second = solve(&problem, Method::Agh, &params, Some(&first), &CancelToken::new()).unwrap();
        assert!(second.objective_value.unwrap() <= first.objective_value.unwrap() * (1.0 + 1e-9));
    }
}

#[test]
fn a_cancelled_solve_returns_at_once_with_what_it_has() {
    let problem = generate::small(7).unwrap();
    let cancel = CancelToken::new();
    cancel.cancel();
    let plan = solve(&problem, Method::Agh, &SolveParams::default(), None, &cancel).unwrap();
    assert!(plan.objective_value.is_some() || plan.message.is_some());
}
