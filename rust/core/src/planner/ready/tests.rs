use proptest::prelude::*;

use crate::{
    check, generate, solve, Action, CancelToken, Deployment, Method, Plan, Planner, PlannerParams, Problem, RouterMode,
    SolveParams, Status, TransitionCosts, Update,
};

/// A problem that has a plan, and a planner of it.
fn planner_of(seed: u64, max_changes: Option<u32>) -> Option<(Problem, Planner)> {
    let problem = generate::small(seed).unwrap();
    let plan = solve(&problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).unwrap();
    plan.status.has_plan().then(|| {
        let params = PlannerParams { max_changes, ..PlannerParams::default() };
        let planner = Planner::new(problem.clone(), Some(&plan), params).unwrap();
        (problem, planner)
    })
}

/// Replicas that are up by the names that `deployments` have for them: at another operating point they go on as the same.
fn counts_as(problem: &Problem, up: &[u32], deployments: &[Deployment]) -> Vec<u32> {
    let mut counts = vec![0; up.len()];
    for (a, &replicas) in (0_u32..).zip(up) {
        let same = |entry: &&Deployment| problem.are_same_replicas(a, entry.configuration);
        counts[deployments.iter().find(same).map_or(a, |entry| entry.configuration) as usize] += replicas;
    }
    counts
}

fn counts(problem: &Problem, deployments: &[Deployment]) -> Vec<u32> {
    let mut counts = vec![0; problem.num_configurations()];
    deployments.iter().for_each(|entry| counts[entry.configuration as usize] += entry.replicas);
    counts
}

