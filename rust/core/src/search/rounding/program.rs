//! Replicas and routing in one linear program.

use crate::linear::{DualSimplex, LinearStatus};
use crate::search::SearchState;
use crate::{Deployment, LatencyScope, Problem, Stop, FEASIBILITY_TOLERANCE, NO_POOL};

/// Pivots after which a solve counts as failed.
const MAX_PIVOTS: u64 = 4_000;
/// Distance from a whole number that counts as none.
pub(super) const INTEGRALITY_TOLERANCE: f64 = 1e-6;
/// Price of shortage in terms of that in the search: a dive has to serve everything.
const SHORTAGE_FACTOR: f64 = 30.0;
const NO_ROW: usize = usize::MAX;

/// The linear program over some configurations with a range of replicas for each.
#[derive(Debug, Clone)]
pub(crate) struct ReplicaProgram {
    pub(super) simplex: DualSimplex,
    pub(super) members: Vec<u32>,
    /// The present range of replicas, per member.
    pub(super) lowest: Vec<u32>,
    pub(super) highest: Vec<u32>,
    /// Most replicas that all the traffic of a configuration could fill, and the least of a deployment.
    pub(super) useful: Vec<u32>,
    pub(super) least: Vec<u32>,
    budget_row: usize,
    storage_row: usize,
    pool_row: Vec<usize>,
    first_slot_row: usize,
    first_route: usize,
    first_replicas: usize,
    num_types: usize,
    constant_usd: f64,
    /// The program at its optimum for the ranges at first, once these are gone back to; whether it is one of the present
    /// numbers, and whether the ranges are those at first.
    root: Option<DualSimplex>,
    is_root_new: bool,
    pub(super) is_at_root: bool,
    /// Linear programs solved.
    pub(crate) solves: u64,
}

impl ReplicaProgram {
    /// The program over `members`, each with as many replicas as are useful; shortage is priced as in `state`.
    pub(crate) fn new(state: &SearchState<'_>, members: &[u32]) -> Self {
        let problem = state.problem();
        let num_types = problem.num_query_types();
        let average = problem.latency_scope == LatencyScope::Average;
        let mut num_rows = 2 * num_types + if average { num_types } else { 0 };
        let mut row_if = |needed: bool| {
            num_rows += usize::from(needed);
            if needed {
                num_rows - 1
            } else {
                NO_ROW
            }
        };
        let budget_row = row_if(problem.budget_usd.is_finite());
        let storage_row = row_if(problem.storage_gb.is_finite());
        let pool_row = problem.pools.max_gpus.iter().map(|gpus| row_if(gpus.is_finite())).collect();
        let first_slot_row = num_rows;
        num_rows += 2 * members.len();
        let first_route = 2 * num_types;
        let first_replicas = first_route + members.len() * num_types;
        let mut program = Self {
            simplex: DualSimplex::new(num_rows, first_replicas + members.len(), 6),
            members: members.to_vec(),
            lowest: vec![0; members.len()],
            highest: Vec::new(),
            useful: members.iter().map(|&a| most_useful(problem, a as usize)).collect(),
            least: members.iter().map(|&a| problem.min_replicas(a as usize)).collect(),
            budget_row,
            storage_row,
            pool_row,
            first_slot_row,
            first_route,
            first_replicas,
            num_types,
            constant_usd: 0.0,
            root: None,
            is_root_new: false,
            is_at_root: false,
            solves: 0,
        };
        for row in num_types..num_rows {
            program.simplex.set_inequality(row, true);
        }
        for i in 0..num_types {
            program.simplex.set_rhs(i, 1.0);
        }
        program.highest.clone_from(&program.useful);
        program.set_columns(state);
        program
    }

    /// Reads every coefficient again after the numbers of the problem have changed, keeping the basis; ranges are as at first.
    pub(crate) fn refresh(&mut self, state: &SearchState<'_>) {
        let problem = state.problem();
        for (useful, &a) in self.useful.iter_mut().zip(&self.members) {
            *useful = most_useful(problem, a as usize);
        }
        // The next dive begins near the optimum of the last one's beginning, not near its end.
        if let Some(root) = &self.root {
            self.simplex.clone_from(root);
        }
        self.is_root_new = false;
        self.begin_again();
        self.set_columns(state);
    }

