//! What steers the greedy heuristic.

use super::settings;

settings! {
    /// What the greedy heuristic compares and tries. Chosen by `cargo bench --bench greedy` and `--bench quality -- --method gh`.
    ConstructTuning {
        /// Candidates of a query type that are kept in order of their value.
        sorted: usize = 48, positive;
        /// Share of a replica that a deployment is expected to leave idle: it speaks for small configurations.
        idle_share: f64 = 0.2, share;
        /// Rounds in which idle replicas of operating points are priced.
        idle_rounds: usize = 8, count;
        /// Part of the way that a load goes in each of these rounds.
        idle_step: f64 = 0.5, share;
        /// Candidates that meet the SLOs which the coverage phase compares for each query type.
        safe_candidates: usize = 16, count;
        /// Candidates of a query type that the joint coverage phase compares.
        joint_candidates: usize = 12, count;
        /// A query type counts as covered once less than this share is left.
        covered: f64 = 0.999, share;
        /// Pairs of the main query type's best candidates that an exchange looks at.
        exchange_pairs: usize = 8, count;
        /// Deployments of up to this many replicas may be closed afterwards.
        small: u32 = 3, count;
        /// Share of the rental of idle capacity that counts as useful to the query types which are placed later.
        idle_value: f64 = 0.5, share;
        /// Changes tried on every construction before they are compared.
        tries: usize = 6, count;
        /// More of these per query type.
        tries_per_type: usize = 2, count;
        /// Changes tried on the best construction.
        best_tries: usize = 18, count;
        /// More of these per query type.
        best_tries_per_type: usize = 3, count;
        /// Steps in which scarce limits are priced.
        price_steps: usize = 8, count;
        /// First price of a limit that is exceeded, relative to the rental.
        first_price: f64 = 0.25, figure;
        /// Orders tried where a query type found no place.
        repair_rounds: usize = 8, count;
        /// Steps (a deployment, a candidate or a flow looked at) per route after which no more is tried for query types that
        /// found no place: what is tried grows with the third or fourth power of the number of query types.
        steps_per_route: u64 = 1_000, count;
        /// Steps that may be taken for any problem.
        least_steps: u64 = 20_000_000, count;
    }
}
