//! What is left for a deployment where others are certain: budget, storage and pools less what these take at least.
//!
//! The relaxation spreads fractions of deployments over a limit; in a branch that demands some, whole replicas of others
//! often no longer fit beside them.

use super::domain::Domain;
use crate::{Problem, FEASIBILITY_TOLERANCE, NO_POOL};

impl Domain {
    /// Takes out the replicas that budget, storage and pools have no room for beside what must be deployed.
    pub(crate) fn propagate(&mut self, problem: &Problem) {
        if !self.forced.contains(&true) {
            return;
        }
        let room = Room::of(problem);
        loop {
            let mut needed = Needed::default();
            needed.gpus.resize(problem.num_pools(), 0.0);
            for pair in (0..problem.num_pairs()).filter(|&pair| self.forced[pair]) {
                needed.add(&self.least(problem, pair));
            }
            let mut changed = false;
            for pair in 0..problem.num_pairs() {
                let own = if self.forced[pair] { self.least(problem, pair) } else { Least::default() };
                for &a in problem.pair_configurations(pair) {
                    let a = a as usize;
                    if self.is_open(a) {
                        let most = room.most(problem, a, &needed, &own);
                        changed |= most < self.max[a] && self.forced[pair];
                        self.max[a] = self.max[a].min(most);
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// The least of each limit that a deployment of `pair` takes; infinite where none is open.
    fn least(&self, problem: &Problem, pair: usize) -> Least {
        let mut least = Least { usd: f64::INFINITY, gb: f64::INFINITY, gpus: f64::INFINITY, pool: NO_POOL };
        for &a in problem.pair_configurations(pair) {
            let a = a as usize;
            if self.is_open(a) {
                let replicas = f64::from(self.min[a].max(1));
                least.usd = least.usd.min(replicas * problem.replica_usd(a) + problem.weights_usd(a));
                least.gb = least.gb.min(problem.configurations.weights_gb[a]);
                least.gpus = least.gpus.min(replicas * problem.gpus_per_replica(a));
                least.pool = problem.pool(a);
            }
        }
        // A pair across tiers may draw on several pools, and then on none for certain.
        let is_elsewhere = |a: &u32| self.is_open(*a as usize) && problem.pool(*a as usize) != least.pool;
        if problem.pair_configurations(pair).iter().any(is_elsewhere) {
            (least.pool, least.gpus) = (NO_POOL, 0.0);
        }
        least
    }
}

/// What budget, storage and pools hold beside the data of the query types that must be served, tolerance included.
pub(crate) struct Room {
    pub(crate) usd: f64,
    pub(crate) gb: f64,
    pub(crate) gpus: Vec<f64>,
}

impl Room {
    pub(crate) fn of(problem: &Problem) -> Self {
        let types = 0..problem.num_query_types();
        let served = |i: usize| (1.0 - problem.query_types.max_unmet[i] - FEASIBILITY_TOLERANCE).max(0.0);
        let data_usd: f64 = types.clone().map(|i| problem.data_usd(i) * served(i)).sum();
        let data_gb: f64 = types.map(|i| problem.query_types.data_gb[i] * served(i)).sum();
        let whole = 1.0 + FEASIBILITY_TOLERANCE;
        Self {
            usd: problem.budget_usd * whole - data_usd,
            gb: problem.storage_gb * whole - data_gb,
            gpus: problem.pools.max_gpus.iter().map(|gpus| gpus * whole).collect(),
        }
    }

    /// Most replicas of configuration `a` beside what is `needed`, of which its pair takes `own`.
    fn most(&self, problem: &Problem, a: usize, needed: &Needed, own: &Least) -> u32 {
        if needed.gb - own.gb + problem.configurations.weights_gb[a] > self.gb {
            return 0;
        }
        let part =
            |room: f64, per_replica: f64| if per_replica > 0.0 { (room / per_replica).floor() } else { f64::INFINITY };
        let usd = self.usd - (needed.usd - own.usd) - problem.weights_usd(a);
        let mut most = part(usd, problem.replica_usd(a));
        if problem.pool(a) != NO_POOL {
            let pool = problem.pool(a) as usize;
            let own_gpus = if own.pool == problem.pool(a) { own.gpus } else { 0.0 };
            let gpus = self.gpus[pool] - (needed.gpus[pool] - own_gpus);
            most = most.min(part(gpus, problem.gpus_per_replica(a)));
        }
        // Also where something was infinite: that is no proof.
        if most.is_nan() {
            u32::MAX
        } else {
            most.clamp(0.0, f64::from(u32::MAX)) as u32
        }
    }
}

/// The least of each limit that one pair takes.
#[derive(Debug, Default)]
struct Least {
    usd: f64,
    gb: f64,
    gpus: f64,
    pool: u32,
}

/// The least that all forced pairs take.
#[derive(Debug, Default)]
struct Needed {
    usd: f64,
    gb: f64,
    gpus: Vec<f64>,
}

impl Needed {
    fn add(&mut self, least: &Least) {
        self.usd += least.usd;
        self.gb += least.gb;
        if least.pool != NO_POOL {
            self.gpus[least.pool as usize] += least.gpus;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::generate;
    use proptest::prelude::*;

    /// Whether `replicas` of each configuration are within the limits, all traffic aside.
    pub(crate) fn fits(problem: &Problem, replicas: &[u32]) -> bool {
        let deployed = || (0..replicas.len()).filter(|&a| replicas[a] > 0);
        let room = Room::of(problem);
        let usd: f64 =
            deployed().map(|a| problem.weights_usd(a) + problem.replica_usd(a) * f64::from(replicas[a])).sum();
        let gb: f64 = deployed().map(|a| problem.configurations.weights_gb[a]).sum();
        let gpus = |pool: usize| -> f64 {
            let drawing = deployed().filter(|&a| problem.pool(a) != NO_POOL && problem.pool(a) as usize == pool);
            drawing.map(|a| problem.gpus_per_replica(a) * f64::from(replicas[a])).sum()
        };
        usd <= room.usd && gb <= room.gb && (0..problem.num_pools()).all(|pool| gpus(pool) <= room.gpus[pool])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn nothing_is_closed_that_fits_beside_what_is_forced(
            seed in any::<u64>(),
            draws in prop::collection::vec((any::<u32>(), any::<bool>()), 9),
        ) {
            let problem = generate::small(seed).expect("a valid problem");
            let mut domain = Domain::of(&problem);
            let mut replicas = vec![0; problem.num_configurations()];
            for (pair, &(draw, is_forced)) in (0..problem.num_pairs()).zip(&draws) {
                let members = problem.pair_configurations(pair);
                let a = members[draw as usize % members.len()] as usize;
                replicas[a] = draw / 7 % (domain.max[a] + 1);
                if !domain.allows(a, replicas[a]) {
                    replicas[a] = 0;
                }
                domain.forced[pair] = is_forced && replicas[a] > 0;
            }
            prop_assume!(fits(&problem, &replicas));
            domain.propagate(&problem);
            for (a, &count) in replicas.iter().enumerate() {
                prop_assert!(count == 0 || domain.allows(a, count), "{count} of {a} closed");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_closed() {
        let mut num_closed = 0;
        for seed in 0..200 {
            let problem = generate::small(seed).expect("a valid problem");
            let mut domain = Domain::of(&problem);
            let before = domain.num_open();
            domain.forced.fill(true);
            domain.propagate(&problem);
            num_closed += usize::from(domain.num_open() < before);
        }
        assert!(num_closed > 20, "{num_closed}");
    }
}
