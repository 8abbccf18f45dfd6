//! Deployments at the least expected cost, the traffic routed again in every scenario.
//!
//! What is deployed costs its rental and storage, and in each scenario its best routing, with unserved queries at their
//! price: a two-stage stochastic program with recourse, by sample average approximation (Kleywegt, Shapiro and Homem-de-Mello,
//! "The sample average approximation method for stochastic discrete optimization", 2002). Scenarios are those of
//! [`stress`](crate::stress). The search moves replicas one by one. A move's saving is bounded by the prices of the routing programs of
//! all scenarios (linear programming duality), so that most moves are never costed; those that are, are costed scenario by
//! scenario, each from the basis that is there, until it is clear that they save less than the best so far.

mod kernel;
mod scenarios;
mod search;

use std::time::{Duration, Instant};

use crate::stress::{reroute_deployments, Inflation};
use crate::{
    check, construct, CancelToken, Deployment, Error, Plan, Problem, ProblemData, Result, SolveParams, Status, Stop,
    StopReason,
};
use kernel::Kernel;
use search::Search;

/// Sizes of boxes, as shares of the whole, at whose worst figures greedy plans are made to start from.
const BOX_PARTS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// How often the clock is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Settings of [`plan_with_recourse`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecourseParams {
    /// Largest factors of the scenarios; 1.5 for latency, busy time and error by default.
    pub inflation: Inflation,
    /// Number of scenarios, at least 1; 100 by default.
    pub scenarios: u32,
    /// Seed of the scenarios; 1 by default. Judge a plan by another.
    pub seed: u64,
    /// Largest mean share of all queries that may go unserved, whatever its price says; `None` for what the price says. Where no
    /// deployment found keeps it, the one closest.
    pub max_violation_rate: Option<f64>,
    /// Deployments costed at most, at least 1; 5,000 by default.
    pub max_evaluations: u64,
    /// Wall-clock limit, s; `None`, the default, for no limit.
    pub time_limit_s: Option<f64>,
}

impl Default for RecourseParams {
    fn default() -> Self {
        let inflation = Inflation::uniform(1.5);
        Self {
            inflation,
            scenarios: 100,
            seed: 1,
            max_violation_rate: None,
            max_evaluations: 5_000,
            time_limit_s: None,
        }
    }
}

impl RecourseParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        self.inflation.validate()?;
        for (name, value) in [("scenarios", u64::from(self.scenarios)), ("max_evaluations", self.max_evaluations)] {
            if value == 0 {
                return Err(Error::invalid(format!("recourse.{name}"), "must be at least 1"));
            }
        }
        if let Some(limit_s) = self.time_limit_s.filter(|limit_s| limit_s.is_nan() || *limit_s < 0.0) {
            return Err(Error::invalid("time_limit", format!("must be at least 0, got {limit_s}")));
        }
        match self.max_violation_rate {
            Some(rate) if !(0.0..=1.0).contains(&rate) => {
                let message = format!("must be between 0 and 1, got {rate}");
                Err(Error::invalid("recourse.max_violation_rate", message))
            }
            _ => Ok(()),
        }
    }
}

/// The plan whose deployments have the least expected cost found, routed and costed at the figures of `problem`.
///
/// The search begins at the best of `starts` and of greedy plans against ever larger boxes of figures, and at nothing. `None`
/// where no deployment found has a feasible routing at the figures as given. A search that the time limit or `cancel` ends returns
/// the best so far.
///
/// # Errors
/// [`Error::Invalid`] where a setting is out of range or a start is no plan of `problem`; [`Error::Internal`] where a routing
/// cannot be solved.
pub fn plan_with_recourse(
    problem: &Problem,
    params: &RecourseParams,
    starts: &[&Plan],
    cancel: &CancelToken,
) -> Result<Option<Plan>> {
    params.validate()?;
    let token = limited(params.time_limit_s, cancel);
    let mut begun: Vec<Vec<Deployment>> = Vec::new();
    for start in starts {
        start.validate(problem)?;
        if start.status.has_plan() {
            begun.push(start.deployments.clone());
        }
    }
    for part in BOX_PARTS {
        begun.extend(greedy_of_box(problem, params.inflation, part, &token)?);
    }
    let kernel = Kernel::new(problem, params.inflation, &begun);
    let Some(mut search) = Search::new(problem, params, &kernel, &token)? else { return Ok(None) };
    let mut found = Vec::new();
    let mut best: Option<(f64, Vec<Deployment>)> = None;
    for deployments in begun {
        if best.is_some() && token.poll() {
            break;
        }
        let cost = search.restart(&deployments)?;
        if cost.is_finite() && best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, deployments));
        }
    }
    for deployments in [best.map_or_else(Vec::new, |(_, deployments)| deployments), Vec::new()] {
        if !found.is_empty() && token.poll() {
            break;
        }
        search.restart(&deployments)?;
        found.extend(search.descend()?);
    }
    found.sort_by(|x, y| x.0.total_cmp(&y.0));
    for (_, deployments) in found {
        if let Some(mut plan) = routed(problem, &deployments)? {
            plan.stop_reason = match (cancel.is_cancelled(), token.is_cancelled()) {
                (true, _) => StopReason::Cancelled,
                (_, true) => StopReason::TimeLimit,
                _ => StopReason::Completed,
            };
            return Ok(Some(plan));
        }
    }
    Ok(None)
}

/// A token that is cancelled with `cancel`, or when the time is up.
fn limited(time_limit_s: Option<f64>, cancel: &CancelToken) -> CancelToken {
    let parent = cancel.clone();
    let deadline = time_limit_s
        .and_then(|limit_s| Duration::try_from_secs_f64(limit_s).ok())
        .and_then(|limit| Instant::now().checked_add(limit));
    cancel.child_with_poll(POLL_INTERVAL, move || {
        parent.poll() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
    })
}

/// The best routing of deployments at the figures as given; `None` where there is none that keeps every constraint.
fn routed(problem: &Problem, deployments: &[Deployment]) -> Result<Option<Plan>> {
    let Some(best) = reroute_deployments(problem, deployments, false)? else { return Ok(None) };
    let plan = Plan::from_solution(problem, deployments.to_vec(), &best.routing, best.unmet)?;
    Ok(check(problem, &plan)?.is_feasible().then_some(plan))
}

/// What the greedy plan deploys where all figures are worse by `part` of the way to their worst; prices stay what they are.
fn greedy_of_box(
    problem: &Problem,
    inflation: Inflation,
    part: f64,
    cancel: &CancelToken,
) -> Result<Option<Vec<Deployment>>> {
    let factor = |largest: f64| 1.0 + part * (largest - 1.0);
    let (latency, error, demand) = (factor(inflation.latency), factor(inflation.error), factor(inflation.demand));
    let mut data: ProblemData = problem.data().clone();
    let scale = |column: &mut Vec<f64>, factor: f64| column.iter_mut().for_each(|value| *value *= factor);
    scale(&mut data.routes.busy_s, latency);
    scale(&mut data.routes.latency_s, latency);
    scale(&mut data.routes.error, error);
    scale(&mut data.query_types.rate_per_h, demand);
    scale(&mut data.query_types.latency_usd_per_s, 1.0 / (demand * latency));
    scale(&mut data.query_types.unmet_usd_per_query, 1.0 / demand);
    let boxed = Problem::new(data)?;
    let params = SolveParams::default();
    let plan = construct::solve(&boxed, &params, &Stop::new(&params, cancel))?;
    Ok((plan.status == Status::Feasible).then_some(plan.deployments))
}
