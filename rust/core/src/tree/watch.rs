//! A plan that is known beforehand must stay in reach of the search until one as good is found: a debug solution, as in SCIP.

use super::node::Path;
use super::Tree;
use crate::bound::Domain;
use crate::Deployment;

/// What a value is known to, relative to itself, beside the cutoff.
const ROUNDING: f64 = 1e-6;

/// A plan that the search is to find, or one as good.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) usd: f64,
    pub(super) deployments: Vec<Deployment>,
}

impl Tree<'_, '_> {
    /// Whether the watched plan, if it is better than what the search is satisfied with, lies in an open node and under no bound
    /// above its value.
    pub(super) fn keeps_watched(&self) -> bool {
        let Some(Watched { usd, deployments }) = &self.watched else { return true };
        if usd + ROUNDING * (1.0 + usd.abs()) >= self.cutoff() {
            return true;
        }
        let problem = self.relaxation.problem;
        let is_in = |domain: &Domain| domain.contains(problem, deployments);
        let is_open = self.open.iter().any(|node| {
            let mut domain = self.root.clone();
            Path::apply(node.item.path.as_ref(), problem, &mut domain);
            domain.propagate(problem);
            is_in(&domain) && node.item.bound <= usd + ROUNDING * (1.0 + usd.abs())
        });
        is_open && is_in(&self.root)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::incumbent::Incumbent;
    use super::*;
    use crate::bound::{Prices, Relaxation};
    use crate::{generate, solve, CancelToken, Method, Problem, SolveParams, Status, Stop};

    /// Searches without a plan to begin with, the optimum being known only to the watch; the value that it ends with.
    fn search(problem: &Problem) -> Result<(), TestCaseError> {
        let params = SolveParams::default();
        let best = solve(problem, Method::Bnb, &params, None, &CancelToken::new()).expect("settings are valid");
        let (Status::Optimal, Some(usd)) = (best.status, best.objective_value) else { return Ok(()) };
        let relaxation = Relaxation::new(problem, 1.0);
        let guess = Prices::from_cheapest_routes(problem);
        let mut tree = Tree::new(&relaxation, Domain::of(problem), guess, f64::INFINITY, 0.9 * params.rel_gap);
        tree.watched = Some(Watched { usd, deployments: best.deployments });
        let mut incumbent = Incumbent::new(problem);
        // Debug builds look at the watched plan after every node.
        tree.run(&mut incumbent, &Stop::never());
        prop_assert!(tree.keeps_watched());
        prop_assert!(tree.bound() <= usd + ROUNDING * (1.0 + usd.abs()), "{} above {usd}", tree.bound());
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn a_known_optimum_is_never_cut_off(seed in any::<u64>()) {
            search(&generate::small(seed).expect("a valid problem"))?;
        }

        #[test]
        fn nor_where_limits_are_just_met(seed in 0..1_000_000_u64) {
            search(&generate::degenerate(3 * seed).expect("a valid problem"))?;
        }
    }

    #[test]
    fn a_plan_out_of_reach_is_noticed() {
        let problem = generate::small(7).expect("a valid problem");
        let relaxation = Relaxation::new(&problem, 1.0);
        let guess = Prices::from_cheapest_routes(&problem);
        let mut tree = Tree::new(&relaxation, Domain::of(&problem), guess, f64::INFINITY, 1e-4);
        let deployments = vec![Deployment { configuration: 0, replicas: u32::MAX }];
        tree.watched = Some(Watched { usd: 1.0, deployments });
        assert!(!tree.keeps_watched());
    }
}
