//! What a call of the planner finds: the best state, and others that a later call may start from.

use crate::search::{LocalSearch, SearchLimits, SearchState};
use crate::tuning::Escalation;
use crate::Deployment;

/// Starts within this factor of the best are searched from.
const NEAR: f64 = 1.5;
/// How shortage becomes dearer before it counts as unavoidable: in fewer and larger steps than where nothing runs yet.
const ESCALATION: Escalation = Escalation { factor: 8.0, steps: 5 };

/// The best state of a call, and every plan with its cost.
pub(super) struct Found<'a> {
    pub(super) best: SearchState<'a>,
    pub(super) plans: Vec<(f64, Vec<Deployment>)>,
}

impl<'a> Found<'a> {
    /// Descends from each start that is near enough to the best.
    pub(super) fn search_from(
        &mut self,
        search: &mut LocalSearch<'a>,
        starts: &[Vec<Deployment>],
        limits: &SearchLimits<'_>,
    ) {
        for start in starts {
            search.state.set_deployments(start);
            search.solves += 1;
            if self.is_near(&search.state) {
                settle(search, limits);
                self.take(&search.state);
            }
        }
    }

    /// Whether a descent from a state may lead to something better than the best.
    fn is_near(&self, state: &SearchState<'_>) -> bool {
        !self.best.is_sound() || !state.is_sound() || state.total_usd() <= NEAR * self.best.total_usd()
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

/// Descends; where shortage is left, makes it dearer and descends again.
pub(super) fn settle(search: &mut LocalSearch<'_>, limits: &SearchLimits<'_>) {
    search.settle_by(ESCALATION, limits, true);
}
