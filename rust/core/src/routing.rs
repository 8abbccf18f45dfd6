//! The best routing for fixed deployments: a linear program with one slot of one or two capacity rows per deployment.
//!
//! Rows, all scaled to be of order one: supply of every query type (equations), error SLO of the types that some route
//! can break, under [`LatencyScope::Average`] the latency SLO likewise, storage and budget where stored tokens count
//! towards them, then time and memory of every slot in replicas, or the one of them that all routes load more. Columns:
//! unmet and shortage of every type, then the routes of every slot. The shortage columns are artificial: they keep the program feasible at a high price.

mod prices;
mod refresh;

pub(crate) use prices::{LimitPrices, RoutingPrices};

use crate::linear::{DualSimplex, LinearStatus};
use crate::{Deployment, LatencyScope, Problem, FEASIBILITY_TOLERANCE, NO_POOL};

const NO_ROW: u32 = u32::MAX;
const NO_CONFIGURATION: u32 = u32::MAX;
/// Shares below this are rounding, not shortage.
const SHORTAGE_TOLERANCE: f64 = 0.5 * FEASIBILITY_TOLERANCE;
/// More pivots than any solve of this size needs; reaching it counts as failure.
const MAX_PIVOTS: u64 = 20_000;

/// The routing program with its current basis; cheap to change, to re-solve and to copy with `clone_from`.
#[derive(Debug, Default)]
pub(crate) struct RoutingProgram {
    simplex: DualSimplex,
    num_types: usize,
    error_row: Vec<u32>,
    latency_row: Vec<u32>,
    storage_row: u32,
    budget_row: u32,
    time_row: Vec<u32>,
    /// None where the time row is one for whichever a route loads more.
    memory_row: Vec<u32>,
    configuration: Vec<u32>,
    replicas: Vec<u32>,
    shortage_usd: Vec<f64>,
    weights_gb: f64,
    rental_usd: f64,
    constant_usd: f64,
    status: Option<LinearStatus>,
    /// The last solve needed other units for its numbers, and left out routes that can carry next to nothing.
    is_equilibrated: bool,
    /// The program minimises the queries that are not served instead of the cost.
    counts_unserved: bool,
    /// What a dollar of latency counts for there; 0 where any routing that serves as many is as good.
    latency_weight: f64,
    /// Replicas beyond those of a slot are columns; see [`RoutingProgram::elastic`].
    is_elastic: bool,
    pool_row: Vec<u32>,
    pool_gpus: Vec<f64>,
    entries: Vec<(usize, f64)>,
    /// The rates that the columns are of.
    rates: Vec<f64>,
    factors: Vec<f64>,
}

impl Clone for RoutingProgram {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, source: &Self) {
        self.simplex.clone_from(&source.simplex);
        self.num_types = source.num_types;
        self.error_row.clone_from(&source.error_row);
        self.latency_row.clone_from(&source.latency_row);
        self.storage_row = source.storage_row;
        self.budget_row = source.budget_row;
        self.time_row.clone_from(&source.time_row);
        self.memory_row.clone_from(&source.memory_row);
        self.configuration.clone_from(&source.configuration);
        self.replicas.clone_from(&source.replicas);
        self.shortage_usd.clone_from(&source.shortage_usd);
        self.weights_gb = source.weights_gb;
        self.rental_usd = source.rental_usd;
        self.constant_usd = source.constant_usd;
        self.status = source.status;
        self.is_equilibrated = source.is_equilibrated;
        self.counts_unserved = source.counts_unserved;
        self.latency_weight = source.latency_weight;
        self.is_elastic = source.is_elastic;
        self.pool_row.clone_from(&source.pool_row);
        self.pool_gpus.clone_from(&source.pool_gpus);
        self.rates.clone_from(&source.rates);
    }
}

impl RoutingProgram {
    /// The program of `problem` with room for `num_slots` deployments, none of them in use.
    pub(crate) fn new(problem: &Problem, num_slots: usize) -> Self {
        Self::with_counts(problem, &vec![true; num_slots], false)
    }

    /// The program with one row per slot, for deployments whose routes all load the same resource more, which are most:
    /// [`RoutingProgram::free_slot`] tells which slots take a deployment.
    pub(crate) fn lean(problem: &Problem, num_slots: usize) -> Self {
        Self::with_counts(problem, &vec![false; num_slots], false)
    }

    /// The lean program that adds replicas, not whole, to those of its slots where that pays, within budget and pools: a lower
    /// bound on what any whole numbers from those of the slots on would cost.
    pub(crate) fn elastic(problem: &Problem, num_slots: usize) -> Self {
        Self::with_counts(problem, &vec![false; num_slots], true)
    }

