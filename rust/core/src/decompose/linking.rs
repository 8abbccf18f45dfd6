//! The limits that connect components, and what their plans take of them.

use crate::{Deployment, Problem, FEASIBILITY_TOLERANCE};

/// A limit that several components share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Budget,
    Storage,
    Pool(u32),
}

/// A plan of a component: what it costs without any price of limits, USD, and takes of each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    /// Of the whole problem.
    pub(super) deployments: Vec<Deployment>,
    pub(super) usd: f64,
    pub(super) usage: Vec<f64>,
}

impl Column {
    /// What it costs where the limits have prices, USD.
    pub(super) fn priced_usd(&self, prices: &[f64]) -> f64 {
        self.usd + self.usage.iter().zip(prices).map(|(usage, price)| usage * price).sum::<f64>()
    }
}

impl Link {
    /// The limits of `problem`.
    pub(super) fn all(problem: &Problem) -> Vec<Self> {
        let mut links: Vec<Self> = Vec::new();
        links.extend(problem.budget_usd.is_finite().then_some(Self::Budget));
        links.extend(problem.storage_gb.is_finite().then_some(Self::Storage));
        let pools = (0..problem.num_pools() as u32).filter(|&pool| problem.pools.max_gpus[pool as usize].is_finite());
        links.extend(pools.map(Self::Pool));
        // What has nothing allows no replica anyway.
        links.retain(|link| link.capacity(problem) > 0.0);
        links
    }

    /// What there is, the feasibility tolerance included.
    pub(super) fn capacity(self, problem: &Problem) -> f64 {
        let stated = match self {
            Self::Budget => problem.budget_usd,
            Self::Storage => problem.storage_gb,
            Self::Pool(pool) => problem.pools.max_gpus[pool as usize],
        };
        stated * (1.0 + FEASIBILITY_TOLERANCE)
    }

    /// What deployments and stored tokens take.
    pub(super) fn usage(self, problem: &Problem, deployments: &[Deployment], data_gb: f64) -> f64 {
        let of = |d: &Deployment| {
            let (a, replicas) = (d.configuration as usize, f64::from(d.replicas));
            match self {
                Self::Budget => problem.replica_usd(a) * replicas + problem.weights_usd(a),
                Self::Storage => problem.configurations.weights_gb[a],
                Self::Pool(pool) if problem.pool(a) == pool => problem.gpus_per_replica(a) * replicas,
                Self::Pool(_) => 0.0,
            }
        };
        let data = match self {
            Self::Budget => data_gb * problem.horizon_h * problem.storage_usd_per_gb_h,
            Self::Storage => data_gb,
            Self::Pool(_) => 0.0,
        };
        deployments.iter().map(of).sum::<f64>() + data
    }
}
