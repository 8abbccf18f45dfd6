use proptest::prelude::*;

use super::*;
use crate::{check, generate, Constraint, Status};

fn planner(seed: u64) -> Planner {
    Planner::new(generate::small(seed).unwrap(), None, PlannerParams::default()).unwrap()
}

fn scaled(rates: &[f64], factors: &[f64]) -> Vec<f64> {
    rates.iter().zip(factors).map(|(rate, factor)| rate * factor).collect()
}

/// What must hold of every plan: it says FEASIBLE only where the checker agrees, and breaks only what it admits.
fn assert_honest(planner: &mut Planner) -> std::result::Result<(), TestCaseError> {
    let plan = planner.plan().clone();
    let report = check(planner.problem(), &plan).unwrap();
    match plan.status {
        Status::Feasible => prop_assert!(report.violations.is_empty(), "{:?}", report.violations),
        Status::Degraded => {
            prop_assert!(!report.violations.is_empty() && plan.message.is_some());
            let admitted = [Constraint::MaxUnmet, Constraint::MinReplicas, Constraint::Budget, Constraint::Storage];
            let all_admitted = report.violations.iter().all(|violation| admitted.contains(&violation.constraint));
            prop_assert!(all_admitted, "{:?}", report.violations);
        }
        status => prop_assert!(false, "{status:?}"),
    }
    Ok(())
}

