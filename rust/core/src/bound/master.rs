//! The master program of the column generation: the best mixture of the patterns found so far.
//!
//! Rows are the coupling constraints that can bind and, for pairs of which several patterns would be used, one equation
//! by which these and "not deployed" share one unit of weight. Its row duals are the prices at which new patterns are looked for. Every supply, budget,
//! storage and pool row has artificial columns of rising cost, of which one level is in use at a time: the early
//! levels keep the prices from running wild (a penalty stabilisation), the last ones prove that the row cannot be met.

use super::domain::Domain;
use super::prices::Prices;
use super::relaxation::{Pattern, Relaxation};
use super::rounding::{violated, RoundingCut, Used};
use crate::linear::{DualSimplex, LinearStatus};
use crate::{LatencyScope, Problem, Stop, NO_POOL};

const LEVELS: usize = 9;
const LEVEL_FACTOR: f64 = 6.0;
const NO_ROW: usize = usize::MAX;
const MAX_PIVOTS: u64 = 50_000;
/// By how much the patterns of a pair may exceed one unit before the pair gets its row.
const PAIR_TOLERANCE: f64 = 1e-9;

/// Rounding cuts that can have a row at a time, where a budget, storage or pool can bind.
const CUT_ROWS: usize = 6;
/// A cut with a lower price, in terms of the objective's scale, gives up its row to one that is violated.
const IDLE_PRICE: f64 = 1e-12;

/// A column that meets a row at a cost: its row, the most of it, and its cost at the first level.
#[derive(Debug, Clone, Copy)]
struct Artificial {
    row: usize,
    upper: f64,
    cost: f64,
}

/// What became of solving the master program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Solved {
    /// The value of the best mixture.
    Value(f64),
    /// Another pair needs a row and none is left: a larger program must be made.
    NeedsRows,
    /// There is no mixture, or the simplex gave up.
    Failed,
}

/// Which rows some deployment in a domain can violate; the others need not be in the program.
struct CanBind {
    error: Vec<bool>,
    latency: Vec<bool>,
    storage: bool,
    pool: Vec<bool>,
}

impl CanBind {
    fn of(relaxation: &Relaxation<'_>, domain: &Domain) -> Self {
        let problem = relaxation.problem;
        let table = problem.route_table();
        let average = problem.latency_scope == LatencyScope::Average;
        let mut error = vec![false; problem.num_query_types()];
        let mut latency = error.clone();
        for a in (0..problem.num_configurations()).filter(|&a| domain.is_open(a)) {
            for route in table.of_configuration(a) {
                let i = table.query_type[route] as usize;
                error[i] |= table.error_excess[route] > 0.0;
                latency[i] |= average && table.latency_excess[route] > 0.0;
            }
        }
        let mut gb: f64 = problem.query_types.data_gb.iter().sum();
        let mut gpus = vec![0.0; problem.num_pools()];
        for pair in 0..problem.num_pairs() {
            let open = || problem.pair_configurations(pair).iter().map(|&a| a as usize).filter(|&a| domain.is_open(a));
            gb += open().map(|a| problem.configurations.weights_gb[a]).fold(0.0, f64::max);
            let most = open().map(|a| problem.gpus_per_replica(a) * f64::from(domain.max[a])).fold(0.0, f64::max);
            // All configurations of a pair draw on the pool of its tier.
            if let Some(pool) = open().map(|a| problem.pool(a)).find(|&pool| pool != NO_POOL) {
                gpus[pool as usize] += most;
            }
        }
        let pool = gpus.iter().zip(&problem.pools.max_gpus).map(|(gpus, most)| gpus > most).collect();
        Self { error, latency, storage: gb > problem.storage_gb, pool }
    }
}

fn is_open(problem: &Problem, domain: &Domain, pair: usize) -> bool {
    problem.pair_configurations(pair).iter().any(|&a| domain.is_open(a as usize))
}

