//! What steers lower bounds, the search tree, and proofs.

use super::settings;

settings! {
    /// How lower bounds are found. Chosen by `cargo bench --bench quality -- --method bnb` and `benches/certificates.py`.
    BoundTuning {
        /// Weight of the best prices so far in the prices that are evaluated next.
        smoothing: f64 = 0.7, share;
        /// Most cuts that have a row at a time: each makes every pivot slower.
        most_cut_rows: usize = 20, count;
        /// Rows that are made beyond those asked for.
        spare_cut_rows: usize = 2, count;
        /// Evaluations between two attempts to narrow the domain.
        narrowing_interval: u64 = 12, positive;
        /// Evaluations in a row that change neither bound nor master program after which a run ends: rounding can make patterns
        /// look as if they paid that the program has already.
        patience: u64 = 250, count;
        /// Most evaluations of one run.
        max_evaluations: u64 = 50_000, count;
        /// Missing share of a deployment from which on a cover cut is added.
        least_cover_violation: f64 = 0.05, share;
        /// How a tree over these bounds is searched.
        tree: TreeTuning = TreeTuning::default(), nested;
    }
}

settings! {
    /// How the tree of branch and bound is searched. Chosen by `cargo bench --bench quality -- --method bnb`.
    TreeTuning {
        /// Nodes between two dives for a plan.
        dive_interval: u64 = 50, positive;
        /// Nodes between two dives among the first `dive_interval`: later on, dives seldom find what earlier ones missed.
        early_dive_interval: u64 = 10, positive;
        /// Relative difference between bound and master program at which a node is solved, in terms of the gap.
        gap_share: f64 = 0.05, share;
        /// Least of that difference.
        least_tolerance: f64 = 1e-6, share;
        /// Most of that difference.
        most_tolerance: f64 = 5e-3, share;
        /// Without a time limit the search ends where so many nodes close too little of the gap.
        patience_nodes: u64 = 1_500, positive;
        /// Share of the gap that they have to close.
        least_progress: f64 = 1e-3, share;
        /// Without a time limit the search ends after so many nodes without a plan: a proof that there is none may have to try all
        /// numbers of replicas.
        max_nodes_without_plan: u64 = 20_000, count;
        /// Master programs that are kept for open nodes: enough for those that come next, few enough to be freed at once.
        max_masters: usize = 48, count;
        /// Candidates that are tried before one is branched on.
        max_tried: usize = 6, count;
        /// Evaluations of the Lagrangian function per tried side.
        trial_evaluations: u64 = 4, count;
        /// Samples of each side from which on a forecast counts as good as a trial.
        reliable: f64 = 1.0, figure;
    }
}

settings! {
    /// How the work of a proof is divided.
    ProofTuning {
        /// Elementary steps that proofs by components may take.
        components_work: u64 = 1_500_000_000, count;
        /// Share of the time that they may take.
        components_share: f64 = 0.4, share;
        /// The part, one in so many, that they may take where steps are limited: what joins their plans is not counted.
        components_part: u64 = 8, positive;
        /// Share of the time that the first plan may take.
        start_share: f64 = 0.2, share;
        /// Relative gap from which on any plan is a good enough first plan.
        any_plan_gap: f64 = 1.0, figure;
        /// Elementary steps that branching may take for a bound without a time limit: tens of milliseconds.
        branching_work: u64 = 8_000_000, count;
    }
}