    /// The same with none of the deployments, and lean room for `num_slots`: quicker made than from nothing.
    pub(crate) fn emptied(&self, problem: &Problem, num_slots: usize) -> Self {
        self.with_slots(problem, &vec![false; num_slots])
    }

    /// The same with other deployments, by rising configuration, and room for no more: quicker made than from nothing.
    pub(crate) fn with_deployments(&self, problem: &Problem, deployments: &[Deployment]) -> Self {
        let mut sorted = deployments.to_vec();
        sorted.sort_unstable_by_key(|deployment| deployment.configuration);
        let slots: Vec<bool> = sorted.iter().map(|one| loads_both(problem, one.configuration as usize)).collect();
        let mut program = self.with_slots(problem, &slots);
        for (slot, deployment) in sorted.iter().enumerate() {
            program.set_replicas(problem, slot, deployment.configuration as usize, deployment.replicas);
        }
        program
    }

    /// The program of these deployments, with room for no more.
    pub(crate) fn of_deployments(problem: &Problem, deployments: &[Deployment]) -> Self {
        Self::new(problem, 0).with_deployments(problem, deployments)
    }

    /// Whether a deployment has only one row and now needs two, for new routes that load the other more.
    pub(crate) fn is_outgrown(&self, problem: &Problem) -> bool {
        (0..self.num_slots()).any(|slot| {
            self.memory_row[slot] == NO_ROW && self.configuration(slot).is_some_and(|a| loads_both(problem, a))
        })
    }

    fn with_counts(problem: &Problem, slots: &[bool], is_elastic: bool) -> Self {
        let num_types = problem.num_query_types();
        let table = problem.route_table();
        let mut next_row = num_types as u32;
        // A row is of use where a route breaks the SLO.
        let mut rows_where = |excess: &[f64]| -> Vec<u32> {
            let mut is_broken = vec![false; num_types];
            for (&i, &excess) in table.query_type.iter().zip(excess) {
                is_broken[i as usize] |= excess > 0.0;
            }
            let row = |is_broken: bool| {
                next_row += u32::from(is_broken);
                if is_broken {
                    next_row - 1
                } else {
                    NO_ROW
                }
            };
            is_broken.into_iter().map(row).collect()
        };
        let error_row = rows_where(&table.error_excess);
        let average = problem.latency_scope == LatencyScope::Average;
        let latency_row = match average {
            true => rows_where(&table.latency_excess),
            false => vec![NO_ROW; num_types],
        };
        Self::with_rows(problem, slots, is_elastic, (error_row, latency_row), shortage_usd(problem))
    }

    /// This program with other slots, none of them in use.
    fn with_slots(&self, problem: &Problem, slots: &[bool]) -> Self {
        let slo_rows = (self.error_row.clone(), self.latency_row.clone());
        Self::with_rows(problem, slots, self.is_elastic, slo_rows, self.shortage_usd.clone())
    }

    /// A program whose query types have these rows for their error and latency SLOs, and whose slots have, or have not, a row for
    /// memory apart from that for time.
    fn with_rows(
        problem: &Problem,
        slots: &[bool],
        is_elastic: bool,
        (error_row, latency_row): (Vec<u32>, Vec<u32>),
        shortage_usd: Vec<f64>,
    ) -> Self {
        let (num_types, num_slots) = (problem.num_query_types(), slots.len());
        let slo_rows = error_row.iter().chain(&latency_row).filter(|&&row| row != NO_ROW).count();
        let mut next_row = (num_types + slo_rows) as u32;
        let stores_tokens = problem.query_types.data_gb.iter().any(|&gb| gb > 0.0);
        let mut row_if = |needed: bool| {
            next_row += u32::from(needed);
            if needed {
                next_row - 1
            } else {
                NO_ROW
            }
        };
        let storage_row = row_if(stores_tokens && problem.storage_gb.is_finite());
        let pays_tokens = stores_tokens && problem.storage_usd_per_gb_h > 0.0;
        let budget_row = row_if((pays_tokens || is_elastic) && problem.budget_usd.is_finite());
        let pool_row = problem.pools.max_gpus.iter().map(|gpus| row_if(is_elastic && gpus.is_finite())).collect();
        let slot_rows = slots.iter().map(|&is_apart| (row_if(true), row_if(is_apart)));
        let (time_row, memory_row): (Vec<u32>, Vec<u32>) = slot_rows.unzip();
        let num_rows = next_row as usize;
        let max_entries = if slots.contains(&true) { 5 } else { 4 };
        let num_columns = (2 + num_slots) * num_types + if is_elastic { num_slots } else { 0 };
        let mut program = Self {
            simplex: DualSimplex::new(num_rows, num_columns, max_entries),
            num_types,
            error_row,
            latency_row,
            storage_row,
            budget_row,
            time_row,
            memory_row,
            configuration: vec![NO_CONFIGURATION; num_slots],
            replicas: vec![0; num_slots],
            shortage_usd,
            weights_gb: 0.0,
            rental_usd: 0.0,
            constant_usd: (0..num_types).map(|i| problem.data_usd(i)).sum(),
            status: None,
            is_equilibrated: false,
            counts_unserved: false,
            latency_weight: 0.0,
            is_elastic,
            pool_row,
            pool_gpus: vec![0.0; problem.num_pools()],
            entries: Vec::with_capacity(5),
            rates: problem.query_types.rate_per_h.clone(),
            factors: Vec::new(),
        };
        for row in num_types..num_rows {
            program.simplex.set_inequality(row, true);
        }
        for i in 0..num_types {
            program.simplex.set_rhs(i, 1.0);
        }
        program.set_unserved_columns(problem);
        program.set_limits(problem);
        program
    }

