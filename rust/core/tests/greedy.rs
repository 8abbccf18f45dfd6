//! The greedy heuristic on generated problems, every plan judged by the independent checker.

use proptest::prelude::*;
use servemix_core::construct::{construct, falling_rate, greedy_heuristic, Workspace};
use servemix_core::generate::{physical, small, wild, Family, Size};
use servemix_core::{check, solve, CancelToken, Method, Plan, Problem, SolveParams, Status, Stop, Switches};

/// What the checker, which shares no code with the search, finds wrong with `plan`, its stated objective included.
fn violations(problem: &Problem, plan: &Plan) -> Vec<String> {
    let report = check(problem, plan).expect("a plan of this problem");
    let mut found: Vec<String> = report.violations.iter().map(|violation| violation.message.clone()).collect();
    let (stated, total) = (plan.objective_value.unwrap_or(f64::NAN), report.objective_value().unwrap_or(f64::NAN));
    let agrees = (stated - total).abs() <= 1e-9 * total.abs().max(1.0);
    if !agrees {
        found.push(format!("objective value {stated} instead of {total}"));
    }
    found
}

fn greedy(problem: &Problem, switches: Switches) -> Plan {
    let mut params = SolveParams::default();
    params.switches = switches;
    solve(problem, Method::Gh, &params, None, &CancelToken::new()).expect("valid settings")
}

/// The plan keeps every constraint, or says of at least one query type what was missing.
fn assert_sound(problem: &Problem, plan: &Plan) {
    if plan.status == Status::Feasible {
        assert_eq!(violations(problem, plan), Vec::<String>::new(), "{}", problem.name);
        assert_eq!(plan.message, None);
    } else {
        assert!(matches!(plan.status, Status::NoSolutionFound | Status::Infeasible));
        let message = plan.message.as_deref().unwrap_or_default();
        assert!(problem.query_types.name.iter().any(|name| message.contains(name.as_str())), "{message:?}");
    }
}

fn every_switch_setting() -> impl Iterator<Item = Switches> {
    (0..8).map(|bits: u32| Switches {
        tp_selection: bits & 1 == 0,
        coverage_ranking: bits & 2 == 0,
        tp_upgrade: bits & 4 == 0,
        ..Switches::default()
    })
}

#[test]
fn plans_of_thousands_of_small_problems_keep_every_constraint() {
    for seed in 0..2_000 {
        let problem = small(seed).expect("a valid problem");
        assert_sound(&problem, &greedy(&problem, Switches::default()));
    }
}

#[test]
fn nearly_every_small_problem_that_has_a_plan_gets_one() {
    let mut exact = SolveParams::default();
    exact.rel_gap = 1e3; // any plan will do
    let (mut planned, mut missed) = (0, Vec::new());
    for seed in 0..600 {
        let problem = small(seed).expect("a valid problem");
        let has_plan = greedy(&problem, Switches::default()).status == Status::Feasible;
        planned += usize::from(has_plan);
        if !has_plan {
            let other = solve(&problem, Method::Bnb, &exact, None, &CancelToken::new()).expect("valid settings");
            if other.objective_value.is_some() {
                missed.push(seed);
            }
        }
    }
    assert!(planned > 200);
    assert!(100 * missed.len() <= planned, "{missed:?} of {planned}");
}

#[test]
fn plans_of_wild_problems_keep_every_constraint_whatever_is_switched_off() {
    for seed in 0..40 {
        let problem = wild(seed).expect("a valid problem");
        for switches in every_switch_setting() {
            assert_sound(&problem, &greedy(&problem, switches));
        }
    }
}

#[test]
fn tokens_that_must_be_stored_but_have_no_room_leave_no_plan() {
    let mut data = physical(Size::new(2, 2, 2), 1.0, Family::Plain, 0).expect("a valid problem").data().clone();
    data.query_types.max_unmet.fill(0.0);
    data.query_types.data_gb.fill(10.0);
    data.storage_gb = 15.0;
    data.configurations.weights_gb.fill(0.0);
    let plan = greedy(&Problem::new(data.clone()).expect("a valid problem"), Switches::default());
    assert!(!plan.status.has_plan());
    assert!(plan.message.is_some_and(|message| message.contains("storage")));
    data.storage_gb = 20.0;
    let problem = Problem::new(data).expect("a valid problem");
    let plan = greedy(&problem, Switches::default());
    assert_eq!(plan.status, Status::Feasible);
    assert_sound(&problem, &plan);
}

#[test]
fn every_physical_problem_of_every_family_and_scale_gets_a_plan() {
    for family in Family::ALL {
        for (seed, scale) in [(0, 1.0), (1, 10.0), (2, 100.0), (3, 0.1)] {
            let problem = physical(Size::new(6, 6, 10), scale, family, seed).expect("a valid problem");
            let plan = greedy(&problem, Switches::default());
            assert_sound(&problem, &plan);
            assert_eq!(plan.status, Status::Feasible, "{}", problem.name);
        }
    }
}

#[test]
fn the_same_problem_gives_the_same_plan_and_a_used_workspace_the_same_construction() {
    for seed in 0..20 {
        let problem = wild(seed).expect("a valid problem");
        let (mut one, mut two) = (greedy(&problem, Switches::default()), greedy(&problem, Switches::default()));
        (one.runtime_s, two.runtime_s) = (0.0, 0.0);
        assert_eq!(one, two);
        let order = falling_rate(&problem);
        let reversed: Vec<u32> = order.iter().rev().copied().collect();
        let mut workspace = Workspace::new();
        let first = construct(&problem, &order, Switches::default(), &mut workspace).clone();
        construct(&problem, &reversed, Switches { coverage_ranking: false, ..Switches::default() }, &mut workspace);
        greedy_heuristic(&problem, &order, Switches::default(), &mut workspace, &Stop::never());
        assert_eq!(*construct(&problem, &order, Switches::default(), &mut workspace), first);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn constructions_in_any_order_keep_every_constraint_and_cost_what_they_say(
        seed in 0u64..1_000_000,
        shuffle in any::<u64>(),
    ) {
        let problem = wild(seed).expect("a valid problem");
        let mut order = falling_rate(&problem);
        let length = order.len();
        for position in 0..length {
            order.swap(position, (shuffle.rotate_left(position as u32) % length as u64) as usize);
        }
        let mut workspace = Workspace::new();
        let built = construct(&problem, &order, Switches::default(), &mut workspace);
        if built.is_feasible() {
            let plan = Plan::from_solution(&problem, built.deployments.clone(), &built.routing, built.unmet.clone())
                .expect("indices in range");
            let value = plan.objective_value.unwrap_or(f64::NAN);
            prop_assert!((value - built.objective_usd).abs() <= 1e-9 * value.abs().max(1.0));
            prop_assert_eq!(violations(&problem, &plan), Vec::<String>::new());
        } else {
            prop_assert!(built.missing.iter().all(|missing| (0.0..=1.0).contains(missing)));
        }
    }
}
