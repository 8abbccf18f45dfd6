//! Feasibility and cost of a plan, by the formulation alone: from the data as given, sharing no code and no derived
//! figure with the methods that make plans, so that a mistake of theirs does not hide here.

mod decisions;
pub(crate) mod gate;
mod report;

use crate::{Cost, LatencyScope, Plan, Problem, Result, FEASIBILITY_TOLERANCE, NO_PAIR, NO_POOL};

use decisions::{is_late, Decisions};
use report::{show, Violations};
pub use report::{CheckReport, Constraint, Violation};

/// Checks `plan` against every constraint of `problem`, and what it claims of its cost against the cost that it has.
///
/// A constraint holds where its excess is at most 1e-6 of its right-hand side. Where that is zero, 1 stands in for it
/// for shares, the SLO for errors (at least 0.01) and latencies (at least 1 s), and the capacity of one replica for capacities. Whole
/// numbers have no tolerance: replicas and what is deployed of a (model, tier). A share below the tolerance that may not be
/// there at all (negative, to what is not deployed, beyond the latency SLO of a route) counts as 0.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) names an entry of the plan that has no meaning in this problem, such as an index out of range.
pub fn check(problem: &Problem, plan: &Plan) -> Result<CheckReport> {
    plan.validate(problem)?;
    if !plan.status.has_plan() {
        return Ok(CheckReport { violations: Vec::new(), cost: None });
    }
    let decisions = Decisions::read(problem, plan)?;
    let mut found = Violations::default();
    supply_and_bounds(&decisions, &mut found);
    activation(&decisions, &mut found);
    one_per_pair(&decisions, &mut found);
    capacities(&decisions, &mut found);
    service_levels(&decisions, &mut found);
    limits(&decisions, &mut found);
    let cost = decisions.cost();
    claims(plan, &cost, &mut found);
    Ok(CheckReport { violations: found.into_vec(), cost: Some(cost) })
}

/// Σ_a x + u = 1, and x, u within their bounds.
fn supply_and_bounds(d: &Decisions<'_>, found: &mut Violations) {
    for (index, traffic) in d.traffic.iter().enumerate() {
        found.at_most(Constraint::Bounds, -traffic.given, 0.0, 1.0, || {
            (format!("routing.fraction[{index}]"), format!("a share of {} is negative", show(traffic.given)))
        });
    }
    let routed = d.sum_by_type(|_, _| 1.0);
    for (i, &unmet) in d.unmet.iter().enumerate() {
        let entry = || format!("unmet[{i}]");
        found.at_most(Constraint::Bounds, -unmet, 0.0, 1.0, || {
            (entry(), format!("{}: an unserved share of {} is negative", d.type_name(i), show(unmet)))
        });
        let max_unmet = d.data.query_types.max_unmet[i];
        found.at_most(Constraint::MaxUnmet, unmet, max_unmet, 1.0, || {
            let (share, most) = (show(unmet), show(max_unmet));
            (entry(), format!("{}: a share of {share} goes unserved where {most} may", d.type_name(i)))
        });
        let total = routed[i] + d.unmet(i);
        found.at_most(Constraint::Supply, (total - 1.0).abs(), 0.0, 1.0, || {
            let message = format!("{}: shares routed and unserved add up to {}, not to 1", d.type_name(i), show(total));
            (format!("query_types[{i}]"), message)
        });
    }
}

/// x ≤ w, m·w ≤ r ≤ R·w.
fn activation(d: &Decisions<'_>, found: &mut Violations) {
    for (index, traffic) in d.traffic.iter().enumerate() {
        let a = traffic.configuration;
        let deployed = f64::from(u8::from(traffic.is_deployed));
        found.at_most(Constraint::Activation, traffic.share, deployed, 1.0, || {
            let message = format!(
                "{}: a share of {} is routed to {} {}",
                d.type_name(traffic.query_type),
                show(traffic.share),
                if deployed > 0.0 { "the deployed" } else { "what is not deployed:" },
                d.configuration_name(a)
            );
            (format!("routing[{index}]"), message)
        });
    }
    for &(a, replicas) in &d.replicas {
        let c = &d.data.configurations;
        let (least, most) = (f64::from(c.min_replicas[a]), f64::from(c.max_replicas[a]));
        let tell = |rule: String| {
            let message = format!("{}: {replicas} replicas where {rule}", d.configuration_name(a));
            (format!("configurations[{a}]"), message)
        };
        found.at_most(Constraint::MaxReplicas, replicas, most, 0.0, || tell(format!("{most} may be deployed")));
        found.at_most(Constraint::MinReplicas, least - replicas, 0.0, 0.0, || tell(format!("{least} are the least")));
    }
}

