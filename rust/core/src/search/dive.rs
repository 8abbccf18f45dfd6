//! Replicas and routing in one linear program, and dives from its fractional optimum to whole replicas.
//!
//! Single moves change one to four counts; where replicas are many, or a budget, a pool or the storage is scarce, several
//! must change together and by the right amounts. The fractional optimum tells how. A dive rounds one count after the
//! other and solves again, each time from the last basis. With the counts of part of the deployments held fast the same
//! is a large neighbourhood around a plan.
//!
//! Sources: Berthold, "Primal heuristics for mixed integer programs", 2006 (diving); Danna, Rothberg and Le Pape,
//! "Exploring relaxation induced neighborhoods to improve MIP solutions", 2005; Angelelli, Mansini and Speranza,
//! "Kernel search", 2010.

use rand::{Rng, RngExt};

use crate::linear::{DualSimplex, LinearStatus};
use crate::search::SearchState;
use crate::{Deployment, LatencyScope, Problem, Stop, FEASIBILITY_TOLERANCE, NO_POOL};

/// Pivots after which a solve counts as failed.
const MAX_PIVOTS: u64 = 4_000;
/// Distance from a whole number that counts as none.
const INTEGRALITY_TOLERANCE: f64 = 1e-6;
/// Counts below this weigh alike when the nearest to whole is chosen.
const LEAST_COUNT: f64 = 1e-3;
/// A count is rounded up where its fraction is above a random threshold of at least this, and then so often.
const LEAST_FRACTION: f64 = 0.2;
const UP_SHARE: f64 = 0.7;
/// Counts that are this near to whole, as a share of them, are rounded together with the one that is nearest.
const NEAR_SHARE: f64 = 0.02;
/// How often a dive that looks at both sides of a count goes to the dearer one.
const DEARER_SHARE: f64 = 0.15;
/// Price of shortage in terms of that in the search: a dive has to serve everything.
const SHORTAGE_FACTOR: f64 = 30.0;
const NO_ROW: usize = usize::MAX;

/// The linear program over some configurations with a range of replicas for each.
#[derive(Debug, Clone)]
pub(crate) struct ReplicaProgram {
    simplex: DualSimplex,
    members: Vec<u32>,
    /// The present range of replicas, per member.
    lowest: Vec<u32>,
    highest: Vec<u32>,
    /// Most replicas that all the traffic of a configuration could fill, and the least of a deployment.
    useful: Vec<u32>,
    least: Vec<u32>,
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
    is_at_root: bool,
    /// Linear programs solved.
    pub(crate) solves: u64,
}

/// Where a dive may go back to.
#[derive(Debug)]
struct Branch {
    simplex: DualSimplex,
    lowest: Vec<u32>,
    highest: Vec<u32>,
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

    /// Reads every coefficient anew after the numbers of the problem have changed, keeping the basis; ranges are as at first.
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

    /// Lets a position have between `lowest` and `highest` replicas, no more than are useful.
    pub(crate) fn set_range(&mut self, position: usize, lowest: u32, highest: u32) {
        let most = self.useful[position].max(lowest);
        self.lowest[position] = lowest;
        self.highest[position] = highest.min(most);
        self.is_at_root = false;
    }

