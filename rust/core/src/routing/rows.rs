//! The layout of the routing program: its rows, and the columns of what is not served.

use super::shortage::shortage_usd;
use super::{RoutingProgram, NO_CONFIGURATION, NO_ROW};
use crate::ledger::Ledger;
use crate::linear::DualSimplex;
use crate::{LatencyScope, Problem, FEASIBILITY_TOLERANCE};

impl RoutingProgram {
    pub(super) fn with_counts(problem: &Problem, slots: &[bool], is_continuous: bool) -> Self {
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
        Self::with_rows(problem, slots, is_continuous, (error_row, latency_row), shortage_usd(problem))
    }

    /// This program with other slots, none of them in use.
    pub(super) fn with_slots(&self, problem: &Problem, slots: &[bool]) -> Self {
        let slo_rows = (self.error_row.clone(), self.latency_row.clone());
        Self::with_rows(problem, slots, self.is_continuous, slo_rows, self.shortage_usd.clone())
    }

    /// A program whose query types have these rows for their error and latency SLOs, and whose slots have, or have not, a row for
    /// memory apart from that for time.
    fn with_rows(
        problem: &Problem,
        slots: &[bool],
        is_continuous: bool,
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
        let budget_row = row_if((pays_tokens || is_continuous) && problem.budget_usd.is_finite());
        let pool_row = problem.pools.max_gpus.iter().map(|gpus| row_if(is_continuous && gpus.is_finite())).collect();
        let slot_rows = slots.iter().map(|&is_apart| (row_if(true), row_if(is_apart)));
        let (time_row, memory_row): (Vec<u32>, Vec<u32>) = slot_rows.unzip();
        let num_rows = next_row as usize;
        let max_entries = if slots.contains(&true) { 5 } else { 4 };
        let num_columns = (2 + num_slots) * num_types + if is_continuous { num_slots } else { 0 };
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
            ledger: Ledger::new(problem),
            constant_usd: (0..num_types).map(|i| problem.data_usd(i)).sum(),
            status: None,
            is_equilibrated: false,
            counts_unserved: false,
            latency_weight: 0.0,
            is_continuous,
            pool_row,
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

    pub(super) fn set_unserved_columns(&mut self, problem: &Problem) {
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

    pub(super) fn set_limits(&mut self, problem: &Problem) {
        let q = &problem.query_types;
        if self.storage_row != NO_ROW {
            let used_gb = self.ledger.weights_gb + q.data_gb.iter().sum::<f64>();
            self.simplex.set_rhs(self.storage_row as usize, 1.0 - used_gb / problem.storage_gb);
        }
        if self.budget_row != NO_ROW {
            let hourly = problem.horizon_h * problem.storage_usd_per_gb_h;
            let used_usd = self.ledger.rental_usd + hourly * self.ledger.weights_gb + self.constant_usd;
            // As deployments may; a little less than the checker allows.
            let most = (1.0 + 0.5 * FEASIBILITY_TOLERANCE) * scaled(problem.budget_usd);
            self.simplex.set_rhs(self.budget_row as usize, most - used_usd / scale_of(problem.budget_usd));
        }
        for (pool, &row) in self.pool_row.iter().enumerate() {
            if row != NO_ROW {
                let max_gpus = problem.pools.max_gpus[pool];
                let left = scaled(max_gpus) - self.ledger.pool_gpus[pool] / scale_of(max_gpus);
                self.simplex.set_rhs(row as usize, left.max(0.0));
            }
        }
    }
}

/// What a limit's row is divided by: the limit, or 1 where that is 0.
pub(super) fn scale_of(limit: f64) -> f64 {
    if limit > 0.0 {
        limit
    } else {
        1.0
    }
}

/// A limit in its own scale.
pub(super) fn scaled(limit: f64) -> f64 {
    f64::from(u8::from(limit > 0.0))
}
