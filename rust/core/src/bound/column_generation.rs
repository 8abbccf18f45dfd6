//! Prices that make the Lagrangian bound large, by stabilised column generation.
//!
//! The master program proposes prices; the function is evaluated at a mixture of these and of the best prices so far
//! (Wentges smoothing), which gives a bound and new patterns; both move towards each other until they meet.
//!
//! Source: Wentges, "Weighted Dantzig-Wolfe decomposition for linear mixed-integer programming", 1997; Pessoa,
//! Sadykov, Uchoa and Vanderbeck, "Automation and combination of linear-programming based stabilization techniques in
//! column generation", 2018.

use super::domain::Domain;
use super::knapsack::Knapsack;
use super::master::{Master, Solved};
use super::mixture::Mixture;
use super::prices::Prices;
use super::relaxation::{Evaluation, Pattern, Relaxation};
use crate::tuning::BoundTuning;
use crate::Stop;

/// Elementary steps, of a few nanoseconds, that a route takes in one evaluation.
const STEPS_PER_ROUTE: u64 = 4;

/// A change of bound or master program that counts, relative to these.
const LEAST_CHANGE: f64 = 1e-11;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Bound and master program agree.
    Converged,
    /// The bound has reached the cutoff.
    Cutoff,
    /// They agree only with artificial columns of the last level: most likely there is no solution.
    Artificial,
    /// Time, iterations or numerical trouble.
    Stopped,
}

/// What a run may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The run ends where the bound reaches this.
    pub(crate) cutoff: f64,
    /// Relative difference between bound and master program at which they agree.
    pub(crate) tolerance: f64,
    /// Evaluations of the function in this run.
    pub(crate) max_evaluations: u64,
}

#[derive(Debug)]
pub(crate) struct Generator<'r, 'p> {
    pub(crate) relaxation: &'r Relaxation<'p>,
    pub(crate) master: Master,
    /// The best prices so far, and the evaluation there.
    pub(crate) best_prices: Prices,
    pub(crate) best: Evaluation,
    /// Value of the master program.
    pub(crate) master_value: f64,
    pub(crate) evaluations: u64,
    /// About how many elementary steps the runs took, and after how many they end.
    pub(crate) work: u64,
    pub(crate) max_work: u64,
    /// Whether cuts are added.
    pub(crate) cuts: bool,
    /// The patterns that the master program took in, where they are noted.
    pub(crate) noted: Option<Vec<Pattern>>,
    guess: Prices,
    /// What the master program was built for.
    scope: Domain,
    proposed: Prices,
    point: Prices,
    evaluation: Evaluation,
}

impl<'r, 'p> Generator<'r, 'p> {
    pub(crate) fn new(relaxation: &'r Relaxation<'p>, domain: &Domain, guess: Prices) -> Self {
        Self {
            relaxation,
            master: Master::new(relaxation, domain, &guess, 0, 0),
            guess: guess.clone(),
            scope: domain.clone(),
            proposed: guess.clone(),
            point: guess.clone(),
            best_prices: guess,
            best: Evaluation { value: f64::NEG_INFINITY, ..Evaluation::default() },
            master_value: f64::INFINITY,
            evaluations: 0,
            work: 0,
            max_work: u64::MAX,
            cuts: false,
            noted: None,
            evaluation: Evaluation::default(),
        }
    }

    /// Whether the runs have taken as many steps as they may.
    pub(crate) fn is_spent(&self) -> bool {
        self.work >= self.max_work
    }

    fn count_evaluation(&mut self) {
        self.evaluations += 1;
        self.work += STEPS_PER_ROUTE * self.relaxation.problem.route_table().len() as u64;
    }

