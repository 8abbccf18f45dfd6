//! Why a problem has no plan and what would give it one; for a problem with a plan, what its constraints cost.

mod conflict;
mod constraint;
mod marginal;
mod oracle;
mod relax;

pub use constraint::Constraint;
pub use marginal::MarginalValue;
pub use relax::Relaxation;

use oracle::{any_plan, Answer};

use crate::{Problem, Result, SolveParams, Status, Stop};

/// What is known about a problem's constraints.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// [`Status::Infeasible`] where it is proven that there is no plan, [`Status::Feasible`] where there is one,
    /// [`Status::NoSolutionFound`] where time ran out first.
    pub status: Status,
    /// Constraints that no plan meets together; without any one of them a plan exists.
    pub conflict: Vec<Constraint>,
    /// Whether no smaller set of constraints conflicts.
    pub conflict_is_smallest: bool,
    /// Per constraint that can do so alone, or else per kind, the least change that gives a plan; last those that serve less.
    pub relaxations: Vec<Relaxation>,
    /// For a feasible problem, the constraints that cost something, and how much.
    pub marginal_values: Vec<MarginalValue>,
}

/// Finds the smallest conflict and the least single relaxations of an infeasible problem, or what the constraints of
/// a feasible one cost.
///
/// # Errors
/// [`crate::Error::Internal`] where the threads cannot be started.
pub fn diagnose(problem: &Problem, params: &SolveParams, stop: &Stop) -> Result<Diagnosis> {
    let mut diagnosis = Diagnosis {
        status: Status::NoSolutionFound,
        conflict: Vec::new(),
        conflict_is_smallest: false,
        relaxations: Vec::new(),
        marginal_values: Vec::new(),
    };
    match any_plan(problem.data().clone(), stop)? {
        Answer::Unknown => {}
        Answer::Plan(_) => {
            diagnosis.status = Status::Feasible;
            diagnosis.marginal_values = marginal::values(problem, params, stop)?;
        }
        Answer::None => {
            diagnosis.status = Status::Infeasible;
            let found = conflict::smallest(problem, stop)?;
            // A change of a constraint outside a conflict leaves the conflict as it is.
            for &constraint in &found.constraints {
                diagnosis.relaxations.extend(relax::least(problem, constraint, stop)?);
            }
            // Where one constraint of a kind is not enough, all of the kind may be.
            for whole in Constraint::of_whole_kinds(problem) {
                let same_kind = |one: &Relaxation| one.constraint.kind() == whole.kind();
                if !diagnosis.relaxations.iter().any(same_kind) {
                    diagnosis.relaxations.extend(relax::least(problem, whole, stop)?);
                }
            }
            // To serve less is no remedy that anyone looks for first.
            diagnosis.relaxations.sort_by_key(|one| one.constraint.kind() == "max_unmet");
            diagnosis.conflict = found.constraints;
            diagnosis.conflict_is_smallest = found.is_smallest;
        }
    }
    Ok(diagnosis)
}
