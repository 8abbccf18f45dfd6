use proptest::prelude::*;

use super::*;
use crate::generate::{small, wild};
use crate::{Configurations, Deployment, Models, Pools, QueryTypes, Routes, Routing, Status, StopReason, Tiers};
use crate::{Error, ProblemData};

/// Two query types, two models on one tier of pool 0 and one more tier without a pool.
fn data() -> ProblemData {
    let strings = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    ProblemData {
        name: "two-types".into(),
        horizon_h: 24.0,
        budget_usd: 400.0,
        storage_gb: 200.0,
        storage_usd_per_gb_h: 0.001,
        max_utilization: 0.9,
        latency_scope: LatencyScope::Route,
        pools: Pools { name: strings(&["h100"]), max_gpus: vec![6.0] },
        query_types: QueryTypes {
            name: strings(&["summarization", "code"]),
            rate_per_h: vec![3600.0, 1800.0],
            latency_slo_s: vec![5.0, 3.0],
            error_slo: vec![0.06, 0.05],
            latency_usd_per_s: vec![1e-5, 2e-5],
            unmet_usd_per_query: vec![0.01, 0.02],
            max_unmet: vec![0.05, 0.1],
            data_gb: vec![1.0, 2.0],
        },
        models: Models { name: strings(&["8b", "70b"]) },
        tiers: Tiers {
            name: strings(&["h100-fp16", "a6000-fp16"]),
            gpu_usd_per_h: vec![2.5, 0.5],
            pool: vec![0, NO_POOL],
        },
        configurations: Configurations {
            model: vec![0, 1, 0, 0],
            tier: vec![0, 0, 1, 0],
            tp: vec![1, 4, 1, 2],
            pp: vec![1, 1, 2, 1],
            weights_gb: vec![16.0, 140.0, 16.0, 16.0],
            kv_cache_gb: vec![60.0, 150.0, 70.0, 130.0],
            max_replicas: vec![8, 4, 8, 2],
            max_num_seqs: vec![0; 4],
            ..Configurations::default()
        },
        routes: Routes {
            query_type: vec![0, 1, 0, 1, 0, 0],
            configuration: vec![0, 0, 1, 1, 2, 3],
            busy_s: vec![0.4, 0.5, 1.0, 1.2, 0.8, 0.2],
            kv_gb_s: vec![10.0, 12.0, 30.0, 35.0, 10.0, 10.0],
            latency_s: vec![2.0, 2.5, 3.0, 2.9, 6.0, 1.5],
            error: vec![0.05, 0.07, 0.02, 0.03, 0.05, 0.05],
        },
    }
}

fn plan(deployments: &[(u32, u32)], routing: &[(u32, u32, f64)], unmet: [f64; 2]) -> Plan {
    let deployments = deployments.iter().map(|&(configuration, replicas)| Deployment { configuration, replicas });
    let problem = Problem::new(data()).expect("valid data");
    let routing = Routing {
        query_type: routing.iter().map(|route| route.0).collect(),
        configuration: routing.iter().map(|route| route.1).collect(),
        fraction: routing.iter().map(|route| route.2).collect(),
    };
    Plan::from_solution(&problem, deployments.collect(), &routing, unmet.to_vec()).expect("valid indices")
}

/// Summarization on the small model, code on the large one.
fn good() -> Plan {
    plan(&[(0, 1), (1, 1)], &[(0, 0, 1.0), (1, 1, 1.0)], [0.0, 0.0])
}

/// What a check of `plan` finds after `change`, as (constraint, entry, amount).
fn found(change: impl FnOnce(&mut ProblemData), plan: &Plan) -> Vec<(Constraint, String, f64)> {
    let mut data = data();
    change(&mut data);
    let report = check(&Problem::new(data).expect("valid data"), plan).expect("valid indices");
    assert_eq!(report.is_feasible(), report.violations.is_empty());
    report.violations.into_iter().map(|violation| (violation.constraint, violation.entry, violation.amount)).collect()
}

/// Asserts that a check finds `constraint` at `entry` by `amount` and nothing else.
fn assert_only(found: &[(Constraint, String, f64)], constraint: Constraint, entry: &str, amount: f64) {
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].1.as_str()), (constraint, entry));
    assert!((found[0].2 - amount).abs() < 1e-9, "{found:?}");
}

