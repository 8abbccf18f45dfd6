//! The part of a problem that is deployed, for scenarios.

use super::inflation::{inflate, Inflation};
use crate::{Configurations, Deployment, Pools, Problem, ProblemData, Routes, NO_POOL};

/// Price of an unserved query, USD, where no query type states one.
const LEAST_UNMET_USD: f64 = 1e-3;
/// How many times the price of its latency leaving a query costs at least where it has no price.
const UNPRICED_FACTOR: f64 = 100.0;

/// The problem with only some of its configurations, whose rental and storage are paid for.
pub(crate) struct Part {
    pub(crate) data: ProblemData,
    /// Position of each route in the routes of the whole problem.
    source: Vec<u32>,
    num_routes: usize,
    /// Query types whose unserved queries cost nothing, and have a price here only so that they are served.
    pub(super) unpriced: Vec<bool>,
}

fn routes_of(routes: &Routes, i: usize) -> impl Iterator<Item = usize> + '_ {
    routes.query_type.iter().enumerate().filter(move |&(_, &of)| of as usize == i).map(|(route, _)| route)
}

impl Part {
    /// The part of `problem` with these configurations, each with the most replicas that it may have here.
    pub(crate) fn new(problem: &Problem, kept: &[Deployment], lift_unmet: bool) -> Self {
        let mut place = vec![u32::MAX; problem.num_configurations()];
        let all = &problem.configurations;
        let mut configurations = Configurations::default();
        for (index, kept) in kept.iter().enumerate() {
            let a = kept.configuration as usize;
            place[a] = index as u32;
            configurations.model.push(all.model[a]);
            configurations.tier.push(all.tier[a]);
            configurations.tp.push(all.tp[a]);
            configurations.pp.push(all.pp[a]);
            configurations.weights_gb.push(all.weights_gb[a]);
            configurations.kv_cache_gb.push(all.kv_cache_gb[a]);
            configurations.max_replicas.push(all.max_replicas[a].max(kept.replicas));
            configurations.max_num_seqs.push(all.max_num_seqs[a]);
            configurations.max_utilization.push(all.max_utilization[a]);
            configurations.min_replicas.push(all.min_replicas[a]);
            configurations.pair.push(all.pair[a]);
        }
        let mut routes = Routes::default();
        let mut source = Vec::new();
        let given = &problem.routes;
        for route in 0..problem.num_routes() {
            let at = place[given.configuration[route] as usize];
            if at != u32::MAX {
                routes.query_type.push(given.query_type[route]);
                routes.configuration.push(at);
                routes.busy_s.push(given.busy_s[route]);
                routes.kv_gb_s.push(given.kv_gb_s[route]);
                routes.latency_s.push(given.latency_s[route]);
                routes.error.push(given.error[route]);
                source.push(route as u32);
            }
        }
        let mut tiers = problem.tiers.clone();
        tiers.pool.fill(NO_POOL);
        let mut query_types = problem.query_types.clone();
        let mut unpriced = vec![false; problem.num_query_types()];
        if lift_unmet {
            query_types.max_unmet.fill(1.0);
            let highest_usd = query_types.unmet_usd_per_query.iter().copied().fold(LEAST_UNMET_USD, f64::max);
            for (i, usd) in query_types.unmet_usd_per_query.iter_mut().enumerate() {
                if *usd == 0.0 {
                    unpriced[i] = true;
                    // Above what its latency may cost, so that it pays to serve it.
                    let slowest_s = routes_of(&routes, i).map(|route| routes.latency_s[route]).fold(0.0, f64::max);
                    *usd = highest_usd.max(UNPRICED_FACTOR * query_types.latency_usd_per_s[i] * slowest_s);
                }
            }
        }
        let data = ProblemData {
            name: String::new(),
            horizon_h: problem.horizon_h,
            budget_usd: f64::INFINITY,
            storage_gb: problem.storage_gb,
            storage_usd_per_gb_h: 0.0,
            max_utilization: problem.max_utilization,
            latency_scope: problem.latency_scope,
            pools: Pools::default(),
            query_types,
            models: problem.models.clone(),
            tiers,
            configurations,
            routes,
        };
        Self { data, source, num_routes: problem.num_routes(), unpriced }
    }

    /// Data of the problem with the factors of scenario `number`.
    pub(crate) fn inflated(&self, inflation: Inflation, seed: u64, number: u32) -> ProblemData {
        let mut data = self.data.clone();
        inflate(&mut data, &self.source, self.num_routes, inflation, seed, number);
        data
    }
}