    /// Takes the ranges back to what they were at first.
    pub(crate) fn begin_again(&mut self) {
        if let Some(root) = self.root.as_ref().filter(|_| self.is_root_new) {
            self.simplex.clone_from(root);
        }
        self.lowest.fill(0);
        self.highest.clone_from(&self.useful);
        self.is_at_root = true;
    }

    /// The configurations, by rising index.
    pub(crate) fn members(&self) -> &[u32] {
        &self.members
    }

    fn set_columns(&mut self, state: &SearchState<'_>) {
        let problem = state.problem();
        let table = problem.route_table();
        let average = problem.latency_scope == LatencyScope::Average;
        let num_types = self.num_types;
        let mut entries: Vec<(usize, f64)> = Vec::with_capacity(6);
        for i in 0..num_types {
            entries.clear();
            entries.push((i, 1.0));
            if self.budget_row != NO_ROW {
                entries.push((self.budget_row, -problem.data_usd(i) / scale(problem.budget_usd)));
            }
            if self.storage_row != NO_ROW {
                entries.push((self.storage_row, -problem.query_types.data_gb[i] / scale(problem.storage_gb)));
            }
            let data_usd = problem.data_usd(i);
            let max_unmet = problem.query_types.max_unmet[i];
            self.simplex.replace_column(i, problem.unmet_usd(i) - data_usd, max_unmet, &entries);
            let shortage_usd = SHORTAGE_FACTOR * state.program().shortage_usd(i) - data_usd;
            self.simplex.replace_column(num_types + i, shortage_usd, 1.0, &entries);
        }
        for position in 0..self.members.len() {
            let a = self.members[position] as usize;
            let row = self.first_slot_row + 2 * position;
            for (offset, route) in table.of_configuration(a).enumerate() {
                let i = table.query_type[route] as usize;
                entries.clear();
                entries.push((i, 1.0));
                entries.push((num_types + i, table.error_excess[route]));
                if average {
                    entries.push((2 * num_types + i, table.latency_excess[route]));
                }
                entries.push((row, table.time_replicas[route]));
                entries.push((row + 1, table.memory_replicas[route]));
                let column = self.first_route + position * num_types + offset;
                self.simplex.replace_column(column, table.latency_usd[route], 1.0, &entries);
            }
            entries.clear();
            entries.extend([(row, -1.0), (row + 1, -1.0)]);
            let share = 1.0 / f64::from(self.useful[position].max(1));
            let replica_usd = problem.replica_usd(a) + share * problem.weights_usd(a);
            if self.budget_row != NO_ROW {
                entries.push((self.budget_row, replica_usd / scale(problem.budget_usd)));
            }
            if self.storage_row != NO_ROW {
                let weights_gb = share * problem.configurations.weights_gb[a];
                entries.push((self.storage_row, weights_gb / scale(problem.storage_gb)));
            }
            if problem.pool(a) != NO_POOL {
                let pool = problem.pool(a) as usize;
                if self.pool_row[pool] != NO_ROW {
                    let gpus = problem.gpus_per_replica(a) / scale(problem.pools.max_gpus[pool]);
                    entries.push((self.pool_row[pool], gpus));
                }
            }
            self.simplex.replace_column(self.first_replicas + position, replica_usd, 0.0, &entries);
        }
    }

    /// About how many elementary steps the solves since the creation took.
    pub(crate) fn work(&self) -> u64 {
        self.simplex.work()
    }

