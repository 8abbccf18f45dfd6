//! Rounding at once, mostly down.

use rand::{Rng, RngExt};

use super::program::INTEGRALITY_TOLERANCE;
use super::{ReplicaProgram, Rounding};
use crate::{Deployment, Problem, Stop};

/// A count is rounded up where its fraction is above a random threshold of at least this, and then so often.
const LEAST_FRACTION: f64 = 0.2;
const UP_SHARE: f64 = 0.7;

/// Takes the fractional optimum to whole replicas at once, most of them to the next lower count: what is short then is left to a
/// descent, which finds its way to other plans than a dive.
#[derive(Debug)]
pub(crate) struct RoundDown<'r, R> {
    /// Says what is rounded up.
    pub(crate) rng: &'r mut R,
}

impl<R: Rng> Rounding for RoundDown<'_, R> {
    fn round(
        &mut self,
        program: &mut ReplicaProgram,
        problem: &Problem,
        stop: &Stop,
        found: &mut Vec<Deployment>,
    ) -> bool {
        if !program.solve(problem, f64::INFINITY, stop) {
            return false;
        }
        if program.leave_one_per_pair(problem) && !program.solve(problem, f64::INFINITY, stop) {
            return false;
        }
        let least_fraction: f64 = self.rng.random_range(LEAST_FRACTION..1.0);
        found.clear();
        for position in 0..program.members.len() {
            let replicas = program.replicas(position) + INTEGRALITY_TOLERANCE;
            let up = replicas.fract() > least_fraction && self.rng.random_bool(UP_SHARE);
            let replicas = (replicas as u32 + u32::from(up)).min(program.highest[position]);
            if replicas > 0 {
                found.push(Deployment { configuration: program.members[position], replicas });
            }
        }
        true
    }
}
