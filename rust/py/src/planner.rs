//! The class `Planner`.

use std::sync::{Mutex, MutexGuard};

use pyo3::prelude::*;
use servemix_core::{Method, Plan, Planner, PlannerParams, Problem, Result, SolveParams, TransitionCosts, Update};

use crate::convert::{floats, integers, number, unsigned};
use crate::entry;
use crate::error::{invalid, to_py};
use crate::plan::PyPlan;
use crate::plan_columns::transition_costs;
use crate::plan_problem::{Numbers, PlanProblem};
use crate::problem::PyProblem;

/// Keep a plan up to date: new numbers in, next plan out.
///
/// Deployments are kept or chosen again, as ``mode`` says; routing is always the best for the
/// deployments. Safe to share between threads: calls wait for each other.
///
/// Parameters
/// ----------
/// problem
///     What is planned; later numbers replace some of its own.
/// plan
///     The plan to start from, as it is deployed; None to make one by method ``"agh"``.
/// preset
///     What the settings below are where they are None: ``"default"``, as said below, or
///     ``"steady"`` for few changes where measured rates are followed: ``payback_h`` 0.1,
///     ``min_saving_share`` 0.05, ``headroom`` 0.1, ``max_headroom_cost_share`` 0.05.
/// seed
///     Seed of every random choice; 0 by default.
/// start_usd, start_usd_per_gb
///     Cost of starting a replica, USD, and more per GB of weights that it loads; 0 by default.
/// start_s, start_s_per_gb
///     Seconds until a started replica serves (300 by default), and more per GB of weights (0 by
///     default); its rental meanwhile is part of what a change costs.
/// payback_h
///     Hours over which a change has to pay for itself; None for the horizon of the problem.
///     Shorter ones make plans hold longer.
/// min_saving_usd, min_saving_share
///     A change is made only where it saves more than this over the payback time, start-up paid:
///     in USD (0 by default), and as a share of the present cost (0.01 by default). Where queries
///     go unserved that another plan would serve, a change need not save so much.
/// headroom, max_headroom_cost_share
///     Where deployments change, they are chosen for rates higher by up to this share (0.05 by
///     default), so that the next rise of the traffic need not change them again, as far as that
///     costs at most the second as a share of the cost without (0.01 by default).
/// max_changes
///     Most replicas started and stopped by one call, lost ones not counted; None for no limit. A
///     larger change is made over several calls, those parts first that serve queries, then those
///     that save most.
///
/// Raises
/// ------
/// InvalidInputError
///     A setting or the plan is not valid; the message names it.
///
/// Examples
/// --------
/// >>> planner = servemix.Planner(problem, start_s=120.0)
/// >>> plan = planner.replan(rates=[1200.0, 300.0])
#[pyclass(name = "Planner", module = "servemix", frozen, weakref)]
pub(crate) struct PyPlanner {
    given: Py<PyProblem>,
    planner: Mutex<Planner>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Full,
    Routing,
}

impl PyPlanner {
    /// The planner, waited for; only while detached from the interpreter. One that a panic has interrupted is set to the
    /// plan and the numbers before that call.
    fn lock(&self) -> Result<MutexGuard<'_, Planner>> {
        Ok(self.planner.lock().unwrap_or_else(|interrupted| {
            let mut planner = interrupted.into_inner();
            planner.recover();
            self.planner.clear_poison();
            planner
        }))
    }

    fn wrap(&self, py: Python<'_>, (plan, numbers): (Plan, Numbers)) -> PyPlan {
        PyPlan::of(PlanProblem::with_numbers(self.given.clone_ref(py), numbers), plan)
    }
}

fn snapshot(planner: &Planner) -> (Plan, Numbers) {
    (planner.plan().clone(), Numbers::of(planner.numbers()))
}

