//! M2, cost-per-effective-coverage ranking: what a candidate adds in cost, divided by the share of demand that it can
//! really cover, given what remains of demand, capacity, limits and of the error and latency allowance.

use super::candidates::Candidates;
use super::demand::Demand;
use super::slot::Slot;
use super::state::{ConstructionState, SHARE_EPSILON};
use crate::Problem;

/// Shares below this are taken only to finish a type: crumbs on many routes help no one.
const SMALLEST_SHARE: f64 = 1e-4;

/// A share of a query type for a route, with the replicas that it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placement {
    /// What candidates are ordered by, least first.
    pub(super) rank: f64,
    /// USD per unit of share, allowances and limits priced.
    pub(super) usd_per_share: f64,
    pub(super) share: f64,
    pub(super) route: u32,
    /// Replicas of the configuration afterwards.
    pub(super) replicas: u32,
}

/// The best placement of a part of `demand` on `route`, whose configuration is deployed as `slot` or not at all;
/// `None` where nothing fits, or nothing of a rank below `bound`.
pub(super) fn best_placement(
    problem: &Problem,
    state: &ConstructionState,
    candidates: &Candidates,
    demand: &Demand,
    route: usize,
    slot: Option<&Slot>,
    bound: f64,
) -> Option<Placement> {
    let table = problem.route_table();
    let (error, latency) = (table.error_excess[route], table.latency_excess[route]);
    let unit_usd = table.latency_usd[route] + candidates.data_usd[demand.query_type];
    let least = unit_usd + demand.price.error * error + demand.price.latency * latency;
    if demand.by_coverage && least >= bound {
        return None;
    }
    let most = demand.allowed_share(error, latency);
    let smallest = SMALLEST_SHARE.min(demand.share).max(SHARE_EPSILON);
    if most < smallest {
        return None;
    }
    let a = table.configuration[route] as usize;
    let (per_time, per_memory) = (table.time_replicas[route], table.memory_replicas[route]);
    let (replicas, time, memory) = slot.map_or((0, 0.0, 0.0), |slot| (slot.replicas, slot.time, slot.memory));
    // Share that fits into `replicas`, and where that is nothing, the replicas that can be added.
    let room = |replicas: f64| {
        let by = |load: f64, per: f64| if per > 0.0 { (replicas - load).max(0.0) / per } else { f64::INFINITY };
        by(time, per_time).min(by(memory, per_memory))
    };
    let rate = |share: f64, added_usd: f64, replicas: f64| -> Placement {
        let usd = added_usd + unit_usd * share + demand.allowance_usd(error, latency, share);
        let usd_per_share = usd / share;
        Placement {
            rank: if demand.by_coverage { usd_per_share } else { added_usd + unit_usd * share },
            usd_per_share,
            share,
            route: route as u32,
            replicas: replicas as u32,
        }
    };
    let mut best: Option<Placement> = None;
    let mut consider = |placement: Placement| {
        if best.is_none_or(|best| placement.rank < best.rank) {
            best = Some(placement);
        }
    };
    let balanced = demand.balanced_share(error);
    let shares = [most, if balanced > smallest && balanced < most { balanced } else { 0.0 }];
    let free = if replicas > 0 { room(f64::from(replicas)) } else { 0.0 };
    if free >= smallest {
        for share in shares.into_iter().filter(|&share| share > 0.0) {
            consider(rate(share.min(free), 0.0, f64::from(replicas)));
        }
        return best;
    }
    if a as u32 == demand.closed {
        return None;
    }
    let replica_usd = candidates.replica_usd[a];
    let opens = slot.is_none();
    let least_replicas = if opens { f64::from(problem.min_replicas(a)) } else { 1.0 };
    // What is added costs at least what is used of it, and the part of the rest that no other is expected to use.
    let load = table.load(route);
    let added = demand.idle_value * load + (1.0 - demand.idle_value) * load.max(least_replicas / most);
    if demand.by_coverage && least + replica_usd * added >= bound {
        return None;
    }
    let addable = state.addable(problem, a, replicas);
    if addable < least_replicas {
        return None;
    }
    let opening_usd = if opens { candidates.weights_usd[a] } else { 0.0 };
    for share in shares.into_iter().filter(|&share| share > 0.0) {
        let needed = ConstructionState::needed_of(problem, a, time + per_time * share, memory + per_memory * share);
        let added = (needed - f64::from(replicas)).clamp(least_replicas, addable);
        // Whole replicas used to the full may be the better start, the rest going elsewhere.
        for added in [added, added - 1.0] {
            if added < least_replicas {
                continue;
            }
            let total = f64::from(replicas) + added;
            let spent_usd = added * problem.replica_usd(a) + if opens { problem.weights_usd(a) } else { 0.0 };
            let stored_gb = if opens { problem.configurations.weights_gb[a] } else { 0.0 };
            let data_room = state.data_room(problem, demand.query_type, spent_usd, stored_gb);
            let covered = share.min(room(total)).min(data_room);
            if covered < smallest {
                continue;
            }
            let mut usd = opening_usd + added * replica_usd;
            if demand.idle_value > 0.0 {
                let load = (time + per_time * covered).max(memory + per_memory * covered);
                usd -= demand.idle_value * replica_usd * (total - load).clamp(0.0, least_replicas);
            }
            consider(rate(covered, usd, total));
        }
    }
    best
}
