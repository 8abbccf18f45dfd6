//! M1, TP-aware feasibility selection: for a (query type, model, tier), the cheapest TP/PP that satisfies memory and
//! latency.

use super::prices::{LimitPrices, LimitUse, Point, TypePrice};
use super::ranking::Demand;
use crate::{LatencyScope, Problem, NO_POOL};

/// Candidates of a type that are kept in order of their price; the others follow in no order.
const SORTED: usize = 48;
/// Share of a replica that a deployment is expected to leave idle: it speaks for small configurations.
const IDLE_SHARE: f64 = 0.2;

/// A route that may be opened for a query type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Least that the whole type can cost on it, with error and latency priced.
    pub(super) value: f64,
    point: Point,
    /// Replicas that the whole type takes.
    replicas: f64,
    /// Position in the route table.
    pub(super) route: u32,
}

/// The candidates of every query type and the prices that rank them.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    start: Vec<u32>,
    items: Vec<Candidate>,
    /// Price of each query type.
    pub(super) types: Vec<TypePrice>,
    /// Price of one replica of each configuration, with the limits priced.
    pub(super) replica_usd: Vec<f64>,
    /// Price of the weights of each configuration, with the limits priced.
    pub(super) weights_usd: Vec<f64>,
    /// Price of the stored tokens of each query type, with the limits priced.
    pub(super) data_usd: Vec<f64>,
    // Working memory: per type, the cheapest routes of the pair at hand.
    cheapest: Vec<Cheapest>,
    unsorted: Vec<(u32, Candidate)>,
}

/// The cheapest routes of a query type on one pair, with their cost: of all, of those within the error SLO, of those
/// within the latency SLO, and of those within both. Mixes need both ends of each SLO.
#[derive(Debug, Clone, Copy, Default)]
struct Cheapest([Option<(f64, Candidate)>; 4]);

impl Cheapest {
    #[inline]
    fn offer(&mut self, cost: f64, candidate: Candidate, average: bool) {
        let (accurate, fast) = (candidate.point.error <= 0.0, candidate.point.latency <= 0.0);
        // Where every route keeps the latency SLO, the two in the middle tell nothing new.
        for (place, holds) in self.0.iter_mut().zip([true, average && accurate, average && fast, accurate && fast]) {
            if holds && place.is_none_or(|(least, _)| cost < least) {
                *place = Some((cost, candidate));
            }
        }
    }
}

impl Candidates {
    /// Candidates of type `i`: the first by rising value, then (see the flag) others whose value is no smaller.
    #[inline]
    pub(super) fn of_type(&self, i: usize) -> (&[Candidate], &[Candidate]) {
        let items = &self.items[self.start[i] as usize..self.start[i + 1] as usize];
        items.split_at(items.len().min(SORTED))
    }

    /// Least that placing any part of `demand` on a new deployment can cost per share: its value and the replica that
    /// is paid for whether it is filled or not.
    #[inline]
    pub(super) fn least_new_rank(&self, problem: &Problem, candidate: &Candidate, demand: &Demand) -> f64 {
        let a = problem.route_table().configuration[candidate.route as usize] as usize;
        let idle = (1.0 / demand.share - candidate.replicas).max(0.0);
        candidate.value
            + self.data_usd[demand.query_type]
            + (1.0 - demand.idle_value) * self.replica_usd[a] * idle
            + self.weights_usd[a] / demand.share
    }

    /// Replicas that the whole type of a route takes on its configuration.
    #[inline]
    pub(super) fn load(&self, problem: &Problem, route: usize) -> f64 {
        let table = problem.route_table();
        let kv_cache_gb = problem.configurations.kv_cache_gb[table.configuration[route] as usize];
        (table.time[route] / problem.max_utilization).max(table.memory[route] / kv_cache_gb)
    }

    /// Selects the candidates, unranked until they are priced; `cheapest` off takes the smallest TP/PP of every pair
    /// instead of the cheapest.
    pub(super) fn select(&mut self, problem: &Problem, cheapest: bool) {
        self.price_limits(problem, &LimitPrices::default());
        self.collect(problem, cheapest);
        self.group(problem.num_query_types());
    }

    /// Ranks the selected candidates anew at other prices.
    pub(super) fn reprice(&mut self, problem: &Problem, prices: &LimitPrices) {
        self.revalue(problem, prices);
        self.rank(problem);
    }

    fn revalue(&mut self, problem: &Problem, prices: &LimitPrices) {
        self.price_limits(problem, prices);
        let table = problem.route_table();
        for candidate in &mut self.items {
            let route = candidate.route as usize;
            let a = table.configuration[route] as usize;
            candidate.point.usd = table.latency_usd[route] + self.replica_usd[a] * candidate.replicas;
        }
    }

    /// What the relaxation uses of the budget and of each pool at `prices`.
    pub(super) fn use_at(&mut self, problem: &Problem, prices: &LimitPrices, used: &mut LimitUse) {
        self.revalue(problem, prices);
        let average = problem.latency_scope == LatencyScope::Average;
        used.budget_usd = 0.0;
        used.pool_gpus.clear();
        used.pool_gpus.resize(problem.num_pools(), 0.0);
        for i in 0..problem.num_query_types() {
            let items = &self.items[self.start[i] as usize..self.start[i + 1] as usize];
            let price = TypePrice::new(items.iter().map(|candidate| candidate.point), average);
            if price.usd.is_infinite() {
                continue;
            }
            let served = if price.usd > problem.unmet_usd(i) { 1.0 - problem.query_types.max_unmet[i] } else { 1.0 };
            let (good, bad) = (price.ends.0 as usize, price.ends.1 as usize);
            let (good_error, bad_error) = price.error_ends;
            let bad_share = if bad_error > good_error { -good_error / (bad_error - good_error) } else { 0.0 };
            for (end, share) in [(good, 1.0 - bad_share), (bad, bad_share)] {
                let a = problem.route_table().configuration[items[end].route as usize] as usize;
                let replicas = items[end].replicas * share * served;
                used.budget_usd += replicas * problem.replica_usd(a);
                if problem.pool(a) != NO_POOL {
                    used.pool_gpus[problem.pool(a) as usize] += replicas * problem.gpus_per_replica(a);
                }
            }
        }
    }