/// Breaks of capacity by a routing where `up` serves.
fn assert_is_served_by(problem: &Problem, plan: &Plan, up: &[u32]) {
    let deployments: Vec<Deployment> = (0..)
        .zip(up)
        .filter(|entry| *entry.1 > 0)
        .map(|(configuration, &replicas)| Deployment { configuration, replicas })
        .collect();
    let mut of_up = Plan::from_solution(problem, deployments, &plan.routing, plan.unmet.clone()).unwrap();
    of_up.status = Status::Degraded;
    for violation in check(problem, &of_up).unwrap().violations {
        let is_of_routing = ["time", "memory", "activation", "supply", "error_slo", "latency_slo"];
        assert!(!is_of_routing.contains(&violation.constraint.as_str()), "{violation:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn traffic_goes_to_what_is_ready_and_calls_arrive_at_the_plan(
        seed in 0_u64..10_000, factors in prop::collection::vec(0.1_f64..8.0, 8)
    ) {
        let Some((mut problem, mut planner)) = planner_of(seed, None) else { return Ok(()) };
        let mut up = counts(&problem, &planner.plan().deployments);
        let rates: Vec<f64> =
            problem.query_types.rate_per_h.iter().zip(factors.iter().cycle()).map(|(rate, by)| rate * by).collect();
        problem.set_rates(&rates).unwrap();
        let mut arrived = false;
        for _ in 0..40 {
            let update = Update { rates: Some(&rates), ready: Some(&up), ..Update::default() };
            let in_force = planner.replan(&update).unwrap().clone();
            in_force.router(RouterMode::Random, 1).unwrap();
            let wanted = counts(&problem, &in_force.deployments);
            // What drains gets no traffic, what starts gets none yet.
            let now = counts_as(&problem, &up, &in_force.deployments);
            let serving: Vec<u32> = now.iter().zip(&wanted).map(|(&now, &then)| now.min(then)).collect();
            assert_is_served_by(&problem, &in_force, &serving);
            let target = &planner.plan().deployments;
            arrived = counts_as(&problem, &up, target) == counts(&problem, target);
            if arrived {
                prop_assert_eq!(&in_force, planner.plan());
                break;
            }
            up = wanted;
        }
        prop_assert!(arrived);
    }

    #[test]
    fn with_a_limit_on_changes_no_plan_in_force_starts_and_stops_more_beside_the_one_before(
        seed in 0_u64..10_000,
        factors in prop::collection::vec(0.1_f64..8.0, 8),
        most in 2_u32..8,
        slow in 1_usize..4,
    ) {
        let Some((mut problem, mut planner)) = planner_of(seed, Some(most)) else { return Ok(()) };
        let mut asked = counts(&problem, &planner.plan().deployments);
        let mut up = asked.clone();
        let rates: Vec<f64> =
            problem.query_types.rate_per_h.iter().zip(factors.iter().cycle()).map(|(rate, by)| rate * by).collect();
        problem.set_rates(&rates).unwrap();
        for call in 0..60 {
            let update = Update { rates: Some(&rates), ready: Some(&up), ..Update::default() };
            let in_force = planner.replan(&update).unwrap().clone();
            in_force.router(RouterMode::Random, 1).unwrap();
            let wanted = counts(&problem, &in_force.deployments);
            let before = counts_as(&problem, &asked, &in_force.deployments);
            let changed: u32 = before.iter().zip(&wanted).map(|(&now, &then)| now.abs_diff(then)).sum();
            let least = problem.configurations.min_replicas.iter().max().unwrap();
            prop_assert!(changed <= most || most < *least, "{changed} of {most}");
            let now = counts_as(&problem, &up, &in_force.deployments);
            let serving: Vec<u32> = now.iter().zip(&wanted).map(|(&now, &then)| now.min(then)).collect();
            assert_is_served_by(&problem, &in_force, &serving);
            // What stops is gone at once, what starts is up some calls later.
            up = if call % slow == 0 { wanted.clone() } else { serving };
            asked = wanted;
        }
        let target = &planner.plan().deployments;
        prop_assert_eq!(counts_as(&problem, &up, target), counts(&problem, target));
    }

    #[test]
    fn each_step_of_a_transition_serves_what_its_routing_says(
        seed in 0_u64..10_000, factors in prop::collection::vec(0.2_f64..6.0, 8)
    ) {
        let Some((mut problem, mut planner)) = planner_of(seed, None) else { return Ok(()) };
        let previous = planner.plan().clone();
        let rates: Vec<f64> =
            problem.query_types.rate_per_h.iter().zip(factors.iter().cycle()).map(|(rate, by)| rate * by).collect();
        problem.set_rates(&rates).unwrap();
        let next = planner.replan(&Update { rates: Some(&rates), ..Update::default() }).unwrap().clone();
        let transition = next.transition(&problem, &previous, &TransitionCosts::default()).unwrap();
        let mut up = counts_as(&problem, &counts(&problem, &previous.deployments), &next.deployments);
        let total: f64 = rates.iter().sum();
        for step in &transition.steps {
            let of = &mut up[step.configuration as usize];
            match step.action {
                Action::Start => *of += step.replicas,
                Action::Stop => *of -= step.replicas,
            }
            let unmet: Vec<f64> = step.served.iter().map(|share| 1.0 - share).collect();
            let plan = Plan { routing: step.routing.clone(), unmet, ..next.clone() };
            assert_is_served_by(&problem, &plan, &up);
            let routes = step.routing.query_type.iter().zip(&step.routing.fraction);
            let served: f64 = routes.map(|(&i, fraction)| rates[i as usize] * fraction).sum();
            prop_assert!(total == 0.0 || (served / total - step.served_share).abs() < 1e-9);
            step.router(RouterMode::Deficit, 3).unwrap();
        }
    }
}

#[test]
fn a_replica_that_is_not_ready_gets_nothing() {
    let (problem, mut planner) = (0..).find_map(|seed| planner_of(seed, None)).unwrap();
    let none = vec![0; problem.num_configurations()];
    let in_force = planner.replan(&Update { ready: Some(&none), ..Update::default() }).unwrap().clone();
    assert!(in_force.routing.fraction.is_empty());
    assert_eq!(in_force.deployments, planner.plan().deployments);
    assert_eq!(in_force.status, Status::Degraded);
    assert!(in_force.message.unwrap().contains("are starting"));
}

#[test]
fn ready_replicas_of_a_wrong_length_or_number_are_refused_and_nothing_changes() {
    let (problem, mut planner) = (0..).find_map(|seed| planner_of(seed, None)).unwrap();
    let before = planner.plan().clone();
    let error = planner.replan(&Update { ready: Some(&[]), ..Update::default() }).unwrap_err();
    assert!(error.to_string().contains("ready: has 0 entries"), "{error}");
    let mut many = vec![0; problem.num_configurations()];
    many[0] = u32::MAX;
    let error = planner.replan(&Update { ready: Some(&many), ..Update::default() }).unwrap_err();
    assert!(error.to_string().contains("ready[0]"), "{error}");
    assert_eq!(planner.plan(), &before);
}