    fn set_unserved_columns(&mut self, problem: &Problem) {
        for i in 0..self.num_types {
            self.entries.clear();
            self.entries.push((i, 1.0));
            if self.storage_row != NO_ROW {
                let share = problem.query_types.data_gb[i] / problem.storage_gb;
                self.entries.push((self.storage_row as usize, -share));
            }
            if self.budget_row != NO_ROW {
                let share = problem.data_usd(i) / scale_of(problem.budget_usd);
                self.entries.push((self.budget_row as usize, -share));
            }
            let (unmet_usd, shortage_usd) = self.unserved_usd(problem, i);
            self.put_column(i, unmet_usd, problem.query_types.max_unmet[i]);
            self.put_column(self.num_types + i, shortage_usd, 1.0);
        }
    }

    fn set_limits(&mut self, problem: &Problem) {
        let q = &problem.query_types;
        if self.storage_row != NO_ROW {
            let used_gb = self.weights_gb + q.data_gb.iter().sum::<f64>();
            self.simplex.set_rhs(self.storage_row as usize, 1.0 - used_gb / problem.storage_gb);
        }
        if self.budget_row != NO_ROW {
            let hourly = problem.horizon_h * problem.storage_usd_per_gb_h;
            let used_usd = self.rental_usd + hourly * self.weights_gb + self.constant_usd;
            // As deployments may; a little less than the checker allows.
            let most = (1.0 + 0.5 * FEASIBILITY_TOLERANCE) * scaled(problem.budget_usd);
            self.simplex.set_rhs(self.budget_row as usize, most - used_usd / scale_of(problem.budget_usd));
        }
        for (pool, &row) in self.pool_row.iter().enumerate() {
            if row != NO_ROW {
                let max_gpus = problem.pools.max_gpus[pool];
                let left = scaled(max_gpus) - self.pool_gpus[pool] / scale_of(max_gpus);
                self.simplex.set_rhs(row as usize, left.max(0.0));
            }
        }
    }

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

    fn slot_columns(&self, slot: usize) -> std::ops::Range<usize> {
        let start = (2 + slot) * self.num_types;
        start..start + self.num_types
    }

    /// The rows of what a slot's replicas offer: time and memory, or one.
    fn slot_rows(&self, slot: usize) -> impl Iterator<Item = usize> {
        [self.time_row[slot], self.memory_row[slot]].into_iter().filter(|&row| row != NO_ROW).map(|row| row as usize)
    }

    /// The column of the replicas beyond those that a slot has.
    fn replica_column(&self, slot: usize) -> Option<usize> {
        self.is_elastic.then(|| (2 + self.num_slots()) * self.num_types + slot)
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
        if problem.pool(configuration) != NO_POOL {
            let gpus = (f64::from(replicas) - f64::from(before)) * problem.gpus_per_replica(configuration);
            self.pool_gpus[problem.pool(configuration) as usize] += gpus;
        }
        self.configuration[slot] = configuration as u32;
        self.replicas[slot] = replicas;
        for row in self.slot_rows(slot) {
            self.simplex.set_rhs(row, f64::from(replicas));
        }
        let weights_gb = problem.configurations.weights_gb[configuration];
        self.rental_usd += (f64::from(replicas) - f64::from(before)) * problem.replica_usd(configuration);
        self.weights_gb += (f64::from(u8::from(replicas > 0)) - f64::from(u8::from(before > 0))) * weights_gb;
        self.set_limits(problem);
    }

