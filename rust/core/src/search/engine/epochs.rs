//! Epochs: perturb the best state, descend again, share what is best.

use super::islands::share_memory;
use super::{Budget, Engine};
use crate::search::SearchLimits;
use crate::threads::for_each;
use crate::{Stop, StopReason};

impl Engine<'_> {
    /// Perturbs and descends until a limit is reached, or without one until the work is done or nothing improves any more.
    pub(super) fn work_in_epochs(&mut self, budget: Budget, limits: &mut SearchLimits<'_>, stop: &Stop) -> StopReason {
        let (params, master) = (self.params, self.master);
        let schedule = &params.tuning.schedule;
        limits.work = if budget.is_limited { u64::MAX } else { budget.work as u64 };
        let tree_work = (schedule.tree_share * budget.usual_work) as u64;
        let mut patience = schedule.patience;
        loop {
            let total_usd = self.incumbent.total_usd();
            if let Some(reason) = stop.reason(self.epochs) {
                return reason;
            }
            let is_spent = self.islands.iter().any(|island| island.work() >= limits.work);
            let is_done = !budget.is_limited && (is_spent || patience == 0);
            if is_done || !params.switches.local_search || self.incumbent.deployments().next().is_none() {
                return StopReason::LocalOptimum;
            }
            self.epochs += 1;
            limits.deep_below_usd = params.tuning.search.deep_below * total_usd;
            limits.again_below_usd = (1.0 + 1e-9) * total_usd;
            let limits = &*limits;
            for_each(self.islands.iter_mut(), params.threads, |island| {
                island.perturb(master, tree_work, limits);
                island.descend(limits, 0, true);
            });
            share_memory(&mut self.islands);
            let wander = if patience == 0 { schedule.wander } else { 0.0 };
            let is_new = self.share_best(wander, stop);
            patience = if is_new { schedule.patience } else { patience.saturating_sub(1) };
        }
    }

    /// Lets every island go on from the best state so far; whether that is new. Islands but the
    /// first keep a state that costs at most the share `wander` more.
    pub(super) fn share_best(&mut self, wander: f64, stop: &Stop) -> bool {
        let mut best: Option<usize> = None;
        let mut least_usd = if self.incumbent.is_sound() { self.incumbent.total_usd() } else { f64::INFINITY };
        for (index, island) in self.islands.iter().enumerate() {
            let total_usd = island.search.state.total_usd();
            if island.search.state.is_sound() && total_usd < least_usd * (1.0 - 1e-12) {
                least_usd = total_usd;
                best = Some(index);
            }
        }
        match best {
            Some(index) => self.incumbent.clone_from(&self.islands[index].search.state),
            // Nothing feasible yet: each island goes on from where it is.
            None if !self.incumbent.is_sound() => return false,
            None => {}
        }
        let most_usd = (1.0 + wander) * self.incumbent.total_usd();
        for (index, island) in self.islands.iter_mut().enumerate() {
            let state = &mut island.search.state;
            if best.is_some() || index == 0 || !state.is_sound() || state.total_usd() >= most_usd {
                state.clone_from(&self.incumbent);
            }
        }
        let focus = self.params.tuning.kernel.focus;
        if let (true, Some((first, others))) =
            (best.is_some() && self.refocuses && !stop.should_stop(), self.islands.split_first_mut())
        {
            first.search.refocus(self.master, focus);
            others.iter_mut().for_each(|island| island.search.share_focus(&first.search));
        }
        best.is_some()
    }
}
