//! Conflicts and relaxations of problems without a plan, verified by solving the changed problems.

use servemix_core::diagnose::{diagnose, Constraint, Diagnosis};
use servemix_core::{
    check, generate, solve, CancelToken, Configurations, LatencyScope, Method, Models, Pools, Problem, ProblemData,
    QueryTypes, Routes, SolveParams, Status, Stop, Tiers,
};

fn diagnosed(problem: &Problem) -> Diagnosis {
    diagnose(problem, &SolveParams::default(), &Stop::never()).expect("no thread is needed")
}

fn status(data: ProblemData) -> Status {
    let problem = Problem::new(data).expect("a valid problem");
    let plan =
        solve(&problem, Method::Bnb, &SolveParams::default(), None, &CancelToken::new()).expect("valid settings");
    if plan.status.has_plan() {
        assert!(check(&problem, &plan).expect("a plan of this problem").is_feasible());
    }
    plan.status
}

/// Two query types of one replica's work each, on a cheap slow tier and a dear fast one.
fn base() -> ProblemData {
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    ProblemData {
        name: "base".into(),
        horizon_h: 1.0,
        budget_usd: 100.0,
        storage_gb: 100.0,
        storage_usd_per_gb_h: 0.0,
        max_utilization: 1.0,
        latency_scope: LatencyScope::Route,
        pools: Pools { name: names(["small", "large"]), max_gpus: vec![4.0, 4.0] },
        query_types: QueryTypes {
            name: names(["code", "chat"]),
            rate_per_h: vec![3600.0; 2],
            latency_slo_s: vec![3.0; 2],
            error_slo: vec![0.05; 2],
            latency_usd_per_s: vec![0.0; 2],
            unmet_usd_per_query: vec![0.01; 2],
            max_unmet: vec![0.0; 2],
            data_gb: vec![0.0; 2],
        },
        models: Models { name: vec!["model".into()] },
        tiers: Tiers { name: names(["small", "large"]), gpu_usd_per_h: vec![1.0, 4.0], pool: vec![0, 1] },
        configurations: Configurations {
            model: vec![0; 2],
            tier: vec![0, 1],
            tp: vec![1; 2],
            pp: vec![1; 2],
            weights_gb: vec![10.0; 2],
            kv_cache_gb: vec![2.0; 2],
            max_replicas: vec![4; 2],
            max_num_seqs: vec![0; 2],
            ..Configurations::default()
        },
        routes: Routes {
            query_type: vec![0, 1, 0, 1],
            configuration: vec![0, 0, 1, 1],
            busy_s: vec![1.0; 4],
            kv_gb_s: vec![1.0; 4],
            latency_s: vec![2.0, 2.0, 1.0, 1.0],
            error: vec![0.02, 0.02, 0.01, 0.01],
        },
    }
}

/// Every claim of the diagnosis, by solving what it is about.
fn verify(problem: &Problem, diagnosis: &Diagnosis) {
    assert_eq!(diagnosis.status, Status::Infeasible);
    assert!(diagnosis.conflict_is_smallest && !diagnosis.conflict.is_empty());
    let relaxed = |keep: &dyn Fn(Constraint) -> bool| {
        let mut data = problem.data().clone();
        for constraint in Constraint::of(problem).into_iter().filter(|&constraint| !keep(constraint)) {
            constraint.set(&mut data, constraint.loosest(problem.data()));
        }
        data
    };
    let in_conflict = |constraint| diagnosis.conflict.contains(&constraint);
    assert_eq!(status(relaxed(&in_conflict)), Status::Infeasible, "the conflict alone has no plan");
    for &dropped in &diagnosis.conflict {
        let status = status(relaxed(&|constraint| in_conflict(constraint) && constraint != dropped));
        assert!(status.has_plan(), "{dropped:?} is no part of the conflict");
    }
    for relaxation in &diagnosis.relaxations {
        let with = |value| {
            let mut data = problem.data().clone();
            relaxation.constraint.set(&mut data, value);
            data
        };
        assert!(status(with(relaxation.to)).has_plan(), "{}", relaxation.describe(problem));
        assert_eq!(status(with(relaxation.not_enough)), Status::Infeasible, "{relaxation:?}");
        assert!(relaxation.not_enough < relaxation.to);
    }
}

/// Verifies the diagnosis of `base` after `change`; the conflict must be `conflict`, the relaxations `relaxations`.
fn expect(change: impl Fn(&mut ProblemData), conflict: &[Constraint], relaxations: &[(Constraint, f64)]) {
    let mut data = base();
    change(&mut data);
    let problem = Problem::new(data).expect("a valid problem");
    let diagnosis = diagnosed(&problem);
    verify(&problem, &diagnosis);
    if !conflict.is_empty() {
        assert_eq!(diagnosis.conflict, conflict);
    }
    for &(constraint, to) in relaxations {
        let found = diagnosis.relaxations.iter().find(|relaxation| relaxation.constraint == constraint);
        let found = found.unwrap_or_else(|| panic!("no relaxation of {constraint:?} in {diagnosis:?}"));
        assert!((found.to - to).abs() <= 2e-3 * to, "{constraint:?}: {} instead of {to}", found.to);
    }
}