#[derive(Debug)]
pub(crate) struct Master {
    simplex: DualSimplex,
    objective_scale: f64,
    constant: f64,
    error_row: Vec<usize>,
    latency_row: Vec<usize>,
    budget_row: usize,
    storage_row: usize,
    pool_row: Vec<usize>,
    /// Row of each pair; most pairs never need theirs.
    pair_row: Vec<usize>,
    first_pair_row: usize,
    num_pair_rows: usize,
    used_pair_rows: usize,
    first_cut_row: usize,
    num_cut_rows: usize,
    /// The cuts that have a row, in the order of their rows.
    cuts: Vec<RoundingCut>,
    budget_scale: f64,
    storage_scale: f64,
    pool_scale: Vec<f64>,
    artificials: Vec<Artificial>,
    first_artificial: usize,
    level: usize,
    constant_cost: bool,
    first_null: usize,
    first_pattern: usize,
    patterns: Vec<Pattern>,
    entries: Vec<(usize, f64)>,
    pair_weight: Vec<f64>,
}

impl Master {
    /// The master program of `relaxation` without patterns, for the pairs that are open in `domain`, of which at least
    /// `min_pair_rows` can have a row.
    pub(crate) fn new(relaxation: &Relaxation<'_>, domain: &Domain, guess: &Prices, min_pair_rows: usize) -> Self {
        let problem = relaxation.problem;
        let num_types = problem.num_query_types();
        let mut rows = num_types;
        let mut next = |used: bool| {
            if used {
                rows += 1;
                rows - 1
            } else {
                NO_ROW
            }
        };
        let can_bind = CanBind::of(relaxation, domain);
        let error_row: Vec<usize> = can_bind.error.iter().map(|&can| next(can)).collect();
        let latency_row: Vec<usize> = can_bind.latency.iter().map(|&can| next(can)).collect();
        let budget_row = next(problem.budget_usd.is_finite());
        let storage_row = next(can_bind.storage);
        let pool_row: Vec<usize> = can_bind.pool.iter().map(|&can| next(can)).collect();
        let num_open_pairs = (0..problem.num_pairs()).filter(|&pair| is_open(problem, domain, pair)).count();
        let num_pair_rows = num_open_pairs.min(min_pair_rows.max(2 * num_types + 10));
        let first_pair_row = rows;
        let first_cut_row = first_pair_row + num_pair_rows;
        let is_limited = problem.budget_usd.is_finite() || can_bind.storage || can_bind.pool.contains(&true);
        let num_cut_rows = if is_limited { CUT_ROWS } else { 0 };
        let rows = first_cut_row + num_cut_rows;

        let total: f64 = guess.supply.iter().sum();
        let objective_scale = if relaxation.weight > 0.0 && total > 0.0 { total } else { 1.0 };
        let cost = |usd: f64| if relaxation.weight > 0.0 { usd } else { 1.0 };
        let supply = (0..num_types).map(|row| {
            let own = cost(1.5 * guess.supply[row] / objective_scale + 0.05);
            Artificial { row, upper: 1.0, cost: own }
        });
        let limits = [budget_row, storage_row].into_iter().chain(pool_row.iter().copied()).chain(first_cut_row..rows);
        let limits = limits.filter(|&row| row != NO_ROW).map(|row| Artificial { row, upper: 1e4, cost: cost(2.0) });
        let artificials: Vec<Artificial> = supply.chain(limits).collect();
        let first_artificial = num_types;
        let first_null = first_artificial + artificials.len();
        let first_pattern = first_null + num_pair_rows;
        let capacity = 3 * rows + 60;
        let stride = 3 * num_types + 4 + num_cut_rows;

        let positive = |value: f64| if value > 0.0 && value.is_finite() { value } else { 1.0 };
        let mut master = Self {
            simplex: DualSimplex::new(rows, first_pattern + capacity, stride),
            objective_scale,
            constant: relaxation.weight * (0..num_types).map(|i| problem.data_usd(i)).sum::<f64>(),
            error_row,
            latency_row,
            budget_row,
            storage_row,
            pool_row,
            pair_row: vec![NO_ROW; problem.num_pairs()],
            first_pair_row,
            num_pair_rows,
            used_pair_rows: 0,
            first_cut_row,
            num_cut_rows,
            cuts: Vec::new(),
            budget_scale: positive(problem.budget_usd),
            storage_scale: positive(problem.storage_gb),
            pool_scale: problem.pools.max_gpus.iter().map(|&gpus| positive(gpus)).collect(),
            artificials,
            first_artificial,
            level: 0,
            constant_cost: relaxation.weight == 0.0,
            first_null,
            first_pattern,
            patterns: vec![Pattern::default(); capacity],
            entries: Vec::with_capacity(stride),
            pair_weight: vec![0.0; problem.num_pairs()],
        };
        master.set_rows(relaxation, rows);
        master.set_fixed_columns(relaxation);
        master
    }

