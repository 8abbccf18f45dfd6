//! Dives that round the most expensive replicas first, to the side that costs less.

use rand::{Rng, RngExt};

use super::{ReplicaProgram, Rounding};
use crate::{Deployment, Problem, Stop};

/// How often the dive goes to the more expensive side of a count.
const DEARER_SHARE: f64 = 0.15;

/// Dives with the most expensive replicas first, each count to the side on which the program costs less, now and then to the other one.
/// Takes longer than [`NearestFirst`](super::NearestFirst), and ends better where a budget or a pool leaves traffic unserved:
/// cheap replicas still adapt to how expensive ones are rounded.
#[derive(Debug)]
pub(crate) struct MostExpensiveFirst<'r, R> {
    /// A dive that cannot end below it is given up, USD.
    pub(crate) cutoff_usd: f64,
    /// Elementary steps after which what is left is rounded at once.
    pub(crate) max_work: u64,
    /// Says when to go to the more expensive side.
    pub(crate) rng: &'r mut R,
}

impl<R: Rng> Rounding for MostExpensiveFirst<'_, R> {
    fn round(
        &mut self,
        program: &mut ReplicaProgram,
        problem: &Problem,
        stop: &Stop,
        found: &mut Vec<Deployment>,
    ) -> bool {
        let last_work = program.work().saturating_add(self.max_work);
        if !program.begin(problem, self.cutoff_usd, stop) {
            return false;
        }
        loop {
            if program.leave_one_per_pair(problem) {
                if !program.solve(problem, self.cutoff_usd, stop) {
                    return false;
                }
                continue;
            }
            let Some((position, replicas)) = choose_dearest(program, problem) else { break };
            if program.work() >= last_work {
                break;
            }
            let (below, above) = program.sides(position, replicas);
            let before = program.branch();
            let down_usd = program.confine_and_solve(problem, position, below, self.cutoff_usd, stop);
            let down = program.branch();
            program.go_to(before);
            let up_usd = program.confine_and_solve(problem, position, above, self.cutoff_usd, stop);
            let goes_down = match (down_usd, up_usd) {
                (None, None) => return false,
                (Some(down_usd), Some(up_usd)) => (down_usd <= up_usd) != self.rng.random_bool(DEARER_SHARE),
                (down_usd, None) => down_usd.is_some(),
                (None, Some(_)) => false,
            };
            if goes_down {
                program.go_to(down);
            }
        }
        program.read(found);
        true
    }
}

/// Of the counts that are not whole that of the most expensive replica.
fn choose_dearest(program: &ReplicaProgram, problem: &Problem) -> Option<(usize, f64)> {
    let mut best = None;
    let mut most_usd = f64::NEG_INFINITY;
    for (position, &a) in program.members.iter().enumerate() {
        let replicas = program.replicas(position);
        let usd = problem.replica_usd(a as usize);
        if !program.is_settled(position, replicas) && usd > most_usd {
            most_usd = usd;
            best = Some((position, replicas));
        }
    }
    best
}
