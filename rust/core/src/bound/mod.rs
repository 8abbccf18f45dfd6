//! Lower bounds: what every plan must cost at least.
//!
//! The Lagrangian relaxation prices the constraints that couple the (model, tier) pairs: supply, error and latency
//! SLOs, budget, storage and pools. What remains falls apart into one small problem per pair: one configuration,
//! whole replicas and a fractional knapsack of traffic, which is solved exactly. The sum is a lower bound for any
//! prices; [`lower_bound`] looks for good ones. Every right-hand side is widened by the feasibility tolerance: what is
//! proven holds for every plan that the checker accepts.

mod column_generation;
mod cover;
mod cut;
mod domain;
mod evident;
mod knapsack;
mod load;
mod master;
mod mixture;
mod prices;
mod propagation;
mod relaxation;
mod rounding;
mod single;
mod widened;

pub use domain::Domain;
pub use prices::Prices;

pub(crate) use column_generation::{Ending, Generator, Limits};
pub(crate) use evident::is_evidently_infeasible;
pub(crate) use knapsack::Knapsack;
pub(crate) use master::Master;
pub(crate) use mixture::{Mixture, WHOLE};
pub(crate) use relaxation::{Evaluation, Pattern, Relaxation};
pub(crate) use widened::Widened;

use crate::{bnb, relative_gap, Error, Plan, Problem, Result, SolveParams, Status, Stop, StopReason};

/// A bound proves that there is no plan where it exceeds 0 by this share of its terms, far beyond their rounding.
const LEAST_PROOF: f64 = 1e-9;
/// Gaps below this are not told from what plans within the feasibility tolerance may save.
pub(crate) const LEAST_GAP: f64 = 1e-4;
/// Elementary steps, of a few nanoseconds, that branching may take for a bound without a time limit: tens of milliseconds.
const BRANCHING_WORK: u64 = 8_000_000;
/// A plan counts as better where it saves at least this share.
const LEAST_SAVING: f64 = 1e-9;

/// What is proven about the cost of every plan.
#[derive(Debug, Clone, PartialEq)]
pub struct LowerBound {
    /// No plan costs less, in USD over the horizon; infinite where it is proven that there is no plan.
    pub value: f64,
    /// The prices that prove it. Where there is no plan, those that prove that.
    pub prices: Prices,
    /// Whether it is proven that no plan meets every constraint.
    pub infeasible: bool,
    /// Whether the search for better prices ran to its end.
    pub converged: bool,
    /// Times that the Lagrangian function was evaluated.
    pub evaluations: u64,
}

/// The Lagrangian bound at `prices`, which may be any numbers: the value that holds whatever they are.
pub fn bound_at(problem: &Problem, prices: &Prices) -> f64 {
    let mut prices = prices.clone();
    prices.sanitize(problem);
    let relaxation = Relaxation::new(problem, 1.0);
    let mut evaluation = Evaluation::default();
    relaxation.evaluate(&prices, &Domain::of(problem), None, &Stop::never(), &mut evaluation);
    // Every cost is at least 0.
    evaluation.value.max(0.0)
}

/// Looks for the prices with the largest Lagrangian bound and, where there is a time limit, raises the bound by
/// branching for as long as time is left.
///
/// `params.threads` are used for each evaluation; the result depends on neither the threads nor, without a time limit,
/// the machine.
///
/// # Errors
/// [`Error::Internal`] where the threads cannot be started.
pub fn lower_bound(problem: &Problem, params: &SolveParams, stop: &Stop) -> Result<LowerBound> {
    Ok(search(problem, None, params, stop)?.bound)
}

/// The relaxation's bound of the problem with its rows as they are stated, for its prices: the bound itself may lie above plans
/// within the tolerance.
pub(crate) fn stated_bound(problem: &Problem, params: &SolveParams, stop: &Stop) -> Result<LowerBound> {
    let relaxation = Relaxation::with_rows(problem, 1.0, Widened::stated(problem));
    root_bound(&relaxation, f64::INFINITY, params, stop)
}

/// A lower bound, and the best plan where the search for the bound found one.
pub(crate) struct Search {
    pub(crate) bound: LowerBound,
    pub(crate) plan: Option<Plan>,
}

/// The bound of a branch and bound, which ends where it meets the best plan known or found within `params.rel_gap`. Without a
/// time limit it is that of the relaxation and, where that leaves a gap to a known plan, what a few steps of branching add: what
/// can be proven at once is proven, and the result is the same on every machine.
fn search(problem: &Problem, known: Option<&Plan>, params: &SolveParams, stop: &Stop) -> Result<Search> {
    if stop.remaining_s().is_some() {
        return bnb::raise_bound(problem, known, params, None, stop);
    }
    let upper = known.and_then(|plan| plan.objective_value);
    let relaxation = Relaxation::new(problem, 1.0);
    let mut bound = root_bound(&relaxation, upper.unwrap_or(f64::INFINITY), params, stop)?;
    let is_open = |upper: f64| relative_gap(upper, bound.value) > params.rel_gap.max(LEAST_GAP);
    if !upper.is_some_and(is_open) {
        return Ok(Search { bound, plan: None });
    }
    // The caller's number of iterations counts those of the search for the plan.
    let unlimited = stop.with_iterations(u64::MAX);
    let branched = bnb::raise_bound(problem, known, params, Some(BRANCHING_WORK), &unlimited)?;
    bound.value = bound.value.max(branched.bound.value);
    bound.converged &= branched.bound.converged;
    bound.evaluations += branched.bound.evaluations;
    Ok(Search { bound, plan: branched.plan })
}

