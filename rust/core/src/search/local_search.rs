//! First improvement over the moves, in the order of their bounds.

use crate::search::memory::{key_after, key_of, Memory};
use crate::search::operator::OPERATORS;
use crate::search::{Change, Cuts, IncumbentDeployment, MasterSolution, Neighbourhood, Ranking, SearchState};
use crate::tuning::{Escalation, SearchTuning};
use crate::{Deployment, Problem, Stop, Switches};

/// Elementary steps, about, that pricing a route takes.
const STEPS_PER_ROUTE: usize = 4;

/// How much a descent may do.
#[derive(Debug, Clone)]
pub(crate) struct SearchLimits<'s> {
    /// Linear programs solved, in all, at which it ends.
    pub(crate) solves: u64,
    /// Elementary steps, in all, at which it ends; see [`LocalSearch::work`].
    pub(crate) work: u64,
    /// Moves tried from one state by simple operators, and by deep ones.
    pub(crate) tries: usize,
    /// See `tries`.
    pub(crate) deep_tries: usize,
    /// Deep operators are tried only below this total, USD.
    pub(crate) deep_below_usd: f64,
    /// A state that a descent has continued from before is looked at further only where it costs at most this, USD.
    pub(crate) again_below_usd: f64,
    /// The clock and the caller.
    pub(crate) stop: &'s Stop,
}

/// What an operator did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct OperatorStatistics {
    /// Moves tried.
    pub(crate) evaluated: u64,
    /// Moves applied.
    pub(crate) applied: u64,
    /// Cost saved by them, USD.
    pub(crate) saved_usd: f64,
}

/// A state under local search, with its working memory.
#[derive(Debug, Clone)]
pub(crate) struct LocalSearch<'a> {
    /// The current state.
    pub(crate) state: SearchState<'a>,
    /// Figures per operator, in the order of [`OPERATORS`].
    pub(crate) statistics: [OperatorStatistics; OPERATORS.len()],
    /// Linear programs solved.
    pub(crate) solves: u64,
    pub(super) trial: SearchState<'a>,
    pub(super) neighbourhood: Neighbourhood,
    memory: Memory,
    is_visited: bool,
    pub(super) changes: Vec<Change>,
    pub(super) trimmed: Vec<Change>,
    first_kernel: Vec<u32>,
    /// Elementary steps of what has been replaced since.
    pub(super) work_done: u64,
    pub(super) found: Vec<Deployment>,
    pub(super) banned: Vec<u32>,
    /// Deployments that moves leave alone.
    pub(super) held: Vec<u32>,
    pub(super) switches: Switches,
    pub(super) tuning: SearchTuning,
}

impl<'a> LocalSearch<'a> {
    /// Nothing deployed yet; moves within the `kernel` of configurations (rising indices).
    pub(crate) fn new(
        problem: &'a Problem,
        master: &MasterSolution,
        kernel: Vec<u32>,
        switches: Switches,
        tuning: &SearchTuning,
    ) -> Self {
        let state = SearchState::new(problem, 8 + problem.num_query_types() / 2);
        Self::from_state(state, master, kernel, switches, tuning)
    }

    /// A search from a given state, with nothing deployed.
    pub(crate) fn from_state(
        mut state: SearchState<'a>,
        master: &MasterSolution,
        kernel: Vec<u32>,
        switches: Switches,
        tuning: &SearchTuning,
    ) -> Self {
        state.price_shortage(|i| tuning.shortage_factor * master.routing.supply[i]);
        state.solve(f64::INFINITY);
        Self {
            trial: state.clone(),
            neighbourhood: Neighbourhood::new(state.problem(), cuts_of(&state, master, kernel.clone())),
            memory: Memory::default(),
            is_visited: false,
            first_kernel: kernel,
            work_done: 0,
            state,
            statistics: Default::default(),
            solves: 0,
            changes: Vec::new(),
            trimmed: Vec::new(),
            found: Vec::new(),
            banned: Vec::new(),
            held: Vec::new(),
            switches,
            tuning: *tuning,
        }
    }

    /// Changes what runs already, at the cost of starting more. To be called before anything is deployed.
    pub(crate) fn set_incumbent(&mut self, running: &'a IncumbentDeployment) {
        self.state.set_incumbent(running);
        self.trial.set_incumbent(running);
    }

    /// The configurations that moves use.
    pub(crate) fn kernel(&self) -> &[u32] {
        self.neighbourhood.cuts.kernel()
    }

