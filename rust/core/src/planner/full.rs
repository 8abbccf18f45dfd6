//! Full re-planning: deployments, too, are chosen again, as far as that pays.
//!
//! Starts, in this order: what runs, with the cost of starting more inside the objective; where that ends more expensive beside the
//! [`ReplicaRelaxation`] than what was found before, a dive from that, which is kept from call to call with its basis (first, where
//! what runs is not enough); plans that were good before. Calls that intensify, see [`IntensificationPolicy`], look for the best whole counts of what
//! they have, make more dives, move every other time within a wider [`Kernel`], other configurations each time, and perturb the
//! best until their work is done. What one call does not find, a later one finds, since its starts are the best that was found.
//!
//! Prices, and the configurations that they favour, follow the rates and are recomputed only after the rates have drifted,
//! prices or pools have changed, or they no longer agree with the relaxation; and within a call whose first descents end far
//! above that, since it is then what the search moves within that is at fault.

use rand_pcg::Pcg64Mcg;

use super::call::{limits, search_from, Call, First, Next, Outcome};
use super::intensification::IntensificationPolicy;
use super::kernel::Kernel;
use super::payoff::{payback, pays_off, Kept};
use super::replica_relaxation::ReplicaRelaxation;
use super::solutions::{deployments, descend_to_feasibility, SolutionPool};
use crate::search::{
    CountTree, IncumbentDeployment, LocalSearch, MasterSolution, MostExpensiveFirst, NearestFirst, SearchState,
};
use crate::splitmix::stream;
use crate::tuning::{PlannerTuning, SearchTuning};
use crate::{construct, Deployment, PlannerParams, Problem, Result, SolveParams, Stop, Switches};

/// What full re-planning keeps from call to call.
#[derive(Debug)]
pub(super) struct Reoptimiser {
    tuning: PlannerTuning,
    master: MasterSolution,
    kernel: Kernel,
    /// Rates that the master's prices follow, and those for which they were computed.
    rates: Vec<f64>,
    priced_rates: Vec<f64>,
    /// Prices or pools have changed since, or the master problem no longer agrees with the relaxation.
    is_stale: bool,
    running: IncumbentDeployment,
    relaxation: ReplicaRelaxation,
    tree: CountTree,
    alternatives: Vec<Vec<Deployment>>,
    intensification: IntensificationPolicy,
    calls: u64,
    /// Calls that intensified.
    intensive_calls: u64,
}

impl Reoptimiser {
    /// With prices for the numbers of `problem`.
    pub(super) fn new(problem: &Problem, params: &PlannerParams) -> Self {
        let tuning = params.tuning;
        let master = MasterSolution::of(problem, &Stop::never());
        let mut kernel = Kernel::new(params.seed, tuning.kernel);
        kernel.price(problem, &master);
        Self {
            tuning,
            kernel,
            master,
            rates: problem.query_types.rate_per_h.clone(),
            priced_rates: problem.query_types.rate_per_h.clone(),
            is_stale: false,
            running: IncumbentDeployment::default(),
            relaxation: ReplicaRelaxation::new(problem, tuning),
            tree: CountTree::default(),
            alternatives: Vec::new(),
            intensification: IntensificationPolicy::new(tuning.intensification),
            calls: 0,
            intensive_calls: 0,
        }
    }

    /// Prices or pools have changed: those of the relaxation no longer hold.
    pub(super) fn distrust_prices(&mut self) {
        self.is_stale = true;
    }

    /// Whether the master problem has to be priced again for the numbers of `problem`, for which all routes have to be up to date.
    pub(super) fn is_due(&self, problem: &Problem) -> bool {
        let rates = &problem.query_types.rate_per_h;
        let far = |(now, then): (&f64, &f64)| *now > self.tuning.drift * then || *then > self.tuning.drift * now;
        self.is_stale || rates.iter().zip(&self.priced_rates).any(far)
    }

    /// The configurations whose routes have to be up to date otherwise.
    pub(super) fn looked_at(&self, kept: &[Deployment]) -> Vec<u32> {
        let mut configurations = self.kernel_with(self.alternatives.iter().flatten().chain(kept));
        configurations.extend(self.relaxation.program.members());
        self.kernel.widened(&configurations)
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
        self.set_incumbent(problem, params, kept.deployments);
        let running = std::mem::take(&mut self.running);
        let starts = std::mem::take(&mut self.alternatives);
        let (stop, tuning) = (Stop::never(), self.tuning);
        let kernel = self.kernel_with(starts.iter().flatten().chain(kept.deployments));
        let search = search_from(problem, &self.master, kernel, &running, kept.deployments, kept.program);
        let mut call = Call::new(search, kept, &running, &starts, &tuning, &stop);
        match first {
            Some(first) => call.go_on_from(first),
            None => {
                self.calls += 1;
                self.relax(&mut call, is_priced);
            }
        }
        let intensified = {
            let rests = is_first && self.begin(&mut call, is_priced);
            let is_off = !is_priced && self.intensification.is_off(self.gap_of(&call.solutions.best));
            if !has_all_routes && (is_off || !call.solutions.best.is_sound()) {
                let first = call.into_first();
                (self.running, self.alternatives) = (running, starts);
                return Ok(Outcome::Poor(first));
            }
            self.go_on(&mut call, params.seed, rests, is_priced)?
        };
        let Call { solutions: SolutionPool { best, plans }, kept_state, .. } = call;
        let gap = self.gap_of(&best);
        let next = pays_off(problem, params, kept, &kept_state, &best).then(|| Next {
            deployments: deployments(&best),
            usd: best.total_usd() - best.starting_usd(),
            program: best.into_program(),
        });
        drop(kept_state);
        self.running = running;
        self.intensification.note(gap, intensified);
        self.is_stale = self.intensification.has_credit() && self.relaxation.is_mispriced();
        next.iter().for_each(|next| self.kernel.keep(&next.deployments));
        self.remember(plans, next.as_ref().map_or(kept.deployments, |next| &next.deployments));
        Ok(Outcome::Next(next))
    }

