//! What components on their own have to say where a problem falls apart.

use crate::bound::LEAST_GAP;
use crate::decompose::{self, Limits};
use crate::tree::Incumbent;
use crate::{Plan, Problem, Result, SolveParams, Status, Stop, StopReason};

/// A plan that is made of plans of components.
#[derive(Debug)]
pub(super) struct Apart {
    plan: Option<Plan>,
    /// Nothing is left to search for.
    is_proven: bool,
}

/// A cheaper plan of a problem that falls apart than `plan`, where components find one that answer to what the others leave of
/// the limits.
pub(super) fn improve(problem: &Problem, params: &SolveParams, plan: &Plan, stop: &Stop) -> Result<Option<Plan>> {
    if stop.should_stop() {
        return Ok(None);
    }
    let mut incumbent = Incumbent::new(problem);
    incumbent.take(plan);
    let schedule = &params.tuning.schedule;
    let max_work = (schedule.answers_share * schedule.usual_work(problem)) as u64;
    decompose::improve(problem, &mut incumbent, max_work, stop)?;
    match plan.objective_value.is_some_and(|usd| incumbent.value < usd) {
        true => incumbent.plan().transpose(),
        false => Ok(None),
    }
}

impl Apart {
    /// The best plan that components find within their share of the work; `None` where the problem does not fall apart or
    /// where parts of the heuristic are turned off.
    pub(super) fn find(
        problem: &Problem,
        params: &SolveParams,
        greedy: &Plan,
        initial_plan: Option<&Plan>,
        stop: &Stop,
    ) -> Result<Option<Self>> {
        if params.switches != crate::Switches::default() || params.max_iterations.is_some() {
            return Ok(None);
        }
        let mut incumbent = Incumbent::new(problem);
        incumbent.take(greedy);
        if let Some(plan) = initial_plan {
            incumbent.take(plan);
        }
        let schedule = &params.tuning.schedule;
        let max_work = (schedule.apart_share * schedule.usual_work(problem)) as u64;
        let limits = Limits { rel_gap: 0.9 * params.rel_gap, max_work };
        let Some(found) = decompose::solve(problem, &mut incumbent, limits, stop)? else { return Ok(None) };
        let is_proven = incumbent.is_proven_by(found.bound, limits.rel_gap);
        let mut plan = incumbent.plan().transpose()?;
        if let Some(plan) = plan.as_mut().filter(|_| is_proven) {
            plan.stop_reason = StopReason::LocalOptimum;
            if params.bound {
                plan.objective_bound = plan.objective_value.map(|value| found.bound.min(value));
                let proven = plan.gap().is_some_and(|gap| gap <= params.rel_gap.max(LEAST_GAP));
                (plan.status, plan.stop_reason) = match proven {
                    true => (Status::Optimal, StopReason::GapReached),
                    false => (plan.status, plan.stop_reason),
                };
            }
        }
        Ok(Some(Self { plan, is_proven }))
    }

    /// The plan where nothing is left to search for.
    pub(super) fn proven(&self) -> Option<Plan> {
        self.plan.as_ref().filter(|_| self.is_proven).cloned()
    }

    /// The plan where it costs less than `other`.
    pub(super) fn better_than(self, other: &Plan) -> Option<Plan> {
        let value = other.objective_value.unwrap_or(f64::INFINITY);
        self.plan.filter(|plan| plan.objective_value.is_some_and(|own| own < value))
    }
}