/// The best Lagrangian bound, without branching, or one that is at least `upper`, the value of a plan; infinite where none
/// is known.
pub(crate) fn root_bound(
    relaxation: &Relaxation<'_>,
    upper: f64,
    params: &SolveParams,
    stop: &Stop,
) -> Result<LowerBound> {
    let problem = relaxation.problem;
    let pool = thread_pool(params.threads)?;
    let mut domain = Domain::of(problem);
    let mut generator = Generator::new(relaxation, &domain, Prices::from_single_types(problem));
    let limits = Limits { cutoff: upper, tolerance: 1e-6, max_evaluations: u64::MAX };
    let ending = generator.run_narrowing(&mut domain, limits, pool.as_ref(), stop);
    let mut bound = LowerBound {
        value: generator.best.value.clamp(0.0, upper.max(0.0)),
        prices: generator.best_prices,
        infeasible: false,
        converged: matches!(ending, Ending::Converged | Ending::Cutoff),
        evaluations: generator.evaluations,
    };
    if upper.is_infinite() && (ending == Ending::Artificial || generator.best.value == f64::INFINITY) {
        if let Some(prices) = prove_infeasible(problem, &domain, pool.as_ref(), stop, &mut bound.evaluations) {
            bound.value = f64::INFINITY;
            bound.prices = prices;
            bound.infeasible = true;
            bound.converged = true;
        }
    }
    Ok(bound)
}

/// Gives `plan` its lower bound and, where the bound proves it, the status [`Status::Optimal`] or [`Status::Infeasible`].
/// Where the search for the bound finds a better plan and `takes_better` says so, `plan` becomes that.
///
/// # Errors
/// As [`lower_bound`].
pub(crate) fn certify(
    problem: &Problem,
    plan: &mut Plan,
    takes_better: bool,
    params: &SolveParams,
    stop: &Stop,
) -> Result<()> {
    let known = plan.status.has_plan().then_some(&*plan);
    let Search { bound, plan: found } = search(problem, known, params, stop)?;
    let value = plan.objective_value.unwrap_or(f64::INFINITY);
    let is_better = |found: &Plan| found.objective_value.is_some_and(|usd| usd < value * (1.0 - LEAST_SAVING));
    if let Some(better) = found.filter(|found| takes_better && is_better(found)) {
        *plan = Plan { method: plan.method.clone(), seed: plan.seed, stop_reason: plan.stop_reason, ..better };
    }
    if let Some(value) = plan.objective_value {
        plan.objective_bound = Some(bound.value.min(value));
        if plan.gap().is_some_and(|gap| gap <= params.rel_gap.max(LEAST_GAP)) {
            plan.status = Status::Optimal;
            plan.stop_reason = StopReason::GapReached;
        }
    } else if bound.infeasible {
        plan.status = Status::Infeasible;
    } else {
        plan.objective_bound = Some(bound.value);
    }
    Ok(())
}

/// Prices that prove that no plan lies in `domain`, where such are found.
///
/// Without the objective any plan has value 0, so a Lagrangian bound above 0 is a proof.
pub(crate) fn prove_infeasible(
    problem: &Problem,
    domain: &Domain,
    pool: Option<&rayon::ThreadPool>,
    stop: &Stop,
    evaluations: &mut u64,
) -> Option<Prices> {
    let relaxation = Relaxation::new(problem, 0.0);
    let mut generator = Generator::new(&relaxation, domain, Prices::zero(problem));
    // The value is at most the number of rows with an artificial column; 1e-3 of a type unserved is plain enough.
    let limits = Limits { cutoff: 1e-3, tolerance: 1e-7, max_evaluations: stop.max_iterations() };
    generator.run(domain, limits, pool, stop);
    *evaluations += generator.evaluations;
    let (_, size) = relaxation.constant(&generator.best_prices);
    let size = size + generator.best.profit.iter().filter(|profit| profit.is_finite()).sum::<f64>();
    (generator.best.value > LEAST_PROOF * size).then_some(generator.best_prices)
}

/// What reduced-cost fixing leaves: everything that a plan cheaper than `upper` can contain.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduction {
    /// The ranges of replicas that remain.
    pub domain: Domain,
    /// The least that a plan costs which deploys the configuration; infinite where none can be deployed.
    pub value_if_open: Vec<f64>,
}

/// Drops from the problem what no plan that costs less than `upper` contains, as `prices` prove.
pub fn reduce(problem: &Problem, prices: &Prices, upper: f64) -> Reduction {
    let mut prices = prices.clone();
    prices.sanitize(problem);
    let relaxation = Relaxation::new(problem, 1.0);
    let mut domain = Domain::of(problem);
    let mut evaluation = Evaluation::default();
    let (stop, mut knapsack) = (Stop::never(), Knapsack::default());
    relaxation.evaluate(&prices, &domain, None, &stop, &mut evaluation);
    let value_if_open = relaxation.tighten(&prices, &evaluation, upper, &mut domain, &mut knapsack, &stop);
    Reduction { domain, value_if_open }
}

pub(crate) fn thread_pool(threads: usize) -> Result<Option<rayon::ThreadPool>> {
    if threads <= 1 {
        return Ok(None);
    }
    let built = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    built.map(Some).map_err(|error| Error::Internal(format!("no threads: {error}")))
}
