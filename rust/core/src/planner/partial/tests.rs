use proptest::prelude::*;

use crate::planner::rank::Rank;
use crate::planner::Update;
use crate::{generate, Planner, PlannerParams};

fn rank(planner: &mut Planner) -> Rank {
    let plan = planner.plan().clone();
    Rank::of(planner.problem(), &plan)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn repeated_calls_reach_the_plan_without_the_limit_and_never_serve_less(
        seed in 0..10_000_u64,
        family in prop::sample::select(vec![generate::Family::Plain, generate::Family::Pools, generate::Family::Budget]),
        factor in prop::sample::select(vec![10.0, 3.0, 0.3, 0.1]),
        most in 4..12_u32,
    ) {
        let problem = generate::physical(generate::Size::new(4, 3, 4), 3.0, family, seed).unwrap();
        let rates: Vec<f64> = problem.query_types.rate_per_h.iter().map(|rate| rate * factor).collect();
        let update = Update { rates: Some(&rates), ..Update::default() };
        let mut free = Planner::new(problem.clone(), None, PlannerParams::default()).unwrap();
        let limits = PlannerParams { max_changes: Some(most), ..PlannerParams::default() };
        let mut limited = Planner::new(problem, None, limits).unwrap();
        free.replan(&update).unwrap();
        let mut short_before = f64::INFINITY;
        let mut idle = 0;
        for call in 0..200 {
            let before = limited.plan().deployments.clone();
            limited.replan(&update).unwrap();
            let changed = super::changes(&before, &limited.plan().deployments);
            prop_assert!(changed <= u64::from(most), "{changed} of {most}");
            let short = rank(&mut limited).short_per_h;
            prop_assert!(short <= short_before * (1.0 + 1e-6) + 1e-6, "call {call}: {short} after {short_before}");
            short_before = short;
            // A call without a change may look for another target.
            idle = if changed == 0 { idle + 1 } else { 0 };
            if idle > 3 {
                break;
            }
        }
        let (free_rank, rank) = (rank(&mut free), rank(&mut limited));
        // Where what runs of a (model, tier) is too large to be stopped in one call, its TP/PP may have to stay.
        let kept = free.problem().clone();
        let pair = |configuration: u32| kept.pair(configuration as usize);
        let is_same = |a: u32, b: u32| a == b || pair(a) != pair(b);
        let (found, wanted) = (&limited.plan().deployments, &free.plan().deployments);
        let is_free = found.iter().all(|one| wanted.iter().all(|two| is_same(one.configuration, two.configuration)));
        let serves = rank.short_per_h <= free_rank.short_per_h * 1.01 + 1e-6;
        prop_assert!(!is_free || serves, "{rank:?} {free_rank:?}");
        prop_assert!(!is_free || rank.usd <= free_rank.usd * 1.01, "{rank:?} {free_rank:?}");
    }

    #[test]
    fn no_update_breaks_a_planner(
        seed in any::<u64>(),
        steps in prop::collection::vec(prop::collection::vec(prop_oneof![
            Just(0.0), Just(1e-12), Just(1.0), Just(1e8), Just(1e20), 0.1..10.0_f64], 3), 1..6),
        limited in any::<bool>(),
    ) {
        let problem = generate::small(seed).unwrap();
        let limits = PlannerParams { max_changes: limited.then_some(4), ..PlannerParams::default() };
        let mut planner = Planner::new(problem, None, limits).unwrap();
        let first = planner.numbers().query_types.rate_per_h.clone();
        for factors in &steps {
            let rates: Vec<f64> = first.iter().zip(factors).map(|(rate, factor)| rate * factor).collect();
            let before = planner.plan().clone();
            let update = Update { rates: Some(&rates), ..Update::default() };
            if planner.replan(&update).is_err() {
                prop_assert_eq!(planner.plan(), &before);
                continue;
            }
            prop_assert!(planner.plan().router(crate::RouterMode::Deficit, 1).is_ok());
        }
        planner.replan(&Update { rates: Some(&first), ..Update::default() }).unwrap();
        prop_assert!(planner.plan().status.has_plan());
    }
}
