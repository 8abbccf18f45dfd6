//! Lower bounds: what every plan must cost at least.
//!
//! The Lagrangian relaxation prices the constraints that couple the (model, tier) pairs: supply, error and latency
//! SLOs, budget, storage and pools. What remains falls apart into one small problem per pair: one configuration,
//! whole replicas and a fractional knapsack of traffic, which is solved exactly. The sum is a lower bound for any
//! prices; [`lower_bound`](crate::lower_bound) looks for good ones. Every right-hand side is widened by the feasibility
//! tolerance: what is proven holds for every plan that the checker accepts.

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
mod separation;
mod single;
mod widened;

pub(crate) use domain::Decision;
pub use domain::Domain;
pub use prices::Prices;

pub(crate) use column_generation::{Ending, Generator, Limits};
pub(crate) use evident::is_evidently_infeasible;
pub(crate) use knapsack::Knapsack;
pub(crate) use master::Master;
pub(crate) use mixture::{Mixture, WHOLE};
pub(crate) use relaxation::{Evaluation, Pattern, Relaxation};
pub(crate) use widened::Widened;

use crate::{Problem, SolveParams, Stop};

/// A bound proves that there is no plan where it exceeds 0 by this share of its terms, far beyond their rounding.
const LEAST_PROOF: f64 = 1e-9;
/// Gaps below this are not told from what plans within the feasibility tolerance may save.
pub(crate) const LEAST_GAP: f64 = 1e-4;

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
    relaxation.evaluate(&prices, &Domain::of(problem), &Stop::never(), &mut evaluation);
    // Every cost is at least 0.
    evaluation.value.max(0.0)
}

/// The relaxation's bound of the problem with its rows as they are stated, for its prices: the bound itself may lie above plans
/// within the tolerance.
pub(crate) fn stated_bound(problem: &Problem, params: &SolveParams, stop: &Stop) -> LowerBound {
    let relaxation = Relaxation::with_rows(problem, 1.0, Widened::stated(problem)).tuned(params);
    root_bound(&relaxation, f64::INFINITY, stop)
}

/// The best Lagrangian bound, without branching, or one that is at least `upper`, the value of a plan; infinite where none
/// is known.
pub(crate) fn root_bound(relaxation: &Relaxation<'_>, upper: f64, stop: &Stop) -> LowerBound {
    let problem = relaxation.problem;
    let mut domain = Domain::of(problem);
    let mut generator = Generator::new(relaxation, &domain, Prices::from_single_types(problem));
    let limits = Limits { cutoff: upper, tolerance: 1e-6, max_evaluations: u64::MAX };
    let ending = generator.run_narrowing(&mut domain, limits, stop);
    let mut bound = LowerBound {
        value: generator.best.value.clamp(0.0, upper.max(0.0)),
        prices: generator.best_prices,
        infeasible: false,
        converged: matches!(ending, Ending::Converged | Ending::Cutoff),
        evaluations: generator.evaluations,
    };
    if upper.is_infinite() && (ending == Ending::Artificial || generator.best.value == f64::INFINITY) {
        if let Some(prices) = prove_infeasible(problem, &domain, relaxation.threads, stop, &mut bound.evaluations) {
            bound.value = f64::INFINITY;
            bound.prices = prices;
            bound.infeasible = true;
            bound.converged = true;
        }
    }
    bound
}

/// Prices that prove that no plan lies in `domain`, where such are found.
///
/// Without the objective any plan has value 0, so a Lagrangian bound above 0 is a proof.
pub(crate) fn prove_infeasible(
    problem: &Problem,
    domain: &Domain,
    threads: usize,
    stop: &Stop,
    evaluations: &mut u64,
) -> Option<Prices> {
    let mut relaxation = Relaxation::new(problem, 0.0);
    relaxation.threads = threads;
    let mut generator = Generator::new(&relaxation, domain, Prices::zero(problem));
    // The value is at most the number of rows with an artificial column; 1e-3 of a type unserved is plain enough.
    let limits = Limits { cutoff: 1e-3, tolerance: 1e-7, max_evaluations: stop.max_iterations() };
    generator.run(domain, limits, stop);
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
    relaxation.evaluate(&prices, &domain, &stop, &mut evaluation);
    let value_if_open = relaxation.tighten(&prices, &evaluation, upper, &mut domain, &mut knapsack, &stop);
    Reduction { domain, value_if_open }
}