    /// Descends from what runs and from a dive; true where what is found is so good that nothing else need be looked at.
    fn begin(&mut self, call: &mut Call<'_, '_>, is_priced: bool) -> bool {
        let tuning = call.tuning;
        let is_enough = !call.kept.is_short && call.kept_state.is_sound();
        let share = if is_enough {
            tuning.good_kept + tuning.good_saving_share * call.kept.least_saving_share
        } else {
            tuning.good
        };
        // Where what runs is not enough, a descent from it takes many steps.
        for dives in [!is_enough, is_enough] {
            call.search.state.clone_from(&call.kept_state);
            if dives {
                self.dive(call, tuning.dive_below);
            } else {
                call.descend();
            }
            let best = &call.solutions.best;
            let is_good = best.is_sound() && self.intensification.is_good(self.gap_of(best), share);
            if is_good && !is_priced && !call.is_short() {
                return true;
            }
        }
        false
    }

    /// Solves the relaxation for the present numbers, over new members where the master problem was priced again.
    fn relax(&mut self, call: &mut Call<'_, '_>, is_priced: bool) {
        let (state, kept) = (&call.search.state, call.kept.deployments);
        let work = if is_priced {
            let (work, factor) = self.relaxation.renew(state, &self.master, kept, call.stop);
            self.intensification.rescale(factor);
            work
        } else {
            self.relaxation.follow(state, &self.master, kept, call.stop)
        };
        call.search.count_on(work);
    }

    /// Descends from where a dive to the nearest counts ends, unless it costs more than the best by the factor `below`.
    fn dive(&mut self, call: &mut Call<'_, '_>, below: f64) {
        let best = &call.solutions.best;
        let cutoff_usd = if best.is_sound() { below * best.total_usd() } else { f64::INFINITY };
        let max_work = call.tuning.work(call.problem(), call.tuning.dive_work);
        let stop = call.stop;
        let mut strategy = NearestFirst { cutoff_usd, max_work, rng: None::<&mut Pcg64Mcg> };
        if call.search.round_with(&mut self.relaxation.program, &mut strategy, stop) {
            call.descend();
        }
    }

    /// What a call does after it has begun: little where it `rests`, more where it intensifies; whether it did.
    fn go_on(&mut self, call: &mut Call<'_, '_>, seed: u64, rests: bool, mut is_priced: bool) -> Result<bool> {
        let (problem, tuning) = (call.problem(), call.tuning);
        if !call.solutions.best.is_sound() {
            call.limits.work += tuning.repair_factor * call.limits.work;
            call.descend();
        }
        if !is_priced && self.intensification.is_off(self.gap_of(&call.solutions.best)) {
            // The relaxation mixes much better than what it was priced with: the search needs what that is made of.
            self.renew(problem);
            is_priced = true;
            let kernel = self.kernel_with(call.starts.iter().flatten().chain(call.kept.deployments));
            call.begin_again(&self.master, kernel);
            self.relax(call, is_priced);
            self.dive(call, f64::INFINITY);
        }
        let must = is_priced || !call.solutions.best.is_sound();
        let intensifies = self.intensification.intensifies(self.gap_of(&call.solutions.best), call.is_short(), must);
        if is_priced {
            call.search.count_on(tuning.work(problem, tuning.pricing_work));
        }
        let mut rng = Pcg64Mcg::new(stream(seed, self.calls));
        if intensifies {
            call.limits.work = call.limits.work.max(tuning.work(problem, tuning.intensive_work));
            self.intensify(call, &mut rng);
        }
        let most = match (intensifies, rests) {
            (true, _) => call.starts.len(),
            (false, true) => 0,
            (false, false) => tuning.quick_alternatives.min(call.starts.len()),
        };
        let (first, rest) = call.starts.split_at(most);
        call.solutions.search_from(&mut call.search, first, &call.limits, tuning);
        self.alternatives.extend_from_slice(rest);
        // Elsewhere what was good before is better than what a construction begins with.
        if !call.solutions.best.is_sound() {
            let greedy = construct::solve(problem, &SolveParams::default(), call.stop)?.deployments;
            call.solutions.search_from(&mut call.search, &[greedy], &call.limits, tuning);
        }
        if intensifies {
            call.perturb(&mut rng);
        }
        Ok(intensifies)
    }