    fn price_limits(&mut self, problem: &Problem, prices: &LimitPrices) {
        let spent = 1.0 + prices.budget;
        let c = &problem.configurations;
        self.replica_usd.clear();
        self.replica_usd.extend((0..problem.num_configurations()).map(|a| {
            let pool = problem.pool(a);
            let gpu_usd =
                if pool == NO_POOL { 0.0 } else { prices.pool_usd_per_gpu.get(pool as usize).copied().unwrap_or(0.0) };
            spent * problem.replica_usd(a) + gpu_usd * problem.gpus_per_replica(a)
        }));
        self.weights_usd.clear();
        self.weights_usd.extend(
            (0..problem.num_configurations())
                .map(|a| spent * problem.weights_usd(a) + prices.storage_usd_per_gb * c.weights_gb[a]),
        );
        self.data_usd.clear();
        self.data_usd.extend(
            (0..problem.num_query_types())
                .map(|i| spent * problem.data_usd(i) + prices.storage_usd_per_gb * problem.query_types.data_gb[i]),
        );
    }

    fn collect(&mut self, problem: &Problem, select: bool) {
        let table = problem.route_table();
        let num_types = problem.num_query_types();
        let c = &problem.configurations;
        self.unsorted.clear();
        let average = problem.latency_scope == LatencyScope::Average;
        self.cheapest.clear();
        self.cheapest.resize(num_types, Cheapest::default());
        for pair in 0..problem.num_pairs() {
            let members = problem.pair_configurations(pair);
            let smallest =
                members.iter().copied().min_by_key(|&a| (u64::from(c.tp[a as usize]) * u64::from(c.pp[a as usize]), a));
            for &a in members {
                if !select && Some(a) != smallest {
                    continue;
                }
                let a = a as usize;
                let limit = f64::from(problem.replica_limit(a));
                if limit == 0.0 {
                    continue;
                }
                let (per_time, per_memory) = (1.0 / problem.max_utilization, 1.0 / c.kv_cache_gb[a]);
                let replica_usd = self.replica_usd[a];
                for route in table.of_configuration(a) {
                    let i = table.query_type[route] as usize;
                    let replicas = (table.time[route] * per_time).max(table.memory[route] * per_memory);
                    let point = Point {
                        usd: table.latency_usd[route] + replica_usd * replicas,
                        error: table.error_excess[route],
                        latency: table.latency_excess[route],
                    };
                    // What a limit keeps it from covering is as dear as the dearest alternative could be.
                    let shortfall = (replicas / limit).max(1.0);
                    let cost = point.usd * shortfall + IDLE_SHARE * replica_usd;
                    let candidate = Candidate { value: 0.0, point, replicas, route: route as u32 };
                    self.cheapest[i].offer(cost, candidate, average);
                }
            }
            for i in 0..num_types {
                let Cheapest(found) = std::mem::take(&mut self.cheapest[i]);
                for (place, &candidate) in found.iter().enumerate() {
                    let Some((_, candidate)) = candidate else { continue };
                    let is_new = found[..place].iter().flatten().all(|(_, other)| other.route != candidate.route);
                    if is_new {
                        self.unsorted.push((i as u32, candidate));
                    }
                }
            }
        }
    }

    /// Puts the candidates of a type side by side (a counting sort).
    fn group(&mut self, num_types: usize) {
        self.start.clear();
        self.start.resize(num_types + 1, 0);
        for &(i, _) in &self.unsorted {
            self.start[i as usize + 1] += 1;
        }
        for i in 0..num_types {
            self.start[i + 1] += self.start[i];
        }
        let Some(&(_, any)) = self.unsorted.first() else {
            self.items.clear();
            return;
        };
        self.items.clear();
        self.items.resize(self.unsorted.len(), any);
        for &(i, candidate) in &self.unsorted {
            let next = &mut self.start[i as usize];
            self.items[*next as usize] = candidate;
            *next += 1;
        }
        // Every start has moved to the next type's.
        for i in (0..num_types).rev() {
            self.start[i + 1] = self.start[i];
        }
        self.start[0] = 0;
    }

    fn rank(&mut self, problem: &Problem) {
        let average = problem.latency_scope == LatencyScope::Average;
        self.types.clear();
        for i in 0..problem.num_query_types() {
            let items = &mut self.items[self.start[i] as usize..self.start[i + 1] as usize];
            let price = TypePrice::new(items.iter().map(|candidate| candidate.point), average);
            for candidate in items.iter_mut() {
                candidate.value = price.value(candidate.point);
            }
            let order = |x: &Candidate, y: &Candidate| x.value.total_cmp(&y.value).then(x.route.cmp(&y.route));
            if items.len() > SORTED {
                items.select_nth_unstable_by(SORTED, order);
            }
            let sorted = items.len().min(SORTED);
            items[..sorted].sort_unstable_by(order);
            self.types.push(price);
        }
    }
}
