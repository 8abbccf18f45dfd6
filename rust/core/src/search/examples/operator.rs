//! A new operator: split a deployment into two others.
//!
//! An operator lists moves; it neither costs nor makes them. It combines positions of the neighbourhood's elementary changes
//! ([`closes`](Neighbourhood::closes), [`shrinks`](Neighbourhood::shrinks), [`grows`](Neighbourhood::grows),
//! [`opens`](Neighbourhood::opens)) and offers up to three of them at a time. The neighbourhood bounds each offer from below,
//! drops what cannot improve or does not fit the limits, and the search tries the rest in the order of their bounds, each with
//! its best routing. An operator that earns its keep goes into `OPERATORS` in `search/operator.rs`; its figures are then in every
//! plan's statistics.

use crate::search::operator::Operator;
use crate::search::Neighbourhood;

/// Closes a deployment and opens two: a small and a large one often serve short and long requests better than one in between.
struct Split;

impl Operator for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    /// Pairs of openings are many: they are looked at where simpler operators find nothing.
    fn is_deep(&self) -> bool {
        true
    }

    fn propose(&self, neighbourhood: &mut Neighbourhood) {
        for closed in neighbourhood.closes() {
            for first in neighbourhood.opens() {
                // The second opening comes after the first, so that no pair is offered twice.
                neighbourhood.offer_with_each(&[closed, first], first + 1..neighbourhood.opens().end);
            }
        }
    }
}

mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::{Cuts, MasterSolution, SearchState};
    use crate::{generate, Stop, Switches};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// What every operator owes the search: no bound of a move exceeds what the move costs.
        #[test]
        fn a_move_costs_at_least_its_bound(seed in any::<u64>()) {
            let problem = generate::small(seed).expect("a valid problem");
            let master = MasterSolution::of(&problem, &Stop::never());
            let mut state = SearchState::new(&problem, 4);
            state.set_deployments(&master.rounded(&problem, 0.1));
            let kernel = (0..problem.num_configurations() as u32).collect();
            let mut cuts = Cuts::new(&problem, kernel, false);
            cuts.add_master(&state, &master);
            let mut neighbourhood = Neighbourhood::new(&problem, cuts);
            neighbourhood.list(&state, &[], &[]);
            neighbourhood.propose_by(&[&Split], f64::INFINITY, true, 20, Switches::default());
            let mut changes = Vec::new();
            for candidate in neighbourhood.moves.clone() {
                neighbourhood.changes(&candidate, &mut changes);
                prop_assert_eq!(changes.len(), 3);
                prop_assert_eq!(changes.iter().filter(|change| change.to == 0).count(), 1);
                let mut next = state.clone();
                next.apply(&changes);
                if next.solve(f64::INFINITY) {
                    let allowed_usd = next.total_usd() + 1e-6 * (1.0 + next.total_usd().abs());
                    prop_assert!(candidate.bound_usd <= allowed_usd, "{} above {}", candidate.bound_usd, next.total_usd());
                }
            }
        }
    }
}
