//! Plans: solving, and what is in a plan.

use std::ffi::{c_char, CString};

use servemix_core::{solve, CancelToken, Method, SolveParams, Status};

use crate::entry::{call, copy, elements, free, get, give, place, quietly, string, text};
use crate::Problem;

/// The plan's value matches a valid lower bound.
pub const SERVEMIX_STATUS_OPTIMAL: i32 = 0;
/// The plan meets every constraint.
pub const SERVEMIX_STATUS_FEASIBLE: i32 = 1;
/// The plan serves what it can where capacity, budget or storage fall short; only a planner makes such plans.
pub const SERVEMIX_STATUS_DEGRADED: i32 = 2;
/// Proven: no plan meets every constraint.
pub const SERVEMIX_STATUS_INFEASIBLE: i32 = 3;
/// No plan was found, and nothing was proven.
pub const SERVEMIX_STATUS_NO_SOLUTION_FOUND: i32 = 4;

/// What to deploy and where to send each kind of request.
pub struct Plan {
    pub(crate) inner: servemix_core::Plan,
    message: CString,
}

impl Plan {
    pub(crate) fn new(inner: servemix_core::Plan) -> Self {
        let message = text(inner.message.as_deref().unwrap_or_default());
        Self { inner, message }
    }
}

/// The parts of a plan's cost, USD over the horizon.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Rental of every GPU of every replica.
    pub rental: f64,
    /// Storage of weights and of the tokens of served queries.
    pub storage: f64,
    /// Price of the latency of every served query.
    pub latency: f64,
    /// Price of every query not served.
    pub unmet: f64,
}

/// Finds a plan. A problem without a feasible plan is no error: the plan's status tells.
///
/// `method` is "gh" (greedy, the fastest), "agh" or "bnb" (proves its plan optimal). `time_limit_s` is INFINITY for no
/// limit; only a limit makes runs with one seed differ. With `with_bound` a lower bound is computed beside the plan.
/// `initial_plan` is a plan to start from, or NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_solve(
    problem: *const Problem,
    method: *const c_char,
    seed: u64,
    time_limit_s: f64,
    threads: u32,
    with_bound: bool,
    initial_plan: *const Plan,
    plan: *mut *mut Plan,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        give(plan, "plan", || {
            let problem = &get(problem, "problem")?.inner;
            let method = Method::parse(string(method, "method")?)?;
            let mut params = SolveParams::default();
            params.seed = seed;
            params.time_limit_s = Some(time_limit_s);
            params.threads = threads as usize;
            params.bound = with_bound;
            let initial_plan = initial_plan.as_ref().map(|plan| &plan.inner);
            solve(problem, method, &params, initial_plan, &CancelToken::new()).map(Plan::new)
        })
    })
}

/// Makes a plan for `problem` from the content of a servemix-plan/2 or servemix-plan/1 file, gzipped or not, of `length` bytes.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_from_json(
    problem: *const Problem,
    json: *const c_char,
    length: usize,
    plan: *mut *mut Plan,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        give(plan, "plan", || {
            let content = elements(json.cast::<u8>(), length, "json")?;
            servemix_core::Plan::from_json(content, &get(problem, "problem")?.inner).map(Plan::new)
        })
    })
}

/// Makes the content of a servemix-plan/2 file of a plan for `problem`, to be freed with servemix_string_free.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_to_json(
    problem: *const Problem,
    plan: *const Plan,
    json: *mut *mut c_char,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        let place = place(json, "json")?;
        place.write(std::ptr::null_mut());
        let (problem, plan) = (&get(problem, "problem")?.inner, &get(plan, "plan")?.inner);
        plan.validate(problem)?;
        place.write(text(&plan.to_json(problem)).into_raw());
        Ok(())
    })
}

/// Frees a plan.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_free(plan: *mut Plan) {
    // SAFETY: the rules of the header.
    unsafe { free(plan) };
}

/// Something of a plan, or `otherwise` for NULL.
unsafe fn of<T: Copy>(plan: *const Plan, otherwise: T, get_it: impl FnOnce(&Plan) -> T) -> T {
    // SAFETY: the rules of the header.
    quietly(otherwise, || unsafe { get(plan, "plan") }.map_or(otherwise, get_it))
}

