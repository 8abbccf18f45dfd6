//! Keeping a routing program while the numbers of its problem change.

use super::rows::{scale_of, scaled};
use super::{RoutingProgram, NO_CONFIGURATION, NO_ROW, SHORTAGE_TOLERANCE};
use crate::Problem;

/// Shortage costs this many times the most expensive query, and this factor more where some is left.
const SHORTAGE_FACTOR: f64 = 100.0;
const SHORTAGE_RISE: f64 = 1e3;
/// What the latency of all queries counts for, at most, where the unserved share of them is minimised.
const LATENCY_SHARE: f64 = 5e-7;
/// Rates that change by more leave nothing of a basis that it would pay to keep.
const SCALED: std::ops::RangeInclusive<f64> = 1e-3..=1e3;

impl RoutingProgram {
    /// The program that minimises the number of queries not served, whatever the cost.
    pub(crate) fn of_capacity(problem: &Problem, num_slots: usize) -> Self {
        let mut program = Self::new(problem, num_slots);
        program.counts_unserved = true;
        program.set_unserved_columns(problem);
        program
    }

    /// The program of [`Self::of_capacity`], which prefers low latency among routings that serve as many queries: the share served
    /// is lower by 5e-7 at most.
    pub(crate) fn of_quick_capacity(problem: &Problem, num_slots: usize) -> Self {
        let mut program = Self::of_capacity(problem, num_slots);
        let table = problem.route_table();
        let mut worst_usd = vec![0.0_f64; problem.num_query_types()];
        for (&i, &usd) in table.query_type.iter().zip(&table.latency_usd) {
            worst_usd[i as usize] = worst_usd[i as usize].max(usd);
        }
        let total_usd: f64 = worst_usd.iter().sum();
        if total_usd > 0.0 && total_usd.is_finite() {
            program.latency_weight = LATENCY_SHARE / total_usd;
        }
        program
    }

    /// Puts the column made of `entries` where it belongs, whether the one there is basic or not.
    pub(super) fn put_column(&mut self, column: usize, usd: f64, upper: f64) {
        if self.simplex.has_stale_costs() {
            self.simplex.renew_column(column, usd, upper, &self.entries);
        } else if self.simplex.is_basic(column) {
            self.simplex.replace_column(column, usd, upper, &self.entries);
        } else {
            self.simplex.set_column(column, usd, upper, &self.entries);
        }
    }

    /// Cost of the unmet and of the shortage column of a query type, USD.
    pub(super) fn unserved_usd(&self, problem: &Problem, i: usize) -> (f64, f64) {
        if self.counts_unserved {
            let rates = &problem.query_types.rate_per_h;
            let share = rates[i] / rates.iter().sum::<f64>().max(f64::MIN_POSITIVE);
            return (share + 1e-6, share + 2e-6);
        }
        let data_usd = problem.data_usd(i);
        (problem.unmet_usd(i) - data_usd, self.shortage_usd[i] - data_usd)
    }

    /// Reads every coefficient again after rates, prices or pools of `problem` have changed, keeping the deployments and
    /// the basis. Only the routes of deployed configurations need be up to date in the route table.
    pub(crate) fn refresh(&mut self, problem: &Problem) {
        self.ledger.clear();
        self.follow_rates(problem);
        self.set_unserved_columns(problem);
        for slot in 0..self.num_slots() {
            match self.configuration(slot) {
                Some(a) => {
                    self.fill_slot(problem, slot, a);
                    self.ledger.change(problem, a, 0, self.replicas[slot]);
                }
                // What it held may be out of date: it must be refilled before it is used.
                None => self.configuration[slot] = NO_CONFIGURATION,
            }
        }
        self.set_limits(problem);
    }

    /// Brings the basis up to date for other rates: what a query type loads deployments with grows with its rate, all else of its rows
    /// stays, which is to scale rows and columns.
    fn follow_rates(&mut self, problem: &Problem) {
        self.simplex.distrust_costs();
        let rates = &problem.query_types.rate_per_h;
        let factors = self.rates.iter().zip(rates).map(|(before, now)| before / now);
        self.factors.clear();
        self.factors.extend(factors.map(|factor| if SCALED.contains(&factor) { factor } else { 1.0 }));
        self.rates.clone_from(rates);
        if self.factors.iter().all(|&factor| factor == 1.0) {
            return;
        }
        self.factors.resize(self.simplex.num_rows(), 1.0);
        for rows in [&self.error_row, &self.latency_row] {
            for (i, &row) in rows.iter().enumerate().filter(|row| *row.1 != NO_ROW) {
                self.factors[row as usize] = self.factors[i];
            }
        }
        self.simplex.scale_rows(&self.factors);
    }

