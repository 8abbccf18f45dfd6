use std::collections::BTreeMap;
use std::thread;

use proptest::prelude::*;

use super::alias::columns;
use super::shares::{of_routing, Shares};
use super::{Router, RouterMode, UNSERVED};
use crate::{Cost, Error, Plan, Routing, Status};

const MODES: [RouterMode; 2] = [RouterMode::Random, RouterMode::Deficit];

/// A plan whose query type `i` has `weights[i]` as the shares of configurations 0, 1, …, the last one unserved.
fn plan(weights: &[Vec<f64>]) -> Plan {
    let mut plan = Plan::none("routes", "by-hand", 0, Status::Feasible, String::new());
    (plan.cost, plan.objective_value) = (Some(Cost::default()), Some(0.0));
    for (i, weights) in weights.iter().enumerate() {
        let sum: f64 = weights.iter().sum();
        let (unserved, served) = weights.split_last().unwrap();
        for (a, weight) in served.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            plan.routing.query_type.push(i as u32);
            plan.routing.configuration.push(a as u32);
            plan.routing.fraction.push(weight / sum);
        }
        plan.unmet.push(unserved / sum);
    }
    plan
}

/// Every target of query type `i` and its share.
fn shares(plan: &Plan, i: usize) -> BTreeMap<u32, f64> {
    let routing = &plan.routing;
    let routes = routing.query_type.iter().zip(&routing.configuration).zip(&routing.fraction);
    let served = routes.filter(|((&of, _), _)| of as usize == i).map(|((_, &a), &fraction)| (a, fraction));
    served.chain([(UNSERVED, plan.unmet[i])]).collect()
}

/// Shares of all kinds: alike, of very different size, missing, one that takes nearly all.
fn weights() -> impl Strategy<Value = Vec<f64>> {
    let weight = prop_oneof![
        2 => Just(0.0),
        4 => Just(1.0),
        4 => 0.01..1.0_f64,
        2 => (-12.0..0.0_f64).prop_map(f64::exp2),
        1 => Just(100.0),
    ];
    prop::collection::vec(weight, 1..13).prop_filter("something is routed", |weights| weights.iter().sum::<f64>() > 0.0)
}

/// Shares of many targets, and of about as many as make the windows of some frequent, those of others rare.
fn several_weights() -> impl Strategy<Value = Vec<f64>> {
    let few = prop::collection::vec(prop_oneof![Just(1.0), 0.5..1.5_f64, Just(0.01)], 20..50);
    prop_oneof![prop::collection::vec(0.01..1.0_f64, 60..300), few]
}

fn counted(targets: impl IntoIterator<Item = u32>) -> BTreeMap<u32, u64> {
    let mut counts = BTreeMap::new();
    targets.into_iter().for_each(|target| *counts.entry(target).or_default() += 1);
    counts
}

fn picked(router: &Router, i: u32) -> u32 {
    router.pick(i).unwrap().unwrap_or(UNSERVED)
}

