//! Which of two plans is the better one, where neither need meet every constraint.

use std::cmp::Ordering;

use crate::{Plan, Problem, FEASIBILITY_TOLERANCE};

/// How good a plan is; less is better. A plan within budget and storage is better than one that is not, then the one
/// that leaves fewer queries short of capacity, then the cheaper one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rank {
    /// Share of the budget and of the storage taken too much, and of the replicas that there have to be too few.
    pub(super) excess: f64,
    /// Queries per hour that go unserved though they should not.
    pub(super) short_per_h: f64,
    pub(super) usd: f64,
}

impl Rank {
    pub(super) fn of(problem: &Problem, plan: &Plan) -> Self {
        let q = &problem.query_types;
        let shares = || plan.unmet.iter().enumerate();
        let short = |(i, &share): (usize, &f64)| {
            let beyond = share - q.max_unmet[i];
            if beyond > FEASIBILITY_TOLERANCE {
                beyond * q.rate_per_h[i]
            } else {
                0.0
            }
        };
        let weights_gb = |entry: &crate::Deployment| problem.configurations.weights_gb[entry.configuration as usize];
        let stored_gb = plan.deployments.iter().map(weights_gb).sum::<f64>()
            + shares().map(|(i, share)| q.data_gb[i] * (1.0 - share)).sum::<f64>();
        let spent_usd = plan.cost.map_or(0.0, |cost| cost.rental + cost.storage);
        let excess =
            |used: f64, limit: f64| (used / limit.max(f64::MIN_POSITIVE) - 1.0 - FEASIBILITY_TOLERANCE).max(0.0);
        let too_few = |entry: &crate::Deployment| {
            let least = problem.min_replicas(entry.configuration as usize);
            f64::from(least.saturating_sub(entry.replicas)) / f64::from(least)
        };
        let too_few: f64 = plan.deployments.iter().map(too_few).sum();
        Self {
            excess: excess(stored_gb, problem.storage_gb) + excess(spent_usd, problem.budget_usd) + too_few,
            short_per_h: shares().map(short).sum(),
            usd: plan.objective_value.unwrap_or(f64::INFINITY),
        }
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let by = |left: f64, right: f64, tolerance: f64| {
            if (left - right).abs() <= tolerance * (1.0 + left.abs().max(right.abs())) {
                Ordering::Equal
            } else {
                left.total_cmp(&right)
            }
        };
        let order = by(self.excess, other.excess, 1e-9).then(by(self.short_per_h, other.short_per_h, 1e-6));
        Some(order.then(self.usd.total_cmp(&other.usd)))
    }
}
