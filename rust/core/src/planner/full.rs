//! Full re-planning: deployments, too, are chosen anew, as far as that pays.
//!
//! Local search starts from what runs, with the cost of starting more inside its objective, and from plans that were
//! good before; perturbations follow. Prices of the relaxation, and the configurations that they favour, are kept from
//! call to call: they follow the rates and are computed anew only after the rates have drifted, or prices or pools
//! have changed. Most calls look no further than a few moves; some dig: those for which what runs has become dear
//! beside the relaxation, and each that follows a number of calls that did not.

use rand_pcg::Pcg64Mcg;

use crate::agh::stream;
use crate::search::{LocalSearch, Market, Ranking, Running, SearchLimits, SearchState};
use crate::{construct, Deployment, PlannerParams, Problem, Result, SolveParams, Stop, Switches};

/// Rates that have moved by more than this factor since the market was priced want new prices.
const DRIFT: f64 = 1.5;
/// Rounds of column generation that renew the prices.
const ROUNDS: usize = 12;
/// Configurations that the search moves within: at least, and more per query type.
const KERNEL_SIZE: usize = 14;
const KERNEL_SIZE_PER_TYPE: usize = 1;
/// Calls after which one digs, and the fewest between two that dig because what runs has become dear.
const CALLS_BETWEEN: u64 = 5;
const FEWEST_CALLS_BETWEEN: u64 = 2;
/// What runs has become dear where it costs this much more beside the relaxation, as a share, than after the last
/// searches; very dear, so that no call waits, with the second. What is forgotten of the last searches per call.
const DEAR: f64 = 0.02;
const VERY_DEAR: f64 = 0.1;
const FORGOTTEN: f64 = 0.002;
/// More routings solved where what runs, and what is near it, is not enough for the demand.
const REPAIR_SOLVES: u64 = 40;
/// Plans that were good before, kept as further starts; those within this factor of the best are searched from.
const ALTERNATIVES: usize = 2;
const NEAR: f64 = 1.1;
/// Replicas of the relaxation's mixture below these are left out of a start.
const LEAST_REPLICAS: [f64; 2] = [0.1, 0.4];
/// Factor by which shortage becomes dearer, and how often, before it counts as unavoidable.
const SHORTAGE_RISE: f64 = 8.0;
const SHORTAGE_RISES: usize = 5;

/// How far a call looks.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// Routings solved, at most.
    solves: u64,
    perturbations: usize,
}

const LIGHT: Effort = Effort { solves: 16, perturbations: 1 };
const DEEP: Effort = Effort { solves: 40, perturbations: 5 };
/// Moves tried from one state.
const TRIES: usize = 7;

/// What full re-planning keeps from call to call.
#[derive(Debug)]
pub(super) struct Reoptimiser {
    market: Market,
    /// Configurations that the market favours.
    kernel: Vec<u32>,
    /// Rates that the market's prices follow, and those for which they were computed.
    rates: Vec<f64>,
    priced_rates: Vec<f64>,
    /// Prices or pools have changed since.
    is_stale: bool,
    running: Running,
    alternatives: Vec<Vec<Deployment>>,
    /// Cost after the last searches over the value of the relaxation.
    excess: f64,
    /// Calls, those since the last that dug, and those that dug.
    calls: u64,
    calls_since: u64,
    digs: u64,
}

/// The best state of a call, and the others that a later one may start from.
struct Found<'a> {
    best: SearchState<'a>,
    others: Vec<(f64, Vec<Deployment>)>,
}

impl Reoptimiser {
    /// With prices for the numbers of `problem`.
    pub(super) fn new(problem: &Problem) -> Self {
        let mut reoptimiser = Self {
            market: Market::of(problem, &Stop::never()),
            kernel: Vec::new(),
            rates: problem.query_types.rate_per_h.clone(),
            priced_rates: Vec::new(),
            is_stale: false,
            running: Running::default(),
            alternatives: Vec::new(),
            excess: f64::INFINITY,
            calls: 0,
            calls_since: 0,
            digs: 0,
        };
        reoptimiser.price_kernel(problem);
        reoptimiser
    }