#[test]
fn a_good_plan_breaks_nothing_and_costs_what_the_formulation_says() {
    let report = check(&Problem::new(data()).expect("valid data"), &good()).expect("valid indices");
    assert_eq!(report.violations, []);
    let cost = report.cost.expect("there is a plan");
    for (value, expected) in [
        (cost.rental, 24.0 * 2.5 * 5.0),
        (cost.storage, 24.0 * 0.001 * (16.0 + 140.0 + 1.0 + 2.0)),
        (cost.latency, 24.0 * (3600.0 * 1e-5 * 2.0 + 1800.0 * 2e-5 * 2.9)),
        (cost.unmet, 0.0),
    ] {
        assert!((value - expected).abs() < 1e-9, "{value} instead of {expected}");
    }
    let unmet = plan(&[(0, 1), (1, 1)], &[(0, 0, 1.0), (1, 1, 0.9)], [0.0, 0.1]);
    let report = check(&Problem::new(data()).expect("valid data"), &unmet).expect("valid indices");
    assert!(report.is_feasible());
    assert!((report.cost.expect("a plan").unmet - 24.0 * 1800.0 * 0.02 * 0.1).abs() < 1e-9);
}

#[test]
fn shares_that_do_not_add_up_or_are_negative_are_reported() {
    let short = plan(&[(0, 1), (1, 1)], &[(0, 0, 0.9), (1, 1, 1.0)], [0.0, 0.0]);
    assert_only(&found(|_| {}, &short), Constraint::Supply, "query_types[0]", 0.1);
    let unserved = plan(&[(0, 1), (1, 1)], &[(0, 0, 0.75), (1, 1, 1.0)], [0.25, 0.0]);
    assert_only(&found(|_| {}, &unserved), Constraint::MaxUnmet, "unmet[0]", 0.2);
    let negative = plan(&[(0, 1), (1, 1)], &[(0, 0, 1.25), (0, 1, -0.25), (1, 1, 1.0)], [0.0, 0.0]);
    let kinds = found(|_| {}, &negative);
    assert_eq!((kinds[0].0, kinds[0].1.as_str(), kinds[0].2), (Constraint::Bounds, "routing.fraction[1]", 0.25));
    let negative = plan(&[(0, 1), (1, 1)], &[(0, 0, 1.0), (1, 1, 1.0)], [-0.5, 0.0]);
    let kinds = found(|_| {}, &negative);
    assert_eq!((kinds[0].0, kinds[0].1.as_str(), kinds[0].2), (Constraint::Bounds, "unmet[0]", 0.5));
}

#[test]
fn traffic_to_what_is_not_deployed_and_too_many_replicas_are_reported() {
    let nowhere = plan(&[(1, 1)], &[(0, 0, 1.0), (1, 1, 1.0)], [0.0, 0.0]);
    let kinds = found(|_| {}, &nowhere);
    assert_eq!((kinds[0].0, kinds[0].1.as_str(), kinds[0].2), (Constraint::Activation, "routing[0]", 1.0));
    assert!(kinds.iter().any(|kind| kind.0 == Constraint::Time), "without replicas there is no time either");
    let many =
        found(|data| data.configurations.max_replicas[0] = 1, &plan(&[(0, 2), (1, 1)], &good_routes(), [0.0; 2]));
    assert_only(&many, Constraint::MaxReplicas, "configurations[0]", 1.0);
    let twice = plan(&[(0, 1), (1, 1), (3, 1)], &good_routes(), [0.0; 2]);
    let kinds = found(|data| data.pools.max_gpus[0] = 7.0, &twice);
    let over = kinds.iter().find(|kind| kind.0 == Constraint::OnePerPair).expect("is reported");
    assert_eq!((over.1.as_str(), over.2), ("models[0],tiers[0]", 1.0));
}

#[test]
fn too_few_replicas_and_too_much_for_an_operating_point_are_reported() {
    let one = good();
    let few = found(|data| data.configurations.min_replicas = vec![1, 2, 1, 1], &one);
    assert_only(&few, Constraint::MinReplicas, "configurations[1]", 1.0);
    // 0.4 of a replica's time is planned.
    let tight = |own: f64| found(|data| data.configurations.max_utilization = vec![own, 0.0, 0.0, 0.0], &one);
    assert_only(&tight(0.3), Constraint::Time, "configurations[0]", 0.1);
    assert_eq!(tight(0.4), []);
    let loose = |data: &mut ProblemData| {
        data.max_utilization = 0.3;
        data.configurations.max_utilization = vec![0.5, 0.6, 0.0, 0.0];
    };
    assert_eq!(found(loose, &one), []);
}