    /// About how many elementary steps the search has taken: a measure of time that does not depend on the machine.
    pub(crate) fn work(&self) -> u64 {
        let programs = self.state.program().work() + self.trial.program().work();
        programs + self.neighbourhood.work + self.work_done
    }

    /// What is known of states.
    pub(crate) fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// Whether the last descent ended at a state that one had continued from before.
    pub(crate) fn is_visited(&self) -> bool {
        self.is_visited
    }

    /// Counts work on from that of a search which this one replaces.
    pub(crate) fn count_on(&mut self, work: u64) {
        self.work_done += work;
    }

    /// Moves from now on within the first kernel, `size` configurations by each of two measures that the prices at the
    /// present state favour, and other TP/PP of what is deployed.
    pub(crate) fn refocus(&mut self, master: &MasterSolution, size: usize) {
        let problem = self.state.problem();
        let is_continuous = self.state.program().is_continuous();
        let mut here = master.clone();
        self.state.program().read_prices(&mut here.routing);
        let mut kernel = if is_continuous {
            self.state.program().read_limit_prices(problem, &mut here.limits);
            Ranking::new(problem, &here).kernel(0, 2 * size)
        } else {
            Ranking::new(problem, &here).kernel(size, size / 2)
        };
        self.work_done += (STEPS_PER_ROUTE * problem.route_table().query_type.len()) as u64;
        kernel.extend_from_slice(&self.first_kernel);
        for (a, _) in self.state.deployments() {
            kernel.extend(siblings(problem, a as u32, self.tuning.sibling_ratio));
        }
        kernel.sort_unstable();
        kernel.dedup();
        self.move_within(master, kernel);
    }

    /// Moves from now on within `kernel` (rising indices).
    pub(crate) fn move_within(&mut self, master: &MasterSolution, kernel: Vec<u32>) {
        if kernel != self.kernel() {
            self.work_done += self.neighbourhood.work;
            self.neighbourhood = Neighbourhood::new(self.state.problem(), cuts_of(&self.state, master, kernel));
        }
    }

    /// Gives a deployment of a continuous state `replicas` replicas, no more and no fewer, and leaves it alone from now on.
    /// False where that cannot be.
    pub(super) fn hold(&mut self, master: &MasterSolution, a: usize, replicas: u32) -> bool {
        self.state.set_range(a, replicas, replicas);
        self.held.push(a as u32);
        self.solves += 1;
        self.forget_cuts(master);
        self.state.keeps_limits() && self.state.solve(f64::INFINITY)
    }

    /// Starts cuts again: what they said was for other ranges of counts.
    pub(super) fn forget_cuts(&mut self, master: &MasterSolution) {
        self.neighbourhood.cuts.clear();
        self.neighbourhood.cuts.add_master(&self.state, master);
    }

    /// Takes over the kernel of another search and what that knows of it.
    pub(crate) fn share_focus(&mut self, other: &Self) {
        if self.kernel() != other.kernel() {
            let done = self.neighbourhood.work;
            self.neighbourhood.clone_from(&other.neighbourhood);
            self.neighbourhood.work = done;
        }
    }

    /// Deploys `deployments`, without what no traffic needs. Where these could serve what the present price of shortage leaves
    /// short, that rises.
    pub(crate) fn adopt(&mut self, deployments: &[Deployment]) {
        self.solves += 1;
        self.state.set_deployments(deployments);
        self.escalate(self.tuning.escalation, |search| search.state.is_solved());
        self.trim();
    }

    /// Gives back the replicas that no traffic needs.
    pub(super) fn trim(&mut self) {
        self.trimmed.clear();
        self.state.trim(&mut self.trimmed);
    }

    /// Applies improving moves until there is none or a limit is reached. True in the first case. Where a descent has gone on
    /// from a state before, this one ends there too, after a few more tries at most.
    pub(crate) fn descend(&mut self, limits: &SearchLimits<'_>) -> bool {
        loop {
            let key = key_of(&self.state);
            let key_in_kernel = key ^ self.neighbourhood.cuts.kernel_key();
            self.is_visited = !self.memory.visit(key_in_kernel);
            if self.is_visited && self.state.total_usd() > limits.again_below_usd {
                return true;
            }
            let (tries, deep_tries) = match self.is_visited {
                true => {
                    (limits.tries.min(self.tuning.tries_again), limits.deep_tries.min(self.tuning.deep_tries_again))
                }
                false => (limits.tries, limits.deep_tries),
            };
            self.neighbourhood.list(&self.state, &self.banned, &self.held);
            let mut is_improved = self.step(limits, key, false, tries);
            if is_improved == Some(false) && self.state.total_usd() < limits.deep_below_usd {
                is_improved = self.step(limits, key, true, deep_tries);
            }
            match is_improved {
                Some(true) => {}
                Some(false) => return true,
                None => {
                    self.memory.forget_visit(key_in_kernel);
                    return false;
                }
            }
        }
    }

