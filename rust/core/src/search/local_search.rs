//! First improvement over the moves, in the order of their bounds.

use rand::{Rng, RngExt};

use crate::search::operator::OPERATORS;
use crate::search::{Change, Cuts, Market, Neighbourhood, ReplicaProgram, Running, SearchState};
use crate::{Deployment, Problem, Stop, Switches};

/// Improvements smaller than this, relative to the total, are not worth a step.
const LEAST_IMPROVEMENT: f64 = 1e-6;

/// Price of shortage in terms of what the relaxation pays for serving.
const SHORTAGE_FACTOR: f64 = 3.0;
/// TP/PP of a deployed pair that is moved within: replicas of up to this many times more or fewer GPUs.
const SIBLING_RATIO: f64 = 4.0;
/// Share of perturbations that are dives where some deployment has this many replicas, and where none has.
const MANY_REPLICAS: u32 = 4;
const DIVE_SHARE: f64 = 0.5;
const DIVE_SHARE_OF_FEW: f64 = 0.1;
/// Configurations among which the one to open is chosen: at most.
const CONTESTANTS: usize = 30;
/// Share of the other perturbations that open something instead of taking something away.
const INSERTION_SHARE: f64 = 0.5;
/// How a dive around the present state is confined: share of the deployments held fast, configurations let in from the
/// kernel per deployment, whether one of the kernel has to be deployed, and whether the optimum is rounded at once.
const CONFINEMENTS: [(f64, f64, bool, bool); 4] =
    [(0.0, 0.0, false, true), (0.5, 1.0, false, false), (0.0, 0.3, true, true), (0.3, 0.3, true, false)];
/// A dive is given up where it cannot end below this, in terms of the present total.
const DIVE_BELOW: f64 = 1.05;
/// Moves after which a random refill is left to the descent.
const MAX_REFILLS: usize = 8;

/// How much a descent may do.
#[derive(Debug, Clone)]
pub struct SearchLimits<'s> {
    /// Linear programs solved, in all, at which it ends.
    pub solves: u64,
    /// Elementary steps, in all, at which it ends; see [`LocalSearch::work`].
    pub work: u64,
    /// Moves tried from one state by simple operators, and by deep ones.
    pub tries: usize,
    /// See `tries`.
    pub deep_tries: usize,
    /// Deep operators are tried only below this total, USD.
    pub deep_below_usd: f64,
    /// The clock and the caller.
    pub stop: &'s Stop,
}

/// What an operator did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OperatorStatistics {
    /// Moves tried.
    pub evaluated: u64,
    /// Moves applied.
    pub applied: u64,
    /// Cost saved by them, USD.
    pub saved_usd: f64,
}

/// A state under local search, with its working memory.
#[derive(Debug, Clone)]
pub struct LocalSearch<'a> {
    /// The current state.
    pub state: SearchState<'a>,
    /// Figures per operator, in the order of [`OPERATORS`].
    pub statistics: [OperatorStatistics; OPERATORS.len()],
    /// Linear programs solved.
    pub solves: u64,
    trial: SearchState<'a>,
    neighbourhood: Neighbourhood,
    changes: Vec<Change>,
    trimmed: Vec<Change>,
    first_kernel: Vec<u32>,
    /// Elementary steps of what has been replaced since.
    work_done: u64,
    found: Vec<Deployment>,
    banned: Vec<u32>,
    switches: Switches,
}

impl<'a> LocalSearch<'a> {
    /// Nothing deployed yet; moves within the `kernel` of configurations (rising indices).
    pub fn new(problem: &'a Problem, market: &Market, kernel: Vec<u32>, switches: Switches) -> Self {
        let mut state = SearchState::new(problem, 8 + problem.num_query_types() / 2);
        // Less than serving costs at the margin would make it pay to leave traffic unserved.
        state.price_shortage(|i| SHORTAGE_FACTOR * market.routing.supply[i]);
        state.solve(f64::INFINITY);
        Self {
            trial: state.clone(),
            neighbourhood: Neighbourhood::new(problem, cuts_of(&state, market, kernel.clone())),
            first_kernel: kernel,
            work_done: 0,
            state,
            statistics: Default::default(),
            solves: 0,
            changes: Vec::new(),
            trimmed: Vec::new(),
            found: Vec::new(),
            banned: Vec::new(),
            switches,
        }
    }

