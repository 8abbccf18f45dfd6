//! First improvement over the moves, in the order of their bounds.

use rand::{Rng, RngExt};

use crate::search::operator::OPERATORS;
use crate::search::rebalance::fractional_replicas;
use crate::search::{Change, Cuts, Market, Neighbourhood, Running, SearchState};
use crate::{Deployment, Problem, Stop, Switches};

/// Improvements smaller than this, relative to the total, are not worth a step.
const LEAST_IMPROVEMENT: f64 = 1e-6;

/// Replicas of one deployment from which counts are also rebalanced all at once.
const MANY_REPLICAS: u32 = 6;
/// Moves after which a random refill is left to the descent.
const MAX_REFILLS: usize = 8;

/// How much a descent may do.
#[derive(Debug, Clone)]
pub struct SearchLimits<'s> {
    /// Linear programs solved, in all, at which it ends.
    pub solves: u64,
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
    banned: Vec<u32>,
    switches: Switches,
}

impl<'a> LocalSearch<'a> {
    /// Nothing deployed yet; moves within the `kernel` of configurations (rising indices).
    pub fn new(problem: &'a Problem, market: &Market, kernel: Vec<u32>, switches: Switches) -> Self {
        let mut state = SearchState::new(problem, 8 + problem.num_query_types() / 2);
        state.solve(f64::INFINITY);
        let mut cuts = Cuts::new(problem, kernel);
        cuts.add_market(&state, market);
        Self {
            trial: state.clone(),
            state,
            statistics: Default::default(),
            solves: 0,
            neighbourhood: Neighbourhood::new(problem, cuts),
            changes: Vec::new(),
            trimmed: Vec::new(),
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

    /// Applies improving moves until there is none or a limit is reached. True in the first case.
    pub fn descend(&mut self, limits: &SearchLimits<'_>) -> bool {
        loop {
            self.neighbourhood.cuts.add_state(&self.state);
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
            self.neighbourhood.cuts.add_state(&self.state);
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
            if self.solves >= limits.solves || limits.stop.should_stop() {
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
                let is_allowed = self.trimmed.is_empty() || !self.trial.changes_too_much();
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

    /// Gives the deployments the replicas that would be best if they were not whole, rounded at random.
    fn rebalance(&mut self, rng: &mut impl Rng) {
        let Some(replicas) = fractional_replicas(&self.state) else { return };
        self.solves += 1;
        let share: f64 = rng.random_range(0.2..1.0);
        let rounded: Vec<Deployment> = self
            .state
            .deployments()
            .zip(replicas)
            .map(|((a, _), replicas)| {
                let up = replicas.fract() > share && rng.random_bool(0.7);
                Deployment { configuration: a as u32, replicas: replicas as u32 + u32::from(up) }
            })
            .filter(|deployment| deployment.replicas > 0)
            .collect();
        self.state.set_deployments(&rounded);
        self.solves += 1;
    }

    /// Takes one to three deployments away at random, keeps them out at first, and fills the gap at random.
    pub fn perturb(&mut self, rng: &mut impl Rng) {
        let deployments: Vec<(usize, u32)> = self.state.deployments().collect();
        if deployments.is_empty() {
            return;
        }
        self.banned.clear();
        if deployments.iter().any(|entry| entry.1 >= MANY_REPLICAS) && rng.random_bool(0.5) {
            self.rebalance(rng);
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
        for _ in 0..MAX_REFILLS {
            if !self.state.is_solved() || self.state.is_feasible() {
                break;
            }
            self.neighbourhood.cuts.add_state(&self.state);
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