use Constraint::{
    Budget, ErrorSlo, EveryErrorSlo, EveryLatencySlo, LatencySlo, MaxReplicas, MaxUnmet, Memory, Pool, Storage,
};

#[test]
fn each_kind_alone_is_found_with_its_least_relaxation() {
    let (code, chat) = (MaxUnmet(0), MaxUnmet(1));
    expect(|d| d.query_types.latency_slo_s[0] = 0.5, &[code, LatencySlo(0)], &[(LatencySlo(0), 1.0), (code, 1.0)]);
    expect(|d| d.query_types.error_slo[1] = 0.005, &[chat, ErrorSlo(1)], &[(ErrorSlo(1), 0.01), (chat, 1.0)]);
    expect(|d| d.budget_usd = 1.5, &[code, chat, Budget], &[(Budget, 2.0), (code, 1.0), (chat, 1.0)]);
    expect(|d| d.storage_gb = 5.0, &[], &[(Storage, 10.0)]);
    let one_gpu = |d: &mut ProblemData| {
        only_small(d);
        d.pools.max_gpus[0] = 1.0;
    };
    expect(one_gpu, &[code, chat, Pool(0)], &[(Pool(0), 2.0), (code, 1.0)]);
    let one_replica = |d: &mut ProblemData| {
        only_small(d);
        d.configurations.max_replicas[0] = 1;
    };
    expect(one_replica, &[code, chat, MaxReplicas], &[(MaxReplicas, 2.0)]);
    let little_memory = |d: &mut ProblemData| d.routes.kv_gb_s = vec![20.0; 4];
    expect(little_memory, &[], &[(Memory, 2.5)]);
}

#[test]
fn pairs_of_kinds_are_found_together() {
    let (code, chat) = (MaxUnmet(0), MaxUnmet(1));
    // The cheap tier is too slow for code and the fast one too dear.
    let slow_or_dear = |d: &mut ProblemData| {
        d.query_types.latency_slo_s[0] = 1.5;
        d.budget_usd = 3.0;
    };
    expect(slow_or_dear, &[code, LatencySlo(0), Budget], &[(LatencySlo(0), 2.0), (Budget, 5.0)]);
    let wrong_or_dear = |d: &mut ProblemData| {
        d.query_types.error_slo[1] = 0.012;
        d.budget_usd = 3.0;
    };
    expect(wrong_or_dear, &[chat, ErrorSlo(1), Budget], &[(Budget, 5.0)]);
    let few_or_dear = |d: &mut ProblemData| {
        d.pools.max_gpus[0] = 1.0;
        d.budget_usd = 4.0;
    };
    expect(few_or_dear, &[code, chat, Budget, Pool(0)], &[(Pool(0), 2.0), (Budget, 5.0)]);
    let slow_or_few = |d: &mut ProblemData| {
        d.query_types.latency_slo_s = vec![1.5; 2];
        d.pools.max_gpus[1] = 1.0;
    };
    expect(slow_or_few, &[code, chat, LatencySlo(0), LatencySlo(1), Pool(1)], &[(Pool(1), 2.0), (LatencySlo(0), 2.0)]);
    let slow_or_full = |d: &mut ProblemData| {
        d.query_types.latency_slo_s[0] = 1.5;
        d.configurations.weights_gb[1] = 200.0;
    };
    expect(slow_or_full, &[code, LatencySlo(0), Storage], &[(LatencySlo(0), 2.0), (Storage, 200.0)]);
    let wrong_or_few = |d: &mut ProblemData| {
        d.query_types.error_slo[0] = 0.012;
        d.pools.max_gpus[1] = 0.5;
    };
    expect(wrong_or_few, &[code, ErrorSlo(0), Pool(1)], &[(Pool(1), 1.0)]);
    // Two faults that have nothing to do with each other: no single change helps, a kind as a whole may.
    let both_slow = |d: &mut ProblemData| d.query_types.latency_slo_s = vec![0.5, 0.8];
    expect(both_slow, &[], &[(EveryLatencySlo, 2.0)]);
    let both_wrong = |d: &mut ProblemData| d.query_types.error_slo = vec![0.005, 0.0025];
    expect(both_wrong, &[], &[(EveryErrorSlo, 4.0)]);
    let slow_and_wrong = |d: &mut ProblemData| {
        d.query_types.latency_slo_s[0] = 0.5;
        d.query_types.error_slo[1] = 0.005;
    };
    expect(slow_and_wrong, &[], &[]);
    let slow_on_average = |d: &mut ProblemData| {
        d.latency_scope = LatencyScope::Average;
        d.query_types.latency_slo_s[0] = 1.5;
        d.budget_usd = 3.0;
    };
    expect(slow_on_average, &[code, LatencySlo(0), Budget], &[]);
}

