//! GH, the greedy heuristic: one construction and what post-optimises it.
//!
//! The construction opens at least one path for every query type (coverage phase), then fills the types by falling
//! arrival rate. Its three mechanisms can be turned off one by one through [`Switches`]: M1 selects one TP/PP per
//! (query type, model, tier), M2 ranks candidates by added cost per share that they can really cover, M3 moves an
//! active (model, tier) to a larger TP/PP before a new pair is opened. Source: Cheng & Nguyen, "Fast Heterogeneous
//! Serving", arXiv 2604.07472, whose greedy heuristic this extends by prices for the SLO allowances and by post-optimisation.

mod candidates;
mod context;
mod coverage;
mod demand;
mod exchange;
mod greedy;
mod missing;
mod post_optimisation;
mod ranking;
mod repair;
mod scarcity;
mod slot;
mod starts;
mod state;
mod type_price;
mod upgrade;
mod work;

use crate::pricing::LimitPrices;
use crate::tuning::ConstructTuning;
use crate::{Deployment, Plan, Problem, Result, Routing, SolveParams, Status, Stop, StopReason, Switches};
use candidates::Candidates;
use context::Context;
use coverage::MixPart;
use post_optimisation::PostOptimisation;
use repair::FlowValue;
use state::{ConstructionState, NONE, SHARE_EPSILON};
use work::Work;

/// Memory of constructions for one problem; it does not grow any more after the first few.
#[derive(Debug, Default)]
pub struct Workspace {
    candidates: Candidates,
    /// What the candidates have been selected for.
    prepared: Option<Switches>,
    /// Whether limits have a price.
    priced: bool,
    state: ConstructionState,
    best: ConstructionState,
    has_best: bool,
    /// How far the state and the best one have been post-optimised.
    post_optimisation: PostOptimisation,
    best_post_optimisation: PostOptimisation,
    scratch: Scratch,
    work: Work,
    construction: Construction,
}

/// Working memory of the parts.
#[derive(Debug, Default)]
struct Scratch {
    before: ConstructionState,
    configurations: Vec<u32>,
    order: Vec<u32>,
    ratios: Vec<f64>,
    left: Vec<f64>,
    mix: Vec<MixPart>,
    fallback_usd: Vec<f64>,
    flow_values: Vec<FlowValue>,
}

impl Workspace {
    /// Empty memory, for one problem only: candidates selected for it are kept from one construction to the next.
    pub fn new() -> Self {
        Self::default()
    }

    /// Empty memory for constructions that `tuning` steers.
    pub fn with_tuning(tuning: ConstructTuning) -> Self {
        let mut workspace = Self::default();
        workspace.candidates.tuning = tuning;
        workspace
    }

    fn prepare(&mut self, problem: &Problem, switches: Switches) {
        let selects = |switches: Switches| switches.tp_selection;
        if self.prepared.map(selects) != Some(selects(switches)) {
            self.candidates.select(problem, switches.tp_selection);
            self.priced = false;
            self.prepared = Some(switches);
        } else if self.priced {
            self.candidates.forget_idle(problem);
            self.reprice(problem, &LimitPrices::default());
        }
    }

    fn price_idle(&mut self, problem: &Problem) {
        self.candidates.price_idle(problem);
        self.candidates.reprice(problem, &LimitPrices::default());
        self.priced = true;
    }

    fn reprice(&mut self, problem: &Problem, prices: &LimitPrices) {
        self.candidates.reprice(problem, prices);
        self.priced = *prices != LimitPrices::default();
    }
}

/// The outcome of one construction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Construction {
    /// What is deployed.
    pub deployments: Vec<Deployment>,
    /// Where the traffic goes.
    pub routing: Routing,
    /// Unserved share of each query type.
    pub unmet: Vec<f64>,
    /// Share of each query type that goes unserved beyond `max_unmet`; all zero where the construction is feasible.
    pub missing: Vec<f64>,
    /// Objective value, USD.
    pub objective_usd: f64,
    /// Whether the budget, the storage or a pool is exceeded, as where the tokens that have to be stored do not fit.
    pub exceeds_limits: bool,
}