proptest! {
    #[test]
    fn by_deficit_no_count_ever_strays_from_its_fraction_by_one(
        weights in prop::collection::vec(weights(), 1..4), seed: u64, calls in prop::collection::vec(1..40_usize, 40),
    ) {
        let plan = plan(&weights);
        let router = plan.router(RouterMode::Deficit, seed).unwrap();
        let (mut sent, mut counts) = (vec![0_u32; weights.len()], vec![BTreeMap::<u32, u32>::new(); weights.len()]);
        let mut request = seed;
        // Single choices and batches in turn, the types mixed.
        for (call, &length) in calls.iter().enumerate() {
            let types: Vec<u32> = (0..length).map(|_| {
                request = super::random(request, 0);
                (request % weights.len() as u64) as u32
            }).collect();
            let mut targets = vec![0; length];
            match call % 2 {
                0 => router.pick_many(&types, &mut targets).unwrap(),
                _ => targets.iter_mut().zip(&types).for_each(|(target, &i)| *target = picked(&router, i)),
            }
            for (&i, &target) in types.iter().zip(&targets) {
                sent[i as usize] += 1;
                *counts[i as usize].entry(target).or_default() += 1;
                for (target, share) in shares(&plan, i as usize) {
                    let count = counts[i as usize].get(&target).copied().unwrap_or(0);
                    let due = share * f64::from(sent[i as usize]);
                    prop_assert!((f64::from(count) - due).abs() < 1.0, "{count} of {due} to {target}");
                }
            }
        }
    }

    #[test]
    fn an_alias_table_gives_every_target_its_share(weights in weights()) {
        let plan = plan(&[weights]);
        let Shares { targets, parts, whole } = of_routing(&plan.routing, &plan.unmet).unwrap().remove(0);
        prop_assert_eq!(parts.iter().sum::<u64>(), whole);
        let table = columns(&Shares { targets: targets.clone(), parts: parts.clone(), whole });
        let column = 1.0 / table.len() as f64;
        for (target, part) in targets.into_iter().zip(parts) {
            let share: f64 = table.iter().map(|one| {
                let own = one.own_share as f64 / 2.0_f64.powi(64);
                column * if one.own == one.other { f64::from(one.own == target) }
                    else { own * f64::from(one.own == target) + (1.0 - own) * f64::from(one.other == target) }
            }).sum();
            prop_assert!((share - part as f64 / whole as f64).abs() < 1e-15);
        }
    }

    /// Choices as the router makes them, without blocks: at each step, of the targets whose window is open, the one whose window closes first.
    #[test]
    fn choices_by_deficit_are_those_of_the_window_that_closes_first(
        weights in prop_oneof![weights(), several_weights()], seed: u64,
    ) {
        let plan = plan(&[weights]);
        let Shares { targets, parts, whole } = of_routing(&plan.routing, &plan.unmet).unwrap().remove(0);
        let router = plan.router(RouterMode::Deficit, seed).unwrap();
        let least = if targets.len() > 1 { whole / (2 * targets.len() as u64 - 2) } else { 0 };
        let mut counts = vec![0_i128; targets.len()];
        for sent in 1..=1_000_i128 {
            let chosen = picked(&router, 0);
            // The deficit of a target is at least `least` when it is chosen, and where windows close at different steps
            // no other that is open closes before. A window may end late by a millionth of a step.
            let deficit = |n: usize| sent * i128::from(parts[n]) - counts[n] * i128::from(whole);
            let closes = |n: usize, late: i128| {
                let (part, end) = (i128::from(parts[n]) << 20, counts[n] * i128::from(whole) + i128::from(whole - least));
                ((end << 20) + late * i128::from(parts[n])) / part + 1
            };
            let open = |n: &usize| deficit(*n) >= i128::from(least);
            let first = (0..targets.len()).filter(open).map(|n| closes(n, 1)).min().unwrap();
            let n = targets.iter().position(|&target| target == chosen).unwrap();
            prop_assert!(open(&n) || targets.len() == 1);
            prop_assert!(closes(n, 0) <= first, "{} not {first} at {sent}", closes(n, 0));
            prop_assert!(closes(n, 1) >= sent, "{} is before {sent}", closes(n, 1));
            counts[n] += 1;
        }
    }

    #[test]
    fn many_choices_are_those_made_one_by_one(
        weights in prop::collection::vec(weights(), 1..5), seed: u64, length in 0..10_000_usize,
    ) {
        let plan = plan(&weights);
        let types: Vec<u32> = (0..length).map(|n| (super::random(seed, n as u64) % weights.len() as u64) as u32).collect();
        for mode in MODES {
            let (one, many) = (plan.router(mode, seed).unwrap(), plan.router(mode, seed).unwrap());
            let mut targets = vec![0; length];
            many.pick_many(&types, &mut targets).unwrap();
            prop_assert!(types.iter().zip(&targets).all(|(&i, &target)| picked(&one, i) == target));
            prop_assert_eq!(picked(&one, 0), picked(&many, 0));
        }
    }
}

/// The largest amount by which a count strays from its fraction of the requests.
fn largest_stray(plan: &Plan, requests: u32, mut choose: impl FnMut() -> u32) -> f64 {
    let (shares, mut counts, mut largest) = (shares(plan, 0), BTreeMap::<u32, u32>::new(), 0.0_f64);
    for sent in 1..=requests {
        *counts.entry(choose()).or_default() += 1;
        for (target, share) in &shares {
            let count = counts.get(target).copied().unwrap_or(0);
            largest = largest.max((f64::from(count) - share * f64::from(sent)).abs());
        }
    }
    largest
}

#[test]
fn by_deficit_the_bound_holds_where_choosing_the_largest_deficit_breaks_it() {
    let weights = [vec![20.0; 3], vec![1.0; 10], vec![0.02; 7]].concat();
    let plan = plan(&[weights]);
    let router = plan.router(RouterMode::Deficit, 0).unwrap();
    let stray = largest_stray(&plan, 20_000, || picked(&router, 0));
    assert!(stray < 1.0, "{stray}");

    let mut deficits: Vec<(u32, f64, f64)> = shares(&plan, 0).into_iter().map(|(a, share)| (a, share, 0.0)).collect();
    let largest_deficit = || {
        deficits.iter_mut().for_each(|(_, share, deficit)| *deficit += *share);
        let largest = deficits.iter_mut().max_by(|one, other| one.2.total_cmp(&other.2)).unwrap();
        largest.2 -= 1.0;
        largest.0
    };
    let stray = largest_stray(&plan, 20_000, largest_deficit);
    assert!(stray > 1.5, "{stray}");
}

