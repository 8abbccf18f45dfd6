//! An example for contributors: a new evaluator, which says what deployments are worth to the search tree.
//!
//! The tree finds bounds by itself; what a plan costs it asks an [`Evaluator`]. [`Incumbent`] is the one that the methods use:
//! it routes the traffic over the deployments and keeps the best plan. An evaluator of another kind, say one that asks for more
//! than the formulation does, wraps it. It may refuse deployments but must not make them cheaper: the tree's bounds are those
//! of the formulation.

use super::{Evaluator, Incumbent};
use crate::Deployment;

/// Takes plans of at most so many deployments only.
struct AtMost<'p> {
    most: usize,
    plans: Incumbent<'p>,
}

impl Evaluator for AtMost<'_> {
    fn offer(&mut self, deployments: &[Deployment]) -> f64 {
        if deployments.len() <= self.most {
            self.plans.offer(deployments);
        }
        self.plans.value
    }

    fn offer_within_tolerance(&mut self, deployments: &[Deployment]) -> f64 {
        if deployments.len() <= self.most {
            self.plans.offer_within_tolerance(deployments);
        }
        self.plans.value
    }

    fn least_usd(&self, deployments: &[Deployment]) -> Option<f64> {
        match deployments.len() <= self.most {
            true => self.plans.least_usd(deployments),
            // No plan of this kind.
            false => Some(f64::INFINITY),
        }
    }
}

mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bound::{Domain, Prices, Relaxation};
    use crate::tree::{Outcome, Tree};
    use crate::{generate, Problem, Stop};

    /// The cost of the best plan of at most `most` deployments; `None` where the search did not end in a proof.
    fn best_usd(problem: &Problem, most: usize) -> Option<f64> {
        let relaxation = Relaxation::new(problem, 1.0);
        let guess = Prices::first_guess(problem);
        let mut tree = Tree::new(&relaxation, Domain::of(problem), guess, f64::INFINITY, 1e-4);
        let mut evaluator = AtMost { most, plans: Incumbent::new(problem) };
        let outcome = tree.run(&mut evaluator, &Stop::never());
        (outcome == Outcome::Closed).then_some(evaluator.plans.value)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn fewer_deployments_never_cost_less(seed in any::<u64>()) {
            let problem = generate::small(seed).expect("a valid problem");
            if let (Some(one), Some(any)) = (best_usd(&problem, 1), best_usd(&problem, usize::MAX)) {
                // Each is known to within its gap; both are infinite where there is no plan at all.
                prop_assert!(one >= any || one >= (1.0 - 2e-4) * any - 1e-9, "{one} below {any}");
            }
        }
    }
}