    /// Changes what runs already, at the cost of starting more. To be called before anything is deployed.
    pub fn set_running(&mut self, running: &'a Running) {
        self.state.set_running(running);
        self.trial.set_running(running);
    }

    /// The configurations that moves use.
    pub fn kernel(&self) -> &[u32] {
        self.neighbourhood.cuts.kernel()
    }

    /// About how many elementary steps the search has taken: a measure of time that does not depend on the machine.
    pub fn work(&self) -> u64 {
        let programs = self.state.program().work() + self.trial.program().work();
        programs + self.neighbourhood.work + self.work_done
    }

    /// Moves from now on within the first kernel, `size` configurations by two measures that the prices at the present state
    /// favour, and other TP/PP of what is deployed.
    pub fn refocus(&mut self, market: &Market, size: usize) {
        let problem = self.state.problem();
        let mut here = market.clone();
        self.state.program().read_prices(&mut here.routing);
        let mut kernel = here.kernel(problem, size);
        kernel.extend_from_slice(&self.first_kernel);
        for (a, _) in self.state.deployments() {
            kernel.extend(siblings(problem, a as u32, SIBLING_RATIO));
        }
        kernel.sort_unstable();
        kernel.dedup();
        if kernel != self.kernel() {
            self.work_done += self.neighbourhood.work;
            self.neighbourhood = Neighbourhood::new(problem, cuts_of(&self.state, market, kernel));
        }
    }

    /// Takes over the kernel of another search and what that knows of it.
    pub fn share_focus(&mut self, other: &Self) {
        if self.kernel() != other.kernel() {
            let done = self.neighbourhood.work;
            self.neighbourhood.clone_from(&other.neighbourhood);
            self.neighbourhood.work = done;
        }
    }

    /// Applies improving moves until there is none or a limit is reached. True in the first case.
    pub fn descend(&mut self, limits: &SearchLimits<'_>) -> bool {
        loop {
            self.neighbourhood.list(&self.state, &self.banned);
            match self.step(limits, false) {
                None => return false,
                Some(true) => continue,
                Some(false) => {}
            }
            if self.state.total_usd() >= limits.deep_below_usd {
                return true;
            }
            match self.step(limits, true) {
                None => return false,
                Some(true) => {}
                Some(false) => return true,
            }
        }
    }

    /// Adds what is missing, and nothing else: openings and enlargements until there is no shortage.
    pub fn complete(&mut self, limits: &SearchLimits<'_>) -> bool {
        while !self.state.is_feasible() {
            self.neighbourhood.list(&self.state, &self.banned);
            match self.step(limits, false) {
                None => return false,
                Some(true) => {}
                Some(false) => return true,
            }
        }
        true
    }

    /// Tries moves until one improves. `None` where a limit is reached.
    fn step(&mut self, limits: &SearchLimits<'_>, deep: bool) -> Option<bool> {
        let total_usd = self.state.total_usd();
        let target_usd = total_usd - LEAST_IMPROVEMENT * total_usd.abs();
        let tries = if deep { limits.deep_tries } else { limits.tries };
        self.neighbourhood.propose(target_usd, deep, 8 * tries, self.switches);
        let mut tried = 0;
        let mut index = 0;
        while index < self.neighbourhood.moves.len() && tried < tries {
            if self.solves >= limits.solves || self.work() >= limits.work || limits.stop.should_stop() {
                return None;
            }
            // Cuts found since the listing may have moved the bound up: then the move waits for its turn.
            let candidate = self.neighbourhood.moves[index];
            let bound_usd = self.neighbourhood.renewed_bound_usd(&candidate);
            if bound_usd >= target_usd {
                index += 1;
                continue;
            }
            let next_usd = self.neighbourhood.moves.get(index + 1).map_or(f64::INFINITY, |other| other.bound_usd);
            if bound_usd > next_usd && bound_usd > candidate.bound_usd {
                self.neighbourhood.moves[index].bound_usd = bound_usd;
                let rest = &mut self.neighbourhood.moves[index..];
                let end = rest.partition_point(|other| other.bound_usd < bound_usd).max(1);
                rest[..end].rotate_left(1);
                continue;
            }
            index += 1;
            tried += 1;
            self.neighbourhood.changes(&candidate, &mut self.changes);
            self.trial.clone_from(&self.state);
            self.trial.apply(&self.changes);
            if self.trial.changes_too_much() {
                continue;
            }
            self.solves += 1;
            let solved = self.trial.solve(target_usd);
            let statistics = &mut self.statistics[usize::from(candidate.operator)];
            statistics.evaluated += 1;
            if solved {
                self.trimmed.clear();
                self.trial.trim(&mut self.trimmed);
                let is_sound = self.trial.is_feasible() || !self.state.is_feasible();
                let is_allowed = is_sound && (self.trimmed.is_empty() || !self.trial.changes_too_much());
                if is_allowed && self.trial.is_solved() && self.trial.total_usd() < target_usd {
                    statistics.applied += 1;
                    statistics.saved_usd += total_usd - self.trial.total_usd();
                    std::mem::swap(&mut self.state, &mut self.trial);
                    return Some(true);
                }
            }
            if self.trial.program().has_prices() {
                self.neighbourhood.learn(&self.state, &self.trial);
            }
        }
        Some(false)
    }