    /// Looks within a wider kernel, every other time, for whole counts, and makes more dives.
    fn intensify(&mut self, call: &mut Call<'_, '_>, rng: &mut Pcg64Mcg) {
        let (is_short, tuning) = (call.is_short(), call.tuning);
        self.intensive_calls += 1;
        if self.intensive_calls % 2 == 0 {
            let kernel = self.kernel.widened(call.search.kernel());
            call.search.move_within(&self.master, kernel);
            self.kernel.draw(call.problem());
            if call.solutions.best.is_sound() {
                call.search.state.clone_from(&call.solutions.best);
                call.descend();
            }
        }
        call.count(&mut self.tree, tuning.work(call.problem(), tuning.tree_work));
        let max_work = tuning.work(call.problem(), tuning.intensive_dive_work);
        for _ in 0..tuning.random_dives {
            if call.is_done() {
                break;
            }
            let stop = call.stop;
            self.relaxation.program.begin_again();
            let (program, cutoff_usd) = (&mut self.relaxation.program, f64::INFINITY);
            // Where a limit just suffices, what is rounded to near counts leaves more unserved.
            let is_found = match is_short {
                true => call.search.round_with(
                    program,
                    &mut MostExpensiveFirst { cutoff_usd, max_work, rng: &mut *rng },
                    stop,
                ),
                false => {
                    let mut strategy = NearestFirst { cutoff_usd, max_work, rng: Some(&mut *rng) };
                    call.search.round_with(program, &mut strategy, stop)
                }
            };
            if is_found {
                call.descend();
            }
        }
    }

    /// What a state costs over the value of the relaxation, starts not counted.
    fn gap_of(&self, state: &SearchState<'_>) -> f64 {
        (state.total_usd() - state.starting_usd()) / self.relaxation.value_usd()
    }

    /// `next` enlarged for the higher rates that `problem` has meanwhile; only routes of [`Reoptimiser::kernel_with`] what is
    /// kept and `next` need be up to date.
    pub(super) fn enlarge(&self, problem: &Problem, kept: &[Deployment], next: &Next) -> Option<Vec<Deployment>> {
        let mut master = self.master.clone();
        master.follow(&self.rates, &problem.query_types.rate_per_h);
        let kernel = self.kernel_with(kept.iter().chain(&next.deployments));
        let state = SearchState::like(problem, &next.program, next.deployments.len());
        let mut search = LocalSearch::from_state(state, &master, kernel, Switches::default(), &SearchTuning::default());
        search.set_incumbent(&self.running);
        search.state.set_deployments_of(&next.deployments, &next.program);
        let stop = Stop::never();
        let tuning = &self.tuning;
        let max_work = search.work() + tuning.work(problem, tuning.headroom_work);
        descend_to_feasibility(&mut search, &limits(max_work, tuning.tries, &stop), tuning);
        search.state.is_sound().then(|| deployments(&search.state))
    }

    /// The configurations that the prices favour and those of `entries`.
    pub(super) fn kernel_with<'d>(&self, entries: impl Iterator<Item = &'d Deployment>) -> Vec<u32> {
        self.kernel.with(entries)
    }

    /// Lets the master problem follow the rates; whether it was priced again.
    fn follow(&mut self, problem: &Problem) -> bool {
        let rates = &problem.query_types.rate_per_h;
        let is_due = self.is_due(problem);
        self.master.follow(&self.rates, rates);
        self.rates.clone_from(rates);
        if is_due {
            self.renew(problem);
        }
        is_due
    }

    fn renew(&mut self, problem: &Problem) {
        self.master.renew(problem, self.tuning.pricing_rounds, &Stop::never());
        self.kernel.price(problem, &self.master);
        self.priced_rates.clone_from(&problem.query_types.rate_per_h);
        self.is_stale = false;
    }

    fn set_incumbent(&mut self, problem: &Problem, params: &PlannerParams, kept: &[Deployment]) {
        let running = &mut self.running;
        let payback = payback(problem, params);
        running.start_usd.clear();
        let start_usd = |a| params.transition.replica_usd(problem, a) / payback;
        running.start_usd.extend((0..problem.num_configurations()).map(start_usd));
        running.replicas.clear();
        running.replicas.resize(problem.num_configurations(), 0);
        for entry in kept {
            for a in problem.same_replicas(entry.configuration as usize) {
                running.replicas[a as usize] = entry.replicas;
            }
        }
    }

    /// Keeps the best of what was found beside what runs, and then what was not looked at, as starts of the next call.
    fn remember(&mut self, mut found: Vec<(f64, Vec<Deployment>)>, running: &[Deployment]) {
        found.sort_by(|left, right| left.0.total_cmp(&right.0));
        let rest = std::mem::take(&mut self.alternatives);
        for other in found.into_iter().map(|entry| entry.1).chain(rest) {
            let is_new = other != running && !self.alternatives.contains(&other);
            if is_new && self.alternatives.len() < self.tuning.alternatives {
                self.alternatives.push(other);
            }
        }
    }
}
