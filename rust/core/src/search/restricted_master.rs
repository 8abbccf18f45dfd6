//! The restricted master program of the column generation: columns mixed under supply, SLOs, budget, storage and pools.

use super::master_solution::{Column, MasterSolution};
use crate::bound::Prices;
use crate::linear::DualSimplex;
use crate::pricing::{most_fraction, Item};
use crate::{LatencyScope, Problem, NO_POOL};

/// First price of shortage in terms of the cheapest cost of a type.
pub(super) const FIRST_SHORTAGE: f64 = 2.0;
/// First price of shortage where routes are many, in terms of that of each query type served on its own.
const FIRST_SHORTAGE_OF_MANY: f64 = 1.1;
/// How the price of shortage rises while there is some, and how often.
const SHORTAGE_RISE: f64 = 8.0;
const SHORTAGE_LEVELS: usize = 8;
/// A run that continues another begins with a price of shortage of at least this, in terms of what serving was worth.
const SHORTAGE_AGAIN: f64 = 2.0;

/// The master program over the columns so far, with the price of shortage in levels: only that of the present one may be used.
pub(super) struct RestrictedMaster<'a> {
    problem: &'a Problem,
    pub(super) simplex: DualSimplex,
    scale_usd: f64,
    latency_row: Option<usize>,
    budget_row: Option<usize>,
    storage_row: Option<usize>,
    first_pool_row: usize,
    first_column: usize,
    columns: Vec<Column>,
    next_column: usize,
    level: Vec<usize>,
    entries: Vec<(usize, f64)>,
}

impl<'a> RestrictedMaster<'a> {
    pub(super) fn new(problem: &'a Problem, solution: &MasterSolution) -> Self {
        let num_types = problem.num_query_types();
        let mut rows = 2 * num_types;
        let mut take = |needed: bool, count: usize| {
            let first = rows;
            rows += if needed { count } else { 0 };
            needed.then_some(first)
        };
        let latency_row = take(problem.latency_scope == LatencyScope::Average, num_types);
        let budget_row = take(problem.budget_usd.is_finite(), 1);
        let storage_row = take(problem.storage_gb.is_finite(), 1);
        let first_pool_row = rows;
        rows += problem.num_pools();
        let first_column = (1 + SHORTAGE_LEVELS) * num_types;
        let capacity = 16 * num_types + 120;
        let (cheapest_usd, first_shortage) = match problem.has_many_routes() {
            true => (Prices::from_single_types(problem).supply, FIRST_SHORTAGE_OF_MANY),
            false => (cheapest_usd(problem), FIRST_SHORTAGE),
        };
        let scale_usd = cheapest_usd.iter().sum::<f64>().max(1e-9);
        let mut master = Self {
            problem,
            simplex: DualSimplex::new(rows, first_column + capacity, 3 * num_types + 4),
            scale_usd,
            latency_row,
            budget_row,
            storage_row,
            first_pool_row,
            first_column,
            columns: vec![Column { configuration: u32::MAX, loads: Vec::new() }; capacity],
            next_column: 0,
            level: vec![0; num_types],
            entries: Vec::new(),
        };
        master.set_rows(rows);
        master.set_unserved_columns(solution, &cheapest_usd, first_shortage);
        master.add_again(&solution.columns);
        master
    }

    fn set_rows(&mut self, rows: usize) {
        let problem = self.problem;
        let num_types = problem.num_query_types();
        for row in num_types..rows {
            self.simplex.set_inequality(row, true);
        }
        for i in 0..num_types {
            self.simplex.set_rhs(i, 1.0);
        }
        if let Some(row) = self.budget_row {
            let data_usd: f64 = (0..num_types).map(|i| problem.data_usd(i)).sum();
            self.simplex.set_rhs(row, 1.0 - data_usd / problem.budget_usd.max(1e-9));
        }
        if let Some(row) = self.storage_row {
            let data_gb: f64 = problem.query_types.data_gb.iter().sum();
            self.simplex.set_rhs(row, 1.0 - data_gb / problem.storage_gb);
        }
        for pool in 0..problem.num_pools() {
            self.simplex.set_rhs(self.first_pool_row + pool, 1.0);
        }
    }