    /// Prices or pools have changed: those of the relaxation no longer hold.
    pub(super) fn distrust_prices(&mut self) {
        self.is_stale = true;
    }

    /// Deployments better than `kept` by more than a change must save; `None` where there are none. `kept_usd` is what
    /// the plan with `kept` costs; it need not meet every constraint where it `is_short`.
    pub(super) fn improve(
        &mut self,
        problem: &Problem,
        params: &PlannerParams,
        kept: &[Deployment],
        kept_usd: f64,
        is_short: bool,
    ) -> Result<Option<Vec<Deployment>>> {
        let has_drifted = self.follow(problem);
        self.set_running(problem, params, kept);
        let market = &self.market;
        let may_restart = params.max_changes.is_none();
        let effort = effort(self.excess, kept_usd / market.value_usd, self.calls_since, has_drifted);
        let digs = effort.solves > LIGHT.solves;
        self.calls += 1;
        self.calls_since = if digs { 0 } else { self.calls_since + 1 };
        let mut starts = if may_restart { std::mem::take(&mut self.alternatives) } else { Vec::new() };
        if digs && may_restart {
            self.digs += 1;
            starts.push(match self.digs % 4 {
                0 | 2 => market.rounded(LEAST_REPLICAS[usize::from(self.digs % 4 == 0)]),
                _ => greedy(problem)?,
            });
        }
        let mut kernel = self.kernel.clone();
        kernel.extend(starts.iter().flatten().chain(kept).map(|entry| entry.configuration));
        kernel.sort_unstable();
        kernel.dedup();
        let mut search = LocalSearch::new(problem, market, kernel, Switches::default());
        search.set_running(&self.running);
        search.state.set_deployments(kept);
        // What runs may use some of the headroom up: that alone is no reason for a change.
        let is_base = !is_short && (is_sound(&search.state) || params.headroom > 0.0);
        let base_usd = match (is_base, is_sound(&search.state)) {
            (true, true) => search.state.total_usd(),
            (true, false) => kept_usd,
            (false, _) => f64::INFINITY,
        };
        let stop = Stop::never();
        let mut limits = limits(effort, &stop);
        settle(&mut search, &limits);
        if may_restart && !is_sound(&search.state) {
            limits.solves += REPAIR_SOLVES;
            settle(&mut search, &limits);
        }
        if may_restart && !is_sound(&search.state) {
            limits.solves += REPAIR_SOLVES;
            starts.push(greedy(problem)?);
        }
        let mut found = Found { best: search.state.clone(), others: Vec::new() };
        found.search_from(&mut search, &starts, &limits);
        let mut rng = Pcg64Mcg::new(stream(params.seed, self.calls));
        let perturbations = if may_restart { effort.perturbations } else { 0 };
        for _ in 0..perturbations {
            if search.solves >= limits.solves {
                break;
            }
            search.state.clone_from(&found.best);
            search.perturb(&mut rng, &stop);
            settle(&mut search, &limits);
            found.take(&search.state);
        }
        let Found { best, others } = found;
        let least_usd = (params.min_saving_usd / payback(problem, params)).max(params.min_saving_share * base_usd);
        let pays = !is_base || (is_sound(&best) && base_usd - best.total_usd() > least_usd);
        let excess = (best.total_usd() - best.starting_usd()) / market.value_usd;
        let next = pays.then(|| deployments(&best));
        let forgotten = if digs { (0.5 * (excess - self.excess)).max(FORGOTTEN) } else { FORGOTTEN };
        self.excess = if excess.is_finite() { excess.min(self.excess + forgotten) } else { f64::INFINITY };
        self.remember(others, kept);
        Ok(next)
    }

    /// Lets the market follow the rates; whether it was priced anew.
    fn follow(&mut self, problem: &Problem) -> bool {
        let rates = &problem.query_types.rate_per_h;
        let far = |(now, then): (&f64, &f64)| *now > DRIFT * then || *then > DRIFT * now;
        let is_due = self.is_stale || rates.iter().zip(&self.priced_rates).any(far);
        self.market.follow(&self.rates, rates);
        self.rates.clone_from(rates);
        if is_due {
            self.market.renew(problem, ROUNDS, &Stop::never());
            self.price_kernel(problem);
        }
        is_due
    }