    /// Improves the bound over `domain`, starting from `best_prices`.
    pub(crate) fn run(&mut self, domain: &Domain, limits: Limits, stop: &Stop) -> Ending {
        self.master_value = f64::INFINITY;
        if !self.relaxation.evaluate(&self.best_prices, domain, stop, &mut self.best) {
            return Ending::Stopped;
        }
        self.count_evaluation();
        if self.best.value >= limits.cutoff {
            return Ending::Cutoff;
        }
        while !self.master.restrict(self.relaxation, domain) {
            if !self.enlarge(domain) {
                return Ending::Stopped;
            }
        }
        let at_start = std::mem::take(&mut self.best.patterns);
        for pattern in at_start.iter().filter(|pattern| pattern.replicas > 0) {
            let pair = self.relaxation.problem.pair(pattern.configuration as usize);
            if domain.forced[pair] && !self.master.can_idle(self.relaxation, domain, pair) {
                let idle = Pattern { routes: Vec::new(), ..*pattern };
                self.master.add(self.relaxation, &idle, true);
            }
        }
        // Before patterns that pay come in: with those at once, the dual simplex would move all of them to their upper
        // bounds first, and then most of them back.
        self.master.repair(stop);
        for pattern in at_start.iter().filter(|pattern| pattern.replicas > 0) {
            self.master.add(self.relaxation, pattern, false);
        }
        self.best.patterns = at_start;
        let tuning = self.relaxation.tuning;
        let end = self.evaluations.saturating_add(limits.max_evaluations.min(tuning.max_evaluations));
        let mut last_change = (self.evaluations, f64::NAN, f64::NAN);
        let mut smoothing = tuning.smoothing;
        loop {
            let work_before = self.master.work();
            let solved = self.master.solve(self.relaxation, stop);
            self.work += self.master.work().saturating_sub(work_before);
            let master_value = match solved {
                Solved::Value(value) => value,
                Solved::NeedsRows => {
                    if stop.should_stop() || !self.enlarge(domain) || !self.master.restrict(self.relaxation, domain) {
                        return Ending::Stopped;
                    }
                    continue;
                }
                Solved::Failed => return Ending::Stopped,
            };
            self.master_value = master_value;
            let agreed = limits.tolerance * master_value.abs();
            if master_value - self.best.value <= agreed {
                if !self.master.uses_artificials() {
                    if self.cuts && self.separate(domain) {
                        continue;
                    }
                    return Ending::Converged;
                }
                if !self.master.raise_artificials() {
                    return Ending::Artificial;
                }
                smoothing = tuning.smoothing;
                continue;
            }
            if self.evaluations >= end || self.is_spent() || stop.should_stop() {
                return Ending::Stopped;
            }
            if changes(last_change.1, master_value) || changes(last_change.2, self.best.value) {
                last_change = (self.evaluations, master_value, self.best.value);
            } else if self.evaluations - last_change.0 > tuning.patience {
                last_change.0 = self.evaluations;
                match self.end_of_stall() {
                    Some(ending) => return ending,
                    None => {
                        smoothing = tuning.smoothing;
                        continue;
                    }
                }
            }
            self.master.prices(self.relaxation, &mut self.proposed);
            self.proposed.blend(&self.best_prices, smoothing, &mut self.point);
            if !self.relaxation.evaluate(&self.point, domain, stop, &mut self.evaluation) {
                return Ending::Stopped;
            }
            self.count_evaluation();
            let mut added = 0_usize;
            for pattern in self.evaluation.patterns.iter().filter(|pattern| pattern.replicas > 0) {
                if self.master.add(self.relaxation, pattern, false) {
                    added += 1;
                    if let Some(noted) = &mut self.noted {
                        noted.push(pattern.clone());
                    }
                }
            }
            let improved = self.evaluation.value > self.best.value;
            if improved {
                std::mem::swap(&mut self.best, &mut self.evaluation);
                std::mem::swap(&mut self.best_prices, &mut self.point);
                if self.best.value >= limits.cutoff {
                    return Ending::Cutoff;
                }
            }
            if added == 0 {
                if smoothing == 0.0 && !improved {
                    // The prices of the master program are optimal up to its tolerances.
                    if let Some(ending) = self.end_of_stall() {
                        return ending;
                    }
                }
                smoothing = if smoothing > 0.2 { smoothing * 0.5 } else { 0.0 };
            } else {
                smoothing = tuning.smoothing;
            }
        }
    }

    /// How a run ends whose prices can be improved no more; `None` where more expensive artificial columns may still do so.
    fn end_of_stall(&mut self) -> Option<Ending> {
        if !self.master.uses_artificials() {
            Some(Ending::Converged)
        } else if !self.master.raise_artificials() {
            Some(Ending::Artificial)
        } else {
            None
        }
    }