    fn set_unserved_columns(&mut self, solution: &MasterSolution, cheapest_usd: &[f64], first_shortage: f64) {
        let problem = self.problem;
        let num_types = problem.num_query_types();
        for (i, &cheapest_usd) in cheapest_usd.iter().enumerate() {
            self.entries.clear();
            self.entries.push((i, 1.0));
            if let Some(row) = self.budget_row {
                self.entries.push((row, -problem.data_usd(i) / problem.budget_usd.max(1e-9)));
            }
            if let Some(row) = self.storage_row {
                self.entries.push((row, -problem.query_types.data_gb[i] / problem.storage_gb));
            }
            let unmet_usd = problem.unmet_usd(i) - problem.data_usd(i);
            let max_unmet = problem.query_types.max_unmet[i];
            self.simplex.set_column(i, unmet_usd / self.scale_usd, max_unmet, &self.entries);
            let mut shortage_usd = first_shortage * cheapest_usd + 1e-6 * self.scale_usd;
            let least_usd = if solution.columns.is_empty() { 0.0 } else { SHORTAGE_AGAIN * solution.routing.supply[i] };
            for level in 0..SHORTAGE_LEVELS {
                if shortage_usd < least_usd && self.level[i] + 1 < SHORTAGE_LEVELS {
                    self.level[i] += 1;
                }
                let upper = if level == self.level[i] { 1.0 } else { 0.0 };
                let column = num_types * (1 + level) + i;
                self.simplex.set_column(column, shortage_usd / self.scale_usd, upper, &self.entries);
                shortage_usd *= SHORTAGE_RISE;
            }
        }
    }

    /// Raises the price of shortage for the types that have some; false where none has, or it cannot be made more expensive.
    pub(super) fn raise_shortage(&mut self) -> bool {
        let num_types = self.problem.num_query_types();
        let mut raised = false;
        for i in 0..num_types {
            let column = num_types * (1 + self.level[i]) + i;
            if self.simplex.value(column) > 1e-9 && self.level[i] + 1 < SHORTAGE_LEVELS {
                self.simplex.set_upper(column, 0.0);
                self.simplex.set_upper(column + num_types, 1.0);
                self.level[i] += 1;
                raised = true;
            }
        }
        raised
    }

    pub(super) fn value_usd(&self) -> f64 {
        let data_usd: f64 = (0..self.problem.num_query_types()).map(|i| self.problem.data_usd(i)).sum();
        self.simplex.objective() * self.scale_usd + data_usd
    }

    /// Adds columns of an earlier run, with as much traffic as fills them now.
    fn add_again(&mut self, columns: &[Column]) {
        let table = self.problem.route_table();
        let mut items = Vec::new();
        for column in columns.iter().filter(|column| self.problem.replica_limit(column.configuration as usize) > 0) {
            let most_fraction = most_fraction(self.problem, column.configuration as usize);
            items.clear();
            items.extend(column.loads.iter().map(|&(route, part)| {
                let load = table.load(route as usize).max(1e-12);
                Item { route, ratio: 0.0, load, profit: 0.0, fraction: (part / load).min(most_fraction) }
            }));
            self.add(column.configuration as usize, &items);
        }
    }

