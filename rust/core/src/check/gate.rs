//! The one gate between methods and the world: nothing leaves as FEASIBLE or OPTIMAL that the checker refuses.

use super::check;
use crate::{Plan, Problem, Status};

/// Whether the checker accepts `plan`. What claims to be no plan, or one that falls short, has nothing to be refused.
pub(crate) fn accepts(problem: &Problem, plan: &Plan) -> bool {
    match plan.status {
        Status::Optimal | Status::Feasible => check(problem, plan).is_ok_and(|report| report.is_feasible()),
        Status::Degraded | Status::Infeasible | Status::NoSolutionFound => true,
    }
}

/// `plan` where the checker accepts it, and else the answer that none was found.
///
/// # Panics
/// In debug builds where the checker refuses it: a method is to look for the next best plan itself.
pub(crate) fn admit(problem: &Problem, plan: Plan) -> Plan {
    if accepts(problem, &plan) {
        return plan;
    }
    debug_assert!(false, "{}: {} made a plan that breaks {:?}", problem.name, plan.method, check(problem, &plan));
    let message = "the plan that was found does not meet every constraint within the tolerance".to_owned();
    let none = Plan::none(&plan.problem, &plan.method, plan.seed, Status::NoSolutionFound, message);
    Plan { stop_reason: plan.stop_reason, statistics: plan.statistics, ..none }
}

/// `plan` where the checker accepts it, and else as one that falls short, with what it breaks in its message: for a planner,
/// which always has a plan.
pub(crate) fn admit_or_degrade(problem: &Problem, plan: Plan) -> Plan {
    if !matches!(plan.status, Status::Optimal | Status::Feasible) {
        return plan;
    }
    let message = match check(problem, &plan) {
        Ok(report) if report.is_feasible() => return plan,
        Ok(report) => report.violations.into_iter().map(|violation| violation.message).collect::<Vec<_>>().join("; "),
        Err(error) => error.to_string(),
    };
    Plan { status: Status::Degraded, message: Some(message), ..plan }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{generate, solve, CancelToken, Method, SolveParams};

    /// A problem, a plan of it, and the same plan without its traffic.
    fn emptied() -> (Problem, Plan, Plan) {
        let problem = generate::physical(generate::Size::new(3, 3, 3), 1.0, generate::Family::Plain, 1).unwrap();
        let plan = solve(&problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).unwrap();
        let mut empty = plan.clone();
        empty.routing = crate::Routing::default();
        (problem, plan, empty)
    }

    #[test]
    fn a_plan_passes_as_it_is() {
        let (problem, plan, _) = emptied();
        assert_eq!(plan.status, Status::Feasible);
        assert_eq!(admit(&problem, plan.clone()), plan);
    }

    #[test]
    fn what_the_checker_refuses_passes_only_where_it_claims_no_feasibility() {
        let (problem, _, mut empty) = emptied();
        for (status, passes) in [(Status::Feasible, false), (Status::Optimal, false), (Status::Degraded, true)] {
            empty.status = status;
            assert_eq!(accepts(&problem, &empty), passes, "{status:?}");
        }
    }

    #[test]
    fn a_planner_says_what_its_plan_breaks() {
        let (problem, plan, empty) = emptied();
        assert_eq!(admit_or_degrade(&problem, plan.clone()), plan);
        let degraded = admit_or_degrade(&problem, empty);
        assert_eq!(degraded.status, Status::Degraded);
        assert!(degraded.message.is_some_and(|message| message.contains("add up to 0, not to 1")));
    }

    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "made a plan that breaks"))]
    fn what_is_refused_is_no_plan_any_more() {
        let (problem, _, empty) = emptied();
        let answer = admit(&problem, empty);
        assert_eq!((answer.status, answer.objective_value), (Status::NoSolutionFound, None));
        assert!(answer.deployments.is_empty() && answer.message.is_some());
    }
}
