//! Where the islands start, and which configurations the search moves within.

use crate::search::{siblings, Market, Ranking};
use crate::{Deployment, Plan, Problem, Switches};

/// Islands; more would waste learning, fewer would leave threads idle.
const ISLANDS: usize = 4;
/// Replicas of one configuration from which the choice of configurations is searched on its own.
const MANY_REPLICAS: f64 = 3.0;

/// Where the islands start.
pub(super) struct Starts<'p> {
    pub(super) greedy: &'p Plan,
    pub(super) initial_plan: Option<&'p Plan>,
    pub(super) market: &'p Market,
    pub(super) ranking: Ranking<'p>,
    pub(super) switches: Switches,
}

impl Starts<'_> {
    /// The configurations that the search moves within: promising ones, and those of every start.
    pub(super) fn kernel(&self, problem: &Problem, size: usize) -> Vec<u32> {
        let mut kernel = match self.switches.coverage_ranking {
            true => self.ranking.kernel(size, size / 2),
            false => cheapest(problem, size),
        };
        if !self.switches.tp_selection {
            kernel.retain(|&a| is_smallest(problem, a as usize));
        }
        kernel.extend(self.plans().flat_map(|plan| plan.deployments.iter().map(|entry| entry.configuration)));
        if self.switches.tp_selection && self.switches.coverage_ranking {
            kernel.extend(self.market.mixture.iter().flat_map(|entry| siblings(problem, entry.0, 2.0)));
        }
        kernel.sort_unstable();
        kernel.dedup();
        kernel
    }

    /// The configurations that the search over choices moves within; without counts, many are affordable.
    pub(super) fn elastic_kernel(&self, size: usize) -> Vec<u32> {
        let mut kernel = self.ranking.kernel(0, size);
        kernel.extend(self.plans().flat_map(|plan| plan.deployments.iter().map(|entry| entry.configuration)));
        kernel.extend(self.market.mixture.iter().map(|entry| entry.0));
        kernel.sort_unstable();
        kernel.dedup();
        kernel
    }

    fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.initial_plan.into_iter().chain([self.greedy])
    }

    /// The deployments that each island starts from.
    pub(super) fn deployments(&self) -> Vec<Vec<Deployment>> {
        let mut starts: Vec<Vec<Deployment>> = self.plans().map(|plan| plan.deployments.clone()).collect();
        if self.switches.coverage_ranking {
            starts.extend([0.4, 0.1].map(|least| self.market.rounded(self.ranking.problem(), least)));
        }
        starts.resize(ISLANDS.max(starts.len()), Vec::new());
        starts.truncate(if self.switches.multi_start { ISLANDS } else { 1 });
        starts
    }

    /// Whether the choice of configurations is searched with the counts left open: where the relaxation asks for several
    /// replicas of something, which has its price. Where it does not, whole counts are as quick and tell more.
    pub(super) fn searches_choices(&self) -> bool {
        let Switches { local_search, coverage_ranking, tp_selection, .. } = self.switches;
        let has_many = self.market.mixture.iter().any(|entry| entry.1 >= MANY_REPLICAS);
        has_many && local_search && coverage_ranking && tp_selection
    }
}

/// The configurations with the cheapest replicas: what is left to go by without the ranking.
fn cheapest(problem: &Problem, size: usize) -> Vec<u32> {
    let mut order: Vec<u32> =
        (0..problem.num_configurations() as u32).filter(|&a| problem.replica_limit(a as usize) > 0).collect();
    let open_usd = |a: &u32| f64::from(problem.min_replicas(*a as usize)) * problem.replica_usd(*a as usize);
    order.sort_by(|a, b| open_usd(a).total_cmp(&open_usd(b)));
    order.truncate(size);
    order
}

/// Whether no configuration of the same (model, tier) takes fewer GPUs.
fn is_smallest(problem: &Problem, a: usize) -> bool {
    let gpus = |a: &u32| problem.gpus_per_replica(*a as usize);
    let least = problem.pair_configurations(problem.pair(a)).iter().map(gpus).fold(f64::INFINITY, f64::min);
    problem.gpus_per_replica(a) <= least
}