fn factor() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.3..3.0_f64, 1 => Just(0.0), 1 => Just(1000.0), 1 => Just(1.0)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn rerouting_equals_a_routing_solved_from_scratch(
        seed in any::<u64>(),
        steps in prop::collection::vec(prop::collection::vec(factor(), 3), 1..6),
    ) {
        let mut planner = planner(seed);
        let first = planner.problem().query_types.rate_per_h.clone();
        let deployments = planner.plan().deployments.clone();
        for factors in &steps {
            let rates = scaled(&first, factors);
            planner.reroute(&Update { rates: Some(&rates), ..Update::default() }).unwrap();
            assert_honest(&mut planner)?;
            prop_assert_eq!(&planner.plan().deployments, &deployments);
            let mut problem = planner.problem().clone();
            problem.set_rates(&rates).unwrap();
            let fresh = Planner::new(problem, Some(planner.plan()), PlannerParams::default()).unwrap();
            let (value, expected) = (planner.plan().objective_value.unwrap(), fresh.plan().objective_value.unwrap());
            prop_assert!((value - expected).abs() <= 1e-6 * (1.0 + expected), "{value} {expected}");
            prop_assert_eq!(planner.plan().status, fresh.plan().status);
        }
    }

    /// The planner's basis follows the rates, and its program has one row where a deployment's routes load the same more.
    #[test]
    fn rerouting_costs_what_a_program_costs_that_has_every_row(
        seed in any::<u64>(), is_wild: bool,
        steps in prop::collection::vec(prop::collection::vec(factor(), 12), 1..8),
    ) {
        let problem = if is_wild { generate::wild(seed) } else { generate::small(seed) };
        let mut planner = Planner::new(problem.unwrap(), None, PlannerParams::default()).unwrap();
        let first = planner.problem().query_types.rate_per_h.clone();
        for factors in &steps {
            let rates: Vec<f64> = first.iter().zip(factors.iter().cycle()).map(|(rate, factor)| rate * factor).collect();
            planner.reroute(&Update { rates: Some(&rates), ..Update::default() }).unwrap();
            let mut problem = planner.problem().clone();
            problem.set_rates(&rates).unwrap();
            let deployments = &planner.plan().deployments;
            let mut every = RoutingProgram::new(&problem, deployments.len());
            for (slot, deployment) in deployments.iter().enumerate() {
                every.set_replicas(&problem, slot, deployment.configuration as usize, deployment.replicas);
            }
            every.price_shortage_last(&problem);
            every.refresh(&problem);
            every.drop_broken_limits(&problem);
            prop_assert_eq!(every.solve(f64::INFINITY), LinearStatus::Optimal);
            if every.press_shortage(&problem) {
                prop_assert_eq!(every.solve(f64::INFINITY), LinearStatus::Optimal);
            }
            let (usd, every_usd) = (planner.program.objective(), every.objective());
            prop_assert!((usd - every_usd).abs() <= 1e-6 * (1.0 + every_usd.abs()), "{usd} {every_usd}");
            for slot in 0..deployments.len() {
                prop_assert!(planner.program.load(slot) <= planner.program.replicas(slot) as f64 * (1.0 + 1e-6));
            }
        }
    }

    #[test]
    fn whatever_is_lost_the_plan_admits_what_it_falls_short_of(
        seed in any::<u64>(),
        factors in prop::collection::vec(factor(), 10),
        lost in prop::collection::vec(0..3_u32, 10),
        gpus in prop::collection::vec(prop_oneof![Just(0.0), 0.0..20.0_f64, Just(f64::INFINITY)], 10),
    ) {
        let mut planner = planner(seed);
        let prices = scaled(&planner.problem().tiers.gpu_usd_per_h.clone(), &factors);
        let failed: Vec<u32> =
            planner.plan().deployments.iter().zip(&lost).map(|(entry, &lost)| lost.min(entry.replicas)).collect();
        let num_pools = planner.problem().num_pools();
        let update = Update { prices: Some(&prices), failed: Some(&failed), ..Update::default() };
        planner.reroute(&update).unwrap();
        assert_honest(&mut planner)?;
        planner.reroute(&Update { pools: Some(&gpus[..num_pools]), ..Update::default() }).unwrap();
        assert_honest(&mut planner)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_full_replan_is_honest_never_worse_than_routing_only_and_the_same_again(
        seed in any::<u64>(),
        steps in prop::collection::vec(prop::collection::vec(factor(), 3), 1..5),
    ) {
        let mut planner = planner(seed);
        let mut twin = Planner::new(generate::small(seed).unwrap(), None, PlannerParams::default()).unwrap();
        let first = planner.problem().query_types.rate_per_h.clone();
        for factors in &steps {
            let rates = scaled(&first, factors);
            let update = Update { rates: Some(&rates), ..Update::default() };
            let problem = planner.problem().clone();
            let mut routing = Planner::new(problem, Some(planner.plan()), PlannerParams::default()).unwrap();
            routing.reroute(&update).unwrap();
            planner.replan(&update).unwrap();
            assert_honest(&mut planner)?;
            let (full, kept) = (planner.plan().clone(), routing.plan().clone());
            let problem = planner.problem();
            let (full_rank, kept_rank) = (Rank::of(problem, &full), Rank::of(problem, &kept));
            let kept_rank = Rank { usd: kept_rank.usd * (1.0 + 1e-9), ..kept_rank };
            prop_assert!(full_rank <= kept_rank, "{full_rank:?} {kept_rank:?}");
            prop_assert_eq!(twin.replan(&update).unwrap(), &full);
        }
    }

    #[test]
    fn no_more_replicas_change_than_may(seed in any::<u64>(), factors in prop::collection::vec(0.3..3.0_f64, 3), most in 0..4_u32) {
        let params = PlannerParams { max_changes: Some(most), ..PlannerParams::default() };
        let mut planner = Planner::new(generate::small(seed).unwrap(), None, params).unwrap();
        let first = planner.problem().query_types.rate_per_h.clone();
        let before = planner.plan().deployments.clone();
        planner.replan(&Update { rates: Some(&scaled(&first, &factors)), ..Update::default() }).unwrap();
        assert_honest(&mut planner)?;
        let replicas = |deployments: &[Deployment], a: u32| {
            deployments.iter().find(|entry| entry.configuration == a).map_or(0, |entry| entry.replicas)
        };
        let after = &planner.plan().deployments;
        let changed: u32 = (0..planner.numbers().configurations.model.len() as u32)
            .map(|a| replicas(&before, a).abs_diff(replicas(after, a)))
            .sum();
        prop_assert!(changed <= most, "{changed} of {most}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Most calls bring only part of the routes up to date.
    #[test]
    fn routes_that_are_not_looked_at_do_not_matter(
        seed in 0..1_000_u64,
        family in prop::sample::select(vec![generate::Family::Plain, generate::Family::Pools, generate::Family::Budget]),
        scale in prop::sample::select(vec![1.0, 10.0, 100.0]),
        steps in prop::collection::vec(prop::collection::vec(0.7..1.4_f64, 4), 1..6),
    ) {
        let problem = generate::physical(generate::Size::new(4, 4, 6), scale, family, seed).unwrap();
        let mut planner = Planner::new(problem.clone(), None, PlannerParams::default()).unwrap();
        let mut twin = Planner::new(problem, None, PlannerParams::default()).unwrap();
        let mut rates = planner.problem().query_types.rate_per_h.clone();
        for factors in &steps {
            rates = scaled(&rates, factors);
            let update = Update { rates: Some(&rates), ..Update::default() };
            // Brings all of them up to date with the numbers before the step.
            twin.problem();
            planner.replan(&update).unwrap();
            twin.replan(&update).unwrap();
            prop_assert_eq!(planner.plan(), twin.plan());
        }
        assert_honest(&mut planner)?;
    }
}

#[test]
fn traffic_within_the_headroom_changes_nothing() {
    let mut held = 0;
    for seed in 0..20 {
        let params = PlannerParams { headroom: 0.2, ..PlannerParams::default() };
        let mut planner = Planner::new(generate::small(seed).unwrap(), None, params).unwrap();
        let first = planner.problem().query_types.rate_per_h.clone();
        let rates = |by: f64| scaled(&first, &vec![by; first.len()]);
        let at = |planner: &mut Planner, by: f64| {
            let plan = planner.replan(&Update { rates: Some(&rates(by)), ..Update::default() }).unwrap();
            (plan.deployments.clone(), plan.status)
        };
        at(&mut planner, 1.0);
        // The first change is for rates that are higher by the headroom.
        let (grown, status) = at(&mut planner, 1.3);
        if status != Status::Feasible {
            continue;
        }
        for by in [1.35, 1.3] {
            let (deployments, status) = at(&mut planner, by);
            held += usize::from(deployments == grown && status == Status::Feasible);
        }
        assert_eq!(planner.problem().query_types.rate_per_h, rates(1.3));
    }
    assert!(held > 10, "{held}");
}

#[test]
fn headroom_costs_no_more_than_it_may_and_makes_plans_hold() {
    let changes = |headroom: f64| {
        let (mut changes, mut most) = (0, 0.0_f64);
        for seed in 0..20 {
            let params = PlannerParams { headroom, max_headroom_cost_share: 0.1, ..PlannerParams::default() };
            let size = generate::Size::new(4, 3, 4);
            let problem = generate::physical(size, 30.0, generate::Family::Plain, seed).unwrap();
            let mut planner = Planner::new(problem, None, params).unwrap();
            let first = planner.problem().query_types.rate_per_h.clone();
            for step in 0..15 {
                let rates = scaled(&first, &vec![1.2 + 0.02 * f64::from(step % 3); first.len()]);
                let before = planner.plan().deployments.clone();
                planner.replan(&Update { rates: Some(&rates), ..Update::default() }).unwrap();
                changes += usize::from(planner.plan().deployments != before);
                most = most.max(planner.headroom_cost_share);
            }
        }
        assert!(most <= 0.1 + 1e-9, "{most}");
        changes
    };
    let (without, with) = (changes(0.0), changes(0.05));
    assert!(4 * with < 3 * without, "{with} of {without}");
}

#[test]
fn queries_that_could_be_served_are_worth_a_change_in_any_case() {
    let mut served = 0;
    for seed in 0..60 {
        let after = |min_saving_share: f64| {
            let params = PlannerParams { min_saving_share, headroom: 0.0, ..PlannerParams::default() };
            let mut planner = Planner::new(generate::small(seed).unwrap(), None, params).unwrap();
            let rates = scaled(&planner.problem().query_types.rate_per_h.clone(), &[1.2; 10]);
            let update = Update { rates: Some(&rates), ..Update::default() };
            planner.reroute(&update).unwrap();
            let before = planner.plan().clone();
            (before, planner.replan(&update).unwrap().clone(), rates)
        };
        let ((before, with, rates), (_, without, _)) = (after(1e3), after(0.0));
        if before.status != Status::Feasible {
            continue;
        }
        let unserved = |plan: &Plan| plan.unmet.iter().zip(&rates).map(|(share, rate)| share * rate).sum::<f64>();
        let could_serve = unserved(&without) < unserved(&before) - 1e-4 * rates.iter().sum::<f64>();
        served += usize::from(could_serve);
        let expected = if could_serve { &without.deployments } else { &before.deployments };
        assert_eq!(&with.deployments, expected, "seed {seed}");
    }
    assert!(served > 0);
}

#[test]
fn what_is_lost_is_started_again_where_that_is_possible() {
    let mut replaced = 0;
    for seed in 0..30 {
        let mut planner = planner(seed);
        if planner.plan().status != Status::Feasible || planner.plan().deployments.is_empty() {
            continue;
        }
        let failed: Vec<u32> = planner.plan().deployments.iter().map(|entry| entry.replicas).collect();
        let plan = planner.replan(&Update { failed: Some(&failed), ..Update::default() }).unwrap();
        replaced += usize::from(plan.status == Status::Feasible);
    }
    assert!(replaced > 10, "{replaced}");
}

#[test]
fn a_change_that_does_not_pay_for_its_starts_is_not_made() {
    for seed in 0..30 {
        let problem = generate::small(seed).unwrap();
        let greedy = solve(&problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).unwrap();
        if !greedy.status.has_plan() {
            continue;
        }
        let transition = TransitionCosts { start_usd: 1e9, ..TransitionCosts::default() };
        let params = PlannerParams { transition, ..PlannerParams::default() };
        let mut planner = Planner::new(problem, Some(&greedy), params).unwrap();
        let kept = planner.plan().deployments.clone();
        let next = planner.replan(&Update::default()).unwrap();
        for entry in &next.deployments {
            assert!(kept.iter().any(|old| old.configuration == entry.configuration && old.replicas >= entry.replicas));
        }
    }
}

#[test]
fn a_bad_update_is_named_and_changes_nothing() {
    let mut planner = planner(3);
    let plan = planner.plan().clone();
    let problem = planner.problem().clone();
    let num_types = problem.num_query_types();
    let named = |planner: &mut Planner, update: Update<'_>, entry: &str| {
        let error = planner.reroute(&update).unwrap_err().to_string();
        assert!(error.starts_with(entry), "{error}");
    };
    let rates = |value: f64| vec![value; num_types];
    named(&mut planner, Update { rates: Some(&rates(f64::NAN)), ..Update::default() }, "rates[0]: ");
    named(&mut planner, Update { rates: Some(&rates(-1.0)), ..Update::default() }, "rates[0]: ");
    named(&mut planner, Update { rates: Some(&[]), ..Update::default() }, "rates: has 0 entries");
    named(&mut planner, Update { prices: Some(&[f64::NAN]), ..Update::default() }, "prices");
    named(&mut planner, Update { pools: Some(&vec![f64::NAN; 99]), ..Update::default() }, "pools");
    named(&mut planner, Update { failed: Some(&[1; 99]), ..Update::default() }, "failed: has 99 entries");
    let too_many = vec![1000; plan.deployments.len()];
    named(&mut planner, Update { failed: Some(&too_many), ..Update::default() }, "failed[0]: ");
    // A good entry beside a bad one is not taken over either.
    let update = Update { rates: Some(&rates(1.0)), failed: Some(&too_many), ..Update::default() };
    named(&mut planner, update, "failed[0]: ");
    assert_eq!(planner.plan(), &plan);
    assert_eq!(planner.problem(), &problem);
}

#[test]
fn settings_out_of_range_are_named() {
    let with = |change: fn(&mut PlannerParams)| {
        let mut params = PlannerParams::default();
        change(&mut params);
        Planner::new(generate::small(1).unwrap(), None, params).unwrap_err().to_string()
    };
    assert!(with(|params| params.transition.start_usd = -1.0).starts_with("start_usd: "));
    assert!(with(|params| params.min_saving_share = f64::NAN).starts_with("min_saving_share: "));
    assert!(with(|params| params.payback_h = Some(0.0)).starts_with("payback_h: "));
}
