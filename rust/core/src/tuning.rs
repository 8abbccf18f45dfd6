//! Numbers that steer the adaptive greedy heuristic.

use crate::{Error, Problem, Result};

/// Every number that steers AGH beside its [`Switches`](crate::Switches), for benchmarks that vary them.
///
/// Steps are elementary steps of the search, of a few nanoseconds each: counted, not timed, so that a plan does not depend on
/// the machine. Unless a field says otherwise, its default gave the smallest mean gap in its time among round numbers tried
/// with `cargo bench --bench quality` on the measuring problems; what was tried without gain is in `docs/decisions`. New
/// fields may come with any release.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Tuning {
    /// How the work is divided.
    pub schedule: Schedule,
    /// How many configurations the search moves within.
    pub kernel: KernelSizes,
    /// What a search from one state does.
    pub search: SearchTuning,
}

/// How much a run does, and how it divides that among its phases.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Schedule {
    /// Steps of all islands where no limit is set, with one query type; 1.18e5 by default.
    pub work: f64,
    /// Power of the number of query types by which these grow; 2 by default.
    pub work_growth: f64,
    /// The most of these steps; 4e8 by default, about two seconds.
    pub max_work: f64,
    /// The least of these steps per route where there are many routes; 1,000 by default: the choice of configurations takes
    /// most of them, and whole counts have to follow.
    pub work_per_route_of_many: f64,
    /// Islands: searches side by side from different starts; 4 by default. More would waste learning, fewer leave threads idle.
    pub islands: usize,
    /// Share of the steps that the starts may take; 0.6 by default.
    pub start_share: f64,
    /// Share of the steps that the choices of configurations may take before whole counts are looked for; 0.3 by default.
    pub choice_share: f64,
    /// Share of the time that these may take where it is limited and routes are many; 0.5 by default.
    pub choice_time_share_of_many: f64,
    /// Share of the steps that the first descent has even where the choices have taken more than theirs; 0.2 by default.
    pub least_descent_share: f64,
    /// Share of the steps that a tree for whole counts may take at the start; 0.1 by default.
    pub first_tree_share: f64,
    /// Share of the steps that a tree for whole counts may take later; 0.02 by default.
    pub tree_share: f64,
    /// Share of the steps, beside them, that the components of a problem that falls apart may take; 0.5 by default.
    pub apart_share: f64,
    /// Epochs without improvement after which a run without limits ends; 75 by default. Those that lead back to known states
    /// cost little.
    pub patience: u64,
    /// Where a run with a limit has not improved for so long, islands go on from what they have as long as it costs at most
    /// this share more than the best; 0.03 by default.
    pub wander: f64,
    /// Replicas of one configuration from which on the choice of configurations is searched on its own; 3 by default.
    pub many_replicas: f64,
    /// Where a bound is asked for, the share of the time that the search may take; 0.3 by default. The rest goes into the
    /// bound, by a branch and bound that looks for better plans as well.
    pub search_share: f64,
    /// That share where routes are many; 0.8 by default, since a good bound takes no time there.
    pub search_share_of_many: f64,
    /// Seconds per route by which the search ends before a deadline; 3.5e-8 by default: what it does between two looks at the
    /// clock, and the plan that is made of its result, take about as long.
    pub reserve_s_per_route: f64,
    /// Time that setting up the search may take, in terms of that of the construction, which tells how fast the machine is; 4
    /// by default.
    pub setup_constructions: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            work: 1.18e5,
            work_growth: 2.0,
            max_work: 4e8,
            work_per_route_of_many: 1_000.0,
            islands: 4,
            start_share: 0.6,
            choice_share: 0.3,
            choice_time_share_of_many: 0.5,
            least_descent_share: 0.2,
            first_tree_share: 0.1,
            tree_share: 0.02,
            apart_share: 0.5,
            patience: 75,
            wander: 0.03,
            many_replicas: 3.0,
            search_share: 0.3,
            search_share_of_many: 0.8,
            reserve_s_per_route: 3.5e-8,
            setup_constructions: 4.0,
        }
    }
}

impl Schedule {
    /// Steps that a run without limits may take.
    pub(crate) fn usual_work(&self, problem: &Problem) -> f64 {
        let by_types = (self.work * (problem.num_query_types() as f64).powf(self.work_growth)).min(self.max_work);
        match problem.has_many_routes() {
            true => by_types.max(self.work_per_route_of_many * problem.route_table().len() as f64),
            false => by_types,
        }
    }
}

