//! Full re-planning: deployments, too, are chosen anew, as far as that pays.
//!
//! Starts, in this order: a dive from the linear relaxation over what the market mixes and what ran, kept from call to call
//! with its basis; what runs, with the cost of starting more inside the objective; plans that were good before; where
//! prices are new, the greedy plan. Local search descends from each, and perturbations of the best follow until the call's work is done: that
//! is little for most calls, and more for those that dig, see [`Pace`]. What one call does not find, a later one finds,
//! since its starts are the best that was found.
//!
//! Prices of the relaxation, and the configurations that they favour, follow the rates and are computed anew only after
//! the rates have drifted, prices or pools have changed, or the relaxation's value seems off; and within a call whose first
//! descents end far above that value, since it is then what the search moves within that is at fault.

use rand_pcg::Pcg64Mcg;

use super::found::{deployments, settle, Found};
use super::pace::Pace;
use crate::agh::stream;
use crate::search::{LocalSearch, Market, Ranking, ReplicaProgram, Running, SearchLimits, SearchState};
use crate::{
    construct, Deployment, PlannerParams, Problem, Result, RoutingProgram, SolveParams, Stop, Switches,
    FEASIBILITY_TOLERANCE,
};

/// Rates that have moved by more than this factor since the market was priced want new prices.
const DRIFT: f64 = 1.5;
/// Most rounds of column generation that renew the prices; few are needed, since they go on from what was mixed before.
const MOST_ROUNDS: usize = 60;
/// Configurations that the search moves within: at least, and more per query type.
const KERNEL_SIZE: usize = 14;
const KERNEL_SIZE_PER_TYPE: usize = 1;
/// Elementary steps of a call and of one that digs, with one query type, and the power by which they grow with the number
/// of query types; see [`LocalSearch::work`].
const LIGHT_WORK: f64 = 6e3;
const DEEP_WORK: f64 = 3e4;
const WORK_GROWTH: f64 = 2.0;
/// The same for enlarging what was found so that it has headroom.
const HEADROOM_WORK: f64 = 2e3;
const MOST_WORK: f64 = 1e8;
/// More work, in terms of that of a light call, where what was found is not enough for the demand.
const REPAIR: u64 = 2;
/// Moves tried from one state.
const TRIES: usize = 7;
/// Plans that were good before and are kept as further starts, and those of them that a light call looks at.
const ALTERNATIVES: usize = 4;
const LIGHT_ALTERNATIVES: usize = 2;
/// Perturbations of a call, which on tiny problems take next to no work.
const MOST_PERTURBATIONS: usize = 200;
/// Dives of a digging call that round at random.
const RANDOM_DIVES: usize = 2;
/// Configurations that dives are made over before those that no longer run are left out: at least, and more per query type.
const MEMBERS: usize = 12;
const MEMBERS_PER_TYPE: usize = 2;

/// What full re-planning keeps from call to call.
#[derive(Debug)]
pub(super) struct Reoptimiser {
    market: Market,
    /// Configurations that the market favours.
    kernel: Vec<u32>,
    /// Rates that the market's prices follow, and those for which they were computed.
    rates: Vec<f64>,
    priced_rates: Vec<f64>,
    /// The market's value when it was priced.
    priced_usd: f64,
    /// Prices or pools have changed since, or the value seems off.
    is_stale: bool,
    running: Running,
    /// Replicas and routing in one linear program, over what the market mixes and what ran.
    program: ReplicaProgram,
    alternatives: Vec<Vec<Deployment>>,
    pace: Pace,
    calls: u64,
}

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

/// What runs when a call begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'p> {
    pub(super) deployments: &'p [Deployment],
    /// Their routing, solved.
    pub(super) program: &'p RoutingProgram,
    /// It cannot meet every constraint.
    pub(super) is_short: bool,
    /// A change must save more than this share of its cost.
    pub(super) least_saving_share: f64,
}

impl Reoptimiser {
    /// With prices for the numbers of `problem`.
    pub(super) fn new(problem: &Problem) -> Self {
        let mut reoptimiser = Self {
            market: Market::of(problem, &Stop::never()),
            kernel: Vec::new(),
            rates: problem.query_types.rate_per_h.clone(),
            priced_rates: Vec::new(),
            priced_usd: f64::INFINITY,
            is_stale: false,
            running: Running::default(),
            program: ReplicaProgram::new(&SearchState::new(problem, 1), &[]),
            alternatives: Vec::new(),
            pace: Pace::new(),
            calls: 0,
        };
        reoptimiser.price_kernel(problem);
        reoptimiser
    }

