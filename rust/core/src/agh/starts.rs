//! Where the islands start, and which configurations the search moves within.

use crate::search::{siblings, MasterSolution, Ranking, Setup};
use crate::{Deployment, Plan, Problem, SolveParams, Switches};

/// TP/PP beside those of the relaxation that the kernel has: replicas of up to this many times more or fewer GPUs.
const SIBLING_RATIO: f64 = 2.0;
/// The relaxation is made whole twice: without what it asks for less than this share of a replica.
const ROUNDED_FROM: [f64; 2] = [0.4, 0.1];

/// What the first plans and the prices of the relaxation say about where to search.
pub(super) struct Starts<'p> {
    problem: &'p Problem,
    params: &'p SolveParams,
    greedy: &'p Plan,
    initial_plan: Option<&'p Plan>,
    master: &'p MasterSolution,
    ranking: Ranking<'p>,
}

impl<'p> Starts<'p> {
    pub(super) fn new(
        problem: &'p Problem,
        params: &'p SolveParams,
        greedy: &'p Plan,
        initial_plan: Option<&'p Plan>,
        master: &'p MasterSolution,
    ) -> Self {
        Self { problem, params, greedy, initial_plan, master, ranking: Ranking::new(problem, master) }
    }

    /// What the engine needs, with about `size` configurations to move within.
    pub(super) fn setup(&self, size: usize) -> Setup {
        let sizes = &self.params.tuning.kernel;
        let choice_size = sizes.choice_base + sizes.choice_per_type * self.problem.num_query_types();
        Setup {
            starts: self.deployments(),
            is_first_given: self.initial_plan.is_some(),
            kernel: self.kernel(size),
            choice_kernel: self.searches_choices().then(|| self.continuous_kernel(choice_size)),
        }
    }

    /// The configurations that the search moves within: promising ones, and those of every start.
    fn kernel(&self, size: usize) -> Vec<u32> {
        let switches = self.params.switches;
        let mut kernel = match switches.coverage_ranking {
            true => self.ranking.kernel(size, size / 2),
            false => cheapest(self.problem, size),
        };
        if !switches.tp_selection {
            kernel.retain(|&a| is_smallest(self.problem, a as usize));
        }
        kernel.extend(self.plans().flat_map(|plan| plan.deployments.iter().map(|entry| entry.configuration)));
        if switches.tp_selection && switches.coverage_ranking {
            kernel.extend(self.master.mixture.iter().flat_map(|entry| siblings(self.problem, entry.0, SIBLING_RATIO)));
        }
        kernel.sort_unstable();
        kernel.dedup();
        kernel
    }

    /// The configurations that the search over choices moves within; without counts, many are affordable.
    fn continuous_kernel(&self, size: usize) -> Vec<u32> {
        let mut kernel = self.ranking.kernel(0, size);
        kernel.extend(self.plans().flat_map(|plan| plan.deployments.iter().map(|entry| entry.configuration)));
        kernel.extend(self.master.mixture.iter().map(|entry| entry.0));
        kernel.sort_unstable();
        kernel.dedup();
        kernel
    }

    fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.initial_plan.into_iter().chain([self.greedy])
    }

    /// The deployments that each island starts from.
    fn deployments(&self) -> Vec<Vec<Deployment>> {
        let (switches, islands) = (self.params.switches, self.params.tuning.schedule.islands);
        let mut starts: Vec<Vec<Deployment>> = self.plans().map(|plan| plan.deployments.clone()).collect();
        if switches.coverage_ranking {
            starts.extend(ROUNDED_FROM.map(|least| self.master.rounded(self.problem, least)));
        }
        starts.resize(islands.max(starts.len()), Vec::new());
        starts.truncate(if switches.multi_start { islands } else { 1 });
        starts
    }

    /// Whether the choice of configurations is searched with the counts left open, where few replicas are needed too: single
    /// moves between whole counts seldom lead from one good choice to another.
    fn searches_choices(&self) -> bool {
        let Switches { local_search, coverage_ranking, tp_selection, .. } = self.params.switches;
        local_search && coverage_ranking && tp_selection
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
