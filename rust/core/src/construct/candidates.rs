//! M1, TP-aware feasibility selection: for a (query type, model, tier), the cheapest TP/PP that satisfies memory and
//! latency.

use super::demand::Demand;
use super::type_price::{LimitUse, Point, TypePrice};
use crate::pricing::LimitPrices;
use crate::tuning::ConstructTuning;
use crate::{LatencyScope, Problem, NO_POOL};

/// Replicas paid for per replica that is used, at most.
const MOST_GROWTH: f64 = 1e6;

/// A route that may be opened for a query type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Least that the whole type can cost on it, with error and latency priced.
    pub(super) value: f64,
    /// Replicas that the whole type takes, and that a deployment has at least.
    replicas: f64,
    least_replicas: f64,
    /// What the first replicas take of the budget.
    pub(super) open_usd: f64,
    /// Position in the route table.
    pub(super) route: u32,
    pub(super) configuration: u32,
    pub(super) pair: u32,
}

/// The candidates of every query type and the prices that rank them.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// What steers the whole construction.
    pub(super) tuning: ConstructTuning,
    start: Vec<u32>,
    /// The routes selected, grouped by query type.
    routes: Vec<u32>,
    /// Where each of them stands in the relaxation, at the present prices.
    points: Vec<Point>,
    /// The configuration of each, and the replicas that the whole type takes.
    loads: Vec<(u32, f64)>,
    /// The selected routes as candidates, in the order of [`Candidates::of_type`].
    ranked: Vec<Candidate>,
    /// Price of each query type.
    pub(super) types: Vec<TypePrice>,
    /// Price of one replica of each configuration, with the limits priced.
    pub(super) replica_usd: Vec<f64>,
    /// Price of the weights of each configuration, with the limits priced.
    pub(super) weights_usd: Vec<f64>,
    /// Price of the stored tokens of each query type, with the limits priced.
    pub(super) data_usd: Vec<f64>,
    /// Whether a deployment has to have several replicas somewhere.
    pub(super) has_points: bool,
    // Working memory: per type, the cheapest routes of the pair at hand.
    cheapest: Vec<Cheapest>,
    unsorted: Vec<(u32, u32)>,
}

/// The cheapest routes of a query type on one pair, with their cost: of all, of those within both SLOs, of those within
/// the error SLO, and of those within the latency SLO; mixes need both ends of each SLO. Where deployments may have to have several
/// replicas, the same of all and of those within both SLOs where a type has these for itself.
#[derive(Debug, Clone, Copy)]
struct Cheapest([(f64, u32); 6]);

/// In [`Cheapest`]: no route yet.
const NO_ROUTE: (f64, u32) = (f64::INFINITY, u32::MAX);

impl Cheapest {
    #[inline]
    fn offer(&mut self, place: usize, cost: f64, route: usize) {
        if cost < self.0[place].0 {
            self.0[place] = (cost, route as u32);
        }
    }
}

/// How many replicas are paid for per replica that is used where all traffic that `a` can serve would not fill those that it has to
/// have, of which there are several.
fn idle_growth(problem: &Problem, a: usize) -> f64 {
    if problem.min_replicas(a) == 1 {
        return 1.0;
    }
    let table = problem.route_table();
    let all: f64 = table.of_configuration(a).map(|route| table.load(route)).sum();
    (f64::from(problem.min_replicas(a)) / all.max(f64::MIN_POSITIVE)).clamp(1.0, MOST_GROWTH)
}

impl Candidates {
    /// Candidates of type `i`: the first by rising value, then others whose value is no smaller, which stand by rising
    /// `open_usd` where there is a budget.
    #[inline]
    pub(super) fn of_type(&self, i: usize) -> (&[Candidate], &[Candidate]) {
        let ranked = &self.ranked[self.range(i)];
        ranked.split_at(ranked.len().min(self.tuning.sorted))
    }

    #[inline]
    fn range(&self, i: usize) -> std::ops::Range<usize> {
        self.start[i] as usize..self.start[i + 1] as usize
    }

    /// Least that placing any part of `demand` on a new deployment can cost per share: its value and the replica that
    /// is paid for whether it is filled or not.
    #[inline]
    pub(super) fn least_new_rank(&self, candidate: &Candidate, demand: &Demand) -> f64 {
        let a = candidate.configuration as usize;
        let idle = (candidate.least_replicas / demand.share - candidate.replicas).max(0.0);
        candidate.value
            + self.data_usd[demand.query_type]
            + (1.0 - demand.idle_value) * self.replica_usd[a] * idle
            + self.weights_usd[a] / demand.share
    }

    /// Selects the candidates, unranked until they are priced; `cheapest` off takes the smallest TP/PP of every pair
    /// instead of the cheapest.
    pub(super) fn select(&mut self, problem: &Problem, cheapest: bool) {
        self.price_limits(problem, &LimitPrices::default());
        self.collect(problem, cheapest);
        self.group(problem.num_query_types());
        let Self { routes, points, .. } = self;
        let table = problem.route_table();
        points.clear();
        points.extend(routes.iter().map(|&route| Point {
            usd: 0.0,
            error: table.error_excess[route as usize],
            latency: table.latency_excess[route as usize],
        }));
        self.forget_idle(problem);
        self.reprice(problem, &LimitPrices::default());
    }

