//! The first descents: a choice of configurations where replicas are many, whole counts for it, and local search from there.

use super::island::Island;
use super::islands::{best_choice, first_with_choice, share_memory};
use super::{Budget, Engine};
use crate::search::SearchLimits;
use crate::threads::for_each;
use crate::Stop;

impl Engine<'_> {
    /// Descends on every island from where it starts.
    pub(super) fn descend_from_starts<'s>(&mut self, budget: Budget, limits: &mut SearchLimits<'s>, stop: &'s Stop) {
        let (schedule, threads) = (&self.params.tuning.schedule, self.params.threads);
        let focus = self.params.tuning.kernel.focus;
        let choice_stop = match self.problem.has_many_routes() {
            true => stop.with_share(schedule.choice_time_share_of_many),
            false => stop.clone(),
        };
        let work = (schedule.choice_share * budget.work) as u64;
        let choice_limits = SearchLimits { work, stop: &choice_stop, ..limits.clone() };
        let master = self.master;
        // The greedy plan is there already; one that was given has to be looked at.
        let is_late = |island: &Island<'_>| stop.should_stop() && !island.has_given_plan;
        // The first island goes ahead, so that the others need not search again where it has been.
        for part in [0..1, 1..self.islands.len()] {
            for_each(self.islands[part].iter_mut(), threads, |island| {
                if !is_late(island) {
                    island.begin(master, focus, &choice_limits);
                }
            });
            share_memory(&mut self.islands);
        }
        limits.work = (schedule.start_share * budget.work) as u64;
        let choice = best_choice(&self.islands);
        for_each(self.islands.iter_mut(), threads, |island| {
            if !is_late(island) {
                island.vary_known_choice(choice.as_ref(), limits);
            }
        });
        self.take_counts((schedule.first_tree_share * budget.usual_work) as u64, stop);
        let least_work = (schedule.least_descent_share * budget.usual_work) as u64;
        let descends = self.params.switches.local_search;
        for_each(self.islands.iter_mut(), threads, |island| {
            if !is_late(island) {
                island.fix_counts_if_better(master, limits);
                island.descend(limits, least_work, descends);
            }
        });
        share_memory(&mut self.islands);
        self.share_best(0.0, stop);
    }

    /// Deploys the choices of configurations in whole counts that trees find, one tree for each choice.
    fn take_counts(&mut self, tree_work: u64, stop: &Stop) {
        let first = first_with_choice(&self.islands);
        for (index, island) in self.islands.iter_mut().enumerate() {
            let asks = first[index] == index && !island.has_given_plan && !stop.should_stop();
            island.has_counts = asks.then_some(false);
        }
        for_each(self.islands.iter_mut(), self.params.threads, |island| {
            if island.has_counts.is_some() {
                island.has_counts = Some(island.take_counts(tree_work, stop));
            }
        });
        for (index, &first) in first.iter().enumerate() {
            let (before, rest) = self.islands.split_at_mut(index);
            if let (Some(other), Some(island)) = (before.get(first), rest.first_mut()) {
                if other.has_counts == Some(true) {
                    island.search.state.clone_from(&other.search.state);
                }
            }
        }
    }
}
