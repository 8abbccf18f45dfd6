//! Problems at the edges of what the format allows: limits that a plan just meets, ties, zeros, and numbers that lie many
//! orders of magnitude apart.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::physical::log_uniform;
use crate::{
    Configurations, LatencyScope, Models, Pools, Problem, ProblemData, QueryTypes, Result, Routes, Tiers, MAX_REPLICAS,
    NO_POOL,
};

/// What stands beside a limit that is just met: within the feasibility tolerance, at it, and beyond.
const NUDGES: [f64; 9] = [1.0, 1.0, 1.0, 1.0 - 5e-7, 1.0 + 5e-7, 1.0 - 9.9e-7, 1.0 + 9.9e-7, 1.0 - 1.01e-6, 1.0 + 1e-3];

/// A random problem of 1–4 query types and at most 6 configurations at the edges: every third one with numbers between
/// 1e-12 and 1e12, the others with plain numbers small enough to enumerate. Limits are often exactly what some plan takes.
///
/// # Errors
/// As [`Problem::new`]; none is known for any seed.
pub fn degenerate(seed: u64) -> Result<Problem> {
    Problem::new(
        Edges { rng: Pcg64Mcg::seed_from_u64(seed ^ 0xde9e_0000_0000_0000), is_wide: seed % 3 == 2 }.data(seed),
    )
}

/// Draws numbers of one problem.
struct Edges {
    rng: Pcg64Mcg,
    is_wide: bool,
}