    fn set_rows(&mut self, relaxation: &Relaxation<'_>, rows: usize) {
        let problem = relaxation.problem;
        let num_types = problem.num_query_types();
        for row in 0..rows {
            self.simplex.set_inequality(row, true);
        }
        for i in 0..num_types {
            self.simplex.set_rhs(i, -1.0);
        }
        if self.budget_row != NO_ROW {
            let data: f64 = (0..num_types).map(|i| problem.data_usd(i)).sum();
            self.simplex.set_rhs(self.budget_row, (problem.budget_usd - data) / self.budget_scale);
        }
        if self.storage_row != NO_ROW {
            let data: f64 = problem.query_types.data_gb.iter().sum();
            self.simplex.set_rhs(self.storage_row, (problem.storage_gb - data) / self.storage_scale);
        }
        for (pool, &row) in self.pool_row.iter().enumerate() {
            if row != NO_ROW {
                self.simplex.set_rhs(row, problem.pools.max_gpus[pool] / self.pool_scale[pool]);
            }
        }
        for row in self.first_pair_row..self.first_cut_row {
            self.simplex.set_inequality(row, false);
        }
    }

    /// Columns of what goes unserved, and artificial ones.
    fn set_fixed_columns(&mut self, relaxation: &Relaxation<'_>) {
        let problem = relaxation.problem;
        let num_types = problem.num_query_types();
        for i in 0..num_types {
            let cost = relaxation.weight * (problem.unmet_usd(i) - problem.data_usd(i)) / self.objective_scale;
            self.entries.clear();
            self.entries.push((i, -1.0));
            if self.budget_row != NO_ROW {
                self.entries.push((self.budget_row, -problem.data_usd(i) / self.budget_scale));
            }
            if self.storage_row != NO_ROW {
                self.entries.push((self.storage_row, -problem.query_types.data_gb[i] / self.storage_scale));
            }
            self.simplex.set_column(i, cost, problem.query_types.max_unmet[i], &self.entries);
        }
        for (index, artificial) in self.artificials.iter().enumerate() {
            let entries = [(artificial.row, -1.0)];
            self.simplex.set_column(self.first_artificial + index, artificial.cost, artificial.upper, &entries);
        }
    }

    /// Gives `pair` its row, if it has none and one is left; false where none is.
    fn give_row(&mut self, relaxation: &Relaxation<'_>, pair: usize) -> bool {
        if self.pair_row[pair] != NO_ROW {
            return true;
        }
        if self.used_pair_rows == self.num_pair_rows {
            return false;
        }
        let row = self.first_pair_row + self.used_pair_rows;
        self.simplex.set_rhs(row, 1.0);
        self.simplex.set_column(self.first_null + self.used_pair_rows, 0.0, 1.0, &[(row, 1.0)]);
        self.used_pair_rows += 1;
        self.pair_row[pair] = row;
        self.replace_columns(relaxation, |a| relaxation.problem.pair(a) == pair);
        true
    }

