//! Full re-planning: deployments, too, are chosen anew, as far as that pays.
//!
//! Starts, in this order: what runs, with the cost of starting more inside the objective; where that ends dearer beside the
//! relaxation than what was found before, a dive from the linear relaxation over what the market mixes and what ran, kept from call
//! to call with its basis (first, where what runs is not enough); plans that were good before. Calls that dig, see [`Pace`], make
//! more dives, move every other time within a wider kernel, and perturb the best until their work is done. What one call does
//! not find, a later one finds, since its starts are the best that was found.
//!
//! Prices of the relaxation, and the configurations that they favour, follow the rates and are computed anew only after
//! the rates have drifted, prices or pools have changed, or the relaxation's value seems off; and within a call whose first
//! descents end far above that value, since it is then what the search moves within that is at fault.

use rand_pcg::Pcg64Mcg;

use super::found::{deployments, settle, Found};
use super::pace::Pace;
use crate::agh::stream;
use crate::search::{siblings, LocalSearch, Market, Ranking, ReplicaProgram, Running, SearchLimits, SearchState};
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
/// The same where a call digs for more, and how many times more or fewer GPUs other TP/PP of what the market mixes have.
const WIDE_SIZE: usize = 24;
const WIDE_SIZE_PER_TYPE: usize = 2;
const SIBLING_RATIO: f64 = 2.0;
/// Elementary steps of a call and of one that digs, with one query type, and the power by which they grow with the number
/// of query types; see [`LocalSearch::work`].
const LIGHT_WORK: f64 = 2.8e3;
const DEEP_WORK: f64 = 2.2e4;
const WORK_GROWTH: f64 = 2.0;
/// The same, at most, of the dive that every call may make and of each that one that digs makes, and about what new prices take.
const DIVE_WORK: f64 = 1.2e3;
const DEEP_DIVE_WORK: f64 = 6e3;
const PRICING_WORK: f64 = 4e3;
/// The same, beyond setting up, for enlarging what was found so that it has headroom.
const HEADROOM_WORK: f64 = 1.3e3;
const MOST_WORK: f64 = 1e8;
/// More work, in terms of that of a light call, where what was found is not enough for the demand.
const REPAIR: u64 = 2;
/// Moves tried from one state.
const TRIES: usize = 7;
/// Plans that were good before and are kept as further starts, and those of them that a light call looks at.
const ALTERNATIVES: usize = 4;
const LIGHT_ALTERNATIVES: usize = 1;
/// Perturbations of a call, which on tiny problems take next to no work.
const MOST_PERTURBATIONS: usize = 200;
/// Dives of a digging call that round at random.
const RANDOM_DIVES: usize = 3;
/// The first dive is given up where it cannot end below this, in terms of the best so far.
const DIVE_BELOW: f64 = 1.03;
/// A call looks no further where the cost beside the relaxation is no higher than before by this share; where what runs is enough,
/// by this share more of what a change must save, since a change would have to find more than that.
const GOOD: f64 = 0.004;
const GOOD_KEPT: f64 = 0.003;
const GOOD_SAVING_SHARE: f64 = 0.7;
/// Configurations that dives are made over before those that no longer run are left out: at least, and more per query type.
const MEMBERS: usize = 8;
const MEMBERS_PER_TYPE: usize = 1;

/// What full re-planning keeps from call to call.
#[derive(Debug)]
pub(super) struct Reoptimiser {
    market: Market,
    /// Configurations that the market favours.
    kernel: Vec<u32>,
    /// More of them, within which every other call that digs moves.
    wide_kernel: Vec<u32>,
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
    /// Calls that dug.
    digs: u64,
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

/// How much a call did.
#[derive(Debug, Clone, Copy)]
struct Effort {
    digs: bool,
    is_priced: bool,
}

/// What one call works with. `'c` is what outlives it.
struct Call<'a, 'c> {
    search: LocalSearch<'a>,
    found: Found<'a>,
    kept: Kept<'c>,
    kept_state: SearchState<'a>,
    running: &'a Running,
    starts: &'c [Vec<Deployment>],
    limits: SearchLimits<'c>,
    stop: &'c Stop,
}

impl<'a, 'c> Call<'a, 'c> {
    /// With `search` at what is kept.
    fn new(
        search: LocalSearch<'a>,
        kept: Kept<'c>,
        running: &'a Running,
        starts: &'c [Vec<Deployment>],
        stop: &'c Stop,
    ) -> Self {
        let kept_state = search.state.clone();
        let found = Found { best: kept_state.clone(), plans: Vec::new() };
        let limits = limits(work(kept_state.problem(), LIGHT_WORK), stop);
        Self { search, found, kept, kept_state, running, starts, limits, stop }
    }

