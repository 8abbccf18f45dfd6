//! What steers method AGH: its schedule, the sizes of its kernels, and what a search from one state does.

use super::settings;
use crate::Problem;

settings! {
    /// How much a run does, and how it divides that among its phases.
    Schedule {
        /// Steps of all islands where no limit is set, with one query type.
        work: f64 = 1.18e5, figure;
        /// Power of the number of query types by which these grow.
        work_growth: f64 = 2.0, figure;
        /// The most of these steps, about two seconds.
        max_work: f64 = 4e8, figure;
        /// The least of these steps per route where there are many routes: the choice of configurations takes
        /// most of them, and whole counts have to follow.
        work_per_route_of_many: f64 = 1_000.0, figure;
        /// Islands: searches side by side from different starts. More would waste learning, fewer leave threads idle.
        islands: usize = 4, positive;
        /// Share of the steps that the starts may take.
        start_share: f64 = 0.6, share;
        /// Share of the steps that the choices of configurations may take before whole counts are looked for.
        choice_share: f64 = 0.3, share;
        /// Share of the time that these may take where it is limited and routes are many.
        choice_time_share_of_many: f64 = 0.5, share;
        /// Share of the steps that the first descent has even where the choices have taken more than theirs.
        least_descent_share: f64 = 0.2, share;
        /// Share of the steps that a tree for whole counts may take at the start.
        first_tree_share: f64 = 0.1, share;
        /// Share of the steps that a tree for whole counts may take later.
        tree_share: f64 = 0.02, share;
        /// Share of the steps, beside them, that the components of a problem that falls apart may take.
        apart_share: f64 = 0.3, share;
        /// Share of the steps, beside them, in which components of the plan found answer to each other.
        answers_share: f64 = 0.15, share;
        /// Epochs without improvement after which a run without limits ends. Those that lead back to known states
        /// cost little.
        patience: u64 = 75, count;
        /// Where a run with a limit has not improved for so long, islands continue from what they have as long as it costs at most
        /// this share more than the best.
        wander: f64 = 0.03, figure;
        /// Where a bound is asked for, the share of the time that the search may take. The rest goes into the
        /// bound, by a branch and bound that looks for better plans as well.
        search_share: f64 = 0.3, share;
        /// That share where routes are many, since a good bound takes no time there.
        search_share_of_many: f64 = 0.8, share;
        /// Seconds per route by which the search ends before a deadline: what it does between two looks at the
        /// clock, and the plan that is made of its result, take about as long.
        reserve_s_per_route: f64 = 3.5e-8, figure;
        /// Time that setting up the search may take, in terms of that of the construction, which tells how fast the machine is.
        setup_constructions: f64 = 4.0, figure;
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

settings! {
    /// How many configurations the search moves within.
    KernelSizes {
        /// At least.
        base: usize = 24, positive;
        /// More per query type.
        per_type: usize = 2, count;
        /// At least where counts are left open, when many are affordable.
        choice_base: usize = 60, count;
        /// More per query type where counts are left open.
        choice_per_type: usize = 4, count;
        /// Configurations that the prices at the best state add, by each of two measures.
        focus: usize = 8, count;
    }
}

settings! {
    /// What a search from one state does: descents and perturbations.
    SearchTuning {
        /// Moves tried from one state by simple operators.
        tries: usize = 12, count;
        /// More of these per query type.
        tries_per_type: usize = 1, count;
        /// Moves tried from one state by deep operators.
        deep_tries: usize = 8, count;
        /// Moves tried by simple operators from a state that a descent has continued from before.
        tries_again: usize = 4, count;
        /// Moves tried by deep operators from such a state.
        deep_tries_again: usize = 2, count;
        /// Deep operators run on states within this factor of the best.
        deep_below: f64 = 1.05, figure;
        /// Improvements smaller than this, relative to the total, are not worth a step, far below any gap.
        least_improvement: f64 = 1e-6, share;
        /// First price of shortage in terms of what the relaxation pays for serving. Less than serving costs at the
        /// margin would make it pay to leave traffic unserved.
        shortage_factor: f64 = 3.0, figure;
        /// How the price of shortage rises where some is left.
        escalation: Escalation = Escalation::default(), nested;
        /// TP/PP of a deployed pair that is moved within: replicas of up to this many times more or fewer GPUs.
        sibling_ratio: f64 = 4.0, figure;
        /// How a local optimum is left.
        perturbation: Perturbation = Perturbation::default(), nested;
    }
}

settings! {
    /// How the price of shortage rises, step by step, until a state serves everything or counts as hopeless.
    Escalation {
        /// Factor of each step.
        factor: f64 = 4.0, figure;
        /// Most steps.
        steps: usize = 8, count;
    }
}

settings! {
    /// How the search leaves a local optimum. Shares are probabilities.
    Perturbation {
        /// Share that changes the choice of configurations first and then finds counts for it, where choices are searched; 0.7 by
        /// default.
        choice_share: f64 = 0.7, share;
        /// Share of these that keeps the choice and makes its counts whole in another way.
        fix_share: f64 = 0.8, share;
        /// Moves tried from one choice after a count was made whole: a look at what promises most.
        fix_tries: usize = 2, count;
        /// Counts are not looked for where the choice costs more than this, in terms of the present total.
        counts_below: f64 = 1.03, figure;
        /// Share of the others that dives where some deployment has many replicas.
        dive_share: f64 = 0.5, share;
        /// How many replicas of a deployment are many.
        many_replicas: u32 = 4, count;
        /// A dive is given up where it cannot end below this, in terms of the present total.
        dive_below: f64 = 1.05, figure;
        /// Share of what remains that makes a promising move though it costs more.
        worsening_share: f64 = 0.5, share;
        /// Such a move costs at most this by its bound, in terms of the present total.
        worsening_below: f64 = 1.1, figure;
        /// It is one of so many, at random.
        worsening_moves: usize = 16, count;
        /// Share of such moves that are of deep operators.
        deep_worsening_share: f64 = 0.3, share;
        /// Share of what remains that opens something instead of taking something away.
        insertion_share: f64 = 0.5, share;
        /// Configurations among which the one to open is chosen: at most.
        contestants: usize = 30, positive;
        /// Moves after which a random refill is left to the descent.
        max_refills: usize = 8, count;
    }
}