    /// Starts from a dive over `members` (rising configurations): to the nearest counts, or at random with `rng`. Keeps the
    /// present state where the dive ends in nothing.
    pub fn dive_from_scratch(&mut self, members: &[u32], rng: Option<&mut impl Rng>, stop: &Stop) {
        let program = ReplicaProgram::new(&self.state, members);
        self.dive(program, f64::INFINITY, rng, stop);
    }

    /// Dives around the present state.
    fn dive_nearby(&mut self, rng: &mut impl Rng, stop: &Stop) {
        let (held, let_in, forces, rounds) = CONFINEMENTS[rng.random_range(0..CONFINEMENTS.len())];
        let mut members: Vec<u32> = self.state.deployments().map(|(a, _)| a as u32).collect();
        let share = (let_in * members.len() as f64 / self.kernel().len() as f64).min(1.0);
        members.extend(self.kernel().iter().copied().filter(|_| rng.random_bool(share)));
        let forced: Option<u32> = if forces { self.choose_idle(rng) } else { None };
        members.extend(forced);
        members.sort_unstable();
        members.dedup();
        let mut program = ReplicaProgram::new(&self.state, &members);
        for (position, &a) in members.iter().enumerate() {
            let replicas = self.state.replicas(a as usize);
            if replicas > 0 && rng.random_bool(held) {
                program.set_range(position, replicas, replicas);
            } else if forced == Some(a) {
                program.force(self.state.problem(), position);
            }
        }
        if rounds {
            let found = program.round(self.state.problem(), rng, stop, &mut self.found);
            self.take_dive(&program, found);
        } else {
            self.dive(program, DIVE_BELOW * self.state.total_usd(), Some(rng), stop);
        }
    }

    /// A configuration of the kernel that is not deployed: of a few at random, the one that earns most at present prices.
    fn choose_idle(&mut self, rng: &mut impl Rng) -> Option<u32> {
        let problem = self.state.problem();
        let cuts = &mut self.neighbourhood.cuts;
        let cut = cuts.add_state(&self.state);
        let mut best = None;
        let mut most_usd = f64::NEG_INFINITY;
        for _ in 0..rng.random_range(1..=CONTESTANTS) {
            let position = rng.random_range(0..cuts.kernel().len().max(1));
            let Some(&a) = cuts.kernel().get(position) else { break };
            if self.state.replicas(a as usize) > 0 || problem.replica_limit(a as usize) == 0 {
                continue;
            }
            let replica_usd = problem.replica_usd(a as usize);
            let replicas = cuts.worthwhile(cut, position, replica_usd).ceil().max(1.0) as u32;
            let cost_usd = f64::from(replicas) * replica_usd + problem.weights_usd(a as usize);
            let profit_usd = cuts.value_usd(cut, position, replicas) - cost_usd;
            if profit_usd > most_usd {
                most_usd = profit_usd;
                best = Some(a);
            }
        }
        best
    }

    fn dive(&mut self, mut program: ReplicaProgram, cutoff_usd: f64, rng: Option<&mut impl Rng>, stop: &Stop) {
        let found = program.dive(self.state.problem(), cutoff_usd, rng, stop, &mut self.found);
        self.take_dive(&program, found);
    }

    /// Deploys what a dive found, if anything.
    fn take_dive(&mut self, program: &ReplicaProgram, found: bool) {
        if found {
            self.state.set_deployments(&self.found);
            self.trimmed.clear();
            self.state.trim(&mut self.trimmed);
        }
        self.solves += program.solves + 1;
        self.work_done += program.work();
    }

