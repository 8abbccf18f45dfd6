//! AGH, the adaptive greedy heuristic: several constructions, local search, and perturbations of the best plan.
//!
//! A fixed number of islands start from different constructions, descend, and then go on in epochs: each perturbs the
//! best state of all, descends again, and the best of the epoch is taken over by everyone. What an island finds out about
//! states it tells the others between epochs, so that none is costed twice ([`Memory`](crate::search::Memory)). Where
//! replicas are many, starts and part of the perturbations choose configurations first, with their counts left open, and
//! make these whole then ([`ElasticSearch`]). What an island does depends on the seed and its number alone, so the plan is
//! the same on any number of threads. Source of the scheme:
//! Lourenço, Martin and Stützle, "Iterated local search", 2003; of the heuristic that it extends: Cheng & Nguyen,
//! "Fast Heterogeneous Serving", arXiv 2604.07472.

mod apart;
mod island;
mod starts;

use rand_pcg::Pcg64Mcg;

use crate::agh::apart::Apart;
use crate::agh::island::{best_choice, first_with_choice, on_threads, share_memory, Island};
use crate::agh::starts::Starts;
use crate::check::gate;
use crate::search::{
    ElasticSearch, LocalSearch, Market, OperatorStatistics, Ranking, SearchLimits, SearchState, OPERATORS,
};
use crate::splitmix::stream;
use crate::{construct, Deployment, Plan, Problem, Result, SolveParams, Stop, StopReason};

/// Elementary steps of all islands where no limit is set, with one query type, and the power by which they grow with the
/// number of query types; see [`LocalSearch::work`]. Steps take a few nanoseconds.
const WORK: f64 = 1.18e5;
const WORK_GROWTH: f64 = 2.0;
const MAX_WORK: f64 = 4e8;
/// The least of these steps per route where there are many routes: the choice of configurations takes most of them, and whole
/// counts have to follow.
const WORK_PER_ROUTE_OF_MANY: f64 = 1_000.0;
/// Share of the time that the choices of configurations may take there where it is limited.
const CHOICE_TIME_OF_MANY: f64 = 0.5;
/// Share of the steps that the starts may take, and the choices of configurations before them.
const START_SHARE: f64 = 0.6;
const CHOICE_SHARE: f64 = 0.3;
/// Share of the steps that the first descent has even where the choices have taken more than theirs.
const LEAST_SHARE: f64 = 0.2;
/// Share of the steps that the components of a problem that falls apart may take beside them.
const APART_SHARE: f64 = 0.5;
/// Share of the steps that a tree for whole counts may take, at the start and later.
const FIRST_TREE_SHARE: f64 = 0.1;
const TREE_SHARE: f64 = 0.02;
/// Epochs without improvement after which a run without limits ends. Those that lead back to known states cost little.
const PATIENCE: u64 = 75;
/// Where a run with a limit has not improved for so long, islands go on from what they have as long as it costs at most this
/// share more than the best.
const WANDER: f64 = 0.03;
/// Moves tried from one state by simple operators, and more per query type, and by deep ones.
const TRIES: usize = 12;
const TRIES_PER_TYPE: usize = 1;
const DEEP_TRIES: usize = 8;
/// Deep operators run on states within this of the best.
const DEEP_BELOW: f64 = 1.05;
/// Configurations that the search moves within: at least, and more per query type.
const KERNEL_SIZE: usize = 24;
const KERNEL_SIZE_PER_TYPE: usize = 2;
/// Size of that kernel where counts are left open.
const ELASTIC_KERNEL_SIZE: usize = 60;
const ELASTIC_KERNEL_SIZE_PER_TYPE: usize = 4;
/// Configurations that the prices at the best state add to them, by each of two measures.
const FOCUS_SIZE: usize = 8;
/// Where a bound is asked for, the share of the time that the search may take; the rest goes into the bound, by a branch
/// and bound that looks for better plans as well.
const SEARCH_SHARE: f64 = 0.3;
/// That share where there are many routes: there a good bound takes no time.
const SEARCH_SHARE_OF_MANY: f64 = 0.8;
/// By how much, per route, the search ends before a deadline: what it does between two looks at the clock, and the plan that
/// is made of its result, take about as long.
const RESERVE_S_PER_ROUTE: f64 = 3.5e-8;
/// Time that setting up the search may take, in terms of that of the construction, which tells how fast the machine is.
const SETUP_CONSTRUCTIONS: f64 = 4.0;

