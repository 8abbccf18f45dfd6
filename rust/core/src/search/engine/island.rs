//! One stream of the search.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use crate::search::{ContinuousSearch, LocalSearch, MasterSolution, SearchLimits, SearchState};
use crate::tuning::Perturbation;
use crate::{Deployment, Stop};

/// One stream of the search.
#[derive(Debug)]
pub(super) struct Island<'a> {
    pub(super) search: LocalSearch<'a>,
    /// The search over choices of configurations, where replicas are many.
    pub(super) continuous: Option<ContinuousSearch<'a>>,
    pub(super) rng: Pcg64Mcg,
    /// Where it starts.
    pub(super) start: Vec<Deployment>,
    /// Whether a tree found whole counts for the choice at the start; `None` where none was asked.
    pub(super) has_counts: Option<bool>,
    /// The start is a plan that the caller gave.
    pub(super) has_given_plan: bool,
}

impl<'a> Island<'a> {
    /// Deploys the start, and looks for a better choice of configurations from there where that is done. A plan that was given
    /// is used unchanged.
    pub(super) fn begin(&mut self, master: &MasterSolution, focus: usize, limits: &SearchLimits<'_>) {
        self.search.state.set_deployments(&self.start);
        if self.has_given_plan {
            return;
        }
        if let Some(continuous) = &mut self.continuous {
            continuous.choose(self.start.iter().map(|entry| entry.configuration as usize));
            continuous.descend(master, focus, limits);
        }
    }

    /// Where the search over choices ended in what another island knows already, moves from `choice` to another one nearby.
    pub(super) fn vary_known_choice(&mut self, choice: Option<&SearchState<'a>>, limits: &SearchLimits<'_>) {
        if let (Some(continuous), Some(choice)) = (&mut self.continuous, choice) {
            if continuous.is_visited() {
                continuous.share(choice);
                continuous.perturb(&mut self.rng, limits);
            }
        }
    }

    /// About how many elementary steps were taken; see [`LocalSearch::work`].
    pub(super) fn work(&self) -> u64 {
        self.search.work() + self.continuous_work()
    }

    fn continuous_work(&self) -> u64 {
        self.continuous.as_ref().map_or(0, ContinuousSearch::work)
    }

    fn tuning(&self) -> &Perturbation {
        &self.search.tuning.perturbation
    }

    /// What whole counts may cost to be worth a look, USD.
    fn most_usd_of_counts(&self) -> f64 {
        let state = &self.search.state;
        if state.is_sound() {
            self.tuning().counts_below * state.total_usd()
        } else {
            f64::INFINITY
        }
    }

    /// Deploys the present choice of configurations in its best whole counts. False, and nothing changed, where there is no
    /// such choice or it is not worth it.
    pub(super) fn take_counts(&mut self, tree_work: u64, stop: &Stop) -> bool {
        let cutoff_usd = self.most_usd_of_counts();
        let Some(continuous) = &mut self.continuous else { return false };
        if !continuous.state().is_sound() || continuous.state().total_usd() >= cutoff_usd {
            return false;
        }
        let Some(deployments) = continuous.whole_counts(cutoff_usd, tree_work, stop) else { return false };
        self.search.adopt(deployments);
        true
    }

    /// As [`Island::take_counts`], where counts are made whole one after the other and the choice adapts to each.
    fn fix_counts(&mut self, master: &MasterSolution, limits: &SearchLimits<'_>) -> bool {
        let cutoff_usd = self.most_usd_of_counts();
        let tries = self.tuning().fix_tries;
        let Some(continuous) = &mut self.continuous else { return false };
        let work = limits.work.saturating_sub(self.search.work());
        let limits =
            SearchLimits { work, tries, deep_below_usd: 0.0, again_below_usd: f64::NEG_INFINITY, ..limits.clone() };
        let Some(deployments) = continuous.fix_counts(cutoff_usd, &mut self.rng, master, &limits) else { return false };
        self.search.adopt(deployments);
        true
    }

    /// Deploys the present choice of configurations with its counts made whole one by one, where that is better than what is
    /// deployed.
    pub(super) fn fix_counts_if_better(&mut self, master: &MasterSolution, limits: &SearchLimits<'_>) {
        let before = self.search.state.clone();
        if self.fix_counts(master, limits) && before.is_sound() {
            let is_better = self.search.state.is_sound() && self.search.state.total_usd() <= before.total_usd();
            if !is_better {
                self.search.state = before;
            }
        }
    }

    /// Leaves the present state for another, by its choice of configurations or directly.
    pub(super) fn perturb(&mut self, master: &MasterSolution, tree_work: u64, limits: &SearchLimits<'_>) {
        let Perturbation { choice_share, fix_share, .. } = *self.tuning();
        if let Some(continuous) = &mut self.continuous {
            if self.rng.random_bool(choice_share) {
                continuous.choose(self.search.state.deployments().map(|entry| entry.0));
                let is_found = if self.rng.random_bool(fix_share) {
                    self.fix_counts(master, limits)
                } else {
                    let work = limits.work.saturating_sub(self.search.work());
                    continuous.perturb(&mut self.rng, &SearchLimits { work, ..limits.clone() });
                    self.take_counts(tree_work, limits.stop)
                };
                if is_found {
                    return;
                }
            }
        }
        self.search.perturb(&mut self.rng, limits.stop);
    }

    /// Descends, within what the search over choices has left of the work, and at least `least_work`.
    pub(super) fn descend(&mut self, limits: &SearchLimits<'_>, least_work: u64, descends: bool) {
        let left = limits.work.saturating_sub(self.continuous_work());
        let work = left.max(self.search.work().saturating_add(least_work));
        self.search.descend_to_feasibility(&SearchLimits { work, ..limits.clone() }, descends);
    }
}