/// How many configurations the search moves within.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct KernelSizes {
    /// At least; 24 by default.
    pub base: usize,
    /// More per query type; 2 by default.
    pub per_type: usize,
    /// At least where counts are left open, when many are affordable; 60 by default.
    pub choice_base: usize,
    /// More per query type where counts are left open; 4 by default.
    pub choice_per_type: usize,
    /// Configurations that the prices at the best state add, by each of two measures; 8 by default.
    pub focus: usize,
}

impl Default for KernelSizes {
    fn default() -> Self {
        Self { base: 24, per_type: 2, choice_base: 60, choice_per_type: 4, focus: 8 }
    }
}

/// What a search from one state does: descents and perturbations.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SearchTuning {
    /// Moves tried from one state by simple operators; 12 by default.
    pub tries: usize,
    /// More of these per query type; 1 by default.
    pub tries_per_type: usize,
    /// Moves tried from one state by deep operators; 8 by default.
    pub deep_tries: usize,
    /// Moves tried by simple operators from a state that a descent has gone on from before; 4 by default.
    pub tries_again: usize,
    /// Moves tried by deep operators from such a state; 2 by default.
    pub deep_tries_again: usize,
    /// Deep operators run on states within this factor of the best; 1.05 by default.
    pub deep_below: f64,
    /// Improvements smaller than this, relative to the total, are not worth a step; 1e-6 by default, far below any gap.
    pub least_improvement: f64,
    /// First price of shortage in terms of what the relaxation pays for serving; 3 by default. Less than serving costs at the
    /// margin would make it pay to leave traffic unserved.
    pub shortage_factor: f64,
    /// How shortage becomes dearer where some is left.
    pub escalation: Escalation,
    /// TP/PP of a deployed pair that is moved within: replicas of up to this many times more or fewer GPUs; 4 by default.
    pub sibling_ratio: f64,
    /// How a local optimum is left.
    pub perturbation: Perturbation,
}

impl Default for SearchTuning {
    fn default() -> Self {
        Self {
            tries: 12,
            tries_per_type: 1,
            deep_tries: 8,
            tries_again: 4,
            deep_tries_again: 2,
            deep_below: 1.05,
            least_improvement: 1e-6,
            shortage_factor: 3.0,
            escalation: Escalation::default(),
            sibling_ratio: 4.0,
            perturbation: Perturbation::default(),
        }
    }
}

/// How shortage becomes dearer, step by step, until a state serves everything or counts as hopeless.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Escalation {
    /// Factor of each step; 4 by default.
    pub factor: f64,
    /// Most steps; 8 by default.
    pub steps: usize,
}

impl Default for Escalation {
    fn default() -> Self {
        Self { factor: 4.0, steps: 8 }
    }
}

/// How the search leaves a local optimum. Shares are probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Perturbation {
    /// Share that changes the choice of configurations first and then finds counts for it, where choices are searched; 0.7 by
    /// default.
    pub choice_share: f64,
    /// Share of these that keeps the choice and makes its counts whole in another way; 0.8 by default.
    pub fix_share: f64,
    /// Moves tried from one choice after a count was made whole; 2 by default: a look at what promises most.
    pub fix_tries: usize,
    /// Counts are not looked for where the choice costs more than this, in terms of the present total; 1.03 by default.
    pub counts_below: f64,
    /// Share of the others that dives where some deployment has many replicas; 0.5 by default.
    pub dive_share: f64,
    /// How many replicas of a deployment are many; 4 by default.
    pub many_replicas: u32,
    /// A dive is given up where it cannot end below this, in terms of the present total; 1.05 by default.
    pub dive_below: f64,
    /// Share of what remains that makes a promising move though it costs more; 0.5 by default.
    pub worsening_share: f64,
    /// Such a move costs at most this by its bound, in terms of the present total; 1.1 by default.
    pub worsening_below: f64,
    /// It is one of so many, at random; 16 by default.
    pub worsening_moves: usize,
    /// Share of such moves that are of deep operators; 0.3 by default.
    pub deep_worsening_share: f64,
    /// Share of what remains that opens something instead of taking something away; 0.5 by default.
    pub insertion_share: f64,
    /// Configurations among which the one to open is chosen: at most; 30 by default.
    pub contestants: usize,
    /// Moves after which a random refill is left to the descent; 8 by default.
    pub max_refills: usize,
}