    /// Passes the ranges on to the program: a replica count is its lowest value plus a column.
    fn put_ranges(&mut self, problem: &Problem) {
        let data_usd: f64 = (0..self.num_types).map(|i| problem.data_usd(i)).sum();
        let data_gb: f64 = problem.query_types.data_gb.iter().sum();
        let (mut spent_usd, mut stored_gb) = (data_usd, data_gb);
        let mut left_gpus = problem.pools.max_gpus.clone();
        for (position, &configuration) in self.members.iter().enumerate() {
            let a = configuration as usize;
            let (lowest, highest) = (f64::from(self.lowest[position]), f64::from(self.highest[position]));
            let row = self.first_slot_row + 2 * position;
            self.simplex.set_rhs(row, lowest);
            self.simplex.set_rhs(row + 1, lowest);
            self.simplex.set_upper(self.first_replicas + position, highest - lowest);
            if lowest > 0.0 {
                // What the column charges for the weights above the lowest count is not charged twice.
                let share = 1.0 - (highest - lowest) / f64::from(self.useful[position].max(1));
                spent_usd += lowest * problem.replica_usd(a) + share * problem.weights_usd(a);
                stored_gb += share * problem.configurations.weights_gb[a];
                if problem.pool(a) != NO_POOL {
                    left_gpus[problem.pool(a) as usize] -= lowest * problem.gpus_per_replica(a);
                }
            }
        }
        self.constant_usd = spent_usd;
        let left = |limit: f64, used: f64| (limit * (1.0 + 0.5 * FEASIBILITY_TOLERANCE) - used) / scale(limit);
        if self.budget_row != NO_ROW {
            self.simplex.set_rhs(self.budget_row, left(problem.budget_usd, spent_usd));
        }
        if self.storage_row != NO_ROW {
            self.simplex.set_rhs(self.storage_row, left(problem.storage_gb, stored_gb));
        }
        for (pool, &row) in self.pool_row.iter().enumerate() {
            if row != NO_ROW {
                self.simplex.set_rhs(row, left_gpus[pool] / scale(problem.pools.max_gpus[pool]));
            }
        }
    }

    /// Solves for the present ranges; false where the optimum is at least `cutoff_usd`, there is none, or time is over.
    pub(crate) fn solve(&mut self, problem: &Problem, cutoff_usd: f64, stop: &Stop) -> bool {
        self.put_ranges(problem);
        self.solves += 1;
        let status = self.simplex.solve_unless(cutoff_usd - self.constant_usd, MAX_PIVOTS, &|| stop.should_stop());
        status == LinearStatus::Optimal
    }

    /// Optimum of the program for the present ranges, USD; `None` where there is none or time is over.
    #[cfg(test)]
    pub(crate) fn relax(&mut self, problem: &Problem, stop: &Stop) -> Option<f64> {
        self.solve(problem, f64::INFINITY, stop).then(|| self.value_usd())
    }

    /// Optimum of the program for the first ranges, USD, from which the next dive starts; `None` as for [`Self::relax`].
    pub(crate) fn relax_at_first(&mut self, problem: &Problem, stop: &Stop) -> Option<f64> {
        self.begin_again();
        self.begin(problem, f64::INFINITY, stop).then(|| self.value_usd())
    }

    /// Value at the last solve, USD.
    pub(super) fn value_usd(&self) -> f64 {
        self.simplex.objective() + self.constant_usd
    }

    pub(crate) fn replicas(&self, position: usize) -> f64 {
        f64::from(self.lowest[position]) + self.simplex.value(self.first_replicas + position)
    }

    /// Solves where a dive begins, and keeps that for the next one where it begins at the ranges at first.
    pub(super) fn begin(&mut self, problem: &Problem, cutoff_usd: f64, stop: &Stop) -> bool {
        let is_solved = self.solve(problem, cutoff_usd, stop);
        if is_solved && self.is_at_root && !self.is_root_new {
            match &mut self.root {
                Some(root) => root.clone_from(&self.simplex),
                None => self.root = Some(self.simplex.clone()),
            }
            self.is_root_new = true;
        }
        is_solved
    }

    /// The deployments with the whole numbers nearest to their counts.
    pub(super) fn read(&self, found: &mut Vec<Deployment>) {
        found.clear();
        for position in 0..self.members.len() {
            let replicas = self.replicas(position).round() as u32;
            if replicas > 0 {
                found.push(Deployment { configuration: self.members[position], replicas });
            }
        }
    }
}

/// Replicas that all the traffic of configuration `a` could fill, as far as there may be so many.
fn most_useful(problem: &Problem, a: usize) -> u32 {
    let table = problem.route_table();
    let loads = table.of_configuration(a).map(|route| table.load(route).max(INTEGRALITY_TOLERANCE));
    let whole = loads.sum::<f64>().ceil() as u32;
    whole.max(problem.min_replicas(a)).min(problem.replica_limit(a))
}

/// What a row is divided by so that its right-hand side is of order one.
fn scale(limit: f64) -> f64 {
    limit.max(1e-9)
}