    fn price_kernel(&mut self, problem: &Problem) {
        let size = KERNEL_SIZE + KERNEL_SIZE_PER_TYPE * problem.num_query_types();
        self.kernel = Ranking::new(problem, &self.market).kernel(size, size / 2);
        self.kernel.extend(self.market.mixture.iter().map(|entry| entry.0));
        self.priced_rates.clone_from(&problem.query_types.rate_per_h);
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

    /// Keeps the best of what was found beside what runs, as starts of the next call.
    fn remember(&mut self, mut found: Vec<(f64, Vec<Deployment>)>, kept: &[Deployment]) {
        found.sort_by(|left, right| left.0.total_cmp(&right.0));
        self.alternatives.clear();
        for (_, other) in found {
            let is_new = other != kept && !self.alternatives.contains(&other);
            if is_new && self.alternatives.len() < ALTERNATIVES {
                self.alternatives.push(other);
            }
        }
    }
}

impl<'a> Found<'a> {
    /// Descends from each start that is near enough to the best.
    fn search_from(&mut self, search: &mut LocalSearch<'a>, starts: &[Vec<Deployment>], limits: &SearchLimits<'_>) {
        for start in starts {
            search.state.set_deployments(start);
            search.solves += 1;
            let is_far = is_sound(&self.best)
                && is_sound(&search.state)
                && search.state.total_usd() > NEAR * self.best.total_usd();
            if !is_far {
                settle(search, limits);
                self.take(&search.state);
            }
        }
    }

    /// Takes a state that is a plan over, as the best or as one of the others.
    fn take(&mut self, state: &SearchState<'a>) {
        if !is_sound(state) {
            return;
        }
        self.others.push((state.total_usd(), deployments(state)));
        if !is_sound(&self.best) || state.total_usd() < self.best.total_usd() * (1.0 - 1e-12) {
            self.best.clone_from(state);
        }
    }
}

/// How far to look, by what runs costs beside the relaxation and what it did.
fn effort(excess_before: f64, excess: f64, calls_since: u64, has_drifted: bool) -> Effort {
    let is_dear = excess > excess_before + DEAR && calls_since >= FEWEST_CALLS_BETWEEN;
    let is_very_dear = excess > excess_before + VERY_DEAR;
    if has_drifted || is_dear || is_very_dear || calls_since >= CALLS_BETWEEN {
        DEEP
    } else {
        LIGHT
    }
}

fn limits(effort: Effort, stop: &Stop) -> SearchLimits<'_> {
    // Deep operators take longer than they are worth here.
    SearchLimits {
        solves: effort.solves,
        work: u64::MAX,
        tries: TRIES,
        deep_tries: 0,
        deep_below_usd: f64::NEG_INFINITY,
        stop,
    }
}

/// The payback time as a share of the horizon.
fn payback(problem: &Problem, params: &PlannerParams) -> f64 {
    params.payback_h.unwrap_or(problem.horizon_h) / problem.horizon_h
}

fn greedy(problem: &Problem) -> Result<Vec<Deployment>> {
    Ok(construct::solve(problem, &SolveParams::default(), &Stop::never())?.deployments)
}

fn is_sound(state: &SearchState<'_>) -> bool {
    state.is_solved() && state.is_feasible()
}

/// By rising configuration.
fn deployments(state: &SearchState<'_>) -> Vec<Deployment> {
    let of = |(configuration, replicas)| Deployment { configuration: configuration as u32, replicas };
    let mut deployments: Vec<Deployment> = state.deployments().map(of).collect();
    deployments.sort_unstable_by_key(|entry| entry.configuration);
    deployments
}

/// Descends; where shortage is left, makes it dearer and descends again.
fn settle(search: &mut LocalSearch<'_>, limits: &SearchLimits<'_>) {
    for _ in 0..SHORTAGE_RISES {
        if !search.descend(limits) || search.state.is_feasible() {
            return;
        }
        search.state.raise_shortage_prices(SHORTAGE_RISE);
    }
}