/// Method "agh". One iteration is one epoch: a perturbation and descent on each island.
pub(crate) fn solve(problem: &Problem, params: &SolveParams, initial_plan: Option<&Plan>, stop: &Stop) -> Result<Plan> {
    // The greedy plan is a start, and the answer where the deadline leaves time for nothing else.
    let greedy = construct::solve(problem, params, stop)?;
    if !params.switches.routing_lp {
        // Without the routing program no move can be costed: what remains is the construction.
        return Ok(greedy);
    }
    let usual_work = usual_work(problem);
    let apart = Apart::find(problem, params, &greedy, initial_plan, (APART_SHARE * usual_work) as u64, stop)?;
    if let Some(plan) = apart.as_ref().filter(|apart| apart.is_proven).and_then(|apart| apart.plan.clone()) {
        return Ok(plan);
    }
    let num_routes = problem.route_table().query_type.len() as f64;
    let search_stop = match params.bound {
        true if problem.has_many_routes() => stop.with_share(SEARCH_SHARE_OF_MANY),
        true => stop.with_share(SEARCH_SHARE),
        false => stop.earlier_by(RESERVE_S_PER_ROUTE * num_routes),
    };
    let construction_s = stop.elapsed_s();
    let market = Market::of(problem, &search_stop);
    let relaxation_s = stop.elapsed_s() - construction_s;
    // Setting up the search takes longer than a deadline may be overrun.
    let is_late = search_stop.earlier_by(SETUP_CONSTRUCTIONS * construction_s).should_stop();
    if initial_plan.is_none() && greedy.status.has_plan() && is_late {
        let stop_reason = stop.reason(0).unwrap_or(StopReason::TimeLimit);
        return Ok(Plan { stop_reason, ..greedy });
    }
    let ranking = Ranking::new(problem, &market);
    let starts = Starts { greedy: &greedy, initial_plan, market: &market, ranking, switches: params.switches };
    let mut size = KERNEL_SIZE + KERNEL_SIZE_PER_TYPE * problem.num_query_types();
    let (mut run, reason) = loop {
        let mut run = Run::new(problem, params, &starts, &market, size);
        let reason = run.search(params, &search_stop);
        if run.incumbent.is_feasible() || size >= problem.num_configurations() || stop.reason(0).is_some() {
            break (run, reason);
        }
        // Nothing feasible within the kernel: a larger one.
        size = size.saturating_mul(8);
    };
    let mut plan = run.plan(greedy)?;
    if let Some(better) = apart.and_then(|apart| apart.better_than(&plan)) {
        plan = better;
    }
    if plan.status.has_plan() {
        plan.stop_reason = reason;
    }
    run.statistics(&mut plan.statistics);
    let parts = [("construction_s", construction_s), ("relaxation_s", relaxation_s), ("starts_s", run.starts_s)];
    let parts = parts.into_iter().chain([("epochs_s", run.epochs_s)]);
    plan.statistics.extend(parts.map(|(name, seconds)| (name.to_owned(), seconds)));
    Ok(plan)
}

/// Elementary steps that a run without limits may take.
fn usual_work(problem: &Problem) -> f64 {
    let by_types = (WORK * (problem.num_query_types() as f64).powf(WORK_GROWTH)).min(MAX_WORK);
    match problem.has_many_routes() {
        true => by_types.max(WORK_PER_ROUTE_OF_MANY * problem.route_table().len() as f64),
        false => by_types,
    }
}

/// The islands and the best state of all.
struct Run<'a> {
    problem: &'a Problem,
    islands: Vec<Island<'a>>,
    incumbent: SearchState<'a>,
    market: &'a Market,
    refocuses: bool,
    epochs: u64,
    starts_s: f64,
    epochs_s: f64,
}

impl<'a> Run<'a> {
    fn new(problem: &'a Problem, params: &SolveParams, starts: &Starts<'_>, market: &'a Market, size: usize) -> Self {
        let search = LocalSearch::new(problem, starts.market, starts.kernel(problem, size), params.switches);
        let elastic = starts.searches_choices().then(|| {
            let size = ELASTIC_KERNEL_SIZE + ELASTIC_KERNEL_SIZE_PER_TYPE * problem.num_query_types();
            ElasticSearch::new(problem, market, starts.elastic_kernel(size), params.switches)
        });
        let island = |(index, start): (usize, Vec<Deployment>)| Island {
            search: search.clone(),
            elastic: elastic.clone(),
            rng: Pcg64Mcg::new(stream(params.seed, index as u64)),
            start,
            has_counts: None,
            has_given_plan: index == 0 && starts.initial_plan.is_some(),
        };
        let islands = starts.deployments().into_iter().enumerate().map(island).collect();
        let refocuses = params.switches.tp_selection && params.switches.coverage_ranking;
        Self { problem, islands, incumbent: search.state, market, refocuses, epochs: 0, starts_s: 0.0, epochs_s: 0.0 }
    }