#[pymethods]
impl PyPlanner {
    #[new]
    #[pyo3(signature = (
        problem, plan=None, *, preset="default", seed=None, start_usd=None, start_usd_per_gb=None, start_s=None, start_s_per_gb=None,
        payback_h=None, min_saving_usd=None, min_saving_share=None, headroom=None,
        max_headroom_cost_share=None, max_changes=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        problem: &Bound<'_, PyProblem>,
        plan: Option<&Bound<'_, PyPlan>>,
        preset: &str,
        seed: Option<&Bound<'_, PyAny>>,
        start_usd: Option<&Bound<'_, PyAny>>,
        start_usd_per_gb: Option<&Bound<'_, PyAny>>,
        start_s: Option<&Bound<'_, PyAny>>,
        start_s_per_gb: Option<&Bound<'_, PyAny>>,
        payback_h: Option<&Bound<'_, PyAny>>,
        min_saving_usd: Option<&Bound<'_, PyAny>>,
        min_saving_share: Option<&Bound<'_, PyAny>>,
        headroom: Option<&Bound<'_, PyAny>>,
        max_headroom_cost_share: Option<&Bound<'_, PyAny>>,
        max_changes: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = problem.py();
        let mut params = match preset {
            "default" => PlannerParams::default(),
            "steady" => PlannerParams::steady(),
            _ => return Err(invalid(py, "preset", &format!("must be \"default\" or \"steady\", got {preset:?}"))),
        };
        let given = transition_costs(start_usd, start_usd_per_gb, start_s, start_s_per_gb)?;
        params.transition =
            TransitionCosts { start_s: start_s.map_or(params.transition.start_s, |_| given.start_s), ..given };
        for (value, name, target) in [
            (min_saving_usd, "min_saving_usd", &mut params.min_saving_usd),
            (min_saving_share, "min_saving_share", &mut params.min_saving_share),
            (headroom, "headroom", &mut params.headroom),
            (max_headroom_cost_share, "max_headroom_cost_share", &mut params.max_headroom_cost_share),
        ] {
            if let Some(value) = value {
                *target = number(value, name)?;
            }
        }
        if let Some(seed) = seed {
            params.seed = unsigned(seed, "seed")?;
        }
        if let Some(hours) = payback_h {
            params.payback_h = Some(number(hours, "payback_h")?);
        }
        if let Some(limit) = max_changes {
            params.max_changes = Some(u32::try_from(unsigned(limit, "max_changes")?).unwrap_or(u32::MAX));
        }
        params.validate().map_err(|error| to_py(py, &error))?;
        let owner = &problem.get().inner;
        let plan = plan.map(|plan| &plan.get().inner);
        let planner = entry::call_with_token(py, None, 1, |token| {
            let mut solve_params = SolveParams::default();
            solve_params.seed = params.seed;
            let made = match plan {
                Some(_) => None,
                None => Some(servemix_core::solve(owner, Method::Agh, &solve_params, None, token)?),
            };
            Planner::new(Problem::clone(owner), plan.or(made.as_ref()), params)
        })?;
        Ok(Self { given: problem.clone().unbind(), planner: Mutex::new(planner) })
    }

    /// Take new numbers and return the next plan.
    ///
    /// Parameters
    /// ----------
    /// rates
    ///     Arrival rate of each query type, queries per hour; None if they are as before.
    /// prices
    ///     Rental of one GPU of each tier, USD per hour; None if they are as before.
    /// pools
    ///     GPUs that exist in each pool, infinite for no limit, 0 if the pool is lost; None
    ///     where they are as before.
    /// failed
    ///     Replicas lost of each deployment of the present plan, in its order; None for none.
    /// ready
    ///     Replicas that take traffic now, of each configuration of the problem. With it, the plan
    ///     returned is the one in force on the way to ``planner.plan``: its deployments are what
    ///     should run now, and its routing sends traffic only to replicas that are ready and stay.
    ///     None (the default) takes what is planned as ready.
    /// mode
    ///     ``"full"`` chooses deployments again as far as a change pays for itself, for use every
    ///     few minutes; ``"routing"`` keeps them, for use every second.
    ///
    /// Returns
    /// -------
    /// Plan
    ///     The next plan. Its status is ``"DEGRADED"`` where it cannot meet every constraint; it
    ///     then serves as many queries as it can and its message says what is missing.
    ///
    /// Raises
    /// ------
    /// InvalidInputError
    ///     An entry is NaN, infinite or negative, or an array has the wrong length; the message
    ///     names it, and planner and plan are as before.
    #[pyo3(signature = (rates=None, prices=None, pools=None, failed=None, mode="full", *, ready=None))]
    #[allow(clippy::too_many_arguments)]
    fn replan(
        &self,
        py: Python<'_>,
        rates: Option<&Bound<'_, PyAny>>,
        prices: Option<&Bound<'_, PyAny>>,
        pools: Option<&Bound<'_, PyAny>>,
        failed: Option<&Bound<'_, PyAny>>,
        mode: &str,
        ready: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyPlan> {
        let mode = match mode {
            "full" => Mode::Full,
            "routing" => Mode::Routing,
            _ => return Err(invalid(py, "mode", &format!("must be \"full\" or \"routing\", got {mode:?}"))),
        };
        let rates = rates.map(|values| floats(values, "rates")).transpose()?;
        let prices = prices.map(|values| floats(values, "prices")).transpose()?;
        let pools = pools.map(|values| floats(values, "pools")).transpose()?;
        let failed = failed.map(|values| integers(values, "failed")).transpose()?;
        let ready = ready.map(|values| integers(values, "ready")).transpose()?;
        let next = entry::call(py, || {
            let update = Update {
                rates: rates.as_deref(),
                prices: prices.as_deref(),
                pools: pools.as_deref(),
                failed: failed.as_deref(),
                ready: ready.as_deref(),
            };
            let mut planner = self.lock()?;
            let plan = match mode {
                Mode::Full => planner.replan(&update)?,
                Mode::Routing => planner.reroute(&update)?,
            };
            Ok((plan.clone(), Numbers::of(planner.numbers())))
        })?;
        Ok(self.wrap(py, next))
    }

    /// The present plan.
    #[getter]
    fn plan(&self, py: Python<'_>) -> PyResult<PyPlan> {
        let present = entry::call(py, || Ok(snapshot(&*self.lock()?)))?;
        Ok(self.wrap(py, present))
    }

    /// The problem with the numbers of the last call.
    #[getter]
    fn problem<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyProblem>> {
        let numbers = entry::call(py, || Ok(Numbers::of(self.lock()?.numbers())))?;
        PlanProblem::with_numbers(self.given.clone_ref(py), numbers).get(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (plan, _) = entry::call(py, || Ok(snapshot(&*self.lock()?)))?;
        let cost = plan.objective_value.map_or_else(String::new, |value| format!(", {value:.2} USD"));
        Ok(format!("<Planner for {:?}: {}{cost}>", plan.problem, plan.status.as_str()))
    }
}