impl Construction {
    /// Whether every constraint is met.
    pub fn is_feasible(&self) -> bool {
        !self.exceeds_limits && self.missing.iter().all(|&missing| missing == 0.0)
    }

    fn read(&mut self, problem: &Problem, state: &ConstructionState) {
        self.deployments.clear();
        let deployed =
            state.slots.iter().map(|slot| Deployment { configuration: slot.configuration, replicas: slot.replicas });
        self.deployments.extend(deployed);
        self.routing.query_type.clear();
        self.routing.configuration.clear();
        self.routing.fraction.clear();
        for flow in &state.flows {
            self.routing.query_type.push(flow.query_type);
            self.routing.configuration.push(flow.configuration);
            self.routing.fraction.push(flow.fraction);
        }
        self.unmet.clear();
        self.unmet.extend(state.served.iter().map(|served| {
            let unmet = 1.0 - served;
            if unmet > SHARE_EPSILON {
                unmet
            } else {
                0.0
            }
        }));
        self.missing.clear();
        self.missing.extend((0..state.served.len()).map(|i| state.missing(problem, i)));
        self.objective_usd = state.cost_usd;
        self.exceeds_limits = state.exceeds_limits(problem);
    }
}

/// One greedy construction that fills the query types in `order`, which names each of them once, without the
/// comparing and post-optimisation of [`greedy_heuristic`].
///
/// `workspace` may have served other constructions of the same problem, never of another.
pub fn construct<'a>(
    problem: &Problem,
    order: &[u32],
    switches: Switches,
    workspace: &'a mut Workspace,
) -> &'a Construction {
    workspace.prepare(problem, switches);
    let Workspace { candidates, state, construction, scratch, work, .. } = workspace;
    let context = Context { problem, candidates, switches, closed: NONE, most_usd: f64::INFINITY, work };
    greedy::build(&context, state, scratch, &starts::SINGLE, order);
    construction.read(problem, state);
    construction
}

/// The whole greedy heuristic with the query types in `order`, which names each of them once: the best of a few
/// constructions, each post-optimised.
///
/// `workspace` may have served other constructions of the same problem, never of another. Where `stop` ends it early,
/// the best so far is returned.
pub fn greedy_heuristic<'a>(
    problem: &Problem,
    order: &[u32],
    switches: Switches,
    workspace: &'a mut Workspace,
    stop: &Stop,
) -> &'a Construction {
    starts::best_of_starts(problem, order, switches, workspace, stop);
    workspace.construction.read(problem, &workspace.state);
    &workspace.construction
}

/// The query types by falling arrival rate, ties by index: the order of GH.
pub fn falling_rate(problem: &Problem) -> Vec<u32> {
    let rate = &problem.query_types.rate_per_h;
    let mut order: Vec<u32> = (0..problem.num_query_types() as u32).collect();
    order.sort_by(|&x, &y| rate[y as usize].total_cmp(&rate[x as usize]));
    order
}

/// Method "gh".
pub(crate) fn solve(problem: &Problem, params: &SolveParams, stop: &Stop) -> Result<Plan> {
    let mut workspace = Workspace::with_tuning(params.tuning.construct);
    let order = falling_rate(problem);
    if !greedy_heuristic(problem, &order, params.switches, &mut workspace, stop).is_feasible() {
        let message = missing::describe(problem, &workspace.candidates, &workspace.state);
        return Ok(Plan::none(&problem.name, "gh", params.seed, Status::NoSolutionFound, message));
    }
    let Construction { deployments, routing, unmet, .. } = workspace.construction;
    let mut plan = Plan::from_solution(problem, deployments, &routing, unmet)?;
    plan.stop_reason = stop.reason(0).unwrap_or(StopReason::Completed);
    Ok(plan)
}