    /// Descends from the starts, then works in epochs until a limit is reached.
    fn search(&mut self, params: &SolveParams, stop: &Stop) -> StopReason {
        // With a bound asked for, what time is left after the search's own end is better spent on that.
        let is_timed = params.time_limit_s.is_some_and(f64::is_finite) && !params.bound;
        let is_limited = is_timed || params.max_iterations.is_some();
        let usual_work = usual_work(self.problem) / self.islands.len() as f64;
        // Without an end the choices of a large problem would leave nothing for whole counts.
        let is_large = self.problem.has_many_routes();
        let work = if is_limited && !is_large { f64::INFINITY } else { usual_work };
        let choice_stop = if is_large { stop.with_share(CHOICE_TIME_OF_MANY) } else { stop.clone() };
        let mut limits = SearchLimits {
            solves: u64::MAX,
            work: (CHOICE_SHARE * work) as u64,
            tries: TRIES + TRIES_PER_TYPE * self.problem.num_query_types(),
            deep_tries: DEEP_TRIES,
            deep_below_usd: f64::INFINITY,
            again_below_usd: f64::NEG_INFINITY,
            stop: &choice_stop,
        };
        let start_s = stop.elapsed_s();
        let market = self.market;
        // The greedy plan is there already; one that was given has to be looked at.
        let is_late = |island: &Island<'_>| stop.should_stop() && !island.has_given_plan;
        // The first island goes ahead, so that the others need not search again where it has been.
        for part in [0..1, 1..self.islands.len()] {
            on_threads(&mut self.islands[part], params.threads, |island| {
                if !is_late(island) {
                    island.begin(market, FOCUS_SIZE, &limits);
                }
            });
            share_memory(&mut self.islands);
        }
        limits.stop = stop;
        limits.work = (START_SHARE * work) as u64;
        let choice = best_choice(&self.islands);
        on_threads(&mut self.islands, params.threads, |island| {
            if !is_late(island) {
                island.vary_known_choice(choice.as_ref(), &limits);
            }
        });
        self.take_counts(params, (FIRST_TREE_SHARE * usual_work) as u64, &limits);
        on_threads(&mut self.islands, params.threads, |island| {
            if !is_late(island) {
                island.fix_counts_if_better(market, &limits);
                island.settle(&limits, (LEAST_SHARE * usual_work) as u64, params.switches.local_search);
            }
        });
        share_memory(&mut self.islands);
        self.share_best(0.0, stop);
        self.starts_s = stop.elapsed_s() - start_s;
        limits.work = if is_limited { u64::MAX } else { work as u64 };
        let tree_work = (TREE_SHARE * usual_work) as u64;
        let reason = self.work_in_epochs(params, &mut limits, tree_work, is_limited, stop);
        self.epochs_s = stop.elapsed_s() - start_s - self.starts_s;
        reason
    }

    /// Deploys the choices of configurations in whole counts that trees find, one tree for each choice.
    fn take_counts(&mut self, params: &SolveParams, tree_work: u64, limits: &SearchLimits<'_>) {
        let first = first_with_choice(&self.islands);
        for (index, island) in self.islands.iter_mut().enumerate() {
            let asks = first[index] == index && !island.has_given_plan && !limits.stop.should_stop();
            island.has_counts = asks.then_some(false);
        }
        on_threads(&mut self.islands, params.threads, |island| {
            if island.has_counts.is_some() {
                island.has_counts = Some(island.take_counts(tree_work, limits.stop));
            }
        });
        for (index, &first) in first.iter().enumerate() {
            let (before, rest) = self.islands.split_at_mut(index);
            if let (Some(other), Some(island)) = (before.get(first), rest.first_mut()) {
                if other.has_counts == Some(true) {
                    island.search.state.clone_from(&other.search.state);
                }
            }
        }
    }