    /// Dives nearby; or opens something at random; or takes one to three deployments away, keeps them out at first, and
    /// fills the gap at random.
    pub fn perturb(&mut self, rng: &mut impl Rng, stop: &Stop) {
        let deployments: Vec<(usize, u32)> = self.state.deployments().collect();
        if deployments.is_empty() {
            return;
        }
        self.banned.clear();
        let are_many = deployments.iter().any(|entry| entry.1 >= MANY_REPLICAS);
        if rng.random_bool(if are_many { DIVE_SHARE } else { DIVE_SHARE_OF_FEW }) {
            self.dive_nearby(rng, stop);
            return;
        }
        if rng.random_bool(INSERTION_SHARE) {
            self.insert(rng, stop);
            return;
        }
        for _ in 0..rng.random_range(1..=3.min(deployments.len())) {
            let (configuration, replicas) = deployments[rng.random_range(0..deployments.len())];
            let left = if replicas > 3 && rng.random_bool(0.5) { rng.random_range(1..replicas) } else { 0 };
            self.state.set_replicas(configuration, left);
            self.banned.push(configuration as u32);
        }
        self.solves += 1;
        self.state.solve(f64::INFINITY);
        self.refill(rng, stop);
    }

    /// Opens a configuration at random in the place of others, and gives back what is no longer needed.
    fn insert(&mut self, rng: &mut impl Rng, stop: &Stop) {
        let problem = self.state.problem();
        let Some(a) = self.choose_idle(rng).map(|a| a as usize) else { return };
        if let Some(occupant) = self.state.configuration_on(problem.pair(a)) {
            self.state.set_replicas(occupant, 0);
        }
        let others: Vec<usize> = self.state.deployments().map(|(other, _)| other).collect();
        if !others.is_empty() && rng.random_bool(0.5) {
            self.state.set_replicas(others[rng.random_range(0..others.len())], 0);
        }
        while self.state.most_replicas(a) == 0 {
            let others: Vec<usize> = self.state.deployments().map(|(other, _)| other).collect();
            if others.is_empty() {
                return;
            }
            self.state.set_replicas(others[rng.random_range(0..others.len())], 0);
        }
        let cuts = &self.neighbourhood.cuts;
        let wanted = cuts.position(a).map_or(1.0, |at| cuts.worthwhile(0, at, problem.replica_usd(a)).round());
        self.state.set_replicas(a, (wanted.max(1.0) as u32).min(self.state.most_replicas(a)));
        self.solves += 1;
        self.state.solve(f64::INFINITY);
        self.trimmed.clear();
        self.state.trim(&mut self.trimmed);
        self.refill(rng, stop);
    }

    /// Fills what is short at random, among what promises most.
    fn refill(&mut self, rng: &mut impl Rng, stop: &Stop) {
        for _ in 0..MAX_REFILLS {
            if !self.state.is_solved() || self.state.is_feasible() || stop.should_stop() {
                break;
            }
            self.neighbourhood.list(&self.state, &self.banned);
            self.neighbourhood.propose(self.state.total_usd(), false, 4, self.switches);
            let moves = &self.neighbourhood.moves;
            if moves.is_empty() {
                break;
            }
            let candidate = moves[rng.random_range(0..moves.len())];
            self.neighbourhood.changes(&candidate, &mut self.changes);
            self.state.apply(&self.changes);
            self.solves += 1;
            self.state.solve(f64::INFINITY);
            self.trimmed.clear();
            self.state.trim(&mut self.trimmed);
        }
        self.banned.clear();
    }
}

/// The configurations of the same (model, tier) with replicas of up to `ratio` times more or fewer GPUs, `a` included.
pub fn siblings(problem: &Problem, a: u32, ratio: f64) -> impl Iterator<Item = u32> + '_ {
    let gpus = problem.gpus_per_replica(a as usize);
    let near = move |other: &u32| (1.0 / ratio..=ratio).contains(&(problem.gpus_per_replica(*other as usize) / gpus));
    problem.pair_configurations(problem.pair(a as usize)).iter().copied().filter(near)
}

fn cuts_of(state: &SearchState<'_>, market: &Market, kernel: Vec<u32>) -> Cuts {
    let mut cuts = Cuts::new(state.problem(), kernel);
    cuts.add_market(state, market);
    cuts
}