    /// Goes on from the basis of `other`, as far as that has the same deployments: where it is solved for numbers like these,
    /// the next solve takes few pivots.
    pub(crate) fn begin_from(&mut self, other: &Self) {
        if self.num_types != other.num_types || self.is_continuous != other.is_continuous {
            return;
        }
        let (n, other_n) = (self.simplex.num_columns(), other.simplex.num_columns());
        let mut basic: Vec<usize> = Vec::with_capacity(self.simplex.num_rows());
        basic.extend((0..2 * self.num_types).filter(|&column| other.simplex.is_basic(column)));
        let mut take_row = |row: usize, from: Option<usize>| {
            if from.is_none_or(|from| other.simplex.is_basic(other_n + from)) {
                basic.push(n + row);
            }
        };
        (0..self.num_types).for_each(|i| take_row(i, Some(i)));
        let rows = |of: &Self| {
            let single = [of.storage_row, of.budget_row];
            let all = of.error_row.iter().chain(&of.latency_row).chain(&single).chain(&of.pool_row);
            all.copied().collect::<Vec<u32>>()
        };
        for (row, from) in rows(self).into_iter().zip(rows(other)).filter(|rows| rows.0 != NO_ROW) {
            take_row(row as usize, (from != NO_ROW).then_some(from as usize));
        }
        let same_slot = |slot: usize| {
            let is_same = |from: &usize| other.configuration[*from] == self.configuration[slot];
            (0..other.num_slots()).find(is_same).filter(|_| self.replicas[slot] > 0)
        };
        for slot in 0..self.num_slots() {
            let from = same_slot(slot);
            let rows = |of: &Self, slot: usize| [of.time_row[slot], of.memory_row[slot]];
            for (offset, row) in rows(self, slot).into_iter().enumerate().filter(|row| row.1 != NO_ROW) {
                let from = from.map(|from| rows(other, from)[offset]).filter(|&from| from != NO_ROW);
                take_row(row as usize, from.map(|from| from as usize));
            }
        }
        for slot in 0..self.num_slots() {
            let Some(from) = same_slot(slot) else { continue };
            let columns = self.slot_columns(slot).chain(self.replica_column(slot));
            let others = other.slot_columns(from).chain(other.replica_column(from));
            basic.extend(columns.zip(others).filter(|pair| other.simplex.is_basic(pair.1)).map(|pair| pair.0));
        }
        self.simplex.begin_with(&basic);
    }

    /// Prices shortage so that it is the last resort: as many queries as possible are served, then at the least cost.
    pub(crate) fn price_shortage_last(&mut self, problem: &Problem) {
        let q = &problem.query_types;
        let table = problem.route_table();
        let mut highest_usd = 0.0_f64;
        for slot in 0..self.num_slots() {
            let Some(a) = self.configuration(slot) else { continue };
            for route in table.of_configuration(a) {
                let i = table.query_type[route] as usize;
                let latency_s = problem.routes.latency_s[table.source[route] as usize];
                highest_usd = highest_usd.max(q.latency_usd_per_s[i] * latency_s);
            }
        }
        highest_usd = q.unmet_usd_per_query.iter().fold(highest_usd, |most, &usd| most.max(usd));
        let query_usd = problem.horizon_h * SHORTAGE_FACTOR * if highest_usd > 0.0 { highest_usd } else { 1.0 };
        for i in 0..self.num_types {
            self.shortage_usd[i] = query_usd * q.rate_per_h[i] + problem.data_usd(i) + 1e-3;
        }
    }

    /// Raises the price of shortage in place; false where there is none.
    pub(crate) fn press_shortage(&mut self, problem: &Problem) -> bool {
        if self.is_feasible() {
            return false;
        }
        self.shortage_usd.iter_mut().for_each(|usd| *usd *= SHORTAGE_RISE);
        self.simplex.distrust_costs();
        self.set_unserved_columns(problem);
        true
    }

    /// Drops the rows of budget and storage that no routing of the deployments can meet.
    pub(crate) fn drop_broken_limits(&mut self, problem: &Problem) {
        let q = &problem.query_types;
        let stored_gb: f64 = q.data_gb.iter().sum();
        let hourly_usd = problem.horizon_h * problem.storage_usd_per_gb_h;
        if self.storage_row != NO_ROW && self.ledger.weights_gb > problem.storage_gb * (1.0 + SHORTAGE_TOLERANCE) {
            self.simplex.set_rhs(self.storage_row as usize, 1.0 + stored_gb / problem.storage_gb);
        }
        let spent_usd = self.ledger.rental_usd + hourly_usd * self.ledger.weights_gb;
        if self.budget_row != NO_ROW && spent_usd > problem.budget_usd * (1.0 + SHORTAGE_TOLERANCE) {
            let stored = hourly_usd * stored_gb / scale_of(problem.budget_usd);
            self.simplex.set_rhs(self.budget_row as usize, scaled(problem.budget_usd) + stored);
        }
    }
}
