//! Which configurations the prices of a master solution favour.

use std::collections::BinaryHeap;

use crate::heap::Total;
use crate::pricing::{best_profit_usd, Item};
use crate::search::MasterSolution;
use crate::Problem;

/// The configurations by what they fall short of earning their cost at the master's prices, with as many replicas as are best.
#[derive(Debug)]
pub(crate) struct Ranking<'m> {
    problem: &'m Problem,
    master: &'m MasterSolution,
    /// (shortfall in USD, configuration), the least first; without those that cannot be deployed.
    with_best: Vec<(f64, u32)>,
}

impl<'m> Ranking<'m> {
    /// Looks at every configuration.
    pub(crate) fn new(problem: &'m Problem, master: &'m MasterSolution) -> Self {
        let mut ranking = Self { problem, master, with_best: Vec::new() };
        let mut items = Vec::new();
        let of = |a: u32| (ranking.shortfall_usd(a as usize, u32::MAX, &mut items), a);
        let mut with_best: Vec<(f64, u32)> = (0..problem.num_configurations() as u32).map(of).collect();
        with_best.retain(|entry| entry.0 < f64::INFINITY);
        with_best.sort_unstable_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        ranking.with_best = with_best;
        ranking
    }

    /// The configurations that fall the least short of earning their cost, by rising index: `with_one` of them with one
    /// replica, and `with_best` with as many replicas as are best.
    pub(crate) fn kernel(&self, with_one: usize, with_best: usize) -> Vec<u32> {
        let mut kernel: Vec<u32> = self.with_best.iter().take(with_best).map(|entry| entry.1).collect();
        let mut items = Vec::new();
        let mut least = BinaryHeap::with_capacity(with_one + 1);
        for &(best_usd, a) in &self.with_best {
            // One replica falls at least as short as the best number.
            if with_one == 0
                || (least.len() == with_one && least.peek().is_some_and(|most: &(Total, u32)| most.0 .0 < best_usd))
            {
                break;
            }
            least.push((Total(self.shortfall_usd(a as usize, 1, &mut items)), a));
            if least.len() > with_one {
                least.pop();
            }
        }
        kernel.extend(least.into_iter().map(|entry| entry.1));
        kernel.sort_unstable();
        kernel.dedup();
        kernel
    }

    /// What a configuration falls short of earning its cost, USD, with the number of replicas up to `most` that is best for it,
    /// at least as many as it has to have; infinite where it cannot be deployed.
    fn shortfall_usd(&self, a: usize, most: u32, items: &mut Vec<Item>) -> f64 {
        let (problem, master) = (self.problem, self.master);
        let most = most.max(problem.min_replicas(a)).min(problem.replica_limit(a));
        if most == 0 || problem.route_table().of_configuration(a).is_empty() {
            return f64::INFINITY;
        }
        let weights_usd = master.limits.priced_weights_usd(problem, a);
        weights_usd - best_profit_usd(problem, &master.routing, &master.limits, a, most, items)
    }
}
