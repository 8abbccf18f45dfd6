//! What one call of full re-planning works with.

use rand_pcg::Pcg64Mcg;

use super::payoff::{is_short, Kept};
use super::solutions::{deployments, descend_to_feasibility, SolutionPool};
use crate::routing::RoutingProgram;
use crate::search::{IncumbentDeployment, LocalSearch, MasterSolution, SearchLimits, SearchState};
use crate::tuning::{PlannerTuning, SearchTuning};
use crate::{Deployment, Problem, Stop, Switches};

/// Deployments and what a plan with them costs, USD.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) deployments: Vec<Deployment>,
    pub(super) usd: f64,
    /// Their routing, solved.
    pub(super) program: RoutingProgram,
}

/// What a call comes to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Deployments better than what is kept by more than a change must save; `None` where there are none.
    Next(Option<Next>),
    /// What was found so far is so poor that the search wants to look beyond the kernel, for which all routes have to be
    /// up to date.
    Poor(First),
}

/// What the first descents of a call found: every plan with its cost, and the best with its routing.
#[derive(Debug)]
pub(super) struct First {
    plans: Vec<(f64, Vec<Deployment>)>,
    best: Option<(Vec<Deployment>, RoutingProgram)>,
    work: u64,
}

/// What one call works with. `'c` is what outlives it.
pub(super) struct Call<'a, 'c> {
    pub(super) search: LocalSearch<'a>,
    pub(super) solutions: SolutionPool<'a>,
    pub(super) tuning: &'c PlannerTuning,
    pub(super) kept: Kept<'c>,
    pub(super) kept_state: SearchState<'a>,
    pub(super) running: &'a IncumbentDeployment,
    pub(super) starts: &'c [Vec<Deployment>],
    pub(super) limits: SearchLimits<'c>,
    pub(super) stop: &'c Stop,
}

impl<'a, 'c> Call<'a, 'c> {
    /// With `search` at what is kept, for the work of a quick pass.
    pub(super) fn new(
        search: LocalSearch<'a>,
        kept: Kept<'c>,
        running: &'a IncumbentDeployment,
        starts: &'c [Vec<Deployment>],
        tuning: &'c PlannerTuning,
        stop: &'c Stop,
    ) -> Self {
        let kept_state = search.state.clone();
        let solutions = SolutionPool { best: kept_state.clone(), plans: Vec::new() };
        let work = tuning.work(kept_state.problem(), tuning.quick_work);
        let limits = limits(work, tuning.tries, stop);
        Self { search, solutions, tuning, kept, kept_state, running, starts, limits, stop }
    }

    pub(super) fn problem(&self) -> &'a Problem {
        self.kept_state.problem()
    }

    pub(super) fn go_on_from(&mut self, first: First) {
        self.solutions.plans = first.plans;
        self.search.count_on(first.work);
        if let Some((deployments, program)) = first.best {
            self.solutions.best.set_deployments_of(&deployments, &program);
        }
    }

    pub(super) fn into_first(self) -> First {
        let work = self.search.work();
        let SolutionPool { best, plans } = self.solutions;
        let best = best.is_sound().then(|| (deployments(&best), best.into_program()));
        First { plans, best, work }
    }

    /// Begins with another master solution, within `kernel`, at what is kept.
    pub(super) fn begin_again(&mut self, master: &MasterSolution, kernel: Vec<u32>) {
        let Kept { deployments, program, .. } = self.kept;
        let search = search_from(self.problem(), master, kernel, self.running, deployments, program);
        let spent = std::mem::replace(&mut self.search, search).work();
        self.search.count_on(spent);
    }

    /// Descends from where the search is.
    pub(super) fn descend(&mut self) {
        descend_to_feasibility(&mut self.search, &self.limits, self.tuning);
        self.solutions.take(&self.search.state);
    }

    /// Whether the best leaves queries unserved.
    pub(super) fn is_short(&self) -> bool {
        is_short(self.problem(), &self.solutions.best)
    }

    pub(super) fn is_done(&self) -> bool {
        self.search.work() >= self.limits.work
    }

    /// Perturbs the best until the work is done.
    pub(super) fn perturb(&mut self, rng: &mut Pcg64Mcg) {
        for _ in 0..self.tuning.max_perturbations {
            let best = &self.solutions.best;
            if self.is_done() || !best.is_sound() || best.deployments().next().is_none() {
                break;
            }
            self.search.state.clone_from(best);
            self.search.perturb(rng, self.stop);
            self.descend();
        }
    }
}

/// A search at `deployments`, for about which `program` is solved.
pub(super) fn search_from<'a>(
    problem: &'a Problem,
    master: &MasterSolution,
    kernel: Vec<u32>,
    running: &'a IncumbentDeployment,
    deployments: &[Deployment],
    program: &RoutingProgram,
) -> LocalSearch<'a> {
    let mut search = LocalSearch::new(problem, master, kernel, Switches::default(), &SearchTuning::default());
    search.set_incumbent(running);
    search.state.set_deployments_of(deployments, program);
    search
}

/// Limits with `work` elementary steps and `tries` moves from one state.
pub(super) fn limits(work: u64, tries: usize, stop: &Stop) -> SearchLimits<'_> {
    // Deep operators take longer than they are worth here.
    SearchLimits {
        solves: u64::MAX,
        work,
        tries,
        deep_tries: 0,
        deep_below_usd: f64::NEG_INFINITY,
        again_below_usd: f64::NEG_INFINITY,
        stop,
    }
}