    /// Adds a replica of `a` with the traffic of `items`, in the place of an old column where there is no other.
    pub(super) fn add(&mut self, a: usize, items: &[Item]) {
        let capacity = self.columns.len();
        let free = (0..capacity)
            .map(|offset| (self.next_column + offset) % capacity)
            .find(|&slot| !self.simplex.is_basic(self.first_column + slot));
        let Some(slot) = free else { return };
        self.next_column = (slot + 1) % capacity;
        let problem = self.problem;
        let table = problem.route_table();
        let num_types = problem.num_query_types();
        let largest = items.iter().map(|item| item.fraction).fold(0.0, f64::max);
        let mut cost_usd = problem.replica_usd(a) + largest * problem.weights_usd(a);
        self.entries.clear();
        if let Some(row) = self.budget_row {
            self.entries.push((row, cost_usd / problem.budget_usd.max(1e-9)));
        }
        if let Some(row) = self.storage_row {
            self.entries.push((row, largest * problem.configurations.weights_gb[a] / problem.storage_gb));
        }
        if problem.pool(a) != NO_POOL {
            let pool = problem.pool(a) as usize;
            let gpus = problem.pools.max_gpus[pool];
            self.entries.push((self.first_pool_row + pool, problem.gpus_per_replica(a) / gpus));
        }
        for item in items.iter().filter(|item| item.fraction > 0.0) {
            let route = item.route as usize;
            let i = table.query_type[route] as usize;
            cost_usd += item.fraction * table.latency_usd[route];
            self.entries.push((i, item.fraction));
            self.entries.push((num_types + i, item.fraction * table.error_excess[route]));
            if let Some(row) = self.latency_row {
                self.entries.push((row + i, item.fraction * table.latency_excess[route]));
            }
        }
        let upper = f64::from(problem.replica_limit(a));
        self.simplex.set_column(self.first_column + slot, cost_usd / self.scale_usd, upper, &self.entries);
        let column = &mut self.columns[slot];
        column.configuration = a as u32;
        column.loads.clear();
        let taken = items.iter().filter(|item| item.fraction > 0.0);
        column.loads.extend(taken.map(|item| (item.route, item.fraction * item.load)));
    }

    pub(super) fn read(&self, solution: &mut MasterSolution) {
        let problem = self.problem;
        let num_types = problem.num_query_types();
        let price = |row: usize| (-self.simplex.dual(row) * self.scale_usd).max(0.0);
        for i in 0..num_types {
            solution.routing.supply[i] = self.simplex.dual(i) * self.scale_usd;
            solution.routing.error[i] = price(num_types + i);
            solution.routing.latency[i] = self.latency_row.map_or(0.0, |row| price(row + i));
        }
        solution.limits.budget = self.budget_row.map_or(0.0, |row| price(row) / problem.budget_usd.max(1e-9));
        solution.limits.storage = self.storage_row.map_or(0.0, |row| price(row) / problem.storage_gb);
        for (pool, &gpus) in problem.pools.max_gpus.iter().enumerate() {
            // A lost pool has no price: nothing can be put into it.
            solution.limits.pool[pool] = if gpus > 0.0 { price(self.first_pool_row + pool) / gpus } else { 0.0 };
        }
    }

    pub(super) fn read_mixture(&self, mixture: &mut Vec<(u32, f64)>, columns: &mut Vec<Column>) {
        mixture.clear();
        columns.clear();
        for (slot, column) in self.columns.iter().enumerate() {
            let is_used = column.configuration != u32::MAX;
            let replicas = if is_used { self.simplex.value(self.first_column + slot) } else { 0.0 };
            if replicas > 1e-9 {
                mixture.push((column.configuration, replicas));
                columns.push(column.clone());
            }
        }
        mixture.sort_unstable_by_key(|entry| entry.0);
        mixture.dedup_by(|later, first| {
            let same = later.0 == first.0;
            first.1 += if same { later.1 } else { 0.0 };
            same
        });
    }
}

/// Cost of serving all of each query type over its cheapest route with fractions of replicas, USD; 0 where it has none.
pub(super) fn cheapest_usd(problem: &Problem) -> Vec<f64> {
    let table = problem.route_table();
    let mut cheapest = vec![f64::INFINITY; problem.num_query_types()];
    for a in 0..problem.num_configurations() {
        let replica_usd = problem.replica_usd(a);
        for route in table.of_configuration(a) {
            let least_usd = &mut cheapest[table.query_type[route] as usize];
            *least_usd = least_usd.min(replica_usd * table.load(route) + table.latency_usd[route]);
        }
    }
    cheapest.iter_mut().filter(|usd| usd.is_infinite()).for_each(|usd| *usd = 0.0);
    cheapest
}