#[test]
fn one_configuration_of_a_pair_may_be_deployed_whatever_makes_the_pair() {
    let both = found(|data| data.configurations.pair = vec![7, 7, NO_PAIR, NO_PAIR], &good());
    assert_only(&both, Constraint::OnePerPair, "configurations.pair=7", 1.0);
    let twice = plan(&[(0, 1), (1, 1), (3, 1)], &good_routes(), [0.0; 2]);
    let apart = |data: &mut ProblemData| {
        data.pools.max_gpus[0] = 7.0;
        data.budget_usd = f64::INFINITY;
        data.configurations.pair = vec![NO_PAIR, NO_PAIR, NO_PAIR, 7];
    };
    assert_eq!(found(apart, &twice), []);
}

fn good_routes() -> [(u32, u32, f64); 2] {
    [(0, 0, 1.0), (1, 1, 1.0)]
}

#[test]
fn capacities_are_reported_in_their_units() {
    // One query per second takes 0.4 replicas; 0.9 · 0.4 may be planned.
    let slow = found(|data| data.routes.busy_s[0] = 1.0, &good());
    assert_only(&slow, Constraint::Time, "configurations[0]", 0.1);
    let large = found(|data| data.configurations.kv_cache_gb[1] = 10.0, &good());
    assert_only(&large, Constraint::Memory, "configurations[1]", 7.5);
}

#[test]
fn service_levels_are_reported_in_their_scope() {
    let wrong = found(|data| data.query_types.error_slo[1] = 0.02, &good());
    assert_only(&wrong, Constraint::ErrorSlo, "query_types[1]", 0.01);
    let late = |data: &mut ProblemData| data.query_types.latency_slo_s[1] = 2.5;
    assert_only(&found(late, &good()), Constraint::LatencySlo, "routes[3]", 1.0);
    let on_average = |data: &mut ProblemData| {
        data.latency_scope = LatencyScope::Average;
        data.query_types.latency_slo_s[1] = 2.5;
    };
    assert_only(&found(on_average, &good()), Constraint::LatencySlo, "query_types[1]", 0.4);
    // Half of the queries 1.0 s late and half 2.0 s early.
    let balanced = plan(&[(0, 1), (1, 1), (2, 1)], &[(0, 0, 0.5), (0, 2, 0.5), (1, 1, 1.0)], [0.0; 2]);
    assert_only(&found(|_| {}, &balanced), Constraint::LatencySlo, "routes[4]", 0.5);
    assert_eq!(found(|data| data.latency_scope = LatencyScope::Average, &balanced), []);
}

#[test]
fn limits_are_reported_and_infinite_ones_are_none() {
    let cost = good().cost.expect("a plan");
    let spent = cost.rental + cost.storage;
    assert_only(&found(|data| data.budget_usd = 300.0, &good()), Constraint::Budget, "budget_usd", spent - 300.0);
    assert_only(&found(|data| data.storage_gb = 150.0, &good()), Constraint::Storage, "storage_gb", 9.0);
    assert_only(&found(|data| data.pools.max_gpus[0] = 4.0, &good()), Constraint::Pools, "pools[0]", 1.0);
    let unlimited = |data: &mut ProblemData| {
        (data.budget_usd, data.storage_gb, data.pools.max_gpus[0]) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    };
    assert_eq!(found(unlimited, &good()), []);
}

#[test]
fn what_a_plan_says_of_itself_is_checked() {
    let mut wrong = good();
    wrong.objective_value = wrong.objective_value.map(|value| value - 1.0);
    assert_only(&found(|_| {}, &wrong), Constraint::Claim, "objective_value", 1.0);
    let mut wrong = good();
    wrong.cost = wrong.cost.map(|cost| Cost { rental: cost.rental + 2.0, ..cost });
    assert_only(&found(|_| {}, &wrong), Constraint::Claim, "cost.rental", 2.0);
    let mut bound = good();
    bound.objective_bound = bound.objective_value.map(|value| value + 3.0);
    assert_only(&found(|_| {}, &bound), Constraint::Claim, "objective_bound", 3.0);
    // A plan that breaks a constraint may well cost less than the bound.
    let kinds = found(|data| data.pools.max_gpus[0] = 4.0, &bound);
    assert_only(&kinds, Constraint::Pools, "pools[0]", 1.0);
}

#[test]
fn the_tolerance_is_relative_to_the_right_hand_side() {
    for (factor, violations) in [(1.0 - 0.9e-6, 0), (1.0 - 1.2e-6, 1)] {
        let spent = good().cost.map(|cost| cost.rental + cost.storage).expect("a plan");
        assert_eq!(found(|data| data.budget_usd = spent * factor, &good()).len(), violations);
        assert_eq!(found(|data| data.max_utilization = 0.6 * factor, &good()).len(), violations);
        assert_eq!(found(|data| data.configurations.kv_cache_gb[1] = 17.5 * factor, &good()).len(), violations);
        assert_eq!(found(|data| data.storage_gb = 159.0 * factor, &good()).len(), violations);
    }
}