#[test]
fn draws_are_as_frequent_as_the_fractions_say() {
    let plan = plan(&[vec![0.5, 0.25, 0.2, 0.05], vec![0.0, 1e-3, 0.0]]);
    let router = plan.router(RouterMode::Random, 3).unwrap();
    let draws = 200_000;
    let counts = counted((0..draws).map(|_| picked(&router, 0)));
    for (target, share) in shares(&plan, 0) {
        let deviation = (share * (1.0 - share) * f64::from(draws)).sqrt();
        assert!((counts[&target] as f64 - share * f64::from(draws)).abs() < 4.0 * deviation);
    }
    assert_eq!(counted((0..100).map(|_| picked(&router, 1))), BTreeMap::from([(1, 100)]));
}

#[test]
fn threads_together_make_the_choices_that_one_would_make() {
    let plan = plan(&[vec![0.3, 0.3, 0.3, 0.1], vec![0.7, 0.2, 0.1]]);
    for mode in MODES {
        let router = plan.router(mode, 11).unwrap();
        let work = |many: bool| {
            let types: Vec<u32> = (0..10_000).map(|n| n % 2).collect();
            let mut targets = vec![0; types.len()];
            match many {
                true => router.pick_many(&types, &mut targets).unwrap(),
                false => targets.iter_mut().zip(&types).for_each(|(target, &i)| *target = picked(&router, i)),
            }
            targets.iter().step_by(2).copied().collect::<Vec<_>>()
        };
        let together: Vec<u32> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || work(n % 2 == 0))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let alone = plan.router(mode, 11).unwrap();
        assert_eq!(counted(together), counted((0..20_000).map(|_| picked(&alone, 0))), "{mode:?}");
    }
}

#[test]
fn the_seed_decides_every_choice() {
    let plan = plan(&[vec![1.0; 12], vec![1.0; 12]]);
    for mode in MODES {
        let choices = |seed| {
            let router = plan.router(mode, seed).unwrap();
            [0, 1].map(|i| (0..100).map(|_| picked(&router, i)).collect::<Vec<_>>())
        };
        assert_eq!(choices(5), choices(5));
        assert_ne!(choices(5), choices(6));
        let [first, second] = choices(5);
        assert_ne!(first, second);
        assert_eq!(plan.router(mode, 5).map(|router| (router.mode(), router.seed())), Ok((mode, 5)));
    }
    // The generator is the published one: its first numbers from 0.
    assert_eq!([0, 1].map(|n| super::random(0, n)), [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
}

#[test]
fn types_that_do_not_exist_and_wrong_lengths_are_named_and_nothing_is_chosen() {
    let plan = plan(&[vec![0.5, 0.5], vec![0.5, 0.5]]);
    for mode in MODES {
        let (router, untouched) = (plan.router(mode, 0).unwrap(), plan.router(mode, 0).unwrap());
        assert!(matches!(router.pick(2), Err(Error::Invalid { entry, .. }) if entry == "query_type"));
        let many = router.pick_many(&[0, 1, 7], &mut [0; 3]);
        assert!(matches!(many, Err(Error::Invalid { entry, .. }) if entry == "query_types[2]"));
        let many = router.pick_many(&[0], &mut [0; 3]);
        assert!(matches!(many, Err(Error::Invalid { entry, .. }) if entry == "configurations"));
        assert!((0..50).all(|_| router.pick(0) == untouched.pick(0)));
    }
}

#[test]
fn what_cannot_be_routed_is_refused_by_name() {
    let good = plan(&[vec![0.5, 0.25, 0.25]]);
    let routed = |change: &dyn Fn(&mut Plan)| {
        let mut plan = good.clone();
        change(&mut plan);
        match plan.router(RouterMode::Random, 0) {
            Err(Error::Invalid { entry, .. }) => entry,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(routed(&|plan| plan.status = Status::Infeasible), "status");
    assert_eq!(routed(&|plan| plan.unmet[0] = 0.5), "routing");
    assert_eq!(routed(&|plan| plan.routing = Routing::default()), "routing");
    assert_eq!(routed(&|plan| plan.unmet[0] = f64::NAN), "unmet[0]");
    assert_eq!(routed(&|plan| plan.routing.fraction[1] = -0.25), "routing.fraction[1]");
    assert_eq!(routed(&|plan| plan.routing.query_type[0] = 1), "routing.query_type[0]");
    assert_eq!(routed(&|plan| plan.routing.configuration[0] = UNSERVED), "routing.configuration[0]");
    for mode in MODES {
        assert_eq!(RouterMode::parse(mode.as_str()), Ok(mode));
    }
    assert!(RouterMode::parse("round-robin").is_err());
}