/// One of SERVEMIX_STATUS_*; NO_SOLUTION_FOUND for NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_status(plan: *const Plan) -> i32 {
    let code = |plan: &Plan| match plan.inner.status {
        Status::Optimal => SERVEMIX_STATUS_OPTIMAL,
        Status::Feasible => SERVEMIX_STATUS_FEASIBLE,
        Status::Degraded => SERVEMIX_STATUS_DEGRADED,
        Status::Infeasible => SERVEMIX_STATUS_INFEASIBLE,
        Status::NoSolutionFound => SERVEMIX_STATUS_NO_SOLUTION_FOUND,
    };
    // SAFETY: the rules of the header.
    unsafe { of(plan, SERVEMIX_STATUS_NO_SOLUTION_FOUND, code) }
}

/// Cost over the horizon, USD; NaN where there is no plan.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_objective_value(plan: *const Plan) -> f64 {
    // SAFETY: the rules of the header.
    unsafe { of(plan, f64::NAN, |plan| plan.inner.objective_value.unwrap_or(f64::NAN)) }
}

/// A lower bound on the cost of every plan, USD; NaN where none is known.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_objective_bound(plan: *const Plan) -> f64 {
    // SAFETY: the rules of the header.
    unsafe { of(plan, f64::NAN, |plan| plan.inner.objective_bound.unwrap_or(f64::NAN)) }
}

/// The parts of the cost; all 0 where there is no plan.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_cost(plan: *const Plan, cost: *mut Cost) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        let parts = get(plan, "plan")?.inner.cost.unwrap_or_default();
        let servemix_core::Cost { rental, storage, latency, unmet } = parts;
        place(cost, "cost")?.write(Cost { rental, storage, latency, unmet });
        Ok(())
    })
}

/// What the plan falls short of, or why there is none; "" otherwise. Valid as long as the plan; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_message(plan: *const Plan) -> *const c_char {
    // SAFETY: the rules of the header.
    unsafe { of(plan, std::ptr::null(), |plan| plan.message.as_ptr()) }
}

/// Number of deployments; 0 for NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_num_deployments(plan: *const Plan) -> usize {
    // SAFETY: the rules of the header.
    unsafe { of(plan, 0, |plan| plan.inner.deployments.len()) }
}

/// Copies the deployments into columns with room for `capacity` elements each; a NULL column is left out.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_deployments(
    plan: *const Plan,
    configurations: *mut u32,
    replicas: *mut u32,
    capacity: usize,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        let deployments = &get(plan, "plan")?.inner.deployments;
        let of_deployments = deployments.iter().map(|deployment| deployment.configuration);
        copy(of_deployments, configurations, capacity, "configurations")?;
        copy(deployments.iter().map(|deployment| deployment.replicas), replicas, capacity, "replicas")
    })
}

/// Number of routes that carry traffic; 0 for NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_num_routes(plan: *const Plan) -> usize {
    // SAFETY: the rules of the header.
    unsafe { of(plan, 0, |plan| plan.inner.routing.fraction.len()) }
}

/// Copies the routing into columns with room for `capacity` elements each; a NULL column is left out.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_routing(
    plan: *const Plan,
    query_types: *mut u32,
    configurations: *mut u32,
    fractions: *mut f64,
    capacity: usize,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        let routing = &get(plan, "plan")?.inner.routing;
        copy(routing.query_type.iter().copied(), query_types, capacity, "query_types")?;
        copy(routing.configuration.iter().copied(), configurations, capacity, "configurations")?;
        copy(routing.fraction.iter().copied(), fractions, capacity, "fractions")
    })
}

/// Copies the share of each query type that goes unserved into `unmet`, which has room for `capacity` elements, as many as
/// the problem has query types; nothing is copied where there is no plan.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_unmet(plan: *const Plan, unmet: *mut f64, capacity: usize) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe { copy(get(plan, "plan")?.inner.unmet.iter().copied(), unmet, capacity, "unmet") })
}
