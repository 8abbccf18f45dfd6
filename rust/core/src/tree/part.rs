//! Branch and bound as a part of another method: over a part of the ranges of replicas, with a limit on its steps.

use super::incumbent::Incumbent;
use super::{Evaluator, Tree};
use crate::bound::{Domain, Prices, Relaxation};
use crate::{Deployment, Plan, Problem, Result, Stop};

/// What is to be proven.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    pub(crate) problem: &'a Problem,
    /// Plans outside of it do not count.
    pub(crate) domain: Domain,
    /// Relative gap at which the search ends.
    pub(crate) rel_gap: f64,
    /// Elementary steps, of a few nanoseconds, after which it ends.
    pub(crate) max_work: u64,
}

/// What was proven.
#[derive(Debug)]
pub(crate) struct Proof {
    /// The best plan within the domain that was found.
    pub(crate) plan: Option<Plan>,
    /// No plan within the domain costs less; infinite where there is none.
    pub(crate) bound: f64,
    /// Elementary steps taken.
    pub(crate) work: u64,
}

impl Task<'_> {
    /// Searches from `starts`.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] where a plan cannot be made.
    pub(crate) fn prove<'d>(self, starts: impl Iterator<Item = &'d [Deployment]>, stop: &Stop) -> Result<Proof> {
        let problem = self.problem;
        let relaxation = Relaxation::new(problem, 1.0);
        let mut incumbent = Incumbent::new(problem);
        incumbent.stop = stop.clone();
        incumbent.domain = Some(self.domain.clone());
        for start in starts {
            incumbent.offer(start);
        }
        let guess = Prices::first_guess(problem);
        let mut tree = Tree::new(&relaxation, self.domain, guess, incumbent.value, self.rel_gap);
        tree.limit_work(self.max_work);
        tree.run(&mut incumbent, stop);
        Ok(Proof { plan: incumbent.plan().transpose()?, bound: tree.bound().max(0.0), work: tree.work() })
    }
}
