use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;
use crate::{generate, solve, CancelToken, Method, SolveParams};

/// A problem with pools that hold no more than the larger of two plans for different rates uses, and the plans.
fn two_plans(seed: u64, factors: &[f64]) -> Option<(Problem, Plan, Plan)> {
    let mut problem = generate::small(seed).unwrap();
    let plan_of = |problem: &Problem| {
        let plan = solve(problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).unwrap();
        plan.status.has_plan().then_some(plan)
    };
    let previous = plan_of(&problem)?;
    let rates: Vec<f64> = problem.query_types.rate_per_h.iter().zip(factors).map(|(rate, by)| rate * by).collect();
    problem.set_rates(&rates).unwrap();
    let next = plan_of(&problem)?;
    let gpus: Vec<f64> = (0..problem.num_pools() as u32)
        .map(|pool| used_gpus(&problem, &previous.deployments, pool).max(used_gpus(&problem, &next.deployments, pool)))
        .collect();
    problem.set_pools(&gpus).unwrap();
    Some((problem, previous, next))
}

fn used_gpus(problem: &Problem, deployments: &[Deployment], pool: u32) -> f64 {
    let inside = deployments.iter().filter(|entry| problem.pool(entry.configuration as usize) == pool);
    inside.map(|entry| f64::from(entry.replicas) * problem.gpus_per_replica(entry.configuration as usize)).sum()
}

/// Share of the queries that `deployments` can serve, from scratch.
fn share(problem: &Problem, deployments: &[Deployment]) -> f64 {
    let mut program = RoutingProgram::of_capacity(problem, deployments.len());
    for (slot, entry) in deployments.iter().enumerate() {
        program.set_replicas(problem, slot, entry.configuration as usize, entry.replicas);
    }
    program.drop_broken_limits(problem);
    assert_eq!(program.solve(f64::INFINITY), LinearStatus::Optimal);
    let rates = &problem.query_types.rate_per_h;
    let unserved = |i: usize| (program.shortage(i) + program.unmet(i)) * rates[i];
    let total: f64 = rates.iter().sum();
    1.0 - if total > 0.0 { (0..rates.len()).map(unserved).sum::<f64>() / total } else { 0.0 }
}

fn assert_within_limits(problem: &Problem, deployments: &[Deployment]) {
    for pool in 0..problem.num_pools() as u32 {
        assert!(used_gpus(problem, deployments, pool) <= problem.pools.max_gpus[pool as usize] * (1.0 + 1e-6));
    }
    let usd = |entry: &Deployment| {
        let a = entry.configuration as usize;
        problem.replica_usd(a) * f64::from(entry.replicas) + problem.weights_usd(a)
    };
    assert!(deployments.iter().map(usd).sum::<f64>() <= problem.budget_usd * (1.0 + 1e-6));
    let gb = |entry: &Deployment| problem.configurations.weights_gb[entry.configuration as usize];
    assert!(deployments.iter().map(gb).sum::<f64>() <= problem.storage_gb * (1.0 + 1e-6));
}

/// What runs before a transition to `next`: replicas that go on at another operating point are at that already.
fn before(problem: &Problem, previous: &Plan, next: &Plan) -> Vec<Deployment> {
    let of = |entry: &Deployment| {
        let goes_on = |other: &&Deployment| problem.are_same_replicas(entry.configuration, other.configuration);
        let configuration = next.deployments.iter().find(goes_on).map_or(entry.configuration, |it| it.configuration);
        Deployment { configuration, ..*entry }
    };
    let mut deployments: Vec<Deployment> = previous.deployments.iter().map(of).collect();
    deployments.sort_by_key(|entry| entry.configuration);
    deployments
}

/// The deployments after each step, the first ones included.
fn simulate(first: Vec<Deployment>, transition: &Transition) -> Vec<Vec<Deployment>> {
    let mut states = vec![first];
    for step in &transition.steps {
        let mut state = states[states.len() - 1].clone();
        let found = state.iter().position(|entry| entry.configuration == step.configuration);
        match (step.action, found) {
            (Action::Start, Some(at)) => state[at].replicas += step.replicas,
            (Action::Start, None) => {
                state.push(Deployment { configuration: step.configuration, replicas: step.replicas });
            }
            (Action::Stop, at) => state[at.unwrap()].replicas -= step.replicas,
        }
        state.retain(|entry| entry.replicas > 0);
        state.sort_by_key(|entry| entry.configuration);
        states.push(state);
    }
    states
}

