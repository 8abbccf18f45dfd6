//! The Python module `servemix._core`: PyO3 only, no logic of its own. One file per subject; each adds its classes and
//! functions to the list below.

mod bound;
mod check;
mod convert;
mod diagnose;
mod entry;
mod error;
mod files;
mod pickle;
mod plan;
mod plan_columns;
mod plan_problem;
mod planner;
mod problem;
mod problem_columns;
mod replay;
mod router;
mod solve;
mod stress;
mod transition;

use pyo3::prelude::*;

/// Native part of servemix.
#[pymodule(gil_used = false)]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::bound::{lower_bound, PyLowerBound};
    #[pymodule_export]
    use super::check::{check, PyCheckReport, PyViolation};
    #[pymodule_export]
    use super::diagnose::{diagnose, PyConstraint, PyDiagnosis, PyMarginalValue, PyRelaxation};
    #[pymodule_export]
    use super::files::{plan_from_json, problem_from_json};
    #[pymodule_export]
    use super::pickle::_restore;
    #[pymodule_export]
    use super::plan::{plan_from_arrays, PyPlan};
    #[pymodule_export]
    use super::planner::PyPlanner;
    #[pymodule_export]
    use super::problem::{problem_from_arrays, PyProblem};
    #[pymodule_export]
    use super::replay::{_replay, _summarise, PyDraws};
    #[pymodule_export]
    use super::router::PyRouter;
    #[pymodule_export]
    use super::solve::{solve, PyCancelToken};
    #[pymodule_export]
    use super::stress::{_generate, _plan_with_recourse, _reroute, _stress};

    #[pymodule_export]
    use super::transition::{PyTransition, PyTransitionStep};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // A caught panic is an InternalError and nothing on the host's stderr. The hook is that of this library's own copy of
        // the standard library, so that no other library of the process sees it.
        std::panic::set_hook(Box::new(|_| {}));
        // For benchmarks, which refuse to time such a build.
        module.add("_DEBUG", cfg!(debug_assertions))?;
        // For readers that have no problem.
        module.add("_MAX_REPLICAS", servemix_core::MAX_REPLICAS)?;
        module.add("_FEASIBILITY_TOLERANCE", servemix_core::FEASIBILITY_TOLERANCE)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
