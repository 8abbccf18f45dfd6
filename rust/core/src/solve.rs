//! The entry point of every method of this crate.

use std::time::Instant;

use crate::bound::is_evidently_infeasible;
use crate::certify::certify;
use crate::check::gate;
use crate::{agh, bnb, construct, CancelToken, Error, Plan, Problem, Result, SolveParams, Status, Stop};

/// A method that finds a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Greedy heuristic: one construction.
    Gh,
    /// Adaptive greedy heuristic: several constructions, local search, consolidation.
    Agh,
    /// Branch and bound over the Lagrangian relaxation: proves its plan optimal, or that there is none.
    Bnb,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::Gh, Self::Agh, Self::Bnb];

    /// The name in files and in Python.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gh => "gh",
            Self::Agh => "agh",
            Self::Bnb => "bnb",
        }
    }

    /// The inverse of [`Method::as_str`].
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such method.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid("method", format!("{text:?} is not a method; there are {names}"))
        })
    }
}

/// Finds a plan for `problem`, starting from `initial_plan` where the method can use one.
///
/// A problem without a feasible plan is no error: the returned plan's status tells.
///
/// # Errors
/// [`Error::Invalid`] where a setting or the initial plan is not valid.
pub fn solve(
    problem: &Problem,
    method: Method,
    params: &SolveParams,
    initial_plan: Option<&Plan>,
    cancel: &CancelToken,
) -> Result<Plan> {
    params.validate()?;
    let start = Instant::now();
    let stop = Stop::started_at(start, params, cancel);
    // Each method is one arm: `Method::X => x::solve(problem, params, initial_plan, &stop)?`.
    let found: Result<Plan> = match method {
        Method::Gh => construct::solve(problem, params, &stop),
        Method::Agh => agh::solve(problem, params, initial_plan, &stop),
        Method::Bnb => bnb::solve(problem, params, initial_plan, &stop),
    };
    let mut plan = gate::admit(problem, found?);
    if plan.status == Status::NoSolutionFound && is_evidently_infeasible(problem) {
        plan.status = Status::Infeasible;
        plan.objective_bound = None;
    }
    if params.bound && plan.objective_bound.is_none() && plan.status != Status::Infeasible {
        // What proves a bound may find a better plan; "gh" is asked for its own.
        let takes_better = method == Method::Agh && params.switches.routing_lp;
        certify(problem, &mut plan, takes_better, params, &stop)?;
        plan = gate::admit(problem, plan);
    }
    plan.method = method.as_str().to_owned();
    plan.seed = params.seed;
    plan.runtime_s = stop.elapsed_s();
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_methods_round_trip_and_unknown_ones_are_named() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Ok(method));
        }
        assert!(matches!(Method::parse("simplex"), Err(Error::Invalid { entry, .. }) if entry == "method"));
    }
}
