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

mod by_cost;
mod down;
mod nearest;
mod program;
mod ranges;

pub(crate) use by_cost::MostExpensiveFirst;
pub(crate) use down::RoundDown;
pub(crate) use nearest::NearestFirst;
pub(crate) use program::ReplicaProgram;

use crate::{Deployment, Problem, Stop};

/// A strategy that takes the fractional optimum of a [`ReplicaProgram`] to whole counts.
pub(crate) trait Rounding {
    /// Rounds from the present ranges of `program` and puts what to deploy into `found`. False where that ends in nothing, or
    /// `stop` came first.
    fn round(
        &mut self,
        program: &mut ReplicaProgram,
        problem: &Problem,
        stop: &Stop,
        found: &mut Vec<Deployment>,
    ) -> bool;
}
