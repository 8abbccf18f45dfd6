//! The best whole counts of the choices of configurations that a call has at hand.

use super::call::Call;
use super::solutions::deployments;
use crate::search::{CountTree, SearchState};
use crate::Deployment;

impl Call<'_, '_> {
    /// Descends from where a tree of `max_work` elementary steps ends, for the choice of the best and those of other starts.
    pub(super) fn count(&mut self, tree: &mut CountTree, max_work: u64) {
        for choice in self.choices() {
            if self.is_done() {
                break;
            }
            let mut state = SearchState::continuous(self.problem(), choice.len());
            state.set_incumbent(self.running);
            CountTree::price_shortage(&mut state, self.search.state.program());
            state.set_deployments(&choice);
            let best = &self.solutions.best;
            let cutoff_usd = if best.is_sound() { best.total_usd() } else { f64::INFINITY };
            // With fractions of replicas a choice costs least.
            let may_be_better = state.is_solved() && state.total_usd() < cutoff_usd;
            let is_found = may_be_better && tree.search(&mut state, cutoff_usd, max_work, self.stop).is_some();
            self.search.count_on(state.program().work());
            if is_found {
                self.search.state.set_deployments(&tree.found);
                self.descend();
            }
        }
    }

    /// What the best and other starts deploy, one replica of each, where something has many.
    fn choices(&self) -> Vec<Vec<Deployment>> {
        let best = deployments(&self.solutions.best);
        let mut choices: Vec<Vec<Deployment>> = Vec::new();
        for plan in std::iter::once(&best).chain(self.starts) {
            let mut choice: Vec<Deployment> = plan.iter().map(|entry| Deployment { replicas: 1, ..*entry }).collect();
            choice.sort_unstable_by_key(|entry| entry.configuration);
            let has_many = plan.iter().any(|entry| entry.replicas >= self.tuning.many_replicas);
            if has_many && choices.len() < self.tuning.choices && !choices.contains(&choice) {
                choices.push(choice);
            }
        }
        choices
    }
}