/// Leaves the cheap tier alone.
fn only_small(data: &mut ProblemData) {
    data.routes.configuration = vec![0, 0];
    for column in
        [&mut data.routes.busy_s, &mut data.routes.kv_gb_s, &mut data.routes.latency_s, &mut data.routes.error]
    {
        column.truncate(2);
    }
    data.routes.query_type.truncate(2);
}

#[test]
fn pairs_with_storage_replicas_and_memory_are_found_together() {
    let (code, chat) = (MaxUnmet(0), MaxUnmet(1));
    // The cheap tier errs too much for code and the other model's weights do not fit.
    let wrong_or_full = |d: &mut ProblemData| {
        d.query_types.error_slo[0] = 0.012;
        d.configurations.weights_gb[1] = 200.0;
    };
    expect(wrong_or_full, &[code, ErrorSlo(0), Storage], &[(Storage, 200.0), (ErrorSlo(0), 0.02)]);
    let full_or_dear = |d: &mut ProblemData| {
        d.configurations.weights_gb[0] = 200.0;
        d.budget_usd = 3.0;
    };
    expect(full_or_dear, &[], &[(Storage, 200.0)]);
    let full_or_few = |d: &mut ProblemData| {
        d.configurations.weights_gb[0] = 200.0;
        d.pools.max_gpus[1] = 0.5;
    };
    expect(full_or_few, &[], &[(Storage, 200.0), (Pool(1), 2.0)]);
    let slow_and_wrong_for_one = |d: &mut ProblemData| {
        d.query_types.latency_slo_s[0] = 1.5;
        d.routes.error[2] = 0.2;
    };
    expect(slow_and_wrong_for_one, &[code, LatencySlo(0), ErrorSlo(0)], &[(LatencySlo(0), 2.0), (ErrorSlo(0), 0.2)]);
    let capped_or_dear = |d: &mut ProblemData| {
        d.configurations.max_replicas[0] = 1;
        d.budget_usd = 4.0;
    };
    expect(capped_or_dear, &[code, chat, Budget, MaxReplicas], &[(Budget, 5.0), (MaxReplicas, 2.0)]);
    let slow_or_capped = |d: &mut ProblemData| {
        d.query_types.latency_slo_s = vec![1.5; 2];
        d.configurations.max_replicas[1] = 1;
    };
    expect(slow_or_capped, &[], &[(MaxReplicas, 2.0), (LatencySlo(0), 2.0)]);
    let wrong_or_capped = |d: &mut ProblemData| {
        d.query_types.error_slo = vec![0.012; 2];
        d.configurations.max_replicas[1] = 1;
    };
    expect(wrong_or_capped, &[], &[(MaxReplicas, 2.0)]);
    let little_memory_or_dear = |d: &mut ProblemData| {
        only_small(d);
        d.routes.kv_gb_s = vec![4.0; 2];
        d.budget_usd = 3.0;
    };
    expect(little_memory_or_dear, &[code, chat, Budget, Memory], &[(Budget, 4.0)]);
    let little_memory_or_few = |d: &mut ProblemData| {
        only_small(d);
        d.routes.kv_gb_s = vec![4.0; 2];
        d.pools.max_gpus[0] = 3.0;
    };
    expect(little_memory_or_few, &[code, chat, Pool(0), Memory], &[(Pool(0), 4.0)]);
    let little_memory_or_capped = |d: &mut ProblemData| {
        only_small(d);
        d.routes.kv_gb_s = vec![4.0; 2];
        d.configurations.max_replicas[0] = 3;
    };
    expect(little_memory_or_capped, &[], &[(MaxReplicas, 4.0 / 3.0)]);
}

#[test]
fn random_problems_without_a_plan_are_diagnosed_correctly() {
    let mut found = 0;
    for seed in 0..2_000 {
        let problem = generate::small(seed).expect("a valid problem");
        let diagnosis = diagnosed(&problem);
        if diagnosis.status == Status::Infeasible {
            verify(&problem, &diagnosis);
            found += 1;
            if found == 25 {
                break;
            }
        }
    }
    assert_eq!(found, 25);
}

#[test]
fn prices_tell_what_a_binding_constraint_is_worth() {
    let mut data = base();
    data.query_types.max_unmet = vec![1.0; 2];
    data.budget_usd = 1.0;
    // One replica at 1 USD serves 3600 queries that would cost 36 USD.
    let diagnosis = diagnosed(&Problem::new(data).expect("a valid problem"));
    assert_eq!(diagnosis.status, Status::Feasible);
    let budget = diagnosis.marginal_values.iter().find(|value| value.constraint == Budget).expect("it binds");
    assert!((budget.usd_per_unit - 35.0).abs() <= 0.01, "{budget:?}");
    assert_eq!(diagnosed(&Problem::new(base()).expect("a valid problem")).marginal_values, []);
}
