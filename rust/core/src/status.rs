//! What is known of a plan, and why a solve ended.

/// What has been established about a problem by the solve that returned it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// A plan whose value matches a valid lower bound within the asked `rel_gap`.
    Optimal,
    /// A plan that meets every constraint; the bound, if any, says how far it is from the optimum.
    Feasible,
    /// A plan that serves what it can where capacity, budget or storage fall short; its message says of what. Only a
    /// [`crate::Planner`] makes such plans.
    Degraded,
    /// Proven: no plan meets every constraint.
    Infeasible,
    /// No plan was found, and nothing was proven.
    NoSolutionFound,
}

impl Status {
    /// The name in files and in Python.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Optimal => "OPTIMAL",
            Self::Feasible => "FEASIBLE",
            Self::Degraded => "DEGRADED",
            Self::Infeasible => "INFEASIBLE",
            Self::NoSolutionFound => "NO_SOLUTION_FOUND",
        }
    }

    /// The inverse of [`Status::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Optimal, Self::Feasible, Self::Degraded, Self::Infeasible, Self::NoSolutionFound]
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    /// Whether decisions come with this status.
    pub fn has_plan(self) -> bool {
        matches!(self, Self::Optimal | Self::Feasible | Self::Degraded)
    }
}

/// Why a solve ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The method ran to its own end.
    Completed,
    /// No operator improves the plan any more and no start is left.
    LocalOptimum,
    /// The gap to the bound is within `rel_gap`.
    GapReached,
    /// The iteration limit was reached.
    IterationLimit,
    /// The time limit was reached.
    TimeLimit,
    /// The caller cancelled.
    Cancelled,
}

impl StopReason {
    /// The name in files and in Python.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "COMPLETED",
            Self::LocalOptimum => "LOCAL_OPTIMUM",
            Self::GapReached => "GAP_REACHED",
            Self::IterationLimit => "ITERATION_LIMIT",
            Self::TimeLimit => "TIME_LIMIT",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The inverse of [`StopReason::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Completed, Self::LocalOptimum, Self::GapReached, Self::IterationLimit, Self::TimeLimit, Self::Cancelled]
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}
