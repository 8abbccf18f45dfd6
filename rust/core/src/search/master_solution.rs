//! Prices near those of the linear relaxation, and what it mixes at them.

use crate::pricing::{LimitPrices, RoutingPrices};
use crate::{Deployment, Problem};

/// Prices of the relaxation and the configurations by reduced profit at these prices.
#[derive(Debug, Clone)]
pub(crate) struct MasterSolution {
    /// Prices of serving the query types.
    pub(crate) routing: RoutingPrices,
    /// Prices of the limits.
    pub(crate) limits: LimitPrices,
    /// (configuration, replicas) that the mixture asks for, not whole, by rising configuration.
    pub(crate) mixture: Vec<(u32, f64)>,
    /// Value of the relaxation at the end, USD; close to a lower bound, but not one.
    pub(crate) value_usd: f64,
    /// The columns that are mixed; the next run begins with them.
    pub(super) columns: Vec<Column>,
}

/// One replica with the traffic that fills it.
#[derive(Debug, Clone, Default)]
pub(super) struct Column {
    pub(super) configuration: u32,
    /// (route, part of the replica that its traffic takes).
    pub(super) loads: Vec<(u32, f64)>,
}

impl MasterSolution {
    /// Lets prices and value follow the rates: what serving one query is worth stays as it was.
    pub(crate) fn follow(&mut self, before: &[f64], now: &[f64]) {
        for (i, (&before, &now)) in before.iter().zip(now).enumerate() {
            let factor = growth(before, now);
            self.value_usd += (factor - 1.0) * self.routing.supply[i];
            self.routing.supply[i] *= factor;
            self.routing.error[i] *= factor;
            self.routing.latency[i] *= factor;
        }
    }

    /// The mixture in whole replicas, without what it asks for less than the share `least` of the replicas of that there have to be.
    pub(crate) fn rounded(&self, problem: &Problem, least: f64) -> Vec<Deployment> {
        let is_asked = |entry: &&(u32, f64)| entry.1 > least * f64::from(problem.min_replicas(entry.0 as usize));
        let asked = self.mixture.iter().filter(is_asked);
        asked.map(|&(configuration, z)| Deployment { configuration, replicas: z.round().max(1.0) as u32 }).collect()
    }

    /// Moves the prices to `proposed`, except for the share `weight` that stays.
    pub(super) fn blend(&mut self, proposed: &Self, weight: f64) {
        self.routing.blend(&proposed.routing, weight);
        self.limits.blend(&proposed.limits, weight);
    }
}

/// The factor by which prices follow a rate.
fn growth(before: f64, now: f64) -> f64 {
    if before > 0.0 {
        now / before
    } else {
        1.0
    }
}
