//! The coverage phase: capacity allocated before any traffic is placed, so that every query type has a path.

use super::context::Context;
use super::state::ConstructionState;
use super::Scratch;

/// How much the coverage phase allocates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    /// Nothing: the types open their paths as they are filled.
    None,
    /// One replica, or as many as there must be, for every type that no deployment serves within its SLOs, the more types it covers the better.
    EveryType,
    /// One replica of those configurations whose best mix of traffic is worth most for their price, until every type
    /// has a share.
    Joint,
}

/// How a construction begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// What the coverage phase allocates.
    pub(super) coverage: Coverage,
    /// How much of the rental of idle capacity counts as useful to later types.
    pub(super) idle_value: f64,
    /// Budget, storage and pools are ignored at first and then repaired to keep them.
    pub(super) relaxed: bool,
}

/// Opens what `coverage` asks for.
pub(super) fn cover(
    context: &Context<'_>,
    state: &mut ConstructionState,
    scratch: &mut Scratch,
    coverage: Coverage,
    order: &[u32],
) {
    match coverage {
        Coverage::None => {}
        Coverage::EveryType => cover_every_type(context, state, order),
        Coverage::Joint => cover_jointly(context, state, scratch, order),
    }
}

fn cover_every_type(context: &Context<'_>, state: &mut ConstructionState, order: &[u32]) {
    let Context { problem, candidates, .. } = *context;
    let table = problem.route_table();
    let is_safe = |route: usize| table.error_excess[route] <= 0.0 && table.latency_excess[route] <= 0.0;
    let wants_path = |i: usize| {
        let price_usd = candidates.types[i].usd;
        price_usd.is_finite() && (price_usd < problem.unmet_usd(i) || problem.query_types.max_unmet[i] < 1.0)
    };
    let has_path = |state: &ConstructionState, i: usize| {
        state.slots.iter().any(|slot| problem.find_route(i, slot.configuration as usize).is_some_and(is_safe))
    };
    let least = |a: usize| f64::from(problem.min_replicas(a));
    for &i in order {
        let i = i as usize;
        if !wants_path(i) || has_path(state, i) {
            continue;
        }
        let mut best: Option<(f64, usize)> = None;
        let (sorted, others) = candidates.of_type(i);
        let safe = sorted.iter().chain(others).map(|candidate| candidate.route as usize).filter(|&r| is_safe(r));
        for route in safe.take(candidates.tuning.safe_candidates) {
            let a = table.configuration[route] as usize;
            if state.slot_index(problem.pair(a)).is_some() || state.addable(problem, a, 0) < 1.0 {
                continue;
            }
            let mut covered_usd = 0.0;
            for other in table.of_configuration(a).filter(|&other| is_safe(other)) {
                let k = table.query_type[other] as usize;
                if wants_path(k) && !has_path(state, k) {
                    covered_usd += candidates.types[k].usd / (table.load(other) / least(a)).max(1.0);
                }
            }
            let usd = least(a) * candidates.replica_usd[a] + candidates.weights_usd[a];
            let ratio = if context.switches.coverage_ranking { usd / covered_usd.max(f64::MIN_POSITIVE) } else { usd };
            if best.is_none_or(|(least, _)| ratio < least) {
                best = Some((ratio, a));
            }
        }
        if let Some((_, a)) = best {
            let slot = state.open(problem, a);
            state.set_replicas(problem, slot, problem.min_replicas(a));
        }
    }
}

fn cover_jointly(context: &Context<'_>, state: &mut ConstructionState, scratch: &mut Scratch, order: &[u32]) {
    let Context { problem, candidates, .. } = *context;
    let Scratch { configurations, ratios, left, mix, .. } = scratch;
    left.clear();
    left.extend(candidates.types.iter().map(|price| if price.usd.is_finite() { 1.0 } else { 0.0 }));
    configurations.clear();
    for &i in order {
        let (sorted, _) = candidates.of_type(i as usize);
        configurations
            .extend(sorted.iter().take(candidates.tuning.joint_candidates).map(|candidate| candidate.configuration));
    }
    configurations.sort_unstable();
    configurations.dedup();
    // The less is left of the types the less a configuration is worth, so a ratio found before is an upper bound: only
    // the largest is ever found again.
    ratios.clear();
    ratios.resize(configurations.len(), f64::INFINITY);
    for _ in order {
        if left.iter().all(|&left| left < candidates.tuning.covered) {
            return;
        }
        let mut fresh = None;
        let a = loop {
            let largest =
                (0..ratios.len()).fold(0, |best, index| if ratios[index] > ratios[best] { index } else { best });
            let Some(&ratio) = ratios.get(largest).filter(|&&ratio| ratio > 0.0) else { return };
            let a = configurations[largest] as usize;
            if fresh == Some(largest) {
                break a;
            }
            if state.slot_index(problem.pair(a)).is_some() || state.addable(problem, a, 0) < 1.0 {
                ratios[largest] = 0.0;
                continue;
            }
            find_mix(context, a, left, mix);
            let value_usd: f64 = mix.iter().map(|part| part.value_usd * part.share).sum();
            let least = f64::from(problem.min_replicas(a));
            let usd = (least * candidates.replica_usd[a] + candidates.weights_usd[a]).max(f64::MIN_POSITIVE);
            // Rounding must not let it rise.
            ratios[largest] = (value_usd / usd).min(ratio);
            fresh = Some(largest);
        };
        let slot = state.open(problem, a);
        state.set_replicas(problem, slot, problem.min_replicas(a));
        find_mix(context, a, left, mix);
        for part in mix.iter() {
            left[part.query_type as usize] -= part.share;
        }
    }
}

/// A part of the best mix of traffic for a replica.
#[derive(Debug, Clone, Copy)]
pub(super) struct MixPart {
    query_type: u32,
    share: f64,
    /// What serving the whole type here is worth beyond its latency and allowances, USD.
    value_usd: f64,
    /// Replicas that the whole type takes.
    load: f64,
}

/// The most valuable traffic for the least replicas of configuration `a`, most often one: a fractional knapsack over the types.
fn find_mix(context: &Context<'_>, a: usize, left: &[f64], mix: &mut Vec<MixPart>) {
    let Context { problem, candidates, .. } = *context;
    let table = problem.route_table();
    mix.clear();
    for route in table.of_configuration(a) {
        let i = table.query_type[route] as usize;
        if left[i] <= 0.0 {
            continue;
        }
        let price = &candidates.types[i];
        let may_skip = problem.query_types.max_unmet[i] >= 1.0;
        let served_usd = if may_skip { price.usd.min(problem.unmet_usd(i)) } else { price.usd };
        let allowances_usd = price.error * table.error_excess[route] + price.latency * table.latency_excess[route];
        let value_usd = served_usd - table.latency_usd[route] - allowances_usd;
        if value_usd > 0.0 {
            let load = table.load(route).max(f64::MIN_POSITIVE);
            mix.push(MixPart { query_type: i as u32, share: left[i], value_usd, load });
        }
    }
    mix.sort_unstable_by(|x, y| {
        (y.value_usd / y.load).total_cmp(&(x.value_usd / x.load)).then(x.query_type.cmp(&y.query_type))
    });
    let mut room = f64::from(problem.min_replicas(a));
    for part in mix.iter_mut() {
        part.share = part.share.min(room / part.load);
        room = (room - part.share * part.load).max(0.0);
    }
}