impl Edges {
    fn flip(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.rng.random_range(0..values.len())]
    }

    fn nudge(&mut self) -> f64 {
        self.pick(&NUDGES)
    }

    /// One of few plain values, so that many are equal, or any magnitude.
    fn positive(&mut self, plain: &[f64]) -> f64 {
        if self.is_wide && self.flip(0.6) {
            return log_uniform(&mut self.rng, 1e-12, 1e12);
        }
        self.pick(plain)
    }

    /// One of `plain`, or 0 with probability `zero`.
    fn number(&mut self, plain: &[f64], zero: f64) -> f64 {
        if self.flip(zero) {
            0.0
        } else {
            self.positive(plain)
        }
    }

    fn column(&mut self, count: usize, mut value: impl FnMut(&mut Self) -> f64) -> Vec<f64> {
        (0..count).map(|_| value(self)).collect()
    }

    fn data(mut self, seed: u64) -> ProblemData {
        let num_types = self.rng.random_range(1..=4);
        let (num_models, num_tiers) = (self.rng.random_range(1..=3), self.rng.random_range(1..=3));
        let num_pools = self.rng.random_range(0..=2);
        let q = self.query_types(num_types);
        let c = self.configurations(num_models, num_tiers);
        let routes = self.routes(&q, &c);
        let names = |kind: &str, count: usize| (0..count).map(|index| format!("{kind}-{index}")).collect();
        let mut data = ProblemData {
            name: format!("degenerate-s{seed}"),
            horizon_h: self.positive(&[1.0, 24.0]),
            budget_usd: f64::INFINITY,
            storage_gb: f64::INFINITY,
            storage_usd_per_gb_h: self.number(&[1.0, 0.001], 0.4),
            max_utilization: self.pick(&[1.0, 0.9, 0.5, 1e-6]),
            latency_scope: self.pick(&[LatencyScope::Route, LatencyScope::Average]),
            pools: Pools { name: names("pool", num_pools), max_gpus: vec![f64::INFINITY; num_pools] },
            tiers: Tiers {
                name: names("tier", num_tiers),
                gpu_usd_per_h: self.column(num_tiers, |edges| edges.number(&[1.0, 2.0, 2.5], 0.15)),
                pool: (0..num_tiers).map(|_| self.pool(num_pools)).collect(),
            },
            models: Models { name: names("model", num_models) },
            query_types: q,
            configurations: c,
            routes,
        };
        if data.max_utilization < 0.1 && !self.is_wide {
            data.max_utilization = 1.0;
        }
        self.limit(&mut data);
        data
    }

    fn pool(&mut self, num_pools: usize) -> u32 {
        if num_pools == 0 || self.flip(0.4) {
            NO_POOL
        } else {
            self.rng.random_range(0..num_pools as u32)
        }
    }

    fn query_types(&mut self, count: usize) -> QueryTypes {
        QueryTypes {
            name: (0..count).map(|index| format!("type-{index}")).collect(),
            rate_per_h: self.column(count, |edges| edges.number(&[3600.0, 3600.0, 1800.0, 7200.0], 0.1)),
            latency_slo_s: self.column(count, |edges| edges.number(&[1.0, 2.0], 0.1)),
            error_slo: self.column(count, |edges| edges.number(&[0.1, 0.05], 0.15)),
            latency_usd_per_s: self.column(count, |edges| edges.number(&[1e-6, 1e-4], 0.4)),
            unmet_usd_per_query: self.column(count, |edges| edges.number(&[0.001, 0.01], 0.2)),
            max_unmet: self.column(count, |edges| edges.pick(&[0.0, 0.0, 0.05, 0.3, 1.0, 1e-9, 1.0 - 1e-9])),
            data_gb: self.column(count, |edges| edges.number(&[1.0, 5.0], 0.5)),
        }
    }

    fn configurations(&mut self, num_models: usize, num_tiers: usize) -> Configurations {
        let mut c = Configurations::default();
        let most_replicas: &[u32] = if self.is_wide { &[1, 1, 3, 1000, MAX_REPLICAS] } else { &[1, 1, 2, 3] };
        for j in 0..num_models {
            for k in 0..num_tiers {
                for tp in [1, 2] {
                    if c.model.len() < 6 && self.flip(0.6) {
                        c.model.push(j as u32);
                        c.tier.push(k as u32);
                        c.tp.push(tp);
                        c.pp.push(self.pick(&[1, 1, 2]));
                        c.weights_gb.push(self.number(&[16.0, 8.0], 0.15));
                        c.kv_cache_gb.push(self.positive(&[1.0, 10.0]));
                        c.max_replicas.push(self.pick(most_replicas));
                        c.max_num_seqs.push(0);
                    }
                }
            }
        }
        c
    }

    fn routes(&mut self, q: &QueryTypes, c: &Configurations) -> Routes {
        let mut routes = Routes::default();
        for a in 0..c.model.len() {
            for i in 0..q.name.len() {
                if self.flip(0.15) {
                    continue;
                }
                routes.query_type.push(i as u32);
                routes.configuration.push(a as u32);
                // Loads that add up to whole replicas, or nearly.
                let busy_s = self.number(&[0.5, 1.0, 1.0, 0.25, 2.0], 0.08) * self.nudge();
                let kv_gb_s = self.number(&[0.5, 1.0, 5.0], 0.2) * self.nudge();
                routes.busy_s.push(busy_s);
                routes.kv_gb_s.push(kv_gb_s);
                let late = self.pick(&[0.5, 0.5, 1.0, 1.0, 1.5]) * self.nudge();
                let wrong = self.pick(&[0.5, 0.5, 1.0, 1.0, 2.0]) * self.nudge();
                let latency_s =
                    if self.is_wide && self.flip(0.3) { self.positive(&[1.0]) } else { q.latency_slo_s[i] * late };
                // An SLO of 0 met by 0 or missed by less than the tolerance.
                let error = if q.error_slo[i] > 0.0 {
                    q.error_slo[i] * wrong
                } else {
                    self.pick(&[0.0, 5e-9, 1e-8, 2e-8, 1e-3])
                };
                routes.latency_s.push(latency_s);
                routes.error.push(error);
            }
        }
        routes
    }

    /// Sets limits to what some deployment takes, or just about.
    fn limit(&mut self, data: &mut ProblemData) {
        let c = &data.configurations;
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        let (mut hourly_usd, mut stored_gb) = (0.0, 0.0);
        let mut gpus = vec![0.0; data.pools.name.len()];
        for a in 0..c.model.len() {
            if pairs.contains(&(c.model[a], c.tier[a])) || self.flip(0.4) {
                continue;
            }
            pairs.push((c.model[a], c.tier[a]));
            let replicas = f64::from(self.rng.random_range(1..=c.max_replicas[a].min(3)));
            let tier = c.tier[a] as usize;
            let used = f64::from(c.tp[a] * c.pp[a]) * replicas;
            hourly_usd += used * data.tiers.gpu_usd_per_h[tier];
            stored_gb += c.weights_gb[a];
            if let Some(gpus) = gpus.get_mut(data.tiers.pool[tier] as usize) {
                *gpus += used;
            }
        }
        stored_gb += data.query_types.data_gb.iter().sum::<f64>();
        if self.flip(0.45) {
            let spent = data.horizon_h * (hourly_usd + data.storage_usd_per_gb_h * stored_gb);
            let budget_usd = spent * self.nudge();
            data.budget_usd = if self.flip(0.1) || budget_usd < 1e-12 { 0.0 } else { budget_usd };
        }
        if self.flip(0.35) && stored_gb > 0.0 {
            data.storage_gb = stored_gb * self.nudge();
        }
        for (limit, used) in data.pools.max_gpus.iter_mut().zip(gpus) {
            if self.flip(0.6) {
                *limit = used;
            }
        }
    }
}
