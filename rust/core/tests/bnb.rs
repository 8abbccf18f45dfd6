//! Branch and bound against the exact optimum of small problems, and its plans against the checker.

mod common;

use proptest::prelude::*;
use servemix_core::{check, generate, solve, CancelToken, Method, Plan, Problem, SolveParams, Status};

fn bnb(problem: &Problem, params: &SolveParams) -> Plan {
    solve(problem, Method::Bnb, params, None, &CancelToken::new()).expect("settings are valid")
}

fn check_against_enumeration(seed: u64) -> Result<(), TestCaseError> {
    let problem = generate::small(seed).expect("a valid problem");
    let plan = bnb(&problem, &SolveParams::default());
    match common::optimum(&problem) {
        Some(optimum) => {
            let value = plan.objective_value;
            prop_assert_eq!(plan.status, Status::Optimal, "seed {}: {:?} of {}", seed, value, optimum);
            let (value, bound) = (value.unwrap_or(f64::NAN), plan.objective_bound.unwrap_or(f64::NAN));
            let slack = 1e-7 * (1.0 + optimum.abs());
            let least = common::least_accepted(&problem).expect("no more than the optimum");
            prop_assert!(bound <= least + slack, "seed {seed}: bound {bound} above a plan of {least}");
            prop_assert!(value >= least - slack, "seed {seed}: value {value} below all plans, {least}");
            prop_assert!(value - least <= 1e-4 * value.abs() + slack, "seed {seed}: value {value}, least {least}");
            let report = check(&problem, &plan).expect("a plan of this problem");
            prop_assert!(report.violations.is_empty(), "seed {seed}: {:?}", report.violations);
        }
        None if common::least_accepted(&problem).is_some() => {
            prop_assert!(plan.status != Status::Infeasible, "seed {}: within the tolerance there is a plan", seed);
        }
        None => prop_assert_eq!(plan.status, Status::Infeasible, "seed {}", seed),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_plan_is_the_optimum_or_there_is_none(seed in any::<u64>()) {
        check_against_enumeration(seed)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn under_an_iteration_limit_threads_change_nothing_and_the_plan_is_feasible(seed in any::<u64>()) {
        let problem = generate::wild(seed).expect("a valid problem");
        let mut params = SolveParams::default();
        params.max_iterations = Some(3);
        let one = bnb(&problem, &params);
        params.threads = 3;
        let three = bnb(&problem, &params);
        prop_assert_eq!((one.objective_value, one.objective_bound), (three.objective_value, three.objective_bound));
        prop_assert_eq!(&one.deployments, &three.deployments);
        prop_assert_eq!(&one.routing, &three.routing);
        if one.status.has_plan() {
            let report = check(&problem, &one).expect("a plan of this problem");
            prop_assert!(report.violations.is_empty(), "seed {seed}: {:?}", report.violations);
            prop_assert!(one.objective_bound <= one.objective_value);
        }
    }
}

#[test]
#[ignore = "minutes in a debug build; run with --release"]
fn the_plan_is_the_optimum_of_five_thousand_problems_or_there_is_none() {
    for seed in 0..5_000 {
        check_against_enumeration(seed).expect("the optimum");
    }
}