impl Default for Perturbation {
    fn default() -> Self {
        Self {
            choice_share: 0.7,
            fix_share: 0.8,
            fix_tries: 2,
            counts_below: 1.03,
            dive_share: 0.5,
            many_replicas: 4,
            dive_below: 1.05,
            worsening_share: 0.5,
            worsening_below: 1.1,
            worsening_moves: 16,
            deep_worsening_share: 0.3,
            insertion_share: 0.5,
            contestants: 30,
            max_refills: 8,
        }
    }
}

impl Tuning {
    /// Checks that shares are shares, that counts which have to be positive are, and that nothing is negative.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the number that is out of range.
    pub fn validate(&self) -> Result<()> {
        let (schedule, search, perturbation) = (&self.schedule, &self.search, &self.search.perturbation);
        let shares = [
            ("schedule.start_share", schedule.start_share),
            ("schedule.choice_share", schedule.choice_share),
            ("schedule.choice_time_share_of_many", schedule.choice_time_share_of_many),
            ("schedule.least_descent_share", schedule.least_descent_share),
            ("schedule.first_tree_share", schedule.first_tree_share),
            ("schedule.tree_share", schedule.tree_share),
            ("schedule.apart_share", schedule.apart_share),
            ("schedule.search_share", schedule.search_share),
            ("schedule.search_share_of_many", schedule.search_share_of_many),
            ("search.least_improvement", search.least_improvement),
            ("search.perturbation.choice_share", perturbation.choice_share),
            ("search.perturbation.fix_share", perturbation.fix_share),
            ("search.perturbation.dive_share", perturbation.dive_share),
            ("search.perturbation.worsening_share", perturbation.worsening_share),
            ("search.perturbation.deep_worsening_share", perturbation.deep_worsening_share),
            ("search.perturbation.insertion_share", perturbation.insertion_share),
        ];
        let figures = [
            ("schedule.work", schedule.work),
            ("schedule.work_growth", schedule.work_growth),
            ("schedule.max_work", schedule.max_work),
            ("schedule.work_per_route_of_many", schedule.work_per_route_of_many),
            ("schedule.wander", schedule.wander),
            ("schedule.many_replicas", schedule.many_replicas),
            ("schedule.reserve_s_per_route", schedule.reserve_s_per_route),
            ("schedule.setup_constructions", schedule.setup_constructions),
            ("search.deep_below", search.deep_below),
            ("search.shortage_factor", search.shortage_factor),
            ("search.escalation.factor", search.escalation.factor),
            ("search.sibling_ratio", search.sibling_ratio),
            ("search.perturbation.counts_below", perturbation.counts_below),
            ("search.perturbation.dive_below", perturbation.dive_below),
            ("search.perturbation.worsening_below", perturbation.worsening_below),
        ];
        let counts = [
            ("schedule.islands", schedule.islands),
            ("kernel.base", self.kernel.base),
            ("search.perturbation.contestants", perturbation.contestants),
        ];
        let out_of_range = |name: &str, rule: &str, value: f64| {
            Err(Error::invalid(format!("tuning.{name}"), format!("must be {rule}, got {value}")))
        };
        for (name, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return out_of_range(name, "between 0 and 1", value);
            }
        }
        for (name, value) in figures {
            if !value.is_finite() || value < 0.0 {
                return out_of_range(name, "a number of at least 0", value);
            }
        }
        for (name, value) in counts {
            if value == 0 {
                return out_of_range(name, "at least 1", 0.0);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        assert_eq!(Tuning::default().validate(), Ok(()));
    }

    #[test]
    fn a_number_out_of_range_is_named() {
        let mut tuning = Tuning::default();
        tuning.search.perturbation.dive_share = 1.5;
        let refused = tuning.validate();
        assert!(
            matches!(refused, Err(Error::Invalid { entry, .. }) if entry == "tuning.search.perturbation.dive_share")
        );
        tuning = Tuning::default();
        tuning.schedule.islands = 0;
        let refused = tuning.validate();
        assert!(matches!(refused, Err(Error::Invalid { entry, .. }) if entry == "tuning.schedule.islands"));
    }
}