    /// Prices or pools have changed: those of the relaxation no longer hold.
    pub(super) fn distrust_prices(&mut self) {
        self.is_stale = true;
    }

    /// Whether the market has to be priced anew for the numbers of `problem`, for which all routes have to be up to date.
    pub(super) fn is_due(&self, problem: &Problem) -> bool {
        let rates = &problem.query_types.rate_per_h;
        let far = |(now, then): (&f64, &f64)| *now > DRIFT * then || *then > DRIFT * now;
        // Where something goes unserved, a little less traffic may be worth more than all that is served costs.
        let usd = self.market.value_after(&self.rates, rates);
        self.is_stale || rates.iter().zip(&self.priced_rates).any(far) || far((&usd, &self.priced_usd))
    }

    /// The configurations whose routes have to be up to date otherwise.
    pub(super) fn looked_at(&self, kept: &[Deployment]) -> Vec<u32> {
        let mut configurations = self.kernel_with(self.alternatives.iter().flatten().chain(kept));
        configurations.extend(self.program.members());
        configurations
    }

    /// Makes the next deployments out of what is `kept`. `first` is what the call found before it was `Poor`; unless
    /// `has_all_routes`, only those of what is looked at are up to date.
    pub(super) fn improve(
        &mut self,
        problem: &Problem,
        params: &PlannerParams,
        kept: Kept<'_>,
        has_all_routes: bool,
        first: Option<First>,
    ) -> Result<Outcome> {
        let is_first = first.is_none();
        let mut is_priced = is_first && self.follow(problem);
        self.set_running(problem, params, kept.deployments);
        let running = std::mem::take(&mut self.running);
        let starts = std::mem::take(&mut self.alternatives);
        let kernel = self.kernel_with(starts.iter().flatten().chain(kept.deployments));
        let mut search = search_from(problem, &self.market, kernel, &running, kept.deployments, kept.program);
        let kept_state = search.state.clone();
        let mut found = Found { best: kept_state.clone(), plans: Vec::new() };
        let stop = Stop::never();
        let mut limits = limits(work(problem, LIGHT_WORK), &stop);
        if let Some(first) = first {
            found.plans = first.plans;
            search.count_on(first.work);
            if let Some((deployments, program)) = first.best {
                found.best.set_deployments_of(&deployments, &program);
            }
        } else {
            self.calls += 1;
        }
        let digs = if params.max_changes.is_some() {
            // Only what runs, and what is a few changes away from it.
            settle(&mut search, &limits);
            found.take(&search.state);
            false
        } else {
            let mut rng = Pcg64Mcg::new(stream(params.seed, self.calls));
            if is_first {
                prepare(&mut self.program, &search.state, &self.market, kept.deployments, is_priced);
                search.dive_with(&mut self.program, None::<&mut Pcg64Mcg>, &stop);
                settle(&mut search, &limits);
                found.take(&search.state);
                search.state.clone_from(&kept_state);
                settle(&mut search, &limits);
                found.take(&search.state);
            }
            let is_off = !is_priced && self.pace.is_off(excess_of(&self.market, &found.best));
            if !has_all_routes && (is_off || !found.best.is_sound()) {
                let work = search.work();
                drop((search, kept_state));
                let Found { best, plans } = found;
                let best = best.is_sound().then(|| (deployments(&best), best.into_program()));
                (self.running, self.alternatives) = (running, starts);
                return Ok(Outcome::Poor(First { plans, best, work }));
            }
            if !found.best.is_sound() {
                limits.work += REPAIR * limits.work;
                settle(&mut search, &limits);
                found.take(&search.state);
            }
            if !is_priced && self.pace.is_off(excess_of(&self.market, &found.best)) {
                // The relaxation mixes much better than what it was priced with: the search needs what that is made of.
                self.renew(problem);
                is_priced = true;
                let kernel = self.kernel_with(starts.iter().flatten().chain(kept.deployments));
                let spent = search.work();
                search = search_from(problem, &self.market, kernel, &running, kept.deployments, kept.program);
                prepare(&mut self.program, &search.state, &self.market, kept.deployments, is_priced);
                search.dive_with(&mut self.program, None::<&mut Pcg64Mcg>, &stop);
                search.count_on(spent);
                settle(&mut search, &limits);
                found.take(&search.state);
            }
            let is_short = unserved_per_h(problem, &found.best) > least_unserved_per_h(problem);
            let must = is_priced || !found.best.is_sound();
            let digs = self.pace.digs(excess_of(&self.market, &found.best), is_short, must);
            if digs {
                limits.work = limits.work.max(work(problem, DEEP_WORK));
                // Where a limit just suffices, what is rounded at random leaves more unserved: perturbations find more.
                let dives = if is_short { 0 } else { RANDOM_DIVES };
                for _ in 0..dives {
                    self.program.refresh(&search.state);
                    search.dive_with(&mut self.program, Some(&mut rng), &stop);
                    settle(&mut search, &limits);
                    found.take(&search.state);
                }
            }
            let (first, rest) = starts.split_at(if digs { starts.len() } else { LIGHT_ALTERNATIVES.min(starts.len()) });
            found.search_from(&mut search, first, &limits);
            self.alternatives.extend_from_slice(rest);
            // Elsewhere what was good before is better than what a construction begins with.
            if is_priced || !found.best.is_sound() {
                let greedy = construct::solve(problem, &SolveParams::default(), &stop)?.deployments;
                found.search_from(&mut search, &[greedy], &limits);
            }
            for _ in 0..MOST_PERTURBATIONS {
                let is_done = search.work() >= limits.work || found.best.deployments().next().is_none();
                if is_done || !found.best.is_sound() {
                    break;
                }
                search.state.clone_from(&found.best);
                search.perturb(&mut rng, &stop);
                settle(&mut search, &limits);
                found.take(&search.state);
            }
            digs
        };
        drop(search);
        let Found { best, plans } = found;
        let excess = excess_of(&self.market, &best);
        let next = is_worth_it(problem, params, kept, &kept_state, &best).then(|| Next {
            deployments: deployments(&best),
            usd: best.total_usd() - best.starting_usd(),
            program: best.into_program(),
        });
        self.running = running;
        self.pace.note(excess, digs, is_priced);
        self.is_stale = self.pace.is_mispriced();
        self.remember(plans, next.as_ref().map_or(kept.deployments, |next| &next.deployments));
        Ok(Outcome::Next(next))
    }

