//! The greedy heuristic on generated problems, its plans checked by a full re-evaluation written from the formulation.

use proptest::prelude::*;
use servemix_core::construct::{construct, falling_rate, Workspace};
use servemix_core::generate::{physical, small, wild, Family, Size};
use servemix_core::{solve, CancelToken, LatencyScope, Method, Plan, Problem, SolveParams, Status, Switches, NO_POOL};

const TOLERANCE: f64 = 1e-6;

/// Every constraint of the formulation that `plan` breaks, and a wrong objective value.
fn violations(problem: &Problem, plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    let (num_types, num_configurations) = (problem.num_query_types(), problem.num_configurations());
    let (q, c, r) = (&problem.query_types, &problem.configurations, &problem.routes);
    let mut replicas = vec![0.0; num_configurations];
    let mut pair_used = std::collections::BTreeMap::new();
    for deployment in &plan.deployments {
        let a = deployment.configuration as usize;
        if replicas[a] > 0.0 || deployment.replicas == 0 || deployment.replicas > c.max_replicas[a] {
            found.push(format!("deployment of {a}"));
        }
        replicas[a] = f64::from(deployment.replicas);
        if pair_used.insert((c.model[a], c.tier[a]), a).is_some() {
            found.push(format!("two configurations on the pair of {a}"));
        }
    }
    let mut served = vec![0.0; num_types];
    let (mut error, mut latency) = (vec![0.0; num_types], vec![0.0; num_types]);
    let (mut time, mut memory) = (vec![0.0; num_configurations], vec![0.0; num_configurations]);
    let mut latency_usd = 0.0;
    for flow in 0..plan.routing.fraction.len() {
        let (i, a) = (plan.routing.query_type[flow] as usize, plan.routing.configuration[flow] as usize);
        let x = plan.routing.fraction[flow];
        let route = (0..r.query_type.len())
            .find(|&route| r.query_type[route] as usize == i && r.configuration[route] as usize == a)
            .expect("traffic on a route that exists");
        if !(0.0..=1.0 + TOLERANCE).contains(&x) || x > replicas[a].min(1.0) + TOLERANCE {
            found.push(format!("fraction {x} of {i} on {a}"));
        }
        if problem.latency_scope == LatencyScope::Route && r.latency_s[route] > q.latency_slo_s[i] {
            found.push(format!("latency SLO of {i} on {a}"));
        }
        served[i] += x;
        error[i] += r.error[route] * x;
        latency[i] += r.latency_s[route] * x;
        time[a] += q.rate_per_h[i] / 3600.0 * r.busy_s[route] * x;
        memory[a] += q.rate_per_h[i] / 3600.0 * r.kv_gb_s[route] * x;
        latency_usd += problem.horizon_h * q.rate_per_h[i] * q.latency_usd_per_s[i] * r.latency_s[route] * x;
    }
    let exceeds = |value: f64, limit: f64| value > limit * (1.0 + TOLERANCE) + 1e-12;
    let (mut storage_gb, mut unmet_usd) = (0.0, 0.0);
    for i in 0..num_types {
        let u = plan.unmet[i];
        if (served[i] + u - 1.0).abs() > TOLERANCE {
            found.push(format!("supply of {i}: {} served, {u} unmet", served[i]));
        }
        if !(0.0..=q.max_unmet[i] + TOLERANCE).contains(&u) {
            found.push(format!("unmet {u} of {i}"));
        }
        if error[i] > q.error_slo[i] * served[i] * (1.0 + TOLERANCE) + 1e-12 {
            found.push(format!("error SLO of {i}"));
        }
        let average = problem.latency_scope == LatencyScope::Average;
        if average && latency[i] > q.latency_slo_s[i] * served[i] * (1.0 + TOLERANCE) + 1e-12 {
            found.push(format!("mean latency SLO of {i}"));
        }
        storage_gb += q.data_gb[i] * (1.0 - u);
        unmet_usd += problem.horizon_h * q.rate_per_h[i] * q.unmet_usd_per_query[i] * u;
    }
    let mut rental_usd = 0.0;
    let mut pool_gpus = vec![0.0; problem.num_pools()];
    for a in 0..num_configurations {
        if exceeds(time[a], problem.max_utilization * replicas[a]) || exceeds(memory[a], c.kv_cache_gb[a] * replicas[a])
        {
            found.push(format!("capacity of {a}: time {}, memory {}, {} replicas", time[a], memory[a], replicas[a]));
        }
        let gpus = f64::from(c.tp[a] * c.pp[a]) * replicas[a];
        let tier = c.tier[a] as usize;
        rental_usd += problem.horizon_h * problem.tiers.gpu_usd_per_h[tier] * gpus;
        if replicas[a] > 0.0 {
            storage_gb += c.weights_gb[a];
        }
        if problem.tiers.pool[tier] != NO_POOL {
            pool_gpus[problem.tiers.pool[tier] as usize] += gpus;
        }
    }
    let storage_usd = problem.horizon_h * problem.storage_usd_per_gb_h * storage_gb;
    if exceeds(rental_usd + storage_usd, problem.budget_usd) {
        found.push(format!("budget: {}", rental_usd + storage_usd));
    }
    if exceeds(storage_gb, problem.storage_gb) {
        found.push(format!("storage: {storage_gb}"));
    }
    for (g, &gpus) in pool_gpus.iter().enumerate() {
        if exceeds(gpus, problem.pools.max_gpus[g]) {
            found.push(format!("pool {g}: {gpus}"));
        }
    }
    let total = rental_usd + storage_usd + latency_usd + unmet_usd;
    let stated = plan.objective_value.unwrap_or(f64::NAN);
    if (stated - total).abs() > 1e-9 * total.abs().max(1.0) {
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
fn check(problem: &Problem, plan: &Plan) {
    if plan.status == Status::Feasible {
        assert_eq!(violations(problem, plan), Vec::<String>::new(), "{}", problem.name);
        assert_eq!(plan.message, None);
    } else {
        assert_eq!(plan.status, Status::NoSolutionFound);
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
    for seed in 0..3_000 {
        let problem = small(seed).expect("a valid problem");
        check(&problem, &greedy(&problem, Switches::default()));
    }
}

#[test]
fn plans_of_wild_problems_keep_every_constraint_whatever_is_switched_off() {
    for seed in 0..150 {
        let problem = wild(seed).expect("a valid problem");
        for switches in every_switch_setting() {
            check(&problem, &greedy(&problem, switches));
        }
    }
}

#[test]
fn every_physical_problem_of_every_family_and_scale_gets_a_plan() {
    for family in Family::ALL {
        for (seed, scale) in [(0, 1.0), (1, 10.0), (2, 100.0), (3, 0.1)] {
            let problem = physical(Size::new(6, 6, 10), scale, family, seed).expect("a valid problem");
            let plan = greedy(&problem, Switches::default());
            check(&problem, &plan);
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