    fn problem(&self) -> &'a Problem {
        self.kept_state.problem()
    }

    fn go_on_from(&mut self, first: First) {
        self.found.plans = first.plans;
        self.search.count_on(first.work);
        if let Some((deployments, program)) = first.best {
            self.found.best.set_deployments_of(&deployments, &program);
        }
    }

    fn into_first(self) -> First {
        let work = self.search.work();
        let Found { best, plans } = self.found;
        let best = best.is_sound().then(|| (deployments(&best), best.into_program()));
        First { plans, best, work }
    }

    /// Begins with another market, within `kernel`, at what is kept.
    fn begin_again(&mut self, market: &Market, kernel: Vec<u32>) {
        let Kept { deployments, program, .. } = self.kept;
        let search = search_from(self.problem(), market, kernel, self.running, deployments, program);
        let spent = std::mem::replace(&mut self.search, search).work();
        self.search.count_on(spent);
    }

    /// Descends from where the search is.
    fn settle(&mut self) {
        settle(&mut self.search, &self.limits);
        self.found.take(&self.search.state);
    }

    /// Whether the best leaves queries unserved.
    fn is_short(&self) -> bool {
        unserved_per_h(self.problem(), &self.found.best) > least_unserved_per_h(self.problem())
    }

    fn is_done(&self) -> bool {
        self.search.work() >= self.limits.work
    }

    /// Perturbs the best until the work is done.
    fn perturb(&mut self, rng: &mut Pcg64Mcg) {
        for _ in 0..MOST_PERTURBATIONS {
            let best = &self.found.best;
            if self.is_done() || !best.is_sound() || best.deployments().next().is_none() {
                break;
            }
            self.search.state.clone_from(best);
            self.search.perturb(rng, self.stop);
            self.settle();
        }
    }
}