/// Σ_{a in a pair} w_a ≤ 1, where a pair is one that the configurations name, else a model and a tier.
fn one_per_pair(d: &Decisions<'_>, found: &mut Violations) {
    let c = &d.data.configurations;
    let key = |a: usize| match c.pair[a] {
        NO_PAIR => (c.model[a], c.tier[a], NO_PAIR),
        pair => (0, 0, pair),
    };
    let mut pairs: Vec<(u32, u32, u32)> = d.replicas.iter().map(|&(a, _)| key(a)).collect();
    pairs.sort_unstable();
    for same in pairs.chunk_by(|x, y| x == y) {
        let ((model, tier, pair), count) = (same[0], same.len() as f64);
        found.at_most(Constraint::OnePerPair, count, 1.0, 0.0, || {
            if pair != NO_PAIR {
                let entry = format!("configurations.pair={pair}");
                return (entry, format!("pair {pair}: {count} configurations are deployed where 1 may be"));
            }
            let (model_name, tier_name) = (&d.data.models.name[model as usize], &d.data.tiers.name[tier as usize]);
            let message = format!("{model_name} on {tier_name}: {count} TP/PP choices are deployed where 1 may be");
            (format!("models[{model}],tiers[{tier}]"), message)
        });
    }
}

/// Time and KV memory of every configuration that is deployed or has traffic.
fn capacities(d: &Decisions<'_>, found: &mut Violations) {
    // Replicas, replicas that are busy and GB that are held of each.
    let mut loads: Vec<(usize, f64, f64, f64)> =
        d.replicas.iter().map(|&(a, replicas)| (a, replicas, 0.0, 0.0)).collect();
    for traffic in &d.traffic {
        let a = traffic.configuration;
        let at = match loads[..d.replicas.len()].binary_search_by_key(&a, |load| load.0) {
            Ok(at) => at,
            Err(_) if traffic.share == 0.0 => continue,
            Err(_) => {
                loads.push((a, 0.0, 0.0, 0.0));
                loads.len() - 1
            }
        };
        let per_s = d.data.query_types.rate_per_h[traffic.query_type] / 3600.0 * traffic.share;
        loads[at].2 += per_s * d.data.routes.busy_s[traffic.route];
        loads[at].3 += per_s * d.data.routes.kv_gb_s[traffic.route];
    }
    if loads.len() > d.replicas.len() {
        loads.sort_by_key(|load| load.0);
        loads.dedup_by(|next, first| {
            let is_same = next.0 == first.0;
            if is_same {
                (first.2, first.3) = (first.2 + next.2, first.3 + next.3);
            }
            is_same
        });
    }
    for &(a, r, busy, _) in &loads {
        let own = d.data.configurations.max_utilization[a];
        let one = if own > 0.0 { own } else { d.data.max_utilization };
        found.at_most(Constraint::Time, busy, one * r, one * r.max(1.0), || {
            let (busy, may) = (show(busy), show(one * r));
            let message = format!("{}: {busy} replicas are busy where {may} may be", d.configuration_name(a));
            (format!("configurations[{a}]"), message)
        });
    }
    for &(a, r, _, gb) in &loads {
        let one = d.data.configurations.kv_cache_gb[a];
        found.at_most(Constraint::Memory, gb, one * r, one * r.max(1.0), || {
            let (gb, has) = (show(gb), show(one * r));
            let message = format!("{}: {gb} GB of KV cache are held where there are {has}", d.configuration_name(a));
            (format!("configurations[{a}]"), message)
        });
    }
}

