//! Where the islands start, and which configurations the search moves within.

use crate::search::{siblings, Market};
use crate::{Deployment, Plan, Problem, Switches};

/// Islands; more would waste learning, fewer would leave threads idle.
const ISLANDS: usize = 4;
/// Replicas of one configuration from which the relaxation is worth rounding.
const MANY_REPLICAS: f64 = 3.0;

/// Where an island starts.
#[derive(Debug, Clone)]
pub(super) enum Start {
    /// From given deployments.
    From(Vec<Deployment>),
    /// From the relaxation, rounded to the nearest counts.
    Nearest,
    /// From the relaxation, rounded at random.
    Random,
}

/// Where the islands start.
pub(super) struct Starts<'p> {
    pub(super) greedy: &'p Plan,
    pub(super) initial_plan: Option<&'p Plan>,
    pub(super) market: &'p Market,
    pub(super) switches: Switches,
}

impl Starts<'_> {
    /// The configurations that the search moves within: promising ones, and those of every start.
    pub(super) fn kernel(&self, problem: &Problem, size: usize) -> Vec<u32> {
        let mut kernel = match self.switches.coverage_ranking {
            true => self.market.kernel(problem, size),
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

    fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.initial_plan.into_iter().chain([self.greedy])
    }

    /// One start for each island.
    pub(super) fn deployments(&self) -> Vec<Start> {
        let mut starts: Vec<Start> = self.plans().map(|plan| Start::From(plan.deployments.clone())).collect();
        let market = |least| Start::From(self.market.rounded(least));
        match (self.switches.coverage_ranking, self.has_many_replicas()) {
            (true, true) => starts.extend([Start::Nearest, market(0.4), Start::Random]),
            (true, false) => starts.extend([Start::From(Vec::new()), market(0.4), market(0.1)]),
            (false, _) => starts.extend([Start::From(Vec::new()), Start::Random, Start::Random]),
        }
        starts.truncate(if self.switches.multi_start { ISLANDS } else { 1 });
        starts
    }

    /// Whether the relaxation asks for several replicas of something: then counts matter more than choices.
    fn has_many_replicas(&self) -> bool {
        self.market.mixture.iter().any(|entry| entry.1 >= MANY_REPLICAS)
    }
}

/// The configurations with the cheapest replicas: what is left to go by without the ranking.
fn cheapest(problem: &Problem, size: usize) -> Vec<u32> {
    let mut order: Vec<u32> =
        (0..problem.num_configurations() as u32).filter(|&a| problem.replica_limit(a as usize) > 0).collect();
    order.sort_by(|&a, &b| problem.replica_usd(a as usize).total_cmp(&problem.replica_usd(b as usize)));
    order.truncate(size);
    order
}

/// The configurations that starting dives are made over: what the relaxation mixes, and as far as there is room its
/// siblings.
pub(super) fn members(problem: &Problem, market: &Market) -> Vec<u32> {
    let mut members: Vec<u32> = market.mixture.iter().map(|entry| entry.0).collect();
    let most = 2 * problem.num_query_types() + 8;
    for &(a, _) in &market.mixture {
        let more: Vec<u32> = siblings(problem, a, 2.0).filter(|other| !members.contains(other)).collect();
        if members.len() + more.len() <= most {
            members.extend(more);
        }
    }
    members.sort_unstable();
    members
}

/// Whether no configuration of the same (model, tier) takes fewer GPUs.
fn is_smallest(problem: &Problem, a: usize) -> bool {
    let gpus = |a: &u32| problem.gpus_per_replica(*a as usize);
    let least = problem.pair_configurations(problem.pair(a)).iter().map(gpus).fold(f64::INFINITY, f64::min);
    problem.gpus_per_replica(a) <= least
}