#[test]
fn without_a_plan_nothing_is_broken_and_nothing_feasible() {
    let none = Plan::none("two-types", "gh", 0, Status::NoSolutionFound, "code: no route".into());
    let report = check(&Problem::new(data()).expect("valid data"), &none).expect("valid");
    assert_eq!((report.violations.len(), report.cost, report.is_feasible()), (0, None, false));
}

#[test]
fn a_plan_of_another_problem_is_refused_by_the_entry() {
    let problem = Problem::new(data()).expect("valid data");
    let mut unknown = good();
    unknown.deployments[0].configuration = 4;
    assert!(
        matches!(check(&problem, &unknown), Err(Error::Invalid { entry, .. }) if entry == "deployments[0].configuration")
    );
    let mut no_route = good();
    no_route.routing.query_type[0] = 1;
    no_route.routing.configuration[0] = 2;
    assert!(matches!(check(&problem, &no_route), Err(Error::Invalid { entry, .. }) if entry == "routing[0]"));
}

#[test]
fn numbers_are_shown_as_a_person_writes_them() {
    for (value, text) in [
        (0.0, "0"),
        (100.0, "100"),
        (1234567.8, "1234568"),
        (0.1 + 0.2, "0.3"),
        (1.0 / 3.0, "0.333333"),
        (1e-9, "1.00000e-9"),
    ] {
        assert_eq!(show(value), text);
    }
}

/// The left-hand sides minus the right-hand sides, written a second time with full matrices.
fn excesses(data: &ProblemData, plan: &Plan) -> Vec<(Constraint, f64)> {
    let (q, c, r) = (&data.query_types, &data.configurations, &data.routes);
    let (num_types, count) = (q.name.len(), c.model.len());
    let mut x = vec![vec![0.0; count]; num_types];
    for (index, share) in plan.routing.fraction.iter().enumerate() {
        x[plan.routing.query_type[index] as usize][plan.routing.configuration[index] as usize] = *share;
    }
    let mut replicas = vec![0.0; count];
    for deployment in &plan.deployments {
        replicas[deployment.configuration as usize] = f64::from(deployment.replicas);
    }
    let mut rows = Vec::new();
    let (mut time, mut memory) = (vec![0.0; count], vec![0.0; count]);
    let (mut error, mut latency) = (vec![0.0; num_types], vec![0.0; num_types]);
    for route in 0..r.query_type.len() {
        let (i, a) = (r.query_type[route] as usize, r.configuration[route] as usize);
        time[a] += q.rate_per_h[i] / 3600.0 * r.busy_s[route] * x[i][a];
        memory[a] += q.rate_per_h[i] / 3600.0 * r.kv_gb_s[route] * x[i][a];
        error[i] += (r.error[route] - q.error_slo[i]) * x[i][a];
        latency[i] += (r.latency_s[route] - q.latency_slo_s[i]) * x[i][a];
        if data.latency_scope == LatencyScope::Route && r.latency_s[route] > q.latency_slo_s[i] {
            rows.push((Constraint::LatencySlo, x[i][a]));
        }
    }
    for i in 0..num_types {
        rows.push((Constraint::Supply, (x[i].iter().sum::<f64>() + plan.unmet[i] - 1.0).abs()));
        rows.push((Constraint::MaxUnmet, plan.unmet[i] - q.max_unmet[i]));
        rows.push((Constraint::ErrorSlo, error[i]));
        if data.latency_scope == LatencyScope::Average {
            rows.push((Constraint::LatencySlo, latency[i]));
        }
    }
    let (mut rental, mut stored) = (0.0, 0.0);
    let mut gpus = vec![0.0; data.pools.name.len()];
    for a in 0..count {
        let size = f64::from(c.tp[a] * c.pp[a]);
        let utilization = if c.max_utilization[a] > 0.0 { c.max_utilization[a] } else { data.max_utilization };
        rows.push((Constraint::Time, time[a] - utilization * replicas[a]));
        rows.push((Constraint::Memory, memory[a] - c.kv_cache_gb[a] * replicas[a]));
        rows.push((Constraint::MaxReplicas, replicas[a] - f64::from(c.max_replicas[a])));
        rows.push((Constraint::Activation, x.iter().map(|row| row[a]).fold(0.0, f64::max) - replicas[a].min(1.0)));
        let least = f64::from(c.min_replicas[a]) * replicas[a].min(1.0);
        rows.push((Constraint::MinReplicas, least - replicas[a]));
        let name = |b: usize| if c.pair[b] == NO_PAIR { (c.model[b], c.tier[b], 0) } else { (0, 0, 1 + c.pair[b]) };
        let same = |b: &usize| name(*b) == name(a);
        rows.push((Constraint::OnePerPair, (0..count).filter(same).map(|b| replicas[b].min(1.0)).sum::<f64>() - 1.0));
        rental += data.horizon_h * data.tiers.gpu_usd_per_h[c.tier[a] as usize] * size * replicas[a];
        stored += if replicas[a] > 0.0 { c.weights_gb[a] } else { 0.0 };
        if let Some(used) = gpus.get_mut(data.tiers.pool[c.tier[a] as usize] as usize) {
            *used += size * replicas[a];
        }
    }
    stored += (0..num_types).map(|i| q.data_gb[i] * (1.0 - plan.unmet[i])).sum::<f64>();
    let spent = rental + data.horizon_h * data.storage_usd_per_gb_h * stored;
    rows.push((Constraint::Budget, spent - data.budget_usd));
    rows.push((Constraint::Storage, stored - data.storage_gb));
    rows.extend(gpus.iter().zip(&data.pools.max_gpus).map(|(used, most)| (Constraint::Pools, used - most)));
    rows
}

