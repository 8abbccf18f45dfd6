//! Whether a changed problem has a plan.

use crate::{bnb, Plan, Problem, ProblemData, Result, SolveParams, Status, Stop};

/// What is known of a problem.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A plan, which is checked to meet every constraint.
    Plan(Box<Plan>),
    /// Proven: there is none.
    None,
    /// Time ran out.
    Unknown,
}

/// Asks branch and bound for any plan of `data`, or a proof that there is none.
pub(crate) fn any_plan(data: ProblemData, stop: &Stop) -> Result<Answer> {
    if stop.should_stop() {
        return Ok(Answer::Unknown);
    }
    let problem = Problem::new(data)?;
    // With so wide a gap the first plan ends the search.
    let params = SolveParams { rel_gap: 1e30, ..SolveParams::default() };
    let plan = bnb::solve(&problem, &params, None, stop)?;
    Ok(match plan.status {
        Status::Optimal | Status::Feasible | Status::Degraded => match crate::check(&problem, &plan)?.is_feasible() {
            true => Answer::Plan(Box::new(plan)),
            false => Answer::Unknown,
        },
        Status::Infeasible => Answer::None,
        Status::NoSolutionFound => Answer::Unknown,
    })
}