    /// Descends, or only adds what is missing where it does not; where shortage is left, raises its price and does so again.
    /// True where it ended by itself, without shortage or with one that counts as hopeless.
    pub(crate) fn descend_to_feasibility(&mut self, limits: &SearchLimits<'_>, descends: bool) -> bool {
        self.descend_to_feasibility_by(self.tuning.escalation, limits, descends)
    }

    /// As [`LocalSearch::descend_to_feasibility`], shortage becoming more expensive by `escalation`.
    pub(crate) fn descend_to_feasibility_by(
        &mut self,
        escalation: Escalation,
        limits: &SearchLimits<'_>,
        descends: bool,
    ) -> bool {
        self.escalate(escalation, |search| if descends { search.descend(limits) } else { search.complete(limits) })
    }

    /// Takes `step`, which says whether it came to its end, and raises the price of shortage as long as some is left. False where `step`
    /// was broken off.
    fn escalate(&mut self, escalation: Escalation, mut step: impl FnMut(&mut Self) -> bool) -> bool {
        for _ in 0..escalation.steps {
            let finished = step(self);
            if !finished || self.state.is_feasible() || !self.state.raise_shortage_prices(escalation.factor) {
                return finished;
            }
        }
        true
    }

    /// Adds what is missing, and nothing else: openings and enlargements until there is no shortage.
    pub(crate) fn complete(&mut self, limits: &SearchLimits<'_>) -> bool {
        while !self.state.is_feasible() {
            self.neighbourhood.list(&self.state, &self.banned, &self.held);
            match self.step(limits, key_of(&self.state), false, limits.tries) {
                None => return false,
                Some(true) => {}
                Some(false) => return true,
            }
        }
        true
    }

    /// Tries moves from the state, of `key`, until one improves, at most `tries` whose outcome is not known. `None` where a
    /// limit is reached.
    fn step(&mut self, limits: &SearchLimits<'_>, key: u64, deep: bool, tries: usize) -> Option<bool> {
        let total_usd = self.state.total_usd();
        let target_usd = total_usd - self.tuning.least_improvement * total_usd.abs();
        let needs_feasible = self.state.is_feasible();
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
            self.neighbourhood.changes(&candidate, &mut self.changes);
            let trial_key = key_after(key, &self.changes);
            if self.memory.rules_out(trial_key, target_usd, needs_feasible) {
                continue;
            }
            tried += 1;
            self.trial.clone_from(&self.state);
            self.trial.apply(&self.changes);
            self.solves += 1;
            let solved = self.trial.solve(target_usd);
            let statistics = &mut self.statistics[usize::from(candidate.operator)];
            statistics.evaluated += 1;
            if solved {
                self.trimmed.clear();
                self.trial.trim(&mut self.trimmed);
                if self.trial.is_solved() {
                    self.memory.note(trial_key, self.trial.total_usd(), self.trial.is_feasible());
                }
                let is_sound = self.trial.is_feasible() || !needs_feasible;
                if is_sound && self.trial.is_solved() && self.trial.total_usd() < target_usd {
                    statistics.applied += 1;
                    statistics.saved_usd += total_usd - self.trial.total_usd();
                    std::mem::swap(&mut self.state, &mut self.trial);
                    return Some(true);
                }
            }
            if self.trial.program().has_prices() {
                if !solved {
                    self.memory.note(trial_key, target_usd, true);
                }
                self.neighbourhood.learn(&self.state, &self.trial);
            }
        }
        Some(false)
    }
}

/// The configurations of the same (model, tier) with replicas of up to `ratio` times more or fewer GPUs, `a` included.
pub(crate) fn siblings(problem: &Problem, a: u32, ratio: f64) -> impl Iterator<Item = u32> + '_ {
    let gpus = problem.gpus_per_replica(a as usize);
    let near = move |other: &u32| (1.0 / ratio..=ratio).contains(&(problem.gpus_per_replica(*other as usize) / gpus));
    problem.pair_configurations(problem.pair(a as usize)).iter().copied().filter(near)
}

fn cuts_of(state: &SearchState<'_>, master: &MasterSolution, kernel: Vec<u32>) -> Cuts {
    let mut cuts = Cuts::new(state.problem(), kernel, state.program().is_continuous());
    cuts.add_master(state, master);
    cuts
}
