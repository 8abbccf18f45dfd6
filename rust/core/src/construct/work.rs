//! How much a construction has done, counted in steps that do not depend on the machine.

use std::cell::Cell;

use crate::tuning::ConstructTuning;
use crate::Problem;

/// Counts steps: a deployment, a candidate or a flow that is looked at.
#[derive(Debug, Default)]
pub(super) struct Work {
    steps: Cell<u64>,
}

impl Work {
    /// Starts again from 0.
    pub(super) fn restart(&self) {
        self.steps.set(0);
    }

    #[inline]
    pub(super) fn count(&self, steps: usize) {
        self.steps.set(self.steps.get() + steps as u64);
    }

    /// Whether so much has been done that what has found no place stays without one.
    pub(super) fn is_enough(&self, problem: &Problem, tuning: &ConstructTuning) -> bool {
        let routes = problem.route_table().query_type.len() as u64;
        self.steps.get() > tuning.least_steps.max(tuning.steps_per_route * routes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{falling_rate, greedy_heuristic, Workspace};
    use super::*;
    use crate::generate::{physical, Family, Size};
    use crate::{Stop, Switches};

    /// All of many query types have to be served within a budget that does for some.
    #[test]
    fn what_finds_no_place_takes_steps_in_proportion_to_the_routes() {
        let ample = physical(Size::new(80, 2, 4), 10.0, Family::Plain, 1).expect("a valid problem");
        let mut workspace = Workspace::new();
        let order = falling_rate(&ample);
        let found = greedy_heuristic(&ample, &order, Switches::default(), &mut workspace, &Stop::never());
        assert!(found.is_feasible());
        let rental_usd: f64 =
            found.deployments.iter().map(|d| ample.replica_usd(d.configuration as usize) * f64::from(d.replicas)).sum();
        let steps_of_a_plan = workspace.work.steps.get();
        let mut data = ample.data().clone();
        data.query_types.max_unmet.fill(0.0);
        data.budget_usd = 0.5 * rental_usd;
        let scarce = Problem::new(data).expect("a valid problem");
        let mut workspace = Workspace::new();
        assert!(!greedy_heuristic(&scarce, &order, Switches::default(), &mut workspace, &Stop::never()).is_feasible());
        let steps = workspace.work.steps.get();
        let tuning = ConstructTuning::default();
        let most = tuning.least_steps.max(tuning.steps_per_route * scarce.route_table().query_type.len() as u64);
        assert!(steps > steps_of_a_plan && steps < most + most / 4, "{steps} of {most}; {steps_of_a_plan}");
    }
}
