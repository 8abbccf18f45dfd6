//! Ranges of replicas: what a rounding confines, closes and goes back to.

use super::program::{ReplicaProgram, INTEGRALITY_TOLERANCE};
use crate::linear::DualSimplex;
use crate::{Problem, Stop};

/// Where a dive may go back to.
#[derive(Debug)]
pub(super) struct Branch {
    simplex: DualSimplex,
    lowest: Vec<u32>,
    highest: Vec<u32>,
}

impl ReplicaProgram {
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

    /// Lets a count that is not settled have only those between `range`, nothing or at least as many as a deployment has to have.
    pub(crate) fn confine(&mut self, problem: &Problem, position: usize, (lowest, highest): (u32, u32)) {
        self.set_range(position, lowest, highest);
        if lowest > 0 {
            self.close_siblings(problem, position);
        }
    }

    /// Solves with a count confined to a range; the optimum, USD, where there is one below `cutoff_usd`.
    pub(super) fn confine_and_solve(
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

    pub(super) fn branch(&self) -> Branch {
        Branch { simplex: self.simplex.clone(), lowest: self.lowest.clone(), highest: self.highest.clone() }
    }

    pub(super) fn go_to(&mut self, branch: Branch) {
        self.simplex.clone_from(&branch.simplex);
        (self.lowest, self.highest) = (branch.lowest, branch.highest);
    }

    /// The ranges on both sides of a count that is not settled: the whole numbers next to it, or nothing and all that a deployment
    /// may have.
    pub(super) fn sides(&self, position: usize, replicas: f64) -> ((u32, u32), (u32, u32)) {
        let (least, highest) = (self.least[position], self.highest[position]);
        if least > 1 && replicas < f64::from(least) {
            return ((0, 0), (least.min(highest), highest));
        }
        let (floor, ceiling) = (replicas.floor() as u32, (replicas.floor() as u32 + 1).min(highest));
        ((floor, floor), (ceiling, ceiling))
    }

    /// How far a count that is not settled is from the side below it to that above, as a share.
    pub(super) fn nearness(&self, position: usize, replicas: f64) -> f64 {
        let least = f64::from(self.least[position]);
        if replicas < least {
            replicas / least
        } else {
            replicas.fract()
        }
    }

    /// Whether a count is one that a deployment may have, or nothing.
    pub(super) fn is_settled(&self, position: usize, replicas: f64) -> bool {
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
    pub(crate) fn leave_one_per_pair(&mut self, problem: &Problem) -> bool {
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
}

fn is_whole(replicas: f64) -> bool {
    (replicas - replicas.round()).abs() <= INTEGRALITY_TOLERANCE * (1.0 + replicas.abs())
}