    /// `next` enlarged for the higher rates that `problem` has meanwhile; only routes of [`Reoptimiser::kernel_with`] what is
    /// kept and `next` need be up to date.
    pub(super) fn enlarge(&self, problem: &Problem, kept: &[Deployment], next: &Next) -> Option<Vec<Deployment>> {
        let mut market = self.market.clone();
        market.follow(&self.rates, &problem.query_types.rate_per_h);
        let kernel = self.kernel_with(kept.iter().chain(&next.deployments));
        let mut search = search_from(problem, &market, kernel, &self.running, &next.deployments, &next.program);
        let stop = Stop::never();
        settle(&mut search, &limits(work(problem, HEADROOM_WORK), &stop));
        search.state.is_sound().then(|| deployments(&search.state))
    }

    /// The configurations that the market favours and those of `entries`.
    pub(super) fn kernel_with<'d>(&self, entries: impl Iterator<Item = &'d Deployment>) -> Vec<u32> {
        let mut kernel = self.kernel.clone();
        kernel.extend(entries.map(|entry| entry.configuration));
        kernel.sort_unstable();
        kernel.dedup();
        kernel
    }

    /// Lets the market follow the rates; whether it was priced anew.
    fn follow(&mut self, problem: &Problem) -> bool {
        let rates = &problem.query_types.rate_per_h;
        let is_due = self.is_due(problem);
        self.market.follow(&self.rates, rates);
        self.rates.clone_from(rates);
        if is_due {
            self.renew(problem);
        }
        is_due
    }

    fn renew(&mut self, problem: &Problem) {
        self.market.renew(problem, MOST_ROUNDS, &Stop::never());
        self.price_kernel(problem);
    }

    fn price_kernel(&mut self, problem: &Problem) {
        let size = KERNEL_SIZE + KERNEL_SIZE_PER_TYPE * problem.num_query_types();
        self.kernel = Ranking::new(problem, &self.market).kernel(size, size / 2);
        self.kernel.extend(self.market.mixture.iter().map(|entry| entry.0));
        self.priced_rates.clone_from(&problem.query_types.rate_per_h);
        self.priced_usd = self.market.value_usd;
        self.is_stale = false;
    }

    fn set_running(&mut self, problem: &Problem, params: &PlannerParams, kept: &[Deployment]) {
        let running = &mut self.running;
        let payback = payback(problem, params);
        running.max_changes = params.max_changes;
        running.start_usd.clear();
        let start_usd = |a| params.transition.replica_usd(problem, a) / payback;
        running.start_usd.extend((0..problem.num_configurations()).map(start_usd));
        running.replicas.clear();
        running.replicas.resize(problem.num_configurations(), 0);
        for entry in kept {
            running.replicas[entry.configuration as usize] = entry.replicas;
        }
    }

    /// Keeps the best of what was found beside what runs, and then what was not looked at, as starts of the next call.
    fn remember(&mut self, mut found: Vec<(f64, Vec<Deployment>)>, running: &[Deployment]) {
        found.sort_by(|left, right| left.0.total_cmp(&right.0));
        let rest = std::mem::take(&mut self.alternatives);
        for other in found.into_iter().map(|entry| entry.1).chain(rest) {
            let is_new = other != running && !self.alternatives.contains(&other);
            if is_new && self.alternatives.len() < ALTERNATIVES {
                self.alternatives.push(other);
            }
        }
    }
}

