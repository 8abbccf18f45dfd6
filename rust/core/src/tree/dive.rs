//! Dives for a plan from the mixture that a node was solved with.

use super::{Evaluator, Tree};
use crate::bound::{Domain, Ending, Mixture};
use crate::Stop;

impl Tree<'_, '_> {
    /// Decides one deployment after the other until the mixture is a plan; false where `stop` came first.
    pub(super) fn dive(
        &mut self,
        domain: &Domain,
        mut mixture: Mixture,
        evaluator: &mut impl Evaluator,
        stop: &Stop,
    ) -> bool {
        let mut domain = domain.clone();
        let problem = self.relaxation.problem;
        for _ in 0..4 * problem.num_query_types() + 20 {
            for round in [|replicas: f64| (replicas - 0.1).ceil(), f64::round, f64::floor] {
                self.upper = self.upper.min(evaluator.offer(&mixture.rounded(problem, round)));
            }
            let Some(decision) = mixture.nearest_decision(problem, &domain) else { break };
            decision.apply(problem, &mut domain);
            domain.propagate(problem);
            let ending = self.generator.run(&domain, self.limits(30), stop);
            if self.must_end(stop) {
                return false;
            }
            if matches!(ending, Ending::Cutoff | Ending::Artificial) {
                break;
            }
            mixture = self.generator.mixture();
        }
        true
    }
}
