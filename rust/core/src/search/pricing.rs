//! Pricing of the column generation of [`MasterSolution`]: which replicas, with which traffic, are worth more than they cost.

use crate::pricing::{fill_replica, most_fraction, spread_replicas, Item};
use crate::search::MasterSolution;
use crate::Problem;

/// Rounds between two looks at all configurations, and how many are looked at in between, in terms of the columns added.
const PARTIAL_ROUNDS: usize = 3;
const NEAR: usize = 5;
/// Share of a fill's value that weights have to cost before it is spread over several replicas.
const LEAST_WEIGHTS_SHARE: f64 = 0.01;

/// One replica with the traffic that fills it.
#[derive(Debug, Default, Clone)]
struct Fill {
    reduced_profit_usd: f64,
    configuration: u32,
    /// The traffic is that of as many replicas as are best, an equal part of it on each: weights then cost each little.
    is_spread: bool,
}

/// Finds the configurations of which a replica is worth more than it costs. Most rounds look only at those that the last
/// look at all found nearest to it.
#[derive(Debug, Default)]
pub(super) struct Pricing {
    near: Vec<u32>,
    /// Rounds since all were looked at.
    age: usize,
    bounds: Vec<(f64, u32)>,
    items: Vec<Item>,
    fills: Vec<Fill>,
}

impl Pricing {
    /// Looks at all configurations first.
    pub(super) fn new() -> Self {
        Self { age: PARTIAL_ROUNDS, ..Self::default() }
    }

    /// Whether no replica is worth more than it costs.
    pub(super) fn is_empty(&self) -> bool {
        self.fills.is_empty()
    }

    /// Calls `visit` with the configuration and the traffic of every fill.
    pub(super) fn for_each_fill(
        &mut self,
        problem: &Problem,
        solution: &MasterSolution,
        mut visit: impl FnMut(usize, &[Item]),
    ) {
        for fill in &self.fills {
            let a = fill.configuration as usize;
            match fill.is_spread {
                true => spread_replicas(problem, &solution.routing, &solution.limits, a, &mut self.items),
                false => fill_replica(problem, &solution.routing, a, &mut self.items),
            };
            visit(a, &self.items);
        }
    }

    /// Lists the best fills at the master's prices, best first: at most `most`.
    pub(super) fn price(&mut self, problem: &Problem, solution: &MasterSolution, most: usize) {
        self.fills.clear();
        if self.age < PARTIAL_ROUNDS {
            self.age += 1;
            self.price_near(problem, solution);
        }
        if self.fills.len() < most / 2 {
            self.price_all(problem, solution, most);
        }
        keep_best(&mut self.fills, most);
    }

    fn price_all(&mut self, problem: &Problem, solution: &MasterSolution, most: usize) {
        self.age = 0;
        self.fills.clear();
        self.bounds.clear();
        for a in 0..problem.num_configurations() {
            let bound_usd = reduced_profit_bound_usd(problem, solution, a);
            if bound_usd > 1e-9 {
                self.bounds.push((bound_usd, a as u32));
            }
        }
        let near = NEAR * most;
        if self.bounds.len() > near {
            let by_bound =
                |left: &(f64, u32), right: &(f64, u32)| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1));
            self.bounds.select_nth_unstable_by(near, by_bound);
        }
        let (first, rest) = self.bounds.split_at(near.min(self.bounds.len()));
        self.near.clear();
        self.near.extend(first.iter().map(|entry| entry.1));
        self.near.sort_unstable();
        self.fills.extend(first.iter().filter_map(|entry| fill_of(problem, solution, entry.1, &mut self.items)));
        if self.fills.is_empty() {
            self.fills.extend(rest.iter().filter_map(|entry| fill_of(problem, solution, entry.1, &mut self.items)));
        }
    }

    fn price_near(&mut self, problem: &Problem, solution: &MasterSolution) {
        for &a in &self.near {
            if reduced_profit_bound_usd(problem, solution, a as usize) > 1e-9 {
                self.fills.extend(fill_of(problem, solution, a, &mut self.items));
            }
        }
    }
}

/// At least what one replica of `a` is worth more than it costs at the master's prices, weights aside, USD.
fn reduced_profit_bound_usd(problem: &Problem, solution: &MasterSolution, a: usize) -> f64 {
    if problem.replica_limit(a) == 0 {
        return 0.0;
    }
    let table = problem.route_table();
    let replica_usd = solution.limits.priced_replica_usd(problem, a);
    let (mut sliced, mut whole) = (0.0, 0.0);
    for (route, profit) in solution.routing.profits(table, a) {
        sliced += (profit - table.load(route) * replica_usd).max(0.0);
        whole += profit.max(0.0);
    }
    f64::min(sliced, whole * most_fraction(problem, a) - replica_usd)
}

/// One replica of `a` with the traffic that is worth most, where that is more than it costs.
fn fill_of(problem: &Problem, solution: &MasterSolution, a: u32, items: &mut Vec<Item>) -> Option<Fill> {
    let configuration = a;
    let a = a as usize;
    let replica_usd = solution.limits.priced_replica_usd(problem, a);
    let weights_usd = solution.limits.priced_weights_usd(problem, a);
    let reduced_profit_usd = |value_usd: f64, items: &[Item]| {
        let largest = items.iter().map(|item| item.fraction).fold(0.0, f64::max);
        value_usd - replica_usd - largest * weights_usd
    };
    let value_usd = fill_replica(problem, &solution.routing, a, items);
    let mut fill = Fill { reduced_profit_usd: reduced_profit_usd(value_usd, items), configuration, is_spread: false };
    if value_usd - replica_usd - fill.reduced_profit_usd > LEAST_WEIGHTS_SHARE * value_usd {
        let value_usd = spread_replicas(problem, &solution.routing, &solution.limits, a, items);
        let spread_usd = reduced_profit_usd(value_usd, items);
        if spread_usd > fill.reduced_profit_usd {
            fill = Fill { reduced_profit_usd: spread_usd, is_spread: true, ..fill };
        }
    }
    (fill.reduced_profit_usd > 1e-7 * replica_usd).then_some(fill)
}

/// Keeps the `most` fills of largest reduced profit, best first.
fn keep_best(fills: &mut Vec<Fill>, most: usize) {
    let by_reduced_profit = |left: &Fill, right: &Fill| {
        right.reduced_profit_usd.total_cmp(&left.reduced_profit_usd).then(left.configuration.cmp(&right.configuration))
    };
    if fills.len() > most {
        fills.select_nth_unstable_by(most - 1, by_reduced_profit);
        fills.truncate(most);
    }
    fills.sort_unstable_by(by_reduced_profit);
}
