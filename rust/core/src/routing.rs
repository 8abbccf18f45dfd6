//! The best routing for fixed deployments: a linear program with one slot of one or two capacity rows per deployment.
//!
//! Rows, all scaled to be of order one: supply of every query type (equations), error SLO of the types that some route
//! can break, under [`LatencyScope::Average`] the latency SLO likewise, storage and budget where stored tokens count
//! towards them, then time and memory of every slot in replicas, or the one of them that all routes load more. Columns:
//! unmet and shortage of every type, then the routes of every slot. The shortage columns are artificial: they keep the program feasible at a high price.

mod refresh;
mod rows;
mod shortage;
mod slots;

use crate::ledger::Ledger;
use crate::linear::{DualSimplex, LinearStatus};
use crate::pricing::{LimitPrices, RoutingPrices};
use crate::{Deployment, Problem, Routing, FEASIBILITY_TOLERANCE};
use rows::scale_of;
use slots::loads_both;

const NO_ROW: u32 = u32::MAX;
const NO_CONFIGURATION: u32 = u32::MAX;
/// Shares below this are rounding, not shortage.
const SHORTAGE_TOLERANCE: f64 = 0.5 * FEASIBILITY_TOLERANCE;
/// Fractions of traffic below this are rounding.
const LEAST_FRACTION: f64 = 1e-12;
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
    /// What the slots use of the limits.
    ledger: Ledger,
    constant_usd: f64,
    status: Option<LinearStatus>,
    /// The last solve needed other units for its numbers, and left out routes that can carry next to nothing.
    is_equilibrated: bool,
    /// The program minimises the queries that are not served instead of the cost.
    counts_unserved: bool,
    /// What a dollar of latency counts for there; 0 where any routing that serves as many is as good.
    latency_weight: f64,
    /// Replicas beyond those of a slot are columns; see [`RoutingProgram::continuous`].
    is_continuous: bool,
    pool_row: Vec<u32>,
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
        self.ledger.copy_from(&source.ledger);
        self.constant_usd = source.constant_usd;
        self.status = source.status;
        self.is_equilibrated = source.is_equilibrated;
        self.counts_unserved = source.counts_unserved;
        self.latency_weight = source.latency_weight;
        self.is_continuous = source.is_continuous;
        self.pool_row.clone_from(&source.pool_row);
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
    pub(crate) fn continuous(problem: &Problem, num_slots: usize) -> Self {
        Self::with_counts(problem, &vec![false; num_slots], true)
    }

    /// This program without its deployments, with lean room for `num_slots`: faster than making a new one.
    pub(crate) fn emptied(&self, problem: &Problem, num_slots: usize) -> Self {
        self.with_slots(problem, &vec![false; num_slots])
    }

    /// This program with other deployments, by rising configuration, and room for no more: faster than making a new one.
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
    pub(crate) fn replica_value_usd(&self, slot: usize) -> f64 {
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
        self.continuous_replicas(slot) - slacks.fold(f64::INFINITY, f64::min)
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

    /// Where the traffic goes, without what is rounding, and the share of each query type that is served.
    pub(crate) fn traffic(&self, problem: &Problem) -> (Routing, Vec<f64>) {
        let mut routing = Routing::default();
        let mut served = vec![0.0; problem.num_query_types()];
        self.for_each_route(problem, |i, a, fraction| {
            if fraction > LEAST_FRACTION {
                routing.query_type.push(i as u32);
                routing.configuration.push(a as u32);
                routing.fraction.push(fraction.min(1.0));
                served[i] += fraction.min(1.0);
            }
        });
        (routing, served)
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

    /// Reads what the current basis pays for budget and pools beyond the slots' own replicas: nothing, unless continuous.
    pub(crate) fn read_limit_prices(&self, problem: &Problem, prices: &mut LimitPrices) {
        let price = |row: u32, limit: f64| match row {
            NO_ROW => 0.0,
            row => -self.simplex.dual(row as usize).min(0.0) / scale_of(limit),
        };
        prices.budget = if self.is_continuous { price(self.budget_row, problem.budget_usd) } else { 0.0 };
        prices.pool.clear();
        prices.pool.extend(self.pool_row.iter().zip(&problem.pools.max_gpus).map(|(&row, &gpus)| price(row, gpus)));
    }

    /// Whether replicas beyond those of the slots are added where that pays.
    pub(crate) fn is_continuous(&self) -> bool {
        self.is_continuous
    }

    /// About how many elementary steps the solves since the creation took.
    pub(crate) fn work(&self) -> u64 {
        self.simplex.work()
    }
}