/// A search at `deployments`, for about which `program` is solved.
fn search_from<'a>(
    problem: &'a Problem,
    market: &Market,
    kernel: Vec<u32>,
    running: &'a Running,
    deployments: &[Deployment],
    program: &RoutingProgram,
) -> LocalSearch<'a> {
    let mut search = LocalSearch::new(problem, market, kernel, Switches::default());
    search.set_running(running);
    search.state.set_deployments_of(deployments, program);
    search
}

/// Whether `best` is worth a change of what is kept.
fn is_worth_it(
    problem: &Problem,
    params: &PlannerParams,
    kept: Kept<'_>,
    kept_state: &SearchState<'_>,
    best: &SearchState<'_>,
) -> bool {
    if kept.is_short || !kept_state.is_sound() {
        return true;
    }
    let (kept_usd, usd) = (kept_state.total_usd(), best.total_usd());
    if !best.is_sound() || usd >= kept_usd {
        return false;
    }
    // A query that could be served is worth a change in any case.
    if unserved_per_h(problem, best) < unserved_per_h(problem, kept_state) - least_unserved_per_h(problem) {
        return true;
    }
    kept_usd - usd > (params.min_saving_usd / payback(problem, params)).max(kept.least_saving_share * kept_usd)
}

/// Queries per hour that a state leaves unserved.
fn unserved_per_h(problem: &Problem, state: &SearchState<'_>) -> f64 {
    let rates = problem.query_types.rate_per_h.iter().enumerate();
    rates.map(|(i, rate)| rate * (state.program().unmet(i) + state.program().shortage(i))).sum()
}

/// Fewer queries per hour than this are rounding.
fn least_unserved_per_h(problem: &Problem) -> f64 {
    FEASIBILITY_TOLERANCE * problem.query_types.rate_per_h.iter().sum::<f64>()
}

/// Brings the program that dives up to date, over what the market mixes and what runs or ran.
fn prepare(
    program: &mut ReplicaProgram,
    state: &SearchState<'_>,
    market: &Market,
    kept: &[Deployment],
    is_priced: bool,
) {
    let is_member = |entry: &Deployment| program.members().binary_search(&entry.configuration).is_ok();
    if !is_priced && kept.iter().all(is_member) {
        program.refresh(state);
        return;
    }
    let mut members: Vec<u32> = market.mixture.iter().map(|entry| entry.0).collect();
    members.extend(kept.iter().map(|entry| entry.configuration));
    let most = MEMBERS + MEMBERS_PER_TYPE * state.problem().num_query_types();
    if !is_priced && program.members().len() < most {
        members.extend(program.members());
    }
    members.sort_unstable();
    members.dedup();
    *program = ReplicaProgram::new(state, &members);
}

/// What a state costs over the value of the relaxation, starts put aside.
fn excess_of(market: &Market, state: &SearchState<'_>) -> f64 {
    (state.total_usd() - state.starting_usd()) / market.value_usd
}

/// Elementary steps of a call, of `one` with one query type.
fn work(problem: &Problem, one: f64) -> u64 {
    (one * (problem.num_query_types() as f64).powf(WORK_GROWTH)).min(MOST_WORK) as u64
}

fn limits(work: u64, stop: &Stop) -> SearchLimits<'_> {
    // Deep operators take longer than they are worth here.
    SearchLimits {
        solves: u64::MAX,
        work,
        tries: TRIES,
        deep_tries: 0,
        deep_below_usd: f64::NEG_INFINITY,
        again_below_usd: f64::NEG_INFINITY,
        stop,
    }
}

/// The payback time as a share of the horizon.
fn payback(problem: &Problem, params: &PlannerParams) -> f64 {
    params.payback_h.unwrap_or(problem.horizon_h) / problem.horizon_h
}