    /// Loads as if every deployment attracted all the traffic that it can serve.
    pub(super) fn forget_idle(&mut self, problem: &Problem) {
        let Self { routes, loads, .. } = self;
        let table = problem.route_table();
        loads.clear();
        loads.extend(routes.iter().map(|&route| {
            let configuration = table.configuration[route as usize];
            (configuration, idle_growth(problem, configuration as usize) * table.load(route as usize))
        }));
    }

    /// Raises the loads of routes to what they pay for: a deployment's least replicas where the types that it attracts do not
    /// fill them. Types that find that too expensive go elsewhere in the next round.
    pub(super) fn price_idle(&mut self, problem: &Problem) {
        let table = problem.route_table();
        let mut attracted = vec![0.0; problem.num_configurations()];
        let ConstructTuning { idle_rounds, idle_step, .. } = self.tuning;
        for _ in 0..idle_rounds {
            self.revalue(problem, &LimitPrices::default());
            attracted.fill(0.0);
            for i in 0..problem.num_query_types() {
                let price = self.type_price(problem, i);
                if price.usd.is_infinite() {
                    continue;
                }
                for (end, share) in price.shares() {
                    let route = self.routes[self.range(i)][end] as usize;
                    attracted[table.configuration[route] as usize] += share * table.load(route);
                }
            }
            let mut changed = false;
            for ((configuration, load), &route) in self.loads.iter_mut().zip(&self.routes) {
                let a = *configuration as usize;
                let filled = attracted[a];
                if filled > 0.0 {
                    let growth = (f64::from(problem.min_replicas(a)) / filled).clamp(1.0, MOST_GROWTH);
                    let paid = table.load(route as usize) * growth;
                    if paid > *load * (1.0 + 1e-9) {
                        *load += idle_step * (paid - *load);
                        changed = true;
                    }
                }
            }
            if !changed {
                break;
            }
        }
    }

    /// Ranks the selected candidates again at other prices.
    pub(super) fn reprice(&mut self, problem: &Problem, prices: &LimitPrices) {
        self.revalue(problem, prices);
        self.rank(problem);
    }

    fn revalue(&mut self, problem: &Problem, prices: &LimitPrices) {
        self.price_limits(problem, prices);
        let Self { routes, points, loads, replica_usd, .. } = self;
        let latency_usd = &problem.route_table().latency_usd;
        for ((point, &route), &(configuration, load)) in points.iter_mut().zip(&*routes).zip(&*loads) {
            point.usd = latency_usd[route as usize] + replica_usd[configuration as usize] * load;
        }
    }

    fn type_price(&self, problem: &Problem, i: usize) -> TypePrice {
        let average = problem.latency_scope == LatencyScope::Average;
        TypePrice::new(self.points[self.range(i)].iter().copied(), average)
    }

