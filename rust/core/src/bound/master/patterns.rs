//! The columns of patterns.

use std::sync::Arc;

use super::super::relaxation::{Pattern, Relaxation};
use super::{Master, NO_ROW};
use crate::NO_POOL;

impl Master {
    /// Remakes the columns of the patterns of the configurations that another row `concerns`.
    pub(super) fn replace_columns(&mut self, relaxation: &Relaxation<'_>, concerns: impl Fn(usize) -> bool) {
        for slot in 0..self.patterns.len() {
            if self.patterns[slot].replicas > 0 && concerns(self.patterns[slot].configuration as usize) {
                let pattern = Arc::clone(&self.patterns[slot]);
                let cost = self.entries_of(relaxation, &pattern) / self.objective_scale;
                let column = self.first_pattern + slot;
                self.simplex.replace_column(column, cost, self.simplex.upper(column), &self.entries);
            }
        }
    }

    /// The patterns found so far.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &Pattern> + '_ {
        self.patterns.iter().map(AsRef::as_ref).filter(|pattern: &&Pattern| pattern.replicas > 0)
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
        self.patterns[slot] = Arc::new(pattern.clone());
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
            let (route, share) = (route as usize, share * relaxation.widened.more);
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
            if taken != 0.0 {
                self.entries.push((self.first_cut_row + index, taken / cut.most().abs()));
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
            .map(|(slot, pattern)| (pattern.as_ref(), self.simplex.value(self.first_pattern + slot)))
            .filter(|&(_, weight)| weight > 1e-9)
    }
}
