//! From a solved routing program to a plan, whatever it falls short of.

use std::fmt;

use crate::routing::RoutingProgram;
use crate::{Deployment, Plan, PlannerParams, Problem, Result, Routing, Status, StopReason, FEASIBILITY_TOLERANCE};

/// The deployments of a program, by rising configuration where its slots are.
pub(super) fn deployments(program: &RoutingProgram) -> Vec<Deployment> {
    let used = (0..program.num_slots()).filter_map(|slot| Some((program.configuration(slot)?, program.replicas(slot))));
    used.map(|(configuration, replicas)| Deployment { configuration: configuration as u32, replicas }).collect()
}

/// The plan of a solved program.
pub(super) fn make(problem: &Problem, program: &RoutingProgram, params: &PlannerParams) -> Result<Plan> {
    let (mut routing, mut served) = program.traffic(problem);
    whole(&mut routing, &mut served);
    let max_unmet = &problem.query_types.max_unmet;
    let is_short = |i: usize| program.shortage(i) > 0.5 * FEASIBILITY_TOLERANCE;
    let unmet = |i: usize| {
        let unmet = (1.0 - served[i]).clamp(0.0, 1.0);
        // Rounding is no reason to leave more unserved than may be; what is more than rounding is reported.
        let is_rounding = !is_short(i) && unmet <= max_unmet[i] + FEASIBILITY_TOLERANCE;
        if is_rounding {
            unmet.min(max_unmet[i])
        } else {
            unmet
        }
    };
    let unmet: Vec<f64> = (0..served.len()).map(unmet).collect();
    let message = shortcomings(problem, &unmet, program);
    let mut plan = Plan::from_solution(problem, deployments(program), &routing, unmet)?;
    plan.method = "planner".to_owned();
    plan.seed = params.seed;
    plan.stop_reason = StopReason::Completed;
    if !message.is_empty() {
        plan.status = Status::Degraded;
        plan.message = Some(message);
    }
    Ok(plan)
}

/// Brings shares of a query type that add up to more than 1, as where numbers lie far apart, down to it.
pub(super) fn whole(routing: &mut Routing, served: &mut [f64]) {
    if served.iter().all(|&share| share <= 1.0 + 0.5 * FEASIBILITY_TOLERANCE) {
        return;
    }
    for (fraction, &i) in routing.fraction.iter_mut().zip(&routing.query_type) {
        *fraction /= served[i as usize].max(1.0);
    }
    served.iter_mut().for_each(|share| *share = share.min(1.0));
}

/// The plan of deployments for which no routing was found that can be calculated with: they serve nothing.
pub(super) fn without_traffic(problem: &Problem, deployments: Vec<Deployment>, params: &PlannerParams) -> Result<Plan> {
    let unmet = vec![1.0; problem.num_query_types()];
    let mut plan = Plan::from_solution(problem, deployments, &Routing::default(), unmet)?;
    plan.method = "planner".to_owned();
    plan.seed = params.seed;
    plan.stop_reason = StopReason::Completed;
    plan.status = Status::Degraded;
    plan.message = Some("nothing is served: the numbers lie too far apart for a routing to be calculated".to_owned());
    Ok(plan)
}

/// A share in percent with two decimals; several times as quick as the formatting of floating-point numbers.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (1e4 * self.0).round() as u64;
        write!(formatter, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

/// What the plan falls short of, for people; empty where it meets every constraint.
fn shortcomings(problem: &Problem, unmet: &[f64], program: &RoutingProgram) -> String {
    let q = &problem.query_types;
    let mut found = Vec::new();
    for (i, &share) in unmet.iter().enumerate() {
        if share > q.max_unmet[i] + FEASIBILITY_TOLERANCE {
            found.push(format!(
                "{}: capacity for {} % is missing; {} % go unserved where {} % may",
                q.name[i],
                Percent(share - q.max_unmet[i]),
                Percent(share),
                Percent(q.max_unmet[i])
            ));
        }
    }
    let tokens_gb: f64 = q.data_gb.iter().zip(unmet).map(|(gb, share)| gb * (1.0 - share)).sum();
    let (mut stored_gb, mut spent_usd) = (tokens_gb, 0.0);
    for slot in 0..program.num_slots() {
        if let Some(a) = program.configuration(slot) {
            stored_gb += problem.configurations.weights_gb[a];
            spent_usd += problem.replica_usd(a) * f64::from(program.replicas(slot));
        }
    }
    spent_usd += problem.horizon_h * problem.storage_usd_per_gb_h * stored_gb;
    let exceeds = |used: f64, limit: f64| used > limit * (1.0 + FEASIBILITY_TOLERANCE);
    if exceeds(spent_usd, problem.budget_usd) {
        found.push(format!("rental and storage cost {spent_usd:.2} USD where the budget is {:.2}", problem.budget_usd));
    }
    if exceeds(stored_gb, problem.storage_gb) {
        found.push(format!("{stored_gb:.2} GB are stored where {:.2} may be", problem.storage_gb));
    }
    found.join("; ")
}