/// Error and latency SLOs.
fn service_levels(d: &Decisions<'_>, found: &mut Violations) {
    let (q, r) = (&d.data.query_types, &d.data.routes);
    let errors = d.sum_by_type(|i, route| r.error[route] - q.error_slo[i]);
    let latencies_s = match d.data.latency_scope {
        LatencyScope::Average => d.sum_by_type(|i, route| r.latency_s[route] - q.latency_slo_s[i]),
        LatencyScope::Route => Vec::new(),
    };
    for (i, &excess) in errors.iter().enumerate() {
        found.at_most(Constraint::ErrorSlo, excess, 0.0, q.error_slo[i].max(0.01), || {
            let slo = show(q.error_slo[i]);
            let message = format!("{}: the mean error exceeds the SLO of {slo} by {}", d.type_name(i), show(excess));
            (format!("query_types[{i}]"), message)
        });
        if let Some(&excess_s) = latencies_s.get(i) {
            let slo_s = q.latency_slo_s[i];
            found.at_most(Constraint::LatencySlo, excess_s, 0.0, slo_s.max(1.0), || {
                let (slo, excess) = (show(slo_s), show(excess_s));
                let message = format!("{}: the mean latency exceeds the SLO of {slo} s by {excess} s", d.type_name(i));
                (format!("query_types[{i}]"), message)
            });
        }
    }
    if d.data.latency_scope == LatencyScope::Route {
        for traffic in d.traffic.iter().filter(|traffic| is_late(d.data, traffic.query_type, traffic.route)) {
            found.at_most(Constraint::LatencySlo, traffic.share, 0.0, 1.0, || {
                let message = format!(
                    "{}: a share of {} takes {} s on {} where the SLO is {} s",
                    d.type_name(traffic.query_type),
                    show(traffic.share),
                    show(r.latency_s[traffic.route]),
                    d.configuration_name(traffic.configuration),
                    show(q.latency_slo_s[traffic.query_type])
                );
                (format!("routes[{}]", traffic.route), message)
            });
        }
    }
}

/// Budget, storage and pools.
fn limits(d: &Decisions<'_>, found: &mut Violations) {
    let cost = d.cost();
    let spent = cost.rental + cost.storage;
    found.at_most(Constraint::Budget, spent, d.data.budget_usd, d.data.budget_usd, || {
        let (spent, budget) = (show(spent), show(d.data.budget_usd));
        ("budget_usd".to_owned(), format!("rental and storage cost {spent} USD where the budget is {budget} USD"))
    });
    let storage_gb = d.storage_gb();
    found.at_most(Constraint::Storage, storage_gb, d.data.storage_gb, d.data.storage_gb, || {
        let (gb, capacity) = (show(storage_gb), show(d.data.storage_gb));
        ("storage_gb".to_owned(), format!("{gb} GB are stored where there is room for {capacity} GB"))
    });
    let mut used = vec![0.0; d.data.pools.name.len()];
    for &(a, replicas) in &d.replicas {
        let pool = d.data.tiers.pool[d.data.configurations.tier[a] as usize];
        if pool != NO_POOL {
            used[pool as usize] += d.gpus(a) * replicas;
        }
    }
    for (g, &gpus) in used.iter().enumerate() {
        let most = d.data.pools.max_gpus[g];
        found.at_most(Constraint::Pools, gpus, most, most, || {
            let message = format!("{}: {} GPUs are used where there are {}", d.data.pools.name[g], gpus, show(most));
            (format!("pools[{g}]"), message)
        });
    }
}

/// What the plan says of itself.
fn claims(plan: &Plan, cost: &Cost, found: &mut Violations) {
    let claimed = plan.cost.unwrap_or_default();
    let value = plan.objective_value.unwrap_or(f64::NAN);
    for (entry, claimed, is) in [
        ("cost.rental", claimed.rental, cost.rental),
        ("cost.storage", claimed.storage, cost.storage),
        ("cost.latency", claimed.latency, cost.latency),
        ("cost.unmet", claimed.unmet, cost.unmet),
        ("objective_value", value, cost.total()),
    ] {
        found.at_most(Constraint::Claim, (claimed - is).abs(), 0.0, is.abs().max(1.0), || {
            (entry.to_owned(), format!("is said to be {} USD and is {} USD", show(claimed), show(is)))
        });
    }
    let is = cost.total();
    if let Some(bound) = plan.objective_bound.filter(|_| found.is_empty()) {
        // A plan that keeps every constraint refutes a bound above its cost.
        found.at_most(Constraint::Claim, bound, is, is.abs().max(1.0), || {
            let message = format!("is {} USD, above the plan's own cost of {} USD", show(bound), show(is));
            ("objective_bound".to_owned(), message)
        });
    }
}

/// Whether `excess` counts for a right-hand side of the size `scale`.
fn counts(excess: f64, scale: f64) -> bool {
    // What is no number is no proof that the constraint holds.
    excess.is_nan() || excess > FEASIBILITY_TOLERANCE * scale
}

#[cfg(test)]
mod tests;
