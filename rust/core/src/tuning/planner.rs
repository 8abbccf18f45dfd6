//! What steers the planner's search for deployments.

use super::settings;
use crate::tuning::Escalation;
use crate::Problem;

settings! {
    /// Numbers that steer [`Planner::replan`](crate::Planner::replan).
    ///
    /// Work is in elementary steps of a problem with one query type; it grows with the number of query types to the power of
    /// `work_growth`. Chosen on walks of rates by `cargo bench --bench planner`: the smallest mean gap to a cold run of AGH at
    /// the same median time of a call.
    PlannerTuning {
        /// The prices are computed again where a rate has moved by more than this factor since.
        drift: f64 = 2.0, figure;
        /// Most rounds of column generation that renew the prices; few are needed, since they begin with the columns of before.
        pricing_rounds: usize = 60, count;
        /// Work of a quick pass, which most calls are.
        quick_work: f64 = 2.9e3, figure;
        /// Work of a call that intensifies.
        intensive_work: f64 = 2.3e4, figure;
        /// Power of the number of query types by which work grows.
        work_growth: f64 = 1.95, figure;
        /// Most work of a call, whatever the number of query types.
        max_work: f64 = 1e8, figure;
        /// Most work of the dive that every call may make.
        dive_work: f64 = 1.2e3, figure;
        /// Most work of each dive of a call that intensifies.
        intensive_dive_work: f64 = 6e3, figure;
        /// Work that new prices count as; about what they take.
        pricing_work: f64 = 6e3, figure;
        /// Most work of each tree for whole counts.
        tree_work: f64 = 2e3, figure;
        /// Work, beyond setting up, of enlarging what was found so that it has headroom.
        headroom_work: f64 = 2.0e3, figure;
        /// More work where what was found is not enough for the demand, in terms of that of a quick pass.
        repair_factor: u64 = 2, count;
        /// Plans that were good before and are kept as further starts.
        alternatives: usize = 4, count;
        /// Those of them that a quick pass looks at.
        quick_alternatives: usize = 1, count;
        /// Starts within this factor of the best are searched from.
        near: f64 = 1.5, figure;
        /// Dives of a call that intensifies which round at random.
        random_dives: usize = 3, count;
        /// The first dive is given up where it cannot end below this, in terms of the best so far.
        dive_below: f64 = 1.03, figure;
        /// A call looks no further where the gap to the relaxation is no wider than before by this share.
        good: f64 = 0.004, figure;
        /// That share where the present deployments are enough for the demand.
        good_kept: f64 = 0.003, figure;
        /// There, this share more of what a change must save, since a change would have to find more than that.
        good_saving_share: f64 = 0.7, figure;
        /// Moves tried from one state.
        tries: usize = 7, count;
        /// Most perturbations of a call, which on tiny problems take next to no work.
        max_perturbations: usize = 200, count;
        /// How the price of shortage rises before it counts as unavoidable: in fewer and larger steps than where nothing is deployed yet.
        escalation: Escalation = Escalation { factor: 8.0, steps: 5 }, nested;
        /// Choices of configurations for which a tree looks for whole counts.
        choices: usize = 3, count;
        /// Replicas of one configuration from which on counts are worth a tree.
        many_replicas: u32 = 3, count;
        /// Configurations of the relaxation before those that no longer run are left out, at least.
        members: usize = 8, count;
        /// More of these per query type.
        members_per_type: usize = 1, count;
        /// The prices have lost their meaning where their value and the relaxation's have come apart by this share: the first is
        /// at most the least cost with fractions of replicas, the second at least.
        apart: f64 = 0.03, figure;
        /// Least headroom that is tried, as a share of the setting.
        least_headroom_share: f64 = 0.1, share;
        /// Factor by which headroom grows where it was taken.
        headroom_growth: f64 = 1.5, figure;
        /// What headroom is divided by where it cost too much.
        headroom_shrink: f64 = 2.0, figure;
        /// How many configurations the search moves within.
        kernel: PlannerKernelSizes = PlannerKernelSizes::default(), nested;
        /// When a call intensifies.
        intensification: IntensificationTuning = IntensificationTuning::default(), nested;
    }
}

impl PlannerTuning {
    /// Elementary steps on `problem`, of `one` with one query type.
    pub(crate) fn work(&self, problem: &Problem, one: f64) -> u64 {
        (one * (problem.num_query_types() as f64).powf(self.work_growth)).min(self.max_work) as u64
    }
}

settings! {
    /// How many configurations the planner's search moves within.
    PlannerKernelSizes {
        /// Those that the prices favour, at least.
        base: usize = 14, count;
        /// More of these per query type.
        per_type: usize = 1, count;
        /// Others that a call which intensifies may move within, at least.
        others: usize = 60, count;
        /// More of these per query type.
        others_per_type: usize = 4, count;
        /// Other TP/PP of what the relaxation mixes are among them: replicas of up to this many times more or fewer GPUs.
        sibling_ratio: f64 = 2.0, figure;
        /// Others that one such call moves within, at least.
        drawn: usize = 12, count;
        /// More of these per query type.
        drawn_per_type: usize = 2, count;
        /// Configurations that the prices do not favour, and that ran last, which stay.
        kept: usize = 8, count;
    }
}

settings! {
    /// When a call of the planner intensifies its search. Each call raises a credit by one; shares are of the gap to the
    /// relaxation after the last calls.
    IntensificationTuning {
        /// What a call that intensifies takes of the credit.
        cost: f64 = 2.4, figure;
        /// Most credit; a call intensifies where there is that much.
        most_credit: f64 = 9.0, figure;
        /// Most debt.
        most_debt: f64 = 9.0, figure;
        /// The call intensifies where the gap is wider by this share and there is credit.
        wider: f64 = 0.01, figure;
        /// The call intensifies, into debt if need be, where the gap is wider by this share.
        much_wider: f64 = 0.03, figure;
        /// Share by which the gap of before is forgotten per call.
        forgotten: f64 = 0.002, figure;
        /// Most that a call forgets which intensified and found nothing better.
        most_forgotten: f64 = 0.05, figure;
        /// The prices are computed again at once where the gap is wider by this share.
        off: f64 = 0.05, figure;
    }
}