    /// What the relaxation uses of the budget and of each pool at `prices`.
    pub(super) fn use_at(&mut self, problem: &Problem, prices: &LimitPrices, used: &mut LimitUse) {
        self.revalue(problem, prices);
        used.budget_usd = 0.0;
        used.pool_gpus.clear();
        used.pool_gpus.resize(problem.num_pools(), 0.0);
        for i in 0..problem.num_query_types() {
            let price = self.type_price(problem, i);
            if price.usd.is_infinite() {
                continue;
            }
            let served = if price.usd > problem.unmet_usd(i) { 1.0 - problem.query_types.max_unmet[i] } else { 1.0 };
            let table = problem.route_table();
            for (end, share) in price.shares() {
                let route = self.routes[self.range(i)][end] as usize;
                let a = table.configuration[route] as usize;
                let replicas = table.load(route) * share * served;
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
            let gpu_usd = if pool == NO_POOL { 0.0 } else { prices.pool.get(pool as usize).copied().unwrap_or(0.0) };
            spent * problem.replica_usd(a) + gpu_usd * problem.gpus_per_replica(a)
        }));
        self.weights_usd.clear();
        self.weights_usd.extend(
            (0..problem.num_configurations())
                .map(|a| spent * problem.weights_usd(a) + prices.storage * c.weights_gb[a]),
        );
        self.data_usd.clear();
        self.data_usd.extend(
            (0..problem.num_query_types())
                .map(|i| spent * problem.data_usd(i) + prices.storage * problem.query_types.data_gb[i]),
        );
    }

    fn collect(&mut self, problem: &Problem, select: bool) {
        let num_types = problem.num_query_types();
        let c = &problem.configurations;
        self.unsorted.clear();
        // Where every route keeps the latency SLO, those within the error SLO are those within both.
        let kinds = if problem.latency_scope == LatencyScope::Average { 0..4 } else { 0..2 };
        self.has_points = c.min_replicas.iter().any(|&least| least > 1);
        let alone = if self.has_points { 4..6 } else { 4..4 };
        self.cheapest.clear();
        self.cheapest.resize(num_types, Cheapest([NO_ROUTE; 6]));
        for pair in 0..problem.num_pairs() {
            let members = problem.pair_configurations(pair);
            let smallest =
                members.iter().copied().min_by_key(|&a| (u64::from(c.tp[a as usize]) * u64::from(c.pp[a as usize]), a));
            for &a in members {
                let limit = problem.replica_limit(a as usize);
                if limit > 0 && (select || Some(a) == smallest) {
                    self.offer_routes(problem, a as usize, f64::from(limit));
                }
            }
            for (i, Cheapest(found)) in self.cheapest.iter_mut().enumerate() {
                for place in kinds.clone().chain(alone.clone()) {
                    let (_, route) = found[place];
                    if route != NO_ROUTE.1 && found[..place].iter().all(|&(_, other)| other != route) {
                        self.unsorted.push((i as u32, route));
                    }
                }
                *found = [NO_ROUTE; 6];
            }
        }
    }

    #[inline]
    fn offer_routes(&mut self, problem: &Problem, a: usize, limit: f64) {
        let table = problem.route_table();
        let replica_usd = self.replica_usd[a];
        let is_average = problem.latency_scope == LatencyScope::Average;
        let least = f64::from(problem.min_replicas(a));
        let (growth, idle_share) = (idle_growth(problem, a), self.tuning.idle_share);
        for route in table.of_configuration(a) {
            let replicas = growth * table.load(route);
            let usd = table.latency_usd[route] + replica_usd * replicas;
            // What a limit keeps it from covering is as expensive as the most expensive alternative could be.
            let shortfall = if replicas > limit { replicas / limit } else { 1.0 };
            let cost = usd * shortfall + idle_share * replica_usd;
            let accurate = table.error_excess[route] <= 0.0;
            let cheapest = &mut self.cheapest[table.query_type[route] as usize];
            let alone = cost + replica_usd * (least - replicas).max(0.0);
            cheapest.offer(4, alone, route);
            if accurate && (!is_average || table.latency_excess[route] <= 0.0) {
                cheapest.offer(5, alone, route);
            }
            cheapest.offer(0, cost, route);
            if !is_average {
                if accurate {
                    cheapest.offer(1, cost, route);
                }
                continue;
            }
            let fast = table.latency_excess[route] <= 0.0;
            for (place, holds) in [(1, accurate && fast), (2, accurate), (3, fast)] {
                if holds {
                    cheapest.offer(place, cost, route);
                }
            }
        }
    }

    /// Puts the routes of a type side by side (a counting sort).
    fn group(&mut self, num_types: usize) {
        self.start.clear();
        self.start.resize(num_types + 1, 0);
        for &(i, _) in &self.unsorted {
            self.start[i as usize + 1] += 1;
        }
        for i in 0..num_types {
            self.start[i + 1] += self.start[i];
        }
        self.routes.clear();
        self.routes.resize(self.unsorted.len(), 0);
        for &(i, route) in &self.unsorted {
            let next = &mut self.start[i as usize];
            self.routes[*next as usize] = route;
            *next += 1;
        }
        // Every start has moved to the next type's.
        for i in (0..num_types).rev() {
            self.start[i + 1] = self.start[i];
        }
        self.start[0] = 0;
    }

    fn rank(&mut self, problem: &Problem) {
        let table = problem.route_table();
        self.types.clear();
        self.ranked.clear();
        for i in 0..problem.num_query_types() {
            let price = self.type_price(problem, i);
            let range = self.range(i);
            self.ranked.extend(self.routes[range.clone()].iter().zip(&self.points[range.clone()]).map(
                |(&route, &point)| {
                    let configuration = table.configuration[route as usize];
                    let a = configuration as usize;
                    Candidate {
                        value: price.value(point),
                        replicas: table.load(route as usize),
                        least_replicas: f64::from(problem.min_replicas(a)),
                        open_usd: f64::from(problem.min_replicas(a)) * problem.replica_usd(a) + problem.weights_usd(a),
                        route,
                        configuration,
                        pair: problem.pair(a) as u32,
                    }
                },
            ));
            let most_sorted = self.tuning.sorted;
            let ranked = &mut self.ranked[range];
            let order = |x: &Candidate, y: &Candidate| x.value.total_cmp(&y.value).then(x.route.cmp(&y.route));
            if ranked.len() > most_sorted {
                ranked.select_nth_unstable_by(most_sorted, order);
            }
            let sorted = ranked.len().min(most_sorted);
            ranked[..sorted].sort_unstable_by(order);
            if problem.budget_usd.is_finite() {
                let order =
                    |x: &Candidate, y: &Candidate| x.open_usd.total_cmp(&y.open_usd).then(x.route.cmp(&y.route));
                ranked[sorted..].sort_unstable_by(order);
            }
            self.types.push(price);
        }
    }
}