impl Reoptimiser {
    /// With prices for the numbers of `problem`.
    pub(super) fn new(problem: &Problem) -> Self {
        let mut reoptimiser = Self {
            market: Market::of(problem, &Stop::never()),
            kernel: Vec::new(),
            wide_kernel: Vec::new(),
            rates: problem.query_types.rate_per_h.clone(),
            priced_rates: Vec::new(),
            priced_usd: f64::INFINITY,
            is_stale: false,
            running: Running::default(),
            program: ReplicaProgram::new(&SearchState::new(problem, 1), &[]),
            alternatives: Vec::new(),
            pace: Pace::new(),
            calls: 0,
            digs: 0,
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
        let is_off = self.pace.has_credit() && far((&usd, &self.priced_usd));
        self.is_stale || is_off || rates.iter().zip(&self.priced_rates).any(far)
    }

    /// The configurations whose routes have to be up to date otherwise.
    pub(super) fn looked_at(&self, kept: &[Deployment]) -> Vec<u32> {
        let mut configurations = self.kernel_with(self.alternatives.iter().flatten().chain(kept));
        configurations.extend(self.program.members());
        configurations.extend(&self.wide_kernel);
        configurations.sort_unstable();
        configurations.dedup();
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
        let is_priced = is_first && self.follow(problem);
        self.set_running(problem, params, kept.deployments);
        let running = std::mem::take(&mut self.running);
        let starts = std::mem::take(&mut self.alternatives);
        let stop = Stop::never();
        let kernel = self.kernel_with(starts.iter().flatten().chain(kept.deployments));
        let search = search_from(problem, &self.market, kernel, &running, kept.deployments, kept.program);
        let mut call = Call::new(search, kept, &running, &starts, &stop);
        match first {
            Some(first) => call.go_on_from(first),
            None => self.calls += 1,
        }
        let effort = if params.max_changes.is_some() {
            // Only what runs, and what is a few changes away from it.
            call.settle();
            Effort { digs: false, is_priced }
        } else {
            let rests = is_first && self.begin(&mut call, is_priced);
            let is_off = !is_priced && self.pace.is_off(self.excess_of(&call.found.best));
            if !has_all_routes && (is_off || !call.found.best.is_sound()) {
                let first = call.into_first();
                (self.running, self.alternatives) = (running, starts);
                return Ok(Outcome::Poor(first));
            }
            self.go_on(&mut call, params.seed, rests, is_priced)?
        };
        let Call { found: Found { best, plans }, kept_state, .. } = call;
        let excess = self.excess_of(&best);
        let next = is_worth_it(problem, params, kept, &kept_state, &best).then(|| Next {
            deployments: deployments(&best),
            usd: best.total_usd() - best.starting_usd(),
            program: best.into_program(),
        });
        drop(kept_state);
        self.running = running;
        self.pace.note(excess, effort.digs, effort.is_priced);
        self.is_stale = self.pace.is_mispriced();
        self.remember(plans, next.as_ref().map_or(kept.deployments, |next| &next.deployments));
        Ok(Outcome::Next(next))
    }

    /// Descends from what runs and from a dive; true where what is found is so good that nothing else need be looked at.
    fn begin(&mut self, call: &mut Call<'_, '_>, is_priced: bool) -> bool {
        prepare(&mut self.program, &call.search.state, &self.market, call.kept.deployments, is_priced);
        let is_enough = !call.kept.is_short && call.kept_state.is_sound();
        let share = if is_enough { GOOD_KEPT + GOOD_SAVING_SHARE * call.kept.least_saving_share } else { GOOD };
        // Where what runs is not enough, a descent from it takes many steps.
        for dives in [!is_enough, is_enough] {
            call.search.state.clone_from(&call.kept_state);
            if dives {
                self.dive(call, DIVE_BELOW);
            } else {
                call.settle();
            }
            let best = &call.found.best;
            let is_good = best.is_sound() && self.pace.is_good(self.excess_of(best), share);
            if is_good && !is_priced && !call.is_short() {
                return true;
            }
        }
        false
    }

    /// Descends from where a dive to the nearest counts ends, unless it costs more than the best by the factor `below`.
    fn dive(&mut self, call: &mut Call<'_, '_>, below: f64) {
        let best = &call.found.best;
        let cutoff_usd = if best.is_sound() { below * best.total_usd() } else { f64::INFINITY };
        let max_work = work(call.problem(), DIVE_WORK);
        if call.search.dive_with(&mut self.program, cutoff_usd, max_work, None::<&mut Pcg64Mcg>, call.stop) {
            call.settle();
        }
    }

    /// What a call does after it has begun: little where it `rests`, more where it digs.
    fn go_on(&mut self, call: &mut Call<'_, '_>, seed: u64, rests: bool, mut is_priced: bool) -> Result<Effort> {
        let problem = call.problem();
        if !call.found.best.is_sound() {
            call.limits.work += REPAIR * call.limits.work;
            call.settle();
        }
        if !is_priced && self.pace.is_off(self.excess_of(&call.found.best)) {
            // The relaxation mixes much better than what it was priced with: the search needs what that is made of.
            self.renew(problem);
            is_priced = true;
            let kernel = self.kernel_with(call.starts.iter().flatten().chain(call.kept.deployments));
            call.begin_again(&self.market, kernel);
            prepare(&mut self.program, &call.search.state, &self.market, call.kept.deployments, is_priced);
            self.dive(call, f64::INFINITY);
        }
        let must = is_priced || !call.found.best.is_sound();
        let digs = self.pace.digs(self.excess_of(&call.found.best), call.is_short(), must);
        if is_priced {
            call.search.count_on(work(problem, PRICING_WORK));
        }
        let mut rng = Pcg64Mcg::new(stream(seed, self.calls));
        if digs {
            call.limits.work = call.limits.work.max(work(problem, DEEP_WORK));
            self.dig(call, &mut rng);
        }
        let most = match (digs, rests) {
            (true, _) => call.starts.len(),
            (false, true) => 0,
            (false, false) => LIGHT_ALTERNATIVES.min(call.starts.len()),
        };
        let (first, rest) = call.starts.split_at(most);
        call.found.search_from(&mut call.search, first, &call.limits);
        self.alternatives.extend_from_slice(rest);
        // Elsewhere what was good before is better than what a construction begins with.
        if !call.found.best.is_sound() {
            let greedy = construct::solve(problem, &SolveParams::default(), call.stop)?.deployments;
            call.found.search_from(&mut call.search, &[greedy], &call.limits);
        }
        if digs {
            call.perturb(&mut rng);
        }
        Ok(Effort { digs, is_priced })
    }

    /// Looks within a wider kernel, every other time, and makes more dives.
    fn dig(&mut self, call: &mut Call<'_, '_>, rng: &mut Pcg64Mcg) {
        let is_short = call.is_short();
        self.digs += 1;
        if self.digs % 2 == 0 {
            let mut kernel = self.wide_kernel.clone();
            kernel.extend(call.search.kernel());
            kernel.sort_unstable();
            kernel.dedup();
            call.search.move_within(&self.market, kernel);
            if call.found.best.is_sound() {
                call.search.state.clone_from(&call.found.best);
                call.settle();
            }
        }
        let max_work = work(call.problem(), DEEP_DIVE_WORK);
        for _ in 0..RANDOM_DIVES {
            if call.is_done() {
                break;
            }
            self.program.begin_again();
            let (search, program) = (&mut call.search, &mut self.program);
            // Where a limit just suffices, what is rounded to near counts leaves more unserved.
            let is_found = match is_short {
                true => search.dive_by_cost_with(program, f64::INFINITY, max_work, rng, call.stop),
                false => search.dive_with(program, f64::INFINITY, max_work, Some(rng), call.stop),
            };
            if is_found {
                call.settle();
            }
        }
    }

    /// What a state costs over the value of the relaxation, starts put aside.
    fn excess_of(&self, state: &SearchState<'_>) -> f64 {
        (state.total_usd() - state.starting_usd()) / self.market.value_usd
    }

    /// `next` enlarged for the higher rates that `problem` has meanwhile; only routes of [`Reoptimiser::kernel_with`] what is
    /// kept and `next` need be up to date.
    pub(super) fn enlarge(&self, problem: &Problem, kept: &[Deployment], next: &Next) -> Option<Vec<Deployment>> {
        let mut market = self.market.clone();
        market.follow(&self.rates, &problem.query_types.rate_per_h);
        let kernel = self.kernel_with(kept.iter().chain(&next.deployments));
        let state = SearchState::like(problem, &next.program, next.deployments.len());
        let mut search = LocalSearch::from_state(state, &market, kernel, Switches::default());
        search.set_running(&self.running);
        search.state.set_deployments_of(&next.deployments, &next.program);
        let stop = Stop::never();
        let max_work = search.work() + work(problem, HEADROOM_WORK);
        settle(&mut search, &limits(max_work, &stop));
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
        let wide_size = WIDE_SIZE + WIDE_SIZE_PER_TYPE * problem.num_query_types();
        let ranking = Ranking::new(problem, &self.market);
        let mixture = self.market.mixture.iter().map(|entry| entry.0);
        self.kernel = ranking.kernel(size, size / 2);
        self.kernel.extend(mixture.clone());
        self.wide_kernel = ranking.kernel(wide_size, wide_size / 2);
        self.wide_kernel.extend(mixture.flat_map(|a| siblings(problem, a, SIBLING_RATIO)));
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
