//! Which rows and fixed columns the program has.

use std::sync::Arc;

use super::super::domain::Domain;
use super::super::prices::Prices;
use super::super::relaxation::Relaxation;
use super::artificials::Artificial;
use super::{Master, NO_ROW};
use crate::linear::DualSimplex;
use crate::{LatencyScope, Problem, NO_POOL};

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
            let most = |pool: u32| {
                let of_pool = open().filter(|&a| problem.pool(a) == pool);
                of_pool.map(|a| problem.gpus_per_replica(a) * f64::from(domain.max[a])).fold(0.0, f64::max)
            };
            // A pair across tiers may draw on several pools.
            let mut pools: Vec<u32> = open().map(|a| problem.pool(a)).filter(|&pool| pool != NO_POOL).collect();
            pools.sort_unstable();
            pools.dedup();
            pools.iter().for_each(|&pool| gpus[pool as usize] += most(pool));
        }
        let pool = gpus.iter().zip(&problem.pools.max_gpus).map(|(gpus, most)| gpus > most).collect();
        Self { error, latency, storage: gb > problem.storage_gb, pool }
    }
}

fn is_open(problem: &Problem, domain: &Domain, pair: usize) -> bool {
    problem.pair_configurations(pair).iter().any(|&a| domain.is_open(a as usize))
}

impl Master {
    /// The master program of `relaxation` without patterns, for the pairs that are open in `domain`, of which at least
    /// `min_pair_rows` can have a row, and with rows for `num_cut_rows` cuts.
    pub(crate) fn new(
        relaxation: &Relaxation<'_>,
        domain: &Domain,
        guess: &Prices,
        min_pair_rows: usize,
        num_cut_rows: usize,
    ) -> Self {
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
        let num_pair_rows = num_open_pairs.min(min_pair_rows.max(num_types + 10));
        let first_cut_row = rows;
        // Those of pairs are added behind the others where they are needed.
        let rows = first_cut_row + num_cut_rows;
        let first_pair_row = rows;

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
        let capacity = 2 * (rows + num_pair_rows) + 60;
        let num_slos = if problem.latency_scope == LatencyScope::Average { 2 } else { 1 };
        let stride = (1 + num_slos) * num_types + 4 + num_cut_rows;

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
            patterns: vec![Arc::default(); capacity],
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
        let more = relaxation.widened.more;
        for row in 0..rows {
            self.simplex.set_inequality(row, true);
        }
        for i in 0..num_types {
            self.simplex.set_rhs(i, relaxation.widened.supply[i] - 1.0);
            let slos = [
                (self.error_row[i], relaxation.widened.error[i], relaxation.error_scale[i]),
                (self.latency_row[i], relaxation.widened.latency_s[i], relaxation.latency_scale[i]),
            ];
            for (row, more, scale) in slos.into_iter().filter(|slo| slo.0 != NO_ROW) {
                self.simplex.set_rhs(row, more / scale);
            }
        }
        if self.budget_row != NO_ROW {
            let data: f64 = (0..num_types).map(|i| problem.data_usd(i)).sum();
            self.simplex.set_rhs(self.budget_row, (problem.budget_usd * more - data) / self.budget_scale);
        }
        if self.storage_row != NO_ROW {
            let data: f64 = problem.query_types.data_gb.iter().sum();
            self.simplex.set_rhs(self.storage_row, (problem.storage_gb * more - data) / self.storage_scale);
        }
        for (pool, &row) in self.pool_row.iter().enumerate() {
            if row != NO_ROW {
                self.simplex.set_rhs(row, problem.pools.max_gpus[pool] * more / self.pool_scale[pool]);
            }
        }
    }

    /// Columns of what goes unserved, and artificial ones.
    fn set_fixed_columns(&mut self, relaxation: &Relaxation<'_>) {
        let problem = relaxation.problem;
        let num_types = problem.num_query_types();
        for i in 0..num_types {
            let cost = self.entries_of_unserved(relaxation, i);
            self.simplex.set_column(i, cost, relaxation.widened.max_unmet(problem, i), &self.entries);
        }
        for (index, artificial) in self.artificials.iter().enumerate() {
            let entries = [(artificial.row, -1.0)];
            self.simplex.set_column(self.first_artificial + index, artificial.cost, artificial.upper, &entries);
        }
    }

    /// Fills `entries` with the column of query type `i` unserved; its cost in the program.
    pub(super) fn entries_of_unserved(&mut self, relaxation: &Relaxation<'_>, i: usize) -> f64 {
        let problem = relaxation.problem;
        self.entries.clear();
        self.entries.push((i, -1.0));
        if self.budget_row != NO_ROW {
            self.entries.push((self.budget_row, -problem.data_usd(i) / self.budget_scale));
        }
        if self.storage_row != NO_ROW {
            self.entries.push((self.storage_row, -problem.query_types.data_gb[i] / self.storage_scale));
        }
        for (index, cut) in self.cuts.iter().enumerate() {
            let taken = cut.of_unserved(i);
            if taken != 0.0 {
                self.entries.push((self.first_cut_row + index, taken / cut.most().abs()));
            }
        }
        relaxation.weight * (problem.unmet_usd(i) - problem.data_usd(i)) / self.objective_scale
    }
}