    /// Has a member deployed, and no other configuration of its (model, tier).
    pub(crate) fn force(&mut self, problem: &Problem, position: usize) {
        self.close_siblings(problem, position);
        self.set_range(position, self.least[position].min(self.useful[position]), u32::MAX);
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
    fn solve(&mut self, problem: &Problem, cutoff_usd: f64, stop: &Stop) -> bool {
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

    /// The same for the ranges at first, from where the next dive begins.
    pub(crate) fn relax_at_first(&mut self, problem: &Problem, stop: &Stop) -> Option<f64> {
        self.begin_again();
        self.begin(problem, f64::INFINITY, stop).then(|| self.value_usd())
    }

    /// Value at the last solve, USD.
    fn value_usd(&self) -> f64 {
        self.simplex.objective() + self.constant_usd
    }

    fn replicas(&self, position: usize) -> f64 {
        f64::from(self.lowest[position]) + self.simplex.value(self.first_replicas + position)
    }

    /// Solves where a dive begins, and keeps that for the next one where it begins at the ranges at first.
    fn begin(&mut self, problem: &Problem, cutoff_usd: f64, stop: &Stop) -> bool {
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

    /// Dives from the present ranges to whole replicas that cost less than `cutoff_usd` as far as the program can tell; after
    /// `max_work` elementary steps what is left is rounded at once. Rounds at random with `rng`, to the nearest without.
    /// False where it ends in nothing.
    pub(crate) fn dive(
        &mut self,
        problem: &Problem,
        cutoff_usd: f64,
        max_work: u64,
        mut rng: Option<&mut impl Rng>,
        stop: &Stop,
        found: &mut Vec<Deployment>,
    ) -> bool {
        let last_work = self.work().saturating_add(max_work);
        let mut is_solved = self.begin(problem, cutoff_usd, stop);
        loop {
            if !is_solved {
                return false;
            }
            if self.leave_one_per_pair(problem) {
                is_solved = self.solve(problem, cutoff_usd, stop);
                continue;
            }
            let Some((position, replicas)) = self.choose_fractional() else { break };
            if self.work() >= last_work {
                break;
            }
            let up = match &mut rng {
                Some(rng) => rng.random::<f64>() < self.nearness(position, replicas),
                None => self.nearness(position, replicas) >= 0.5,
            };
            let lowest = self.lowest[position];
            let (below, above) = self.sides(position, replicas);
            let (first, second) = if up { (above, below) } else { (below, above) };
            self.fix_near(problem);
            self.confine(problem, position, first);
            is_solved = self.solve(problem, cutoff_usd, stop);
            if !is_solved && first != second && second.1 >= lowest && !stop.should_stop() {
                self.confine(problem, position, second);
                is_solved = self.solve(problem, cutoff_usd, stop);
            }
        }
        self.read(found);
        true
    }

    /// As [`ReplicaProgram::dive`], the dearest replicas first and each count to the side on which the program costs less, now and
    /// then by `rng` to the other one. Takes longer, and ends better where a budget or a pool leaves traffic unserved: cheap
    /// replicas still adapt to how dear ones are rounded.
    pub(crate) fn dive_by_cost(
        &mut self,
        problem: &Problem,
        cutoff_usd: f64,
        max_work: u64,
        rng: &mut impl Rng,
        stop: &Stop,
        found: &mut Vec<Deployment>,
    ) -> bool {
        let last_work = self.work().saturating_add(max_work);
        if !self.begin(problem, cutoff_usd, stop) {
            return false;
        }
        loop {
            if self.leave_one_per_pair(problem) {
                if !self.solve(problem, cutoff_usd, stop) {
                    return false;
                }
                continue;
            }
            let Some((position, replicas)) = self.choose_dearest(problem) else { break };
            if self.work() >= last_work {
                break;
            }
            let (below, above) = self.sides(position, replicas);
            let before = self.branch();
            let down_usd = self.confine_and_solve(problem, position, below, cutoff_usd, stop);
            let down = self.branch();
            self.go_to(before);
            let up_usd = self.confine_and_solve(problem, position, above, cutoff_usd, stop);
            let goes_down = match (down_usd, up_usd) {
                (None, None) => return false,
                (Some(down_usd), Some(up_usd)) => (down_usd <= up_usd) != rng.random_bool(DEARER_SHARE),
                (down_usd, None) => down_usd.is_some(),
                (None, Some(_)) => false,
            };
            if goes_down {
                self.go_to(down);
            }
        }
        self.read(found);
        true
    }

    /// Solves with a count confined to a range; the optimum, USD, where there is one below `cutoff_usd`.
    fn confine_and_solve(
        &mut self,
        problem: &Problem,
        position: usize,
        range: (u32, u32),
        cutoff_usd: f64,
        stop: &Stop,
    ) -> Option<f64> {
        self.confine(problem, position, range);
        self.solve(problem, cutoff_usd, stop).then(|| self.value_usd())
    }

    fn branch(&self) -> Branch {
        Branch { simplex: self.simplex.clone(), lowest: self.lowest.clone(), highest: self.highest.clone() }
    }

    fn go_to(&mut self, branch: Branch) {
        self.simplex.clone_from(&branch.simplex);
        (self.lowest, self.highest) = (branch.lowest, branch.highest);
    }

    /// The deployments with the whole numbers nearest to their counts.
    fn read(&self, found: &mut Vec<Deployment>) {
        found.clear();
        for position in 0..self.members.len() {
            let replicas = self.replicas(position).round() as u32;
            if replicas > 0 {
                found.push(Deployment { configuration: self.members[position], replicas });
            }
        }
    }

    /// Takes the fractional optimum of the present ranges to whole replicas at once, most of them to the next lower count:
    /// what is short then is left to a descent, which finds its way to other plans than a dive. False where there is none.
    pub(crate) fn round(
        &mut self,
        problem: &Problem,
        rng: &mut impl Rng,
        stop: &Stop,
        found: &mut Vec<Deployment>,
    ) -> bool {
        if !self.solve(problem, f64::INFINITY, stop) {
            return false;
        }
        if self.leave_one_per_pair(problem) && !self.solve(problem, f64::INFINITY, stop) {
            return false;
        }
        let least_fraction: f64 = rng.random_range(LEAST_FRACTION..1.0);
        found.clear();
        for position in 0..self.members.len() {
            let replicas = self.replicas(position) + INTEGRALITY_TOLERANCE;
            let up = replicas.fract() > least_fraction && rng.random_bool(UP_SHARE);
            let replicas = (replicas as u32 + u32::from(up)).min(self.highest[position]);
            if replicas > 0 {
                found.push(Deployment { configuration: self.members[position], replicas });
            }
        }
        true
    }

    /// Fixes every count of at least one that is whole or nearly so.
    fn fix_near(&mut self, problem: &Problem) {
        for position in 0..self.members.len() {
            let replicas = self.replicas(position);
            let whole = replicas.round();
            let is_near = (replicas - whole).abs() <= NEAR_SHARE * replicas;
            if whole >= f64::from(self.least[position]) && is_near && self.lowest[position] < self.highest[position] {
                self.confine(problem, position, (whole as u32, whole as u32));
            }
        }
    }

    /// Lets a count that is not settled have only those between `range`, nothing or at least as many as a deployment has to have.
    fn confine(&mut self, problem: &Problem, position: usize, (lowest, highest): (u32, u32)) {
        self.set_range(position, lowest, highest);
        if lowest > 0 {
            self.close_siblings(problem, position);
        }
    }

    /// The ranges on both sides of a count that is not settled: the whole numbers next to it, or nothing and all that a deployment
    /// may have.
    fn sides(&self, position: usize, replicas: f64) -> ((u32, u32), (u32, u32)) {
        let (least, highest) = (self.least[position], self.highest[position]);
        if least > 1 && replicas < f64::from(least) {
            return ((0, 0), (least.min(highest), highest));
        }
        let (floor, ceiling) = (replicas.floor() as u32, (replicas.floor() as u32 + 1).min(highest));
        ((floor, floor), (ceiling, ceiling))
    }

    /// How far a count that is not settled is from the side below it to that above, as a share.
    fn nearness(&self, position: usize, replicas: f64) -> f64 {
        let least = f64::from(self.least[position]);
        if replicas < least {
            replicas / least
        } else {
            replicas.fract()
        }
    }

    /// Whether a count is one that a deployment may have, or nothing.
    fn is_settled(&self, position: usize, replicas: f64) -> bool {
        let least = f64::from(self.least[position]);
        is_whole(replicas) && (replicas <= INTEGRALITY_TOLERANCE || replicas >= least - INTEGRALITY_TOLERANCE)
    }

    /// Takes the other configurations of a position's (model, tier) out.
    fn close_siblings(&mut self, problem: &Problem, position: usize) {
        let pair = problem.pair(self.members[position] as usize);
        for other in 0..self.members.len() {
            if other != position && problem.pair(self.members[other] as usize) == pair {
                self.set_range(other, 0, 0);
            }
        }
    }

    /// Where several configurations of one (model, tier) are in use, keeps the one with the most GPUs; whether any was.
    fn leave_one_per_pair(&mut self, problem: &Problem) -> bool {
        let mut closed = false;
        for position in 0..self.members.len() {
            let pair = problem.pair(self.members[position] as usize);
            let is_used = |own: &Self, at: usize| own.replicas(at) > INTEGRALITY_TOLERANCE;
            let is_same = |own: &Self, at: usize| problem.pair(own.members[at] as usize) == pair && is_used(own, at);
            if !is_used(self, position) || (0..position).any(|earlier| is_same(self, earlier)) {
                continue;
            }
            let gpus = |own: &Self, at: usize| own.replicas(at) * problem.gpus_per_replica(own.members[at] as usize);
            let mut kept = position;
            let mut rivals = 0;
            for other in (position + 1..self.members.len()).filter(|&other| is_same(self, other)) {
                rivals += 1;
                if gpus(self, other) > gpus(self, kept) {
                    kept = other;
                }
            }
            if rivals > 0 {
                self.close_siblings(problem, kept);
                closed = true;
            }
        }
        closed
    }

    /// Of the counts that are not whole that of the dearest replica.
    fn choose_dearest(&self, problem: &Problem) -> Option<(usize, f64)> {
        let mut best = None;
        let mut most_usd = f64::NEG_INFINITY;
        for (position, &a) in self.members.iter().enumerate() {
            let replicas = self.replicas(position);
            let usd = problem.replica_usd(a as usize);
            if !self.is_settled(position, replicas) && usd > most_usd {
                most_usd = usd;
                best = Some((position, replicas));
            }
        }
        best
    }

    /// The count nearest to whole of those that are not; large counts first, since little depends on their fraction.
    fn choose_fractional(&self) -> Option<(usize, f64)> {
        let mut best: Option<(usize, f64)> = None;
        let mut nearest = f64::INFINITY;
        for position in 0..self.members.len() {
            let replicas = self.replicas(position);
            if self.is_settled(position, replicas) {
                continue;
            }
            let least = f64::from(self.least[position]);
            let distance =
                if replicas < least { replicas.min(least - replicas) } else { (replicas - replicas.round()).abs() };
            let error = distance / replicas.max(LEAST_COUNT);
            if error < nearest {
                nearest = error;
                best = Some((position, replicas));
            }
        }
        best
    }
}

fn is_whole(replicas: f64) -> bool {
    (replicas - replicas.round()).abs() <= INTEGRALITY_TOLERANCE * (1.0 + replicas.abs())
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
