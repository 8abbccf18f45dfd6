use proptest::prelude::*;

use crate::bound::Domain;
use crate::tree::Task;
use crate::{
    check, generate, solve, CancelToken, Method, Plan, Problem, ProblemData, SolveParams, Status, Stop, NO_POOL,
};

/// One problem of several that share nothing but limits; with `shares_pools`, those of the first.
fn side_by_side(parts: &[Problem], shares_pools: bool, more_limits: impl Fn(&mut ProblemData)) -> Problem {
    let mut whole = parts[0].data().clone();
    let pools_of_first = whole.pools.name.len() as u32;
    for (index, part) in parts.iter().enumerate().skip(1) {
        let data = part.data();
        let name = |name: &String| format!("{name} of {index}");
        let (types, models) = (whole.query_types.name.len() as u32, whole.models.name.len() as u32);
        let (tiers, pools) = (whole.tiers.name.len() as u32, whole.pools.name.len() as u32);
        let configurations = whole.configurations.model.len() as u32;
        let pairs = 1_000 * index as u32;
        whole.models.name.extend(data.models.name.iter().map(name));
        whole.pools.name.extend(data.pools.name.iter().map(name));
        whole.pools.max_gpus.extend(&data.pools.max_gpus);
        whole.tiers.name.extend(data.tiers.name.iter().map(name));
        whole.tiers.gpu_usd_per_h.extend(&data.tiers.gpu_usd_per_h);
        whole.tiers.pool.extend(data.tiers.pool.iter().map(|&pool| match pool {
            NO_POOL => NO_POOL,
            pool if shares_pools && pool < pools_of_first => pool,
            pool => pool + pools,
        }));
        let (q, own) = (&mut whole.query_types, &data.query_types);
        q.name.extend(own.name.iter().map(name));
        q.rate_per_h.extend(&own.rate_per_h);
        q.latency_slo_s.extend(&own.latency_slo_s);
        q.error_slo.extend(&own.error_slo);
        q.latency_usd_per_s.extend(&own.latency_usd_per_s);
        q.unmet_usd_per_query.extend(&own.unmet_usd_per_query);
        q.max_unmet.extend(&own.max_unmet);
        q.data_gb.extend(&own.data_gb);
        let (c, own) = (&mut whole.configurations, &data.configurations);
        c.model.extend(own.model.iter().map(|j| j + models));
        c.tier.extend(own.tier.iter().map(|k| k + tiers));
        c.tp.extend(&own.tp);
        c.pp.extend(&own.pp);
        c.weights_gb.extend(&own.weights_gb);
        c.kv_cache_gb.extend(&own.kv_cache_gb);
        c.max_replicas.extend(&own.max_replicas);
        c.max_num_seqs.extend(&own.max_num_seqs);
        c.max_utilization.extend(&own.max_utilization);
        c.min_replicas.extend(&own.min_replicas);
        c.pair.extend(own.pair.iter().map(|&pair| if pair == crate::NO_PAIR { pair } else { pair + pairs }));
        let (r, own) = (&mut whole.routes, &data.routes);
        r.query_type.extend(own.query_type.iter().map(|i| i + types));
        r.configuration.extend(own.configuration.iter().map(|a| a + configurations));
        r.busy_s.extend(&own.busy_s);
        r.kv_gb_s.extend(&own.kv_gb_s);
        r.latency_s.extend(&own.latency_s);
        r.error.extend(&own.error);
        whole.budget_usd += data.budget_usd;
        whole.storage_gb += data.storage_gb;
    }
    more_limits(&mut whole);
    Problem::new(whole).expect("a valid problem")
}

fn plan_of(problem: &Problem, method: Method, seed: u64) -> Plan {
    let params = SolveParams { seed, ..SolveParams::default() };
    solve(problem, method, &params, None, &CancelToken::new()).expect("no internal error")
}

/// Asserts that proofs by components and by one tree do not contradict each other, and that AGH is below neither.
fn assert_agreement(problem: &Problem) -> Result<(), TestCaseError> {
    let apart = plan_of(problem, Method::Bnb, 0);
    let task = Task { problem, domain: Domain::of(problem), rel_gap: 1e-4, max_work: 300_000_000 };
    let whole = task.prove(std::iter::empty(), &Stop::never()).expect("no internal error");
    let value = |plan: &Plan| plan.objective_value.unwrap_or(f64::INFINITY);
    let slack = 1.0 + 1e-9;
    if let Some(plan) = &whole.plan {
        prop_assert_ne!(apart.status, Status::Infeasible);
        prop_assert!(apart.objective_bound.unwrap_or(0.0) <= value(plan) * slack);
    }
    if apart.status.has_plan() {
        prop_assert!(whole.bound <= value(&apart) * slack, "{} above {}", whole.bound, value(&apart));
        prop_assert!(check(problem, &apart).expect("a plan of this problem").is_feasible());
    }
    let agh = plan_of(problem, Method::Agh, 0);
    if agh.status.has_plan() {
        prop_assert!(check(problem, &agh).expect("a plan of this problem").is_feasible());
        prop_assert!(apart.objective_bound.unwrap_or(0.0) <= value(&agh) * slack);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn proofs_by_components_agree_with_those_of_one_tree(
        seed in any::<u64>(),
        count in 2..4_usize,
        shares_pools in any::<bool>(),
        budget in 0.5..1.2_f64,
        storage in 0.5..1.2_f64,
        pools in 0.5..1.0_f64,
    ) {
        let parts: Vec<Problem> =
            (0..count as u64).map(|n| generate::small(seed.wrapping_add(n)).expect("a valid problem")).collect();
        let problem = side_by_side(&parts, shares_pools, |data| {
            data.budget_usd *= budget;
            data.storage_gb *= storage;
            data.pools.max_gpus.iter_mut().for_each(|gpus| *gpus *= pools);
        });
        assert_agreement(&problem)?;
    }
}

#[test]
fn services_of_their_own_are_proven_one_by_one() {
    let part = |seed| generate::physical(generate::Size::new(2, 3, 4), 10.0, generate::Family::Plain, seed).unwrap();
    let parts: Vec<Problem> = (0..6).map(part).collect();
    let plan = plan_of(&side_by_side(&parts, true, |_| ()), Method::Bnb, 0);
    assert_eq!(plan.status, Status::Optimal);
    let components = plan.statistics.iter().find(|figure| figure.0 == "components");
    assert!(components.is_some_and(|figure| figure.1 >= 6.0));
    let apart: f64 = parts.iter().map(|part| plan_of(part, Method::Bnb, 0).objective_value.unwrap()).sum();
    let value = plan.objective_value.unwrap();
    assert!((value - apart).abs() <= 3e-4 * apart, "{value} and {apart}");
}