    /// Perturbs and descends until a limit is reached, or without one until the work is done or nothing improves any more.
    fn work_in_epochs(
        &mut self,
        params: &SolveParams,
        limits: &mut SearchLimits<'_>,
        tree_work: u64,
        is_limited: bool,
        stop: &Stop,
    ) -> StopReason {
        let mut patience = PATIENCE;
        loop {
            let total_usd = self.incumbent.total_usd();
            if let Some(reason) = stop.reason(self.epochs) {
                return reason;
            }
            let is_spent = self.islands.iter().any(|island| island.work() >= limits.work);
            let is_done = !is_limited && (is_spent || patience == 0);
            if is_done || !params.switches.local_search || self.incumbent.deployments().next().is_none() {
                return StopReason::LocalOptimum;
            }
            self.epochs += 1;
            limits.deep_below_usd = DEEP_BELOW * total_usd;
            limits.again_below_usd = (1.0 + 1e-9) * total_usd;
            let (limits, market) = (&*limits, self.market);
            on_threads(&mut self.islands, params.threads, |island| {
                island.perturb(market, tree_work, limits);
                island.settle(limits, 0, true);
            });
            share_memory(&mut self.islands);
            let wander = if patience == 0 { WANDER } else { 0.0 };
            patience = if self.share_best(wander, stop) { PATIENCE } else { patience.saturating_sub(1) };
        }
    }

    /// Lets every island go on from the best state so far; whether that is new.
    /// Islands but the first keep a state that costs at most the share `wander` more.
    fn share_best(&mut self, wander: f64, stop: &Stop) -> bool {
        let mut best: Option<usize> = None;
        let mut least_usd = if self.incumbent.is_sound() { self.incumbent.total_usd() } else { f64::INFINITY };
        for (index, island) in self.islands.iter().enumerate() {
            let total_usd = island.search.state.total_usd();
            if island.search.state.is_sound() && total_usd < least_usd * (1.0 - 1e-12) {
                least_usd = total_usd;
                best = Some(index);
            }
        }
        match best {
            Some(index) => self.incumbent.clone_from(&self.islands[index].search.state),
            // Nothing feasible yet: each island goes on from where it is.
            None if !self.incumbent.is_sound() => return false,
            None => {}
        }
        let most_usd = (1.0 + wander) * self.incumbent.total_usd();
        for (index, island) in self.islands.iter_mut().enumerate() {
            let state = &mut island.search.state;
            if best.is_some() || index == 0 || !state.is_sound() || state.total_usd() >= most_usd {
                state.clone_from(&self.incumbent);
            }
        }
        if let (true, Some((first, others))) =
            (best.is_some() && self.refocuses && !stop.should_stop(), self.islands.split_first_mut())
        {
            first.search.refocus(self.market, FOCUS_SIZE);
            others.iter_mut().for_each(|island| island.search.share_focus(&first.search));
        }
        best.is_some()
    }

    /// The plan of the best state, or `greedy` where that is better.
    fn plan(&mut self, greedy: Plan) -> Result<Plan> {
        let value_usd = greedy.objective_value.unwrap_or(f64::INFINITY);
        if !self.incumbent.is_sound() || self.incumbent.total_usd() >= value_usd {
            return Ok(greedy);
        }
        let (deployments, routing, unmet) = self.incumbent.solution();
        let plan = Plan::from_solution(self.problem, deployments, &routing, unmet)?;
        // Coefficients many orders of magnitude apart can drown in the linear program.
        Ok(if gate::accepts(self.problem, &plan) { plan } else { greedy })
    }

