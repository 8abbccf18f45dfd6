//! Slots of the routing program: each holds one deployment.

use super::rows::scale_of;
use super::{RoutingProgram, NO_ROW};
use crate::{Problem, NO_POOL};

impl RoutingProgram {
    /// Number of slots, used or not.
    pub(crate) fn num_slots(&self) -> usize {
        self.configuration.len()
    }

    /// Configuration of a slot in use.
    pub(crate) fn configuration(&self, slot: usize) -> Option<usize> {
        (self.replicas[slot] > 0).then_some(self.configuration[slot] as usize)
    }

    /// Replicas of a slot, 0 where it is not in use.
    pub(crate) fn replicas(&self, slot: usize) -> u32 {
        self.replicas[slot]
    }

    /// A slot that can take `configuration`: one that held it before, or one free of basic columns.
    pub(crate) fn free_slot(&self, problem: &Problem, configuration: usize) -> Option<usize> {
        let needs_both = loads_both(problem, configuration);
        let mut free = None;
        for slot in 0..self.num_slots() {
            if self.replicas[slot] > 0 || (needs_both && self.memory_row[slot] == NO_ROW) {
                continue;
            }
            if self.configuration[slot] as usize == configuration {
                return Some(slot);
            }
            let mut columns = self.slot_columns(slot).chain(self.replica_column(slot));
            if free.is_none() && columns.all(|column| !self.simplex.is_basic(column)) {
                free = Some(slot);
            }
        }
        free
    }

    /// Whether a deployment has only one row and now needs two, for new routes that load the other more.
    pub(crate) fn is_outgrown(&self, problem: &Problem) -> bool {
        (0..self.num_slots()).any(|slot| {
            self.memory_row[slot] == NO_ROW && self.configuration(slot).is_some_and(|a| loads_both(problem, a))
        })
    }

    pub(super) fn slot_columns(&self, slot: usize) -> std::ops::Range<usize> {
        let start = (2 + slot) * self.num_types;
        start..start + self.num_types
    }

    /// The rows of what a slot's replicas offer: time and memory, or one.
    pub(super) fn slot_rows(&self, slot: usize) -> impl Iterator<Item = usize> {
        [self.time_row[slot], self.memory_row[slot]].into_iter().filter(|&row| row != NO_ROW).map(|row| row as usize)
    }

    /// The column of the replicas beyond those that a slot has.
    pub(super) fn replica_column(&self, slot: usize) -> Option<usize> {
        self.is_continuous.then(|| (2 + self.num_slots()) * self.num_types + slot)
    }

    /// Puts `replicas` replicas of `configuration` into `slot`; 0 empties it.
    ///
    /// A slot in use keeps its configuration until it is emptied; a new one needs [`RoutingProgram::free_slot`].
    pub(crate) fn set_replicas(&mut self, problem: &Problem, slot: usize, configuration: usize, replicas: u32) {
        let before = self.replicas[slot];
        if before == replicas {
            return;
        }
        let table = problem.route_table();
        let columns = self.slot_columns(slot);
        if self.configuration[slot] as usize != configuration {
            for column in columns.clone().chain(self.replica_column(slot)) {
                self.simplex.set_upper(column, 0.0);
            }
            self.fill_slot(problem, slot, configuration);
        } else if (before == 0) != (replicas == 0) {
            let upper = if replicas == 0 { 0.0 } else { 1.0 };
            let num_routes = table.of_configuration(configuration).len();
            for column in columns.take(num_routes) {
                self.simplex.set_upper(column, upper);
            }
        }
        if let Some(column) = self.replica_column(slot) {
            let more = if replicas == 0 { 0 } else { problem.replica_limit(configuration).saturating_sub(replicas) };
            self.simplex.set_upper(column, f64::from(more));
        }
        self.ledger.change(problem, configuration, before, replicas);
        self.configuration[slot] = configuration as u32;
        self.replicas[slot] = replicas;
        for row in self.slot_rows(slot) {
            self.simplex.set_rhs(row, f64::from(replicas));
        }
        self.set_limits(problem);
    }