    /// Makes anew the columns of the patterns of the configurations that another row `concerns`.
    fn replace_columns(&mut self, relaxation: &Relaxation<'_>, concerns: impl Fn(usize) -> bool) {
        for slot in 0..self.patterns.len() {
            if self.patterns[slot].replicas > 0 && concerns(self.patterns[slot].configuration as usize) {
                let pattern = std::mem::take(&mut self.patterns[slot]);
                let cost = self.entries_of(relaxation, &pattern) / self.objective_scale;
                let column = self.first_pattern + slot;
                self.simplex.replace_column(column, cost, self.simplex.upper(column), &self.entries);
                self.patterns[slot] = pattern;
            }
        }
    }

    /// Gives rows to cuts, where none is free those of cuts that do not bind; false where there are none of these either.
    pub(crate) fn add_cuts(&mut self, relaxation: &Relaxation<'_>, cuts: &[RoundingCut]) -> bool {
        let mut added = false;
        for &cut in cuts {
            if self.cuts.contains(&cut) {
                continue;
            }
            if self.cuts.len() < self.num_cut_rows {
                self.simplex.set_rhs(self.first_cut_row + self.cuts.len(), 1.0);
                self.cuts.push(cut);
            } else {
                let is_idle = |index: &usize| self.simplex.dual(self.first_cut_row + index) > -IDLE_PRICE;
                let Some(index) = (0..self.num_cut_rows).find(is_idle) else { break };
                self.cuts[index] = cut;
            }
            added = true;
        }
        if added {
            self.replace_columns(relaxation, |_| true);
        }
        added
    }

    /// Gives rows to cuts that the present mixture violates; false where there are none.
    pub(crate) fn separate(&mut self, relaxation: &Relaxation<'_>) -> bool {
        let used = |(pattern, weight): (&Pattern, f64)| Used {
            configuration: pattern.configuration as usize,
            replicas: weight * f64::from(pattern.replicas),
            deployments: weight,
        };
        let mixture: Vec<_> = self.mixture().map(used).collect();
        self.num_cut_rows > 0 && self.add_cuts(relaxation, &violated(relaxation.problem, &mixture))
    }

    /// The cuts that have a row.
    pub(crate) fn cuts(&self) -> &[RoundingCut] {
        &self.cuts
    }

    /// Whether artificial columns are in use.
    pub(crate) fn uses_artificials(&self) -> bool {
        (0..self.artificials.len()).any(|index| self.simplex.value(self.first_artificial + index) > 1e-9)
    }

    /// Goes on to a dearer level of artificial columns; false where this was the last.
    pub(crate) fn raise_artificials(&mut self) -> bool {
        if self.level + 1 == LEVELS {
            return false;
        }
        self.set_level(self.level + 1);
        true
    }

    /// Sets the level of cost of the artificial columns.
    pub(crate) fn set_level(&mut self, level: usize) {
        if level == self.level {
            return;
        }
        // Without an objective there is nothing to weigh them against.
        let factor = if self.constant_cost { 1.0 } else { LEVEL_FACTOR.powi(level as i32) };
        for (index, artificial) in self.artificials.iter().enumerate() {
            let entries = [(artificial.row, -1.0)];
            let column = self.first_artificial + index;
            self.simplex.replace_column(column, factor * artificial.cost, artificial.upper, &entries);
        }
        self.level = level;
    }

    /// The level of artificial columns in use.
    pub(crate) fn level(&self) -> usize {
        self.level
    }

