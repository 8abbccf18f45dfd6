//! The master program of the column generation: the best mixture of the patterns found so far.
//!
//! Rows are the coupling constraints that can bind, cuts, and for pairs of which several patterns would be used
//! one equation by which these and "not deployed" share one unit of weight. The row duals are the prices at which new
//! patterns are looked for. Every supply, budget, storage, pool and cut row has an artificial column whose cost rises
//! level by level: the early levels keep the prices from running wild (a penalty stabilisation), the last ones prove that
//! the row cannot be met.

mod artificials;
mod cuts;
mod patterns;
mod setup;

use std::sync::Arc;

use artificials::Artificial;

use super::cut::Cut;
use super::domain::Domain;
use super::prices::Prices;
use super::relaxation::{Pattern, Relaxation};
use crate::linear::{DualSimplex, LinearStatus};
use crate::Stop;

const NO_ROW: usize = usize::MAX;
const MAX_PIVOTS: u64 = 50_000;
/// By how much the patterns of a pair may exceed one unit before the pair gets its row.
const PAIR_TOLERANCE: f64 = 1e-9;

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

/// The program, its patterns and the layout of its rows and columns.
#[derive(Debug, Clone)]
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
    cuts: Vec<Cut>,
    budget_scale: f64,
    storage_scale: f64,
    pool_scale: Vec<f64>,
    artificials: Vec<Artificial>,
    first_artificial: usize,
    level: usize,
    /// Whether artificial columns cost the same at every level.
    constant_cost: bool,
    first_null: usize,
    first_pattern: usize,
    /// Shared by the copies of the program.
    patterns: Vec<Arc<Pattern>>,
    entries: Vec<(usize, f64)>,
    pair_weight: Vec<f64>,
}

impl Master {
    /// Gives `pair` its row, if it has none and one is left; false where none is.
    fn give_row(&mut self, relaxation: &Relaxation<'_>, pair: usize) -> bool {
        if self.pair_row[pair] != NO_ROW {
            return true;
        }
        if self.used_pair_rows == self.num_pair_rows {
            return false;
        }
        let row = self.simplex.add_equation();
        self.simplex.set_rhs(row, 1.0);
        self.simplex.set_column(self.first_null + self.used_pair_rows, 0.0, 1.0, &[(row, 1.0)]);
        self.used_pair_rows += 1;
        self.pair_row[pair] = row;
        self.replace_columns(relaxation, |a| relaxation.problem.pair(a) == pair);
        true
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

    /// Makes the basis meet limits that have changed, by dual steps.
    pub(crate) fn repair(&mut self, stop: &Stop) {
        // Whatever it ends with, the next solve goes on from there.
        self.simplex.solve_unless(f64::INFINITY, MAX_PIVOTS, &|| stop.should_stop());
    }

    /// About how many elementary steps the solves took.
    pub(crate) fn work(&self) -> u64 {
        self.simplex.work()
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
        for (index, cut) in self.cuts.iter().enumerate() {
            let price = dual(self.first_cut_row + index, cut.most().abs());
            if price > 0.0 {
                into.cuts.push((cut.clone(), price));
            }
        }
    }
}
