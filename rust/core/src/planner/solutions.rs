//! What a call of the planner finds: the best state, and others that a later call may start from.

use crate::search::{LocalSearch, SearchLimits, SearchState};
use crate::tuning::PlannerTuning;
use crate::Deployment;

/// The best state of a call, and every plan with its cost.
pub(super) struct SolutionPool<'a> {
    pub(super) best: SearchState<'a>,
    pub(super) plans: Vec<(f64, Vec<Deployment>)>,
}

impl<'a> SolutionPool<'a> {
    /// Descends from each start that is near enough to the best.
    pub(super) fn search_from(
        &mut self,
        search: &mut LocalSearch<'a>,
        starts: &[Vec<Deployment>],
        limits: &SearchLimits<'_>,
        tuning: &PlannerTuning,
    ) {
        for start in starts {
            search.state.set_deployments(start);
            search.solves += 1;
            if self.is_near(&search.state, tuning.near) {
                descend_to_feasibility(search, limits, tuning);
                self.take(&search.state);
            }
        }
    }

    /// Whether a descent from a state may lead to something better than the best.
    fn is_near(&self, state: &SearchState<'_>, near: f64) -> bool {
        !self.best.is_sound() || !state.is_sound() || state.total_usd() <= near * self.best.total_usd()
    }

    /// Takes a state that is a plan over, and as the best where it is that.
    pub(super) fn take(&mut self, state: &SearchState<'a>) {
        if !state.is_sound() {
            return;
        }
        self.plans.push((state.total_usd(), deployments(state)));
        if !self.best.is_sound() || state.total_usd() < self.best.total_usd() * (1.0 - 1e-12) {
            self.best.clone_from(state);
        }
    }
}

/// The deployments of a state by rising configuration.
pub(super) fn deployments(state: &SearchState<'_>) -> Vec<Deployment> {
    let of = |(configuration, replicas)| Deployment { configuration: configuration as u32, replicas };
    let mut deployments: Vec<Deployment> = state.deployments().map(of).collect();
    deployments.sort_unstable_by_key(|entry| entry.configuration);
    deployments
}

/// Descends; where shortage is left, raises its price and descends again.
pub(super) fn descend_to_feasibility(search: &mut LocalSearch<'_>, limits: &SearchLimits<'_>, tuning: &PlannerTuning) {
    search.descend_to_feasibility_by(tuning.escalation, limits, true);
}