/// The highest lowest share over every order of single starts and stops; `None` where there are too many.
fn best_lowest_share(problem: &Problem, previous: &Plan, next: &Plan) -> Option<f64> {
    let costs = TransitionCosts::default();
    let mut walk = Walk::new(problem, &previous.deployments, &next.deployments, &costs);
    let count: usize = walk.first.iter().zip(&walk.last).map(|(a, b)| a.abs_diff(*b) as usize + 1).product();
    if count > 150 {
        return None;
    }
    let mut layer: Vec<(ReplicaCounts, f64)> = vec![(walk.first.clone(), walk.share(&walk.first.clone()))];
    while layer[0].0 != walk.last {
        let mut following: Vec<(ReplicaCounts, f64)> = Vec::new();
        for (state, lowest) in &layer {
            for slot in 0..state.len() {
                let mut after = state.clone();
                match state[slot].cmp(&walk.last[slot]) {
                    Ordering::Less => after[slot] += 1,
                    Ordering::Greater => after[slot] -= 1,
                    Ordering::Equal => continue,
                }
                if after[slot] > state[slot] && !walk.fits(&after) {
                    continue;
                }
                let reached = lowest.min(walk.share(&after));
                match following.iter_mut().find(|entry| entry.0 == after) {
                    Some(entry) => entry.1 = entry.1.max(reached),
                    None => following.push((after, reached)),
                }
            }
        }
        layer = following;
    }
    Some(layer[0].1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn every_step_keeps_the_limits_and_serves_what_it_says(
        seed in any::<u64>(),
        factors in prop::collection::vec(prop_oneof![Just(1.0), 0.2..4.0_f64], 12),
    ) {
        let Some((problem, previous, next)) = two_plans(seed, &factors) else { return Ok(()) };
        let costs = TransitionCosts { start_usd: 1.0, ..TransitionCosts::default() };
        let transition = next.transition(&problem, &previous, &costs).unwrap();
        let first = before(&problem, &previous, &next);
        let states = simulate(first.clone(), &transition);
        prop_assert_eq!(states.last().unwrap(), &next.deployments);
        let mut lowest = share(&problem, &first);
        for (state, step) in states[1..].iter().zip(&transition.steps) {
            assert_within_limits(&problem, state);
            let served = share(&problem, state);
            prop_assert!((served - step.served_share).abs() < 1e-6, "{served} {}", step.served_share);
            lowest = lowest.min(served);
        }
        prop_assert!((lowest - transition.lowest_share).abs() < 1e-6);
        let floor = transition.previous_share.min(transition.next_share);
        prop_assert_eq!(transition.is_safe, lowest >= floor - 2e-6);
        prop_assert_eq!(transition.is_safe, transition.message.is_none());
        let started: u32 =
            transition.steps.iter().filter(|step| step.action == Action::Start).map(|step| step.replicas).sum();
        prop_assert!((transition.start_usd - f64::from(started)).abs() < 1e-9);
    }

    #[test]
    fn no_other_order_serves_more_at_its_lowest_moment(
        seed in any::<u64>(),
        factors in prop::collection::vec(0.2..4.0_f64, 12),
    ) {
        let Some((problem, previous, next)) = two_plans(seed, &factors) else { return Ok(()) };
        let transition = next.transition(&problem, &previous, &TransitionCosts::default()).unwrap();
        if let (true, Some(best)) = (transition.is_best, best_lowest_share(&problem, &previous, &next)) {
            let floor = transition.previous_share.min(transition.next_share);
            let (best, found) = (best.min(floor), transition.lowest_share.min(floor));
            prop_assert!((best - found).abs() < 1e-5, "{best} {found}");
        }
    }
}

#[test]
fn nothing_to_change_takes_no_steps() {
    let (problem, previous, _) = (0..).find_map(|seed| two_plans(seed, &[1.0; 12])).unwrap();
    let transition = previous.transition(&problem, &previous, &TransitionCosts::default()).unwrap();
    assert!(transition.steps.is_empty() && transition.is_safe && transition.message.is_none());
}

#[test]
fn replicas_go_on_at_another_operating_point_without_a_start() {
    let mut found = 0;
    for seed in 0..400 {
        let problem = generate::small(seed).unwrap();
        let c = &problem.configurations;
        let points = (0..problem.num_configurations() as u32)
            .flat_map(|a| (0..a).map(move |b| (a, b)))
            .find(|&(a, b)| problem.are_same_replicas(a, b));
        let Some((a, b)) = points else { continue };
        let replicas = c.min_replicas[a as usize].max(c.min_replicas[b as usize]);
        let deployed = |configuration| Plan {
            deployments: vec![Deployment { configuration, replicas }],
            unmet: vec![1.0; problem.num_query_types()],
            cost: Some(crate::Cost::default()),
            objective_value: Some(0.0),
            ..Plan::none(&problem.name, "any", 0, crate::Status::Feasible, String::new())
        };
        let costs = TransitionCosts { start_usd: 1.0, ..TransitionCosts::default() };
        let transition = deployed(a).transition(&problem, &deployed(b), &costs).unwrap();
        assert_eq!((transition.steps.len(), transition.start_usd), (0, 0.0));
        found += 1;
    }
    assert!(found > 20, "{found}");
}