    /// The patterns found so far.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &Pattern> + '_ {
        self.patterns.iter().filter(|pattern| pattern.replicas > 0)
    }

    /// Closes the patterns that `domain` does not allow, opens those that it does, and forces pairs into use; false where
    /// there are not enough rows for that.
    pub(crate) fn restrict(&mut self, relaxation: &Relaxation<'_>, domain: &Domain) -> bool {
        for pair in 0..self.pair_row.len() {
            if domain.forced[pair] && !self.give_row(relaxation, pair) {
                return false;
            }
            if self.pair_row[pair] != NO_ROW {
                let null_column = self.first_null + self.pair_row[pair] - self.first_pair_row;
                self.simplex.set_upper(null_column, if domain.forced[pair] { 0.0 } else { 1.0 });
            }
        }
        for (slot, pattern) in self.patterns.iter().enumerate() {
            if pattern.replicas > 0 {
                let allowed = domain.allows(pattern.configuration as usize, pattern.replicas);
                self.simplex.set_upper(self.first_pattern + slot, if allowed { 1.0 } else { 0.0 });
            }
        }
        true
    }

    /// Whether a forced pair has a pattern without traffic, so that the program has a solution whatever the SLOs.
    pub(crate) fn can_idle(&self, relaxation: &Relaxation<'_>, domain: &Domain, pair: usize) -> bool {
        self.patterns().any(|pattern| {
            let a = pattern.configuration as usize;
            pattern.routes.is_empty() && relaxation.problem.pair(a) == pair && domain.allows(a, pattern.replicas)
        })
    }

    /// Solves; the value of the best mixture.
    pub(crate) fn solve(&mut self, relaxation: &Relaxation<'_>, stop: &Stop) -> Solved {
        loop {
            if self.simplex.solve_after_adding(MAX_PIVOTS, &|| stop.should_stop()) != LinearStatus::Optimal {
                return Solved::Failed;
            }
            let mut has_new_row = false;
            self.pair_weight.fill(0.0);
            for slot in 0..self.patterns.len() {
                if self.patterns[slot].replicas == 0 {
                    continue;
                }
                let pair = relaxation.problem.pair(self.patterns[slot].configuration as usize);
                if self.pair_row[pair] == NO_ROW {
                    self.pair_weight[pair] += self.simplex.value(self.first_pattern + slot);
                }
            }
            for pair in 0..self.pair_row.len() {
                if self.pair_weight[pair] > 1.0 + PAIR_TOLERANCE {
                    if !self.give_row(relaxation, pair) {
                        return Solved::NeedsRows;
                    }
                    has_new_row = true;
                }
            }
            if !has_new_row {
                return Solved::Value(self.simplex.objective() * self.objective_scale + self.constant);
            }
        }
    }

    /// Pairs that can have a row.
    pub(crate) fn num_pair_rows(&self) -> usize {
        self.num_pair_rows
    }

    /// The row duals as prices.
    pub(crate) fn prices(&self, relaxation: &Relaxation<'_>, into: &mut Prices) {
        let dual = |row: usize, scale: f64| match row {
            NO_ROW => 0.0,
            _ => (-self.simplex.dual(row) * self.objective_scale / scale).max(0.0),
        };
        for i in 0..self.error_row.len() {
            into.supply[i] = dual(i, 1.0);
            into.error[i] = dual(self.error_row[i], relaxation.error_scale[i]);
            into.latency[i] = dual(self.latency_row[i], relaxation.latency_scale[i]);
        }
        into.budget = dual(self.budget_row, self.budget_scale);
        into.storage = dual(self.storage_row, self.storage_scale);
        for (pool, &row) in self.pool_row.iter().enumerate() {
            into.pool[pool] = dual(row, self.pool_scale[pool]);
        }
        into.cuts.clear();
        for (index, &cut) in self.cuts.iter().enumerate() {
            let price = dual(self.first_cut_row + index, cut.most);
            if price > 0.0 {
                into.cuts.push((cut, price));
            }
        }
    }

    /// Adds a pattern where its reduced cost at the current duals is negative.
    pub(crate) fn add(&mut self, relaxation: &Relaxation<'_>, pattern: &Pattern, always: bool) -> bool {
        let cost = self.entries_of(relaxation, pattern) / self.objective_scale;
        let priced: f64 = self.entries.iter().map(|&(row, value)| self.simplex.dual(row) * value).sum();
        if !always && cost - priced > -1e-9 {
            return false;
        }
        let Some(slot) = self.free_slot() else { return false };
        self.simplex.set_column(self.first_pattern + slot, cost, 1.0, &self.entries);
        let column = &mut self.patterns[slot];
        column.configuration = pattern.configuration;
        column.replicas = pattern.replicas;
        column.routes.clone_from(&pattern.routes);
        true
    }

    /// Fills `entries` with the column of `pattern`; its cost in USD.
    fn entries_of(&mut self, relaxation: &Relaxation<'_>, pattern: &Pattern) -> f64 {
        let problem = relaxation.problem;
        let table = problem.route_table();
        let a = pattern.configuration as usize;
        let replicas = f64::from(pattern.replicas);
        let deployed = replicas * problem.replica_usd(a) + problem.weights_usd(a);
        let mut cost = deployed;
        self.entries.clear();
        for &(route, share) in &pattern.routes {
            let route = route as usize;
            let i = table.query_type[route] as usize;
            cost += share * table.latency_usd[route];
            self.entries.push((i, -share));
            if self.error_row[i] != NO_ROW {
                let excess = table.error_excess[route] / relaxation.error_scale[i];
                self.entries.push((self.error_row[i], share * excess));
            }
            if self.latency_row[i] != NO_ROW {
                let excess = table.latency_excess[route] / relaxation.latency_scale[i];
                self.entries.push((self.latency_row[i], share * excess));
            }
        }
        if self.budget_row != NO_ROW {
            self.entries.push((self.budget_row, deployed / self.budget_scale));
        }
        if self.storage_row != NO_ROW {
            self.entries.push((self.storage_row, problem.configurations.weights_gb[a] / self.storage_scale));
        }
        let pool = problem.pool(a);
        if pool != NO_POOL && self.pool_row[pool as usize] != NO_ROW {
            let gpus = replicas * problem.gpus_per_replica(a);
            self.entries.push((self.pool_row[pool as usize], gpus / self.pool_scale[pool as usize]));
        }
        let pair_row = self.pair_row[problem.pair(a)];
        if pair_row != NO_ROW {
            self.entries.push((pair_row, 1.0));
        }
        for (index, cut) in self.cuts.iter().enumerate() {
            let taken = cut.of_replica(problem, a) * replicas + cut.of_deployment(problem, a);
            if taken > 0.0 {
                self.entries.push((self.first_cut_row + index, taken / cut.most));
            }
        }
        cost * relaxation.weight
    }

    /// A free slot, made where there is none by dropping the pattern with the largest reduced cost.
    fn free_slot(&mut self) -> Option<usize> {
        let mut worst = None;
        let mut largest = f64::NEG_INFINITY;
        for (slot, pattern) in self.patterns.iter().enumerate() {
            let column = self.first_pattern + slot;
            if self.simplex.is_basic(column) {
                continue;
            }
            if pattern.replicas == 0 {
                return Some(slot);
            }
            let closed = self.simplex.upper(column) == 0.0;
            let reduced_cost = if closed { 1e300 } else { self.simplex.reduced_cost(column) };
            if reduced_cost > largest {
                largest = reduced_cost;
                worst = Some(slot);
            }
        }
        worst
    }

    /// The patterns in the mixture and their weights.
    pub(crate) fn mixture(&self) -> impl Iterator<Item = (&Pattern, f64)> + '_ {
        self.patterns
            .iter()
            .enumerate()
            .filter(|(_, pattern)| pattern.replicas > 0)
            .map(|(slot, pattern)| (pattern, self.simplex.value(self.first_pattern + slot)))
            .filter(|&(_, weight)| weight > 1e-9)
    }
}