    /// Lets an elastic slot in use have at most `most` replicas, those that it has included.
    pub(crate) fn set_most_replicas(&mut self, slot: usize, most: u32) {
        if let Some(column) = self.replica_column(slot) {
            self.simplex.set_upper(column, f64::from(most.saturating_sub(self.replicas[slot])));
        }
    }

    /// Whether an elastic slot in use may have no replicas beyond its own.
    pub(crate) fn is_fixed(&self, slot: usize) -> bool {
        self.replica_column(slot).is_some_and(|column| self.simplex.upper(column) == 0.0)
    }

    /// Replicas of an elastic slot with those beyond its own, not whole.
    pub(crate) fn elastic_replicas(&self, slot: usize) -> f64 {
        let more = self.replica_column(slot).map_or(0.0, |column| self.simplex.value(column));
        f64::from(self.replicas[slot]) + more
    }

    fn fill_slot(&mut self, problem: &Problem, slot: usize, configuration: usize) {
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

    /// Solves from the current basis. [`LinearStatus::Cutoff`] where the optimum is at least `cutoff_usd`.
    pub(crate) fn solve(&mut self, cutoff_usd: f64) -> LinearStatus {
        let cutoff = cutoff_usd - self.constant_usd;
        let mut status = self.simplex.solve(cutoff, MAX_PIVOTS);
        self.is_equilibrated = matches!(status, LinearStatus::Infeasible | LinearStatus::PivotLimit);
        if self.is_equilibrated {
            // Shortage makes every program feasible: it is the numbers that lie too far apart.
            status = self.simplex.solve_equilibrated(cutoff, MAX_PIVOTS);
        }
        self.status = Some(status);
        status
    }

    /// Whether the last solve left valid prices: it ended at the optimum or at the cutoff.
    pub(crate) fn has_prices(&self) -> bool {
        !self.is_equilibrated && matches!(self.status, Some(LinearStatus::Optimal | LinearStatus::Cutoff))
    }

    /// Share of the time row in what capacity is worth; `None` where it is worth nothing, and where there is only one row.
    pub(crate) fn time_weight(&self, slot: usize) -> Option<f64> {
        let price = |row: u32| (-self.simplex.dual(row as usize)).max(0.0);
        if self.memory_row[slot] == NO_ROW {
            return None;
        }
        let (time, memory) = (price(self.time_row[slot]), price(self.memory_row[slot]));
        (time + memory > 0.0).then(|| time / (time + memory))
    }

    /// What one replica more of a slot in use is worth at most, USD; what one fewer costs at least.
    pub(crate) fn replica_worth_usd(&self, slot: usize) -> f64 {
        self.slot_rows(slot).map(|row| (-self.simplex.dual(row)).max(0.0)).sum()
    }

    /// Cost of the current routing, USD: latency, unmet, stored tokens and the artificial price of shortage.
    pub(crate) fn objective(&self) -> f64 {
        self.simplex.objective() + self.constant_usd
    }

    /// Share of query type `i` for which there is no capacity: above 0 the deployments have no feasible routing.
    pub(crate) fn shortage(&self, i: usize) -> f64 {
        self.simplex.value(self.num_types + i).max(0.0)
    }

    /// Whether no query type lacks capacity.
    pub(crate) fn is_feasible(&self) -> bool {
        (0..self.num_types).all(|i| self.shortage(i) <= SHORTAGE_TOLERANCE)
    }

    /// Price of shortage of the whole of query type `i`, USD.
    pub(crate) fn shortage_usd(&self, i: usize) -> f64 {
        self.shortage_usd[i]
    }

    /// Share of query type `i` that the routing leaves unserved on purpose.
    pub(crate) fn unmet(&self, i: usize) -> f64 {
        self.simplex.value(i).max(0.0)
    }

    /// Replicas of a slot that its traffic needs.
    pub(crate) fn load(&self, slot: usize) -> f64 {
        let first_slack = self.simplex.num_columns();
        let slacks = self.slot_rows(slot).map(|row| self.simplex.value(first_slack + row));
        self.elastic_replicas(slot) - slacks.fold(f64::INFINITY, f64::min)
    }

    /// Calls `visit` with (query type, configuration, fraction) of every route in use.
    pub(crate) fn for_each_route(&self, problem: &Problem, mut visit: impl FnMut(usize, usize, f64)) {
        let table = problem.route_table();
        for slot in 0..self.num_slots() {
            let Some(configuration) = self.configuration(slot) else { continue };
            for (column, route) in self.slot_columns(slot).zip(table.of_configuration(configuration)) {
                let fraction = self.simplex.value(column);
                if fraction > 0.0 {
                    visit(table.query_type[route] as usize, configuration, fraction);
                }
            }
        }
    }

    /// Reads the prices of the current basis, which are valid after any status but a failure.
    pub(crate) fn read_prices(&self, prices: &mut RoutingPrices) {
        let of_rows = |rows: &[u32], values: &mut Vec<f64>| {
            values.clear();
            values.extend(rows.iter().map(|&row| match row {
                NO_ROW => 0.0,
                row => -self.simplex.dual(row as usize).min(0.0),
            }));
        };
        prices.supply.clear();
        prices.supply.extend((0..self.num_types).map(|i| self.simplex.dual(i)));
        of_rows(&self.error_row, &mut prices.error);
        of_rows(&self.latency_row, &mut prices.latency);
    }

    /// Reads what the current basis pays for budget and pools beyond the slots' own replicas: nothing, unless elastic.
    pub(crate) fn read_limit_prices(&self, problem: &Problem, prices: &mut LimitPrices) {
        let price = |row: u32, limit: f64| match row {
            NO_ROW => 0.0,
            row => -self.simplex.dual(row as usize).min(0.0) / scale_of(limit),
        };
        prices.budget = if self.is_elastic { price(self.budget_row, problem.budget_usd) } else { 0.0 };
        prices.pool.clear();
        prices.pool.extend(self.pool_row.iter().zip(&problem.pools.max_gpus).map(|(&row, &gpus)| price(row, gpus)));
    }

    /// Whether replicas beyond those of the slots are added where that pays.
    pub(crate) fn is_elastic(&self) -> bool {
        self.is_elastic
    }

    /// Multiplies the price of shortage of every query type that has some, up to `most_usd(i)` for the whole type, and keeps the
    /// deployments. False where none rises.
    pub(crate) fn raise_shortage_prices(
        &mut self,
        problem: &Problem,
        factor: f64,
        most_usd: impl Fn(usize) -> f64,
    ) -> bool {
        let mut rises = false;
        for i in 0..self.num_types {
            let raised_usd = (factor * self.shortage_usd[i]).min(most_usd(i));
            if self.shortage(i) > SHORTAGE_TOLERANCE && raised_usd > self.shortage_usd[i] {
                self.shortage_usd[i] = raised_usd;
                rises = true;
            }
        }
        self.set_unserved_columns(problem);
        rises
    }

    /// Prices shortage of query type `i` at no less than `least_usd(i)` for the whole type.
    pub(crate) fn price_shortage(&mut self, problem: &Problem, least_usd: impl Fn(usize) -> f64) {
        for i in 0..self.num_types {
            self.shortage_usd[i] = self.shortage_usd[i].max(least_usd(i));
        }
        self.set_unserved_columns(problem);
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

    /// About how many elementary steps the solves since the creation took.
    pub(crate) fn work(&self) -> u64 {
        self.simplex.work()
    }
}

/// What a limit's row is divided by: the limit, or 1 where that is 0.
fn scale_of(limit: f64) -> f64 {
    if limit > 0.0 {
        limit
    } else {
        1.0
    }
}

/// A limit in its own scale.
fn scaled(limit: f64) -> f64 {
    f64::from(u8::from(limit > 0.0))
}

/// Whether some routes of configuration `a` load time more and others memory: then each is a limit of its own.
fn loads_both(problem: &Problem, a: usize) -> bool {
    let table = problem.route_table();
    let loads = || table.of_configuration(a).map(|route| (table.time_replicas[route], table.memory_replicas[route]));
    loads().any(|(time, memory)| time > memory) && loads().any(|(time, memory)| time < memory)
}

/// First price of shortage per query type, USD for the whole type: a few times what serving it alone would cost.
///
/// Much higher prices would hide the differences between deployments; where this one is too low it is raised.
fn shortage_usd(problem: &Problem) -> Vec<f64> {
    let table = problem.route_table();
    let serve_usd = |&route: &u32| {
        let (route, a) = (route as usize, table.configuration[route as usize] as usize);
        let load = table.load(route);
        problem.replica_usd(a) * load.ceil().max(f64::from(problem.min_replicas(a)))
            + problem.weights_usd(a)
            + table.latency_usd[route]
    };
    (0..problem.num_query_types())
        .map(|i| {
            let cheapest = table.of_query_type(i).iter().map(serve_usd).fold(f64::INFINITY, f64::min);
            let own = if cheapest.is_finite() { 3.0 * cheapest } else { 0.0 };
            let optional = if problem.query_types.max_unmet[i] < 1.0 { 0.0 } else { 2.0 * problem.unmet_usd(i) };
            own.max(optional) + problem.data_usd(i) + 1e-6
        })
        .collect()
}
