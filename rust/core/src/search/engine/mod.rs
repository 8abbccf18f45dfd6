//! The search engine: several local searches side by side that learn from each other.
//!
//! Islands start from different deployments and [descend](descents); then they go on in [epochs]: each perturbs the best state
//! of all, descends again, and everyone takes over the best of the epoch. What an island finds out about states it tells the
//! others in between, so that none is costed twice ([`Memory`](super::Memory)). Where replicas are many, starts and part of
//! the perturbations choose configurations first, with their counts left open, and make these whole then
//! ([`ContinuousSearch`]). What an island does depends on the seed and its number alone, so the result is the same on any number
//! of threads.
//!
//! Source of the scheme: Lourenço, Martin and Stützle, "Iterated local search", 2003.

mod descents;
mod epochs;
mod island;
mod islands;
mod statistics;

use rand_pcg::Pcg64Mcg;

use crate::search::{ContinuousSearch, LocalSearch, MasterSolution, SearchLimits, SearchState};
use crate::splitmix::stream;
use crate::{Deployment, Problem, SolveParams, Stop, StopReason};
use island::Island;

/// Where the islands start and what they move within.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// What each island deploys at first.
    pub(crate) starts: Vec<Vec<Deployment>>,
    /// The first start is a plan that the caller gave, which is used unchanged as the starting point.
    pub(crate) is_first_given: bool,
    /// The configurations that the search moves within, by rising index.
    pub(crate) kernel: Vec<u32>,
    /// Those of the search over choices of configurations; `None` where there is none.
    pub(crate) choice_kernel: Option<Vec<u32>>,
}

/// The islands and the best state of all.
#[derive(Debug)]
pub(crate) struct Engine<'a> {
    problem: &'a Problem,
    params: &'a SolveParams,
    master: &'a MasterSolution,
    islands: Vec<Island<'a>>,
    incumbent: SearchState<'a>,
    refocuses: bool,
    epochs: u64,
    starts_s: f64,
    epochs_s: f64,
}

/// What limits a run: steps, and whether the caller has set an end.
#[derive(Debug, Clone, Copy)]
struct Budget {
    /// Steps of each island where nothing limits the run.
    usual_work: f64,
    /// Steps of each island; infinite where the caller's limit is the only one.
    work: f64,
    /// The caller has set a limit on time or iterations.
    is_limited: bool,
}

impl<'a> Engine<'a> {
    /// Nothing searched yet.
    pub(crate) fn new(problem: &'a Problem, master: &'a MasterSolution, setup: Setup, params: &'a SolveParams) -> Self {
        let (switches, tuning) = (params.switches, &params.tuning.search);
        let search = LocalSearch::new(problem, master, setup.kernel, switches, tuning);
        let continuous =
            setup.choice_kernel.map(|kernel| ContinuousSearch::new(problem, master, kernel, switches, tuning));
        let island = |(index, start): (usize, Vec<Deployment>)| Island {
            search: search.clone(),
            continuous: continuous.clone(),
            rng: Pcg64Mcg::new(stream(params.seed, index as u64)),
            start,
            has_counts: None,
            has_given_plan: index == 0 && setup.is_first_given,
        };
        Self {
            problem,
            params,
            master,
            islands: setup.starts.into_iter().enumerate().map(island).collect(),
            incumbent: search.state,
            refocuses: switches.tp_selection && switches.coverage_ranking,
            epochs: 0,
            starts_s: 0.0,
            epochs_s: 0.0,
        }
    }

    /// Descends from the starts, then works in epochs until a limit is reached.
    pub(crate) fn run(&mut self, stop: &Stop) -> StopReason {
        let budget = self.budget();
        let mut limits = self.limits(stop);
        let start_s = stop.elapsed_s();
        self.descend_from_starts(budget, &mut limits, stop);
        self.starts_s = stop.elapsed_s() - start_s;
        let reason = self.work_in_epochs(budget, &mut limits, stop);
        self.epochs_s = stop.elapsed_s() - start_s - self.starts_s;
        reason
    }

    /// The best state found.
    pub(crate) fn incumbent(&self) -> &SearchState<'a> {
        &self.incumbent
    }

    fn budget(&self) -> Budget {
        let params = self.params;
        // With a bound asked for, what time is left after the search's own end is better spent on that.
        let is_timed = params.time_limit_s.is_some_and(f64::is_finite) && !params.bound;
        let is_limited = is_timed || params.max_iterations.is_some();
        let usual_work = params.tuning.schedule.usual_work(self.problem) / self.islands.len() as f64;
        // Without an end the choices of a large problem would leave nothing for whole counts.
        let work = if is_limited && !self.problem.has_many_routes() { f64::INFINITY } else { usual_work };
        Budget { usual_work, work, is_limited }
    }

    fn limits<'s>(&self, stop: &'s Stop) -> SearchLimits<'s> {
        let tuning = &self.params.tuning.search;
        SearchLimits {
            solves: u64::MAX,
            work: u64::MAX,
            tries: tuning.tries + tuning.tries_per_type * self.problem.num_query_types(),
            deep_tries: tuning.deep_tries,
            deep_below_usd: f64::INFINITY,
            again_below_usd: f64::NEG_INFINITY,
            stop,
        }
    }
}