fn any_case() -> impl Strategy<Value = (Problem, Plan)> {
    let problem = prop_oneof![3 => (0u64..500).prop_map(small), 1 => (0u64..50).prop_map(wild)];
    problem.prop_map(|problem| problem.expect("generators make valid problems")).prop_flat_map(|problem| {
        let count = problem.num_configurations() as u32;
        let replicas = prop::collection::btree_map(0..count, 1u32..4, 0..5);
        let shares = prop::collection::btree_map(0..problem.num_routes().max(1), 0.0..1.0f64, 0..6);
        let unmet = prop::collection::vec(0.0..1.0f64, problem.num_query_types());
        (replicas, shares, unmet, any::<bool>()).prop_map(move |(replicas, shares, unmet, balance)| {
            let routes = &problem.data().routes;
            let mut plan = Plan {
                status: Status::Feasible,
                stop_reason: StopReason::Completed,
                unmet,
                deployments: replicas
                    .into_iter()
                    .map(|(configuration, replicas)| Deployment { configuration, replicas })
                    .collect(),
                ..Plan::none(&problem.name, "any", 0, Status::NoSolutionFound, String::new())
            };
            for (route, share) in shares.into_iter().filter(|(route, _)| *route < problem.num_routes()) {
                plan.routing.query_type.push(routes.query_type[route]);
                plan.routing.configuration.push(routes.configuration[route]);
                plan.routing.fraction.push(share);
            }
            if balance {
                plan.unmet = vec![1.0; problem.num_query_types()];
                for (i, share) in plan.routing.query_type.iter().zip(&plan.routing.fraction) {
                    plan.unmet[*i as usize] -= share;
                }
            }
            plan.cost = Some(Cost::default());
            plan.objective_value = Some(0.0);
            (problem.clone(), plan)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_a_second_reading_of_the_formulation_finds_is_found((problem, plan) in any_case()) {
        let report = check(&problem, &plan).expect("valid indices");
        let excesses = excesses(problem.data(), &plan);
        for (kind, largest) in excesses.iter().map(|(kind, _)| {
            let of_kind = excesses.iter().filter(|other| other.0 == *kind).map(|other| other.1);
            (*kind, of_kind.fold(f64::NEG_INFINITY, f64::max))
        }) {
            let reported = report.violations.iter().filter(|violation| violation.constraint == kind);
            let reported = reported.map(|violation| violation.amount).fold(f64::NEG_INFINITY, f64::max);
            // Random shares are either clearly over or clearly within.
            if largest > 1e-3 || reported > 1e-3 {
                prop_assert!((largest - reported).abs() <= 1e-9 * largest.abs().max(1.0), "{kind:?}: {largest} {reported}");
            }
        }
        // The coefficients that methods cost plans by agree with the formulation.
        let cost = Cost::evaluate(&problem, &plan.deployments, &plan.routing, &plan.unmet).expect("valid indices");
        let own = report.cost.expect("there is a plan");
        for (value, expected) in [
            (cost.rental, own.rental), (cost.storage, own.storage), (cost.latency, own.latency), (cost.unmet, own.unmet),
        ] {
            prop_assert!((value - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{cost:?} {own:?}");
        }
    }
}
