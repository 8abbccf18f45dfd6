//! Search over which configurations to deploy, their replica counts left open.
//!
//! Where replicas are many, whole counts hide which choice of configurations is good: to leave one for another, half a dozen
//! counts have to change at once. In a [continuous](SearchState::continuous) state counts follow the traffic, so the moves of
//! [`LocalSearch`] change the choice alone, each costed with its best counts. A [small tree](CountTree) then finds whole
//! ones.
//!
//! Source of the idea, to search over the integer part of a relaxation that is cheap to solve: Crainic, Gendreau and
//! Farvolden, "A simplex-based tabu search method for capacitated network design", 2000.

use rand::{Rng, RngExt};

use crate::search::count_tree::{dearest_fractional, read_counts};
use crate::search::{CountTree, LocalSearch, MasterSolution, Memory, SearchLimits, SearchState};
use crate::tuning::SearchTuning;
use crate::{Deployment, Problem, Stop, Switches};

/// A search over continuous states with the tree for their counts.
#[derive(Debug, Clone)]
pub(crate) struct ContinuousSearch<'a> {
    search: LocalSearch<'a>,
    counting: SearchState<'a>,
    tree: CountTree,
    choice: Vec<Deployment>,
}

impl<'a> ContinuousSearch<'a> {
    /// Nothing deployed yet; moves within the `kernel` of configurations (rising indices).
    pub(crate) fn new(
        problem: &'a Problem,
        master: &MasterSolution,
        kernel: Vec<u32>,
        switches: Switches,
        tuning: &SearchTuning,
    ) -> Self {
        let state = SearchState::continuous(problem, 8 + problem.num_query_types() / 2);
        let search = LocalSearch::from_state(state, master, kernel, switches, tuning);
        Self { counting: search.state.clone(), search, tree: CountTree::default(), choice: Vec::new() }
    }

    /// About how many elementary steps the search has taken; see [`LocalSearch::work`].
    pub(crate) fn work(&self) -> u64 {
        self.search.work() + self.counting.program().work()
    }

    /// What is known of choices.
    pub(crate) fn memory_mut(&mut self) -> &mut Memory {
        self.search.memory_mut()
    }

    /// Whether the last descent ended at a choice that one had continued from before.
    pub(crate) fn is_visited(&self) -> bool {
        self.search.is_visited()
    }

    /// The present choice.
    pub(crate) fn state(&self) -> &SearchState<'a> {
        &self.search.state
    }

    /// Takes over the choice of another search.
    pub(crate) fn share(&mut self, state: &SearchState<'a>) {
        self.search.state.clone_from(state);
    }

    /// Goes on from the configurations of some deployments.
    pub(crate) fn choose(&mut self, deployments: impl Iterator<Item = usize>) {
        self.choice.clear();
        self.choice.extend(deployments.map(|a| Deployment { configuration: a as u32, replicas: 1 }));
        self.search.state.set_deployments(&self.choice);
    }

    /// Descends; where the prices at the end favour other configurations, lets them in and goes on, unless another descent
    /// has been there.
    pub(crate) fn descend(&mut self, master: &MasterSolution, focus: usize, limits: &SearchLimits<'_>) {
        let mut before_usd = f64::INFINITY;
        while self.search.descend_to_feasibility(limits, true)
            && !self.search.is_visited()
            && self.search.state.total_usd() < before_usd * (1.0 - 1e-9)
        {
            before_usd = self.search.state.total_usd();
            self.search.refocus(master, focus);
        }
    }

    /// Leaves the present choice for another nearby.
    pub(crate) fn perturb(&mut self, rng: &mut impl Rng, limits: &SearchLimits<'_>) {
        self.search.perturb(rng, limits.stop);
        self.search.descend_to_feasibility(limits, true);
    }

    /// Makes the counts of the present choice whole one after the other, the most expensive replicas first, at random by how near they
    /// are, and after each chooses again what else to deploy: a count rounded down may call for something that the choice
    /// did not need. `None` where whole counts would cost `cutoff_usd` or more.
    ///
    /// Source of the scheme: Dillenberger et al., "On practical resource allocation for production planning and scheduling
    /// with period overlapping setups", 1994 (relax and fix).
    pub(crate) fn fix_counts(
        &mut self,
        cutoff_usd: f64,
        rng: &mut impl Rng,
        master: &MasterSolution,
        limits: &SearchLimits<'_>,
    ) -> Option<&[Deployment]> {
        let search = &mut self.search;
        let mut is_found = false;
        while search.state.is_sound() && search.state.total_usd() < cutoff_usd && search.work() < limits.work {
            let Some((a, replicas)) =
                dearest_fractional(&search.state, search.state.deployments().map(|entry| entry.0))
            else {
                is_found = true;
                break;
            };
            let up = rng.random::<f64>() < replicas.fract();
            let whole = replicas.floor() as u32 + u32::from(up);
            if !search.hold(master, a, whole) || !search.descend_to_feasibility(limits, true) {
                break;
            }
        }
        if is_found {
            read_counts(&search.state, &mut self.tree.found);
        }
        let choice: Vec<usize> = search.state.deployments().map(|entry| entry.0).collect();
        search.held.clear();
        self.choose(choice.into_iter());
        self.search.forget_cuts(master);
        is_found.then_some(self.tree.found.as_slice())
    }

    /// The whole counts of the present choice that cost least, and less than `cutoff_usd`, as far as a tree of `max_work`
    /// elementary steps finds them.
    pub(crate) fn whole_counts(&mut self, cutoff_usd: f64, max_work: u64, stop: &Stop) -> Option<&[Deployment]> {
        let Self { search, counting, tree, .. } = self;
        counting.clone_from(&search.state);
        CountTree::price_shortage(counting, search.state.program());
        tree.search(counting, cutoff_usd, max_work, stop)?;
        Some(&self.tree.found)
    }
}