    /// Figures of the search: starts, epochs, linear programs, and per operator moves evaluated, applied and USD saved.
    fn statistics(&self, statistics: &mut Vec<(String, f64)>) {
        statistics.clear();
        let mut put = |name: String, value: f64| statistics.push((name, value));
        put("starts".into(), self.islands.len() as f64);
        put("epochs".into(), self.epochs as f64);
        put("kernel".into(), self.islands.first().map_or(0, |island| island.search.kernel().len()) as f64);
        put("work".into(), self.islands.iter().map(Island::work).sum::<u64>() as f64);
        put("routings_solved".into(), self.islands.iter().map(|island| island.search.solves).sum::<u64>() as f64);
        for (index, operator) in OPERATORS.iter().enumerate() {
            let of = |figure: fn(&OperatorStatistics) -> f64| {
                self.islands.iter().map(|island| figure(&island.search.statistics[index])).sum::<f64>()
            };
            put(format!("{}_evaluated", operator.name()), of(|figures| figures.evaluated as f64));
            put(format!("{}_applied", operator.name()), of(|figures| figures.applied as f64));
            put(format!("{}_saved_usd", operator.name()), of(|figures| figures.saved_usd));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{check, generate, solve, CancelToken, Method, Plan, SolveParams, Status, Switches};

    fn plan_of(problem: &crate::Problem, params: &SolveParams) -> Plan {
        solve(problem, Method::Agh, params, None, &CancelToken::new()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn plans_meet_every_constraint_and_cost_no_more_than_the_greedy_ones(seed in any::<u64>()) {
            let problem = generate::small(seed).unwrap();
            let params = SolveParams { seed, ..SolveParams::default() };
            let plan = plan_of(&problem, &params);
            let greedy = solve(&problem, Method::Gh, &params, None, &CancelToken::new()).unwrap();
            if plan.status.has_plan() {
                let report = check(&problem, &plan).unwrap();
                prop_assert!(report.violations.is_empty(), "{:?}", report.violations);
            }
            if let Some(value) = greedy.objective_value {
                prop_assert!(plan.objective_value.unwrap() <= value * (1.0 + 1e-9));
            }
        }

        #[test]
        fn the_plan_does_not_depend_on_the_number_of_threads(seed in any::<u64>()) {
            let problem = generate::small(seed).unwrap();
            let params = SolveParams { seed, max_iterations: Some(3), ..SolveParams::default() };
            let one = plan_of(&problem, &params);
            let four = plan_of(&problem, &SolveParams { threads: 4, ..params });
            prop_assert_eq!(&one.deployments, &four.deployments);
            prop_assert_eq!(one.objective_value, four.objective_value);
        }

        #[test]
        fn every_part_can_be_turned_off_on_its_own(seed in any::<u64>(), index in 0..Switches::NAMES.len()) {
            let problem = generate::small(seed).unwrap();
            let mut params = SolveParams { seed, max_iterations: Some(2), ..SolveParams::default() };
            params.switches.set(Switches::NAMES[index], false).unwrap();
            let plan = plan_of(&problem, &params);
            if plan.status.has_plan() {
                prop_assert!(check(&problem, &plan).unwrap().violations.is_empty());
            }
        }

        #[test]
        fn a_bound_never_exceeds_the_plan_and_proves_what_it_claims(seed in any::<u64>()) {
            let problem = generate::small(seed).unwrap();
            let plan = plan_of(&problem, &SolveParams { seed, bound: true, ..SolveParams::default() });
            if let (Some(value), Some(bound)) = (plan.objective_value, plan.objective_bound) {
                prop_assert!(bound <= value);
                prop_assert!(plan.status != Status::Optimal || plan.gap().unwrap() <= 1e-4);
            }
        }
    }

    #[test]
    fn a_large_problem_with_many_replicas_is_searched_beyond_the_greedy_plan() {
        let problem = generate::physical(generate::Size::new(20, 20, 20), 10.0, generate::Family::Plain, 0).unwrap();
        let greedy = solve(&problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).unwrap();
        let plan = plan_of(&problem, &SolveParams::default());
        assert!(plan.objective_value.unwrap() < 0.95 * greedy.objective_value.unwrap());
    }

    #[test]
    fn an_initial_plan_is_never_made_worse() {
        for seed in 0..40 {
            let problem = generate::small(seed).unwrap();
            let first = plan_of(&problem, &SolveParams { seed, ..SolveParams::default() });
            let params = SolveParams { seed: seed + 1, max_iterations: Some(0), ..SolveParams::default() };
            let second = solve(&problem, Method::Agh, &params, Some(&first), &CancelToken::new()).unwrap();
            if let Some(value) = first.objective_value {
                assert!(second.objective_value.unwrap() <= value * (1.0 + 1e-9));
            }
        }
    }

    #[test]
    fn an_initial_plan_with_many_replicas_is_never_made_worse() {
        for seed in 0..4 {
            let problem =
                generate::physical(generate::Size::new(6, 6, 10), 10.0, generate::Family::Plain, seed).unwrap();
            let first = plan_of(&problem, &SolveParams { seed, ..SolveParams::default() });
            let params = SolveParams { seed: seed + 1, max_iterations: Some(0), ..SolveParams::default() };
            let second = solve(&problem, Method::Agh, &params, Some(&first), &CancelToken::new()).unwrap();
            assert!(second.objective_value.unwrap() <= first.objective_value.unwrap() * (1.0 + 1e-9));
        }
    }

    #[test]
    fn a_cancelled_solve_returns_at_once_with_what_it_has() {
        let problem = generate::small(7).unwrap();
        let cancel = CancelToken::new();
        cancel.cancel();
        let plan = solve(&problem, Method::Agh, &SolveParams::default(), None, &cancel).unwrap();
        assert!(plan.objective_value.is_some() || plan.message.is_some());
    }
}
