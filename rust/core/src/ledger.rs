//! What deployments use of budget, storage and pools, and what they leave.
//!
//! The search keeps within half of the tolerance that the checker grants: what rounding adds later stays inside.

use crate::{Deployment, Problem, FEASIBILITY_TOLERANCE, NO_POOL};

/// What a limit is widened by, relative to itself, while deployments are chosen.
const SLACK: f64 = 0.5 * FEASIBILITY_TOLERANCE;
/// What a quotient of GPUs may lose by rounding.
const GPU_ROUNDING: f64 = 1e-9;

/// Sums over deployments, kept up to date by [`Ledger::change`].
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ledger {
    /// Rental of the replicas, USD.
    pub(crate) rental_usd: f64,
    /// Storage of the weights, USD.
    pub(crate) weights_usd: f64,
    /// Stored weights, GB.
    pub(crate) weights_gb: f64,
    /// GPUs in use, per pool.
    pub(crate) pool_gpus: Vec<f64>,
}

impl Ledger {
    /// Nothing deployed.
    pub(crate) fn new(problem: &Problem) -> Self {
        Self { pool_gpus: vec![0.0; problem.num_pools()], ..Self::default() }
    }

    /// What `deployments` use.
    pub(crate) fn of(problem: &Problem, deployments: &[Deployment]) -> Self {
        let mut ledger = Self::new(problem);
        deployments.iter().for_each(|entry| ledger.change(problem, entry.configuration as usize, 0, entry.replicas));
        ledger
    }

    /// Nothing deployed any more.
    pub(crate) fn clear(&mut self) {
        (self.rental_usd, self.weights_usd, self.weights_gb) = (0.0, 0.0, 0.0);
        self.pool_gpus.fill(0.0);
    }

    /// Takes over another ledger without allocating.
    pub(crate) fn copy_from(&mut self, source: &Self) {
        self.rental_usd = source.rental_usd;
        self.weights_usd = source.weights_usd;
        self.weights_gb = source.weights_gb;
        self.pool_gpus.clone_from(&source.pool_gpus);
    }

    /// Counts `after` replicas of configuration `a` instead of `before`.
    pub(crate) fn change(&mut self, problem: &Problem, a: usize, before: u32, after: u32) {
        let replicas = f64::from(after) - f64::from(before);
        self.rental_usd += replicas * problem.replica_usd(a);
        if problem.pool(a) != NO_POOL {
            self.pool_gpus[problem.pool(a) as usize] += replicas * problem.gpus_per_replica(a);
        }
        if (before == 0) != (after == 0) {
            let sign = if before == 0 { 1.0 } else { -1.0 };
            self.weights_gb += sign * problem.configurations.weights_gb[a];
            self.weights_usd += sign * problem.weights_usd(a);
        }
    }

    /// Rental and storage of weights, USD.
    pub(crate) fn deployment_usd(&self) -> f64 {
        self.rental_usd + self.weights_usd
    }

    /// What is left of the budget, USD; infinite without one.
    pub(crate) fn left_usd(&self, problem: &Problem) -> f64 {
        problem.budget_usd * (1.0 + SLACK) - self.deployment_usd()
    }

    /// What is left of the storage, GB; infinite where it has no limit.
    pub(crate) fn left_gb(&self, problem: &Problem) -> f64 {
        problem.storage_gb * (1.0 + SLACK) - self.weights_gb
    }

    /// GPUs that are left of a pool; infinite where it has no limit.
    pub(crate) fn left_gpus(&self, problem: &Problem, pool: usize) -> f64 {
        problem.pools.max_gpus[pool] - self.pool_gpus[pool]
    }

    /// Most replicas of configuration `a`, of which `current` are counted already, that its own limit and what is left of pools,
    /// budget and storage allow; 0 where these are fewer than it has to have.
    pub(crate) fn most_replicas(&self, problem: &Problem, a: usize, current: u32) -> u32 {
        let mut extra = f64::from(problem.replica_limit(a).saturating_sub(current));
        if extra == 0.0 {
            return current;
        }
        if problem.pool(a) != NO_POOL {
            let left = self.left_gpus(problem, problem.pool(a) as usize);
            extra = extra.min((left / problem.gpus_per_replica(a) + GPU_ROUNDING).floor());
        }
        let (weights_gb, weights_usd) = match current {
            0 => (problem.configurations.weights_gb[a], problem.weights_usd(a)),
            _ => (0.0, 0.0),
        };
        if self.weights_gb + weights_gb > problem.storage_gb * (1.0 + SLACK) {
            return current;
        }
        let left_usd = problem.budget_usd * (1.0 + SLACK) - self.rental_usd - self.weights_usd - weights_usd;
        if left_usd < 0.0 {
            return current;
        }
        if problem.replica_usd(a) > 0.0 {
            extra = extra.min((left_usd / problem.replica_usd(a)).floor());
        }
        let most = current + extra.max(0.0) as u32;
        if current == 0 && most < problem.min_replicas(a) {
            0
        } else {
            most
        }
    }

    /// Whether budget and pools are kept within the checker's tolerance and `more`, both relative.
    pub(crate) fn keeps_budget_and_pools(&self, problem: &Problem, more: f64) -> bool {
        let slack = 1.0 + FEASIBILITY_TOLERANCE + more;
        self.deployment_usd() <= problem.budget_usd * slack
            && self.pool_gpus.iter().zip(&problem.pools.max_gpus).all(|(&used, &limit)| used <= limit * slack)
    }

    /// Whether the storage suffices for the weights within the checker's tolerance and `more`, both relative.
    pub(crate) fn keeps_storage(&self, problem: &Problem, more: f64) -> bool {
        self.weights_gb <= problem.storage_gb * (1.0 + FEASIBILITY_TOLERANCE + more)
    }
}

/// Whether no two of the deployments share a pair (model, tier).
pub(crate) fn is_one_per_pair(problem: &Problem, deployments: &[Deployment]) -> bool {
    let mut pairs: Vec<usize> = deployments.iter().map(|entry| problem.pair(entry.configuration as usize)).collect();
    pairs.sort_unstable();
    pairs.windows(2).all(|two| two[0] != two[1])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::generate;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn changes_add_up_to_what_is_deployed_and_the_most_replicas_keep_the_limits(
            seed in any::<u64>(),
            steps in prop::collection::vec((any::<u32>(), any::<u32>()), 0..12),
        ) {
            let problem = generate::small(seed).expect("a valid problem");
            let mut ledger = Ledger::new(&problem);
            let mut replicas = vec![0_u32; problem.num_configurations()];
            for (draw, count) in steps {
                let a = draw as usize % problem.num_configurations();
                let most = ledger.most_replicas(&problem, a, replicas[a]);
                let next = count % (most + 1);
                ledger.change(&problem, a, replicas[a], next);
                replicas[a] = next;
                prop_assert!(ledger.keeps_budget_and_pools(&problem, 1e-9));
            }
            let deployed: Vec<Deployment> = (0..replicas.len())
                .filter(|&a| replicas[a] > 0)
                .map(|a| Deployment { configuration: a as u32, replicas: replicas[a] })
                .collect();
            let anew = Ledger::of(&problem, &deployed);
            let close = |one: f64, other: f64| (one - other).abs() <= 1e-9 * (1.0 + one.abs().max(other.abs()));
            prop_assert!(close(anew.deployment_usd(), ledger.deployment_usd()));
            prop_assert!(close(anew.weights_gb, ledger.weights_gb));
            for (&one, &other) in anew.pool_gpus.iter().zip(&ledger.pool_gpus) {
                prop_assert!(close(one, other));
            }
        }
    }
}