    /// Lets a continuous slot in use have at most `most` replicas, those that it has included.
    pub(crate) fn set_most_replicas(&mut self, slot: usize, most: u32) {
        if let Some(column) = self.replica_column(slot) {
            self.simplex.set_upper(column, f64::from(most.saturating_sub(self.replicas[slot])));
        }
    }

    /// Whether a continuous slot in use may have no replicas beyond its own.
    pub(crate) fn is_fixed(&self, slot: usize) -> bool {
        self.replica_column(slot).is_some_and(|column| self.simplex.upper(column) == 0.0)
    }

    /// Replicas of a continuous slot with those beyond its own, not whole.
    pub(crate) fn continuous_replicas(&self, slot: usize) -> f64 {
        let more = self.replica_column(slot).map_or(0.0, |column| self.simplex.value(column));
        f64::from(self.replicas[slot]) + more
    }

    pub(super) fn fill_slot(&mut self, problem: &Problem, slot: usize, configuration: usize) {
        let table = problem.route_table();
        let (time_row, memory_row) = (self.time_row[slot] as usize, self.memory_row[slot]);
        let columns = self.slot_columns(slot);
        for (column, route) in columns.zip(table.of_configuration(configuration)) {
            let i = table.query_type[route] as usize;
            self.entries.clear();
            self.entries.push((i, 1.0));
            if self.error_row[i] != NO_ROW {
                self.entries.push((self.error_row[i] as usize, table.error_excess[route]));
            }
            if self.latency_row[i] != NO_ROW {
                self.entries.push((self.latency_row[i] as usize, table.latency_excess[route]));
            }
            if memory_row == NO_ROW {
                self.entries.push((time_row, table.load(route)));
            } else {
                self.entries.push((time_row, table.time_replicas[route]));
                self.entries.push((memory_row as usize, table.memory_replicas[route]));
            }
            let weight = if self.counts_unserved { self.latency_weight } else { 1.0 };
            let usd = weight * table.latency_usd[route];
            self.put_column(column, usd, 1.0);
        }
        if let Some(column) = self.replica_column(slot) {
            let replica_usd = problem.replica_usd(configuration);
            self.entries.clear();
            self.entries.extend(self.slot_rows(slot).map(|row| (row, -1.0)));
            if self.budget_row != NO_ROW {
                let share = replica_usd / scale_of(problem.budget_usd);
                self.entries.push((self.budget_row as usize, share));
            }
            if problem.pool(configuration) != NO_POOL {
                let pool = problem.pool(configuration) as usize;
                if self.pool_row[pool] != NO_ROW {
                    let share = problem.gpus_per_replica(configuration) / scale_of(problem.pools.max_gpus[pool]);
                    self.entries.push((self.pool_row[pool] as usize, share));
                }
            }
            self.put_column(column, replica_usd, 0.0);
        }
    }

    /// These deployments in a fresh program with `num_slots` slots, more than are in use: they come first, and the next
    /// one takes `configuration`.
    pub(crate) fn rebuilt(&self, problem: &Problem, num_slots: usize, configuration: usize) -> Self {
        let used: Vec<usize> = (0..self.num_slots()).filter(|&old| self.replicas[old] > 0).collect();
        let mut slots: Vec<bool> = used.iter().map(|&old| self.memory_row[old] != NO_ROW).collect();
        slots.resize(num_slots.max(used.len()), loads_both(problem, configuration));
        let mut program = self.with_slots(problem, &slots);
        program.simplex.count_on_from(&self.simplex);
        for (slot, &old) in used.iter().enumerate() {
            program.set_replicas(problem, slot, self.configuration[old] as usize, self.replicas[old]);
            if let (Some(column), Some(old_column)) = (program.replica_column(slot), self.replica_column(old)) {
                program.simplex.set_upper(column, self.simplex.upper(old_column));
            }
        }
        program
    }
}

/// Whether some routes of configuration `a` load time more and others memory: then each is a limit of its own.
pub(super) fn loads_both(problem: &Problem, a: usize) -> bool {
    let table = problem.route_table();
    let loads = || table.of_configuration(a).map(|route| (table.time_replicas[route], table.memory_replicas[route]));
    loads().any(|(time, memory)| time > memory) && loads().any(|(time, memory)| time < memory)
}
