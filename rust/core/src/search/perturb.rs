//! Perturbations: how a search leaves a local optimum.

use rand::{Rng, RngExt};

use super::LocalSearch;
use crate::search::{NearestFirst, ReplicaProgram, RoundDown, Rounding};
use crate::Stop;

/// How a dive around the present state is confined: share of the deployments held fast, configurations let in from the
/// kernel per deployment, whether one of the kernel has to be deployed, and whether the optimum is rounded at once.
const CONFINEMENTS: [(f64, f64, bool, bool); 4] =
    [(0.0, 0.0, false, true), (0.5, 1.0, false, false), (0.0, 0.3, true, true), (0.3, 0.3, true, false)];
impl LocalSearch<'_> {
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
        let cutoff_usd = self.tuning.perturbation.dive_below * self.state.total_usd();
        match rounds {
            true => self.round_with(&mut program, &mut RoundDown { rng }, stop),
            false => {
                let dive = &mut NearestFirst { cutoff_usd, max_work: u64::MAX, rng: Some(rng) };
                self.round_with(&mut program, dive, stop)
            }
        };
    }

    /// Goes to the deployments that `strategy` finds with `program`; false where it finds none.
    pub(crate) fn round_with(
        &mut self,
        program: &mut ReplicaProgram,
        strategy: &mut impl Rounding,
        stop: &Stop,
    ) -> bool {
        let (solves, work) = (program.solves, program.work());
        let is_found = strategy.round(program, self.state.problem(), stop, &mut self.found);
        self.solves += 1 + program.solves - solves;
        self.work_done += program.work() - work;
        if is_found {
            self.state.set_deployments(&self.found);
            self.trim();
        }
        is_found
    }

    /// A configuration of the kernel that is not deployed: of a few at random, the one that earns most at present prices.
    fn choose_idle(&mut self, rng: &mut impl Rng) -> Option<u32> {
        let problem = self.state.problem();
        let cuts = &mut self.neighbourhood.cuts;
        let cut = cuts.add_state(&self.state);
        let mut best = None;
        let mut most_usd = f64::NEG_INFINITY;
        for _ in 0..rng.random_range(1..=self.tuning.perturbation.contestants) {
            let position = rng.random_range(0..cuts.kernel().len().max(1));
            let Some(&a) = cuts.kernel().get(position) else { break };
            if self.state.replicas(a as usize) > 0 || problem.replica_limit(a as usize) == 0 {
                continue;
            }
            let replica_usd = problem.replica_usd(a as usize);
            let replicas = cuts.worthwhile(cut, position, replica_usd).ceil().max(1.0) as u32;
            let replicas = replicas.max(problem.min_replicas(a as usize));
            let cost_usd = f64::from(replicas) * replica_usd + problem.weights_usd(a as usize);
            let profit_usd = cuts.value_usd(cut, position, replicas) - cost_usd;
            if profit_usd > most_usd {
                most_usd = profit_usd;
                best = Some(a);
            }
        }
        best
    }

    /// Dives nearby; or makes a promising move though it costs more; or opens something at random; or takes one to three
    /// deployments away, keeps them out at first, and fills the gap at random.
    pub(crate) fn perturb(&mut self, rng: &mut impl Rng, stop: &Stop) {
        let deployments: Vec<(usize, u32)> = self.state.deployments().collect();
        if deployments.is_empty() {
            return;
        }
        self.banned.clear();
        let are_many = deployments.iter().any(|entry| entry.1 >= self.tuning.perturbation.many_replicas);
        if are_many && rng.random_bool(self.tuning.perturbation.dive_share) {
            self.dive_nearby(rng, stop);
            return;
        }
        if rng.random_bool(self.tuning.perturbation.worsening_share) {
            self.worsen(rng, stop);
            return;
        }
        if rng.random_bool(self.tuning.perturbation.insertion_share) {
            self.insert(rng, stop);
            return;
        }
        for _ in 0..rng.random_range(1..=3.min(deployments.len())) {
            let (configuration, replicas) = deployments[rng.random_range(0..deployments.len())];
            let least = self.state.problem().min_replicas(configuration);
            let is_large = replicas > least.max(3);
            let left = if is_large && rng.random_bool(0.5) { rng.random_range(least..replicas) } else { 0 };
            self.state.set_replicas(configuration, left);
            self.banned.push(configuration as u32);
        }
        self.solves += 1;
        self.state.solve(f64::INFINITY);
        self.refill(rng, stop);
    }

    /// Makes one of the moves that promise most, at random, whether or not it improves; what it closes stays out at first.
    ///
    /// Source of the idea, to leave a local optimum by a move that costs a little more: Dueck and Scheuer, "Threshold
    /// accepting", 1990.
    fn worsen(&mut self, rng: &mut impl Rng, stop: &Stop) {
        self.neighbourhood.list(&self.state, &self.banned, &self.held);
        let is_deep = rng.random_bool(self.tuning.perturbation.deep_worsening_share);
        self.neighbourhood.propose(
            self.tuning.perturbation.worsening_below * self.state.total_usd(),
            is_deep,
            self.tuning.perturbation.worsening_moves,
            self.switches,
        );
        if !self.make_one(rng) {
            return;
        }
        self.banned.extend(self.changes.iter().filter(|change| change.to == 0).map(|change| change.configuration));
        self.refill(rng, stop);
    }

    /// Makes one of the moves that were proposed, at random; false where there is none.
    fn make_one(&mut self, rng: &mut impl Rng) -> bool {
        let moves = &self.neighbourhood.moves;
        if moves.is_empty() {
            return false;
        }
        let candidate = moves[rng.random_range(0..moves.len())];
        self.neighbourhood.changes(&candidate, &mut self.changes);
        self.state.apply(&self.changes);
        self.solve_and_trim();
        true
    }

    /// Routes over what is deployed, and gives back what is not needed.
    fn solve_and_trim(&mut self) {
        self.solves += 1;
        self.state.solve(f64::INFINITY);
        self.trim();
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
            // There may be no room for it even where nothing else is.
            if others.is_empty() {
                break;
            }
            self.state.set_replicas(others[rng.random_range(0..others.len())], 0);
        }
        let cuts = &self.neighbourhood.cuts;
        let wanted = cuts.position(a).map_or(1.0, |at| cuts.worthwhile(0, at, problem.replica_usd(a)).round());
        let wanted = (wanted.max(1.0) as u32).max(problem.min_replicas(a));
        self.state.set_replicas(a, wanted.min(self.state.most_replicas(a)));
        self.solve_and_trim();
        self.refill(rng, stop);
    }

    /// Fills what is short at random, among what promises most.
    fn refill(&mut self, rng: &mut impl Rng, stop: &Stop) {
        for _ in 0..self.tuning.perturbation.max_refills {
            if !self.state.is_solved() || self.state.is_feasible() || stop.should_stop() {
                break;
            }
            self.neighbourhood.list(&self.state, &self.banned, &self.held);
            self.neighbourhood.propose(self.state.total_usd(), false, 4, self.switches);
            if !self.make_one(rng) {
                break;
            }
        }
        self.banned.clear();
    }
}
