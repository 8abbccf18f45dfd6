//! Dives that round the count nearest to whole first.

use rand::{Rng, RngExt};

use super::{ReplicaProgram, Rounding};
use crate::{Deployment, Problem, Stop};

/// Counts below this weigh alike when the nearest to whole is chosen.
const LEAST_COUNT: f64 = 1e-3;
/// Counts that are this near to whole, as a share of them, are rounded together with the one that is nearest.
const NEAR_SHARE: f64 = 0.02;

/// Dives to whole replicas that cost less than a cutoff, as far as the program can tell: the count nearest to whole is rounded
/// first, and the program solved again.
#[derive(Debug)]
pub(crate) struct NearestFirst<'r, R> {
    /// A dive that cannot end below it is given up, USD.
    pub(crate) cutoff_usd: f64,
    /// Elementary steps after which what is left is rounded at once.
    pub(crate) max_work: u64,
    /// Rounds at random, to the nearest without.
    pub(crate) rng: Option<&'r mut R>,
}

impl<R: Rng> Rounding for NearestFirst<'_, R> {
    fn round(
        &mut self,
        program: &mut ReplicaProgram,
        problem: &Problem,
        stop: &Stop,
        found: &mut Vec<Deployment>,
    ) -> bool {
        let last_work = program.work().saturating_add(self.max_work);
        let mut is_solved = program.begin(problem, self.cutoff_usd, stop);
        loop {
            if !is_solved {
                return false;
            }
            if program.leave_one_per_pair(problem) {
                is_solved = program.solve(problem, self.cutoff_usd, stop);
                continue;
            }
            let Some((position, replicas)) = choose_fractional(program) else { break };
            if program.work() >= last_work {
                break;
            }
            let up = match &mut self.rng {
                Some(rng) => rng.random::<f64>() < program.nearness(position, replicas),
                None => program.nearness(position, replicas) >= 0.5,
            };
            let lowest = program.lowest[position];
            let (below, above) = program.sides(position, replicas);
            let (first, second) = if up { (above, below) } else { (below, above) };
            fix_near(program, problem);
            program.confine(problem, position, first);
            is_solved = program.solve(problem, self.cutoff_usd, stop);
            if !is_solved && first != second && second.1 >= lowest && !stop.should_stop() {
                program.confine(problem, position, second);
                is_solved = program.solve(problem, self.cutoff_usd, stop);
            }
        }
        program.read(found);
        true
    }
}

/// Fixes every count of at least one that is whole or nearly so.
fn fix_near(program: &mut ReplicaProgram, problem: &Problem) {
    for position in 0..program.members.len() {
        let replicas = program.replicas(position);
        let whole = replicas.round();
        let is_near = (replicas - whole).abs() <= NEAR_SHARE * replicas;
        if whole >= f64::from(program.least[position])
            && is_near
            && program.lowest[position] < program.highest[position]
        {
            program.confine(problem, position, (whole as u32, whole as u32));
        }
    }
}

/// The count nearest to whole of those that are not; large counts first, since little depends on their fraction.
fn choose_fractional(program: &ReplicaProgram) -> Option<(usize, f64)> {
    let mut best: Option<(usize, f64)> = None;
    let mut nearest = f64::INFINITY;
    for position in 0..program.members.len() {
        let replicas = program.replicas(position);
        if program.is_settled(position, replicas) {
            continue;
        }
        let least = f64::from(program.least[position]);
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