    /// As [`Generator::run`], narrowing `domain` by reduced costs against the cutoff on the way, which keeps the master
    /// program small. What it proves holds for plans that cost less than the cutoff.
    pub(crate) fn run_narrowing(&mut self, domain: &mut Domain, limits: Limits, stop: &Stop) -> Ending {
        let (tuning, mut knapsack) = (self.relaxation.tuning, Knapsack::default());
        let mut built_for = usize::MAX;
        let mut last_change = (self.evaluations, f64::NAN, f64::NAN);
        // A bound stays one where the domain has become narrower, and where an evaluation is broken off.
        let mut proven = f64::NEG_INFINITY;
        loop {
            if limits.cutoff.is_finite() {
                // The first evaluation of a run is at the best prices: done here, it narrows the domain before that.
                if !self.relaxation.evaluate(&self.best_prices, domain, stop, &mut self.best) {
                    self.best.value = self.best.value.max(proven);
                    return Ending::Stopped;
                }
                proven = proven.max(self.best.value);
                self.relaxation.tighten(&self.best_prices, &self.best, limits.cutoff, domain, &mut knapsack, stop);
                let num_open = domain.num_open();
                if num_open.saturating_mul(10) < built_for.saturating_mul(7) {
                    built_for = num_open;
                    self.rebuild(domain);
                }
            }
            let before = self.evaluations;
            // Where nothing changes any more, the run itself finds that out.
            let is_stalled = self.evaluations - last_change.0 > tuning.patience;
            let most = if is_stalled { u64::MAX } else { tuning.narrowing_interval };
            let part = Limits { max_evaluations: limits.max_evaluations.min(most), ..limits };
            let ending = self.run(domain, part, stop);
            proven = proven.max(self.best.value);
            if ending == Ending::Stopped && (self.is_spent() || stop.should_stop()) {
                self.best.value = proven;
            }
            if changes(last_change.1, self.master_value) || changes(last_change.2, self.best.value) {
                last_change = (self.evaluations, self.master_value, self.best.value);
            }
            if is_stalled {
                return ending;
            }
            let interrupted = ending == Ending::Stopped && self.evaluations - before >= tuning.narrowing_interval;
            if !interrupted || self.is_spent() || stop.should_stop() {
                return ending;
            }
        }
    }

    /// Whether all that the master program deploys is in `domain`.
    pub(crate) fn mixture_is_within(&self, domain: &Domain) -> bool {
        self.master.mixture().all(|(pattern, _)| domain.allows(pattern.configuration as usize, pattern.replicas))
    }

    /// What the master program deploys.
    pub(crate) fn mixture(&self) -> Mixture {
        let mut mixture = Mixture::default();
        for (pattern, weight) in self.master.mixture() {
            mixture.add(pattern.configuration, weight, f64::from(pattern.replicas));
        }
        mixture
    }

    /// Rebuilds the master program for what is left open in `domain`, with the patterns that still apply.
    pub(crate) fn rebuild(&mut self, domain: &Domain) {
        self.scope.clone_from(domain);
        self.rebuild_with(0, self.master.num_cut_rows());
    }

    /// Rebuilds the master program with rows for more pairs; false where it has one for each already.
    fn enlarge(&mut self, domain: &Domain) -> bool {
        let before = self.master.num_pair_rows();
        let forced = domain.forced.iter().filter(|&&forced| forced).count();
        self.rebuild_with(2 * before + forced, self.master.num_cut_rows());
        self.master.num_pair_rows() > before
    }

    /// Gives rows to cuts that the mixture violates, made where there are too few of them; false where there are no such cuts.
    fn separate(&mut self, domain: &Domain) -> bool {
        let BoundTuning { most_cut_rows, spare_cut_rows, .. } = self.relaxation.tuning;
        let violated = self.master.violated(self.relaxation);
        let wanted = (self.master.cuts().len() + violated.len()).min(most_cut_rows);
        if !violated.is_empty() && wanted > self.master.num_cut_rows() {
            let cuts = (wanted + spare_cut_rows).min(most_cut_rows);
            self.rebuild_with(self.master.num_pair_rows(), cuts);
            while !self.master.restrict(self.relaxation, domain) {
                if !self.enlarge(domain) {
                    return false;
                }
            }
        }
        self.master.add_cuts(self.relaxation, &violated)
    }

    fn rebuild_with(&mut self, min_pair_rows: usize, num_cut_rows: usize) {
        let mut master = Master::new(self.relaxation, &self.scope, &self.guess, min_pair_rows, num_cut_rows);
        master.set_level(self.master.level());
        master.add_cuts(self.relaxation, self.master.cuts());
        for column in self.master.patterns() {
            if self.scope.allows(column.configuration as usize, column.replicas) {
                master.add(self.relaxation, column, true);
            }
        }
        self.master = master;
    }
}

/// Whether a value has changed by more than rounding.
fn changes(before: f64, now: f64) -> bool {
    let difference = (now - before).abs();
    // Also where one is infinite or no number.
    difference.is_nan() || difference > LEAST_CHANGE * before.abs()
}
