//! Transitions: what to start and stop between two plans, in which order.

use std::ffi::{c_char, CString};

use servemix_core::{Action, RouterMode, Step, Transition as Inner, TransitionCosts};

use crate::entry::{call, copy, free, get, give, place, quietly, string, text};
use crate::{Plan, PlannerParams, Problem, Router};

/// Start replicas and wait until they serve.
pub const SERVEMIX_ACTION_START: i32 = 0;
/// Stop replicas, which first get no more traffic.
pub const SERVEMIX_ACTION_STOP: i32 = 1;

/// Ordered steps from one plan to another.
pub struct Transition {
    inner: Inner,
    message: CString,
}

/// One step of a transition.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransitionStep {
    /// One of SERVEMIX_ACTION_*.
    pub action: i32,
    /// Configuration whose replicas start or stop, by its index in the problem.
    pub configuration: u32,
    /// How many of them.
    pub replicas: u32,
    /// Seconds until what starts serves; 0 for a stop.
    pub start_s: f64,
    /// Share of all queries that the step's routing serves, every SLO met.
    pub served_share: f64,
}

/// Finds the order of starts and stops from `previous` to `next`, both plans of `problem`, that keeps within pools, storage and
/// budget at every step and serves the most throughout. Start-ups cost and take what `params` says; NULL for nothing.
#[no_mangle]
pub unsafe extern "C" fn servemix_plan_transition(
    problem: *const Problem,
    next: *const Plan,
    previous: *const Plan,
    params: *const PlannerParams,
    transition: *mut *mut Transition,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        give(transition, "transition", || {
            let problem = &get(problem, "problem")?.inner;
            let costs = params.as_ref().map_or_else(TransitionCosts::default, |params| params.to_params().transition);
            let inner = get(next, "next")?.inner.transition(problem, &get(previous, "previous")?.inner, &costs)?;
            let message = text(inner.message.as_deref().unwrap_or_default());
            Ok(Transition { inner, message })
        })
    })
}

/// Number of steps; 0 for NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_transition_num_steps(transition: *const Transition) -> usize {
    // SAFETY: the rules of the header.
    unsafe { of(transition, 0, |transition| transition.inner.steps.len()) }
}

/// Step number `index`, from 0.
#[no_mangle]
pub unsafe extern "C" fn servemix_transition_step(
    transition: *const Transition,
    index: usize,
    step: *mut TransitionStep,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        let (place, step) = (place(step, "step")?, step_of(transition, index)?);
        place.write(TransitionStep {
            action: match step.action {
                Action::Start => SERVEMIX_ACTION_START,
                Action::Stop => SERVEMIX_ACTION_STOP,
            },
            configuration: step.configuration,
            replicas: step.replicas,
            start_s: step.start_s,
            served_share: step.served_share,
        });
        Ok(())
    })
}

/// Number of routes of a step's routing.
#[no_mangle]
pub unsafe extern "C" fn servemix_transition_step_num_routes(
    transition: *const Transition,
    index: usize,
    num_routes: *mut usize,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        let number = step_of(transition, index)?.routing.fraction.len();
        place(num_routes, "num_routes").map(|place| _ = place.write(number))
    })
}

/// Copies where traffic goes from a step on, as servemix_plan_routing does: for a start once the replicas are ready, for a stop
/// before they drain.
#[no_mangle]
pub unsafe extern "C" fn servemix_transition_step_routing(
    transition: *const Transition,
    index: usize,
    query_types: *mut u32,
    configurations: *mut u32,
    fractions: *mut f64,
    capacity: usize,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        let routing = &step_of(transition, index)?.routing;
        copy(routing.query_type.iter().copied(), query_types, capacity, "query_types")?;
        copy(routing.configuration.iter().copied(), configurations, capacity, "configurations")?;
        copy(routing.fraction.iter().copied(), fractions, capacity, "fractions")
    })
}

/// Makes a router by the fractions of a step's routing; `mode` and `seed` as for servemix_router_new.
#[no_mangle]
pub unsafe extern "C" fn servemix_transition_step_router(
    transition: *const Transition,
    index: usize,
    mode: *const c_char,
    seed: u64,
    router: *mut *mut Router,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        give(router, "router", || {
            let mode = RouterMode::parse(string(mode, "mode")?)?;
            Ok(Router { inner: step_of(transition, index)?.router(mode, seed)? })
        })
    })
}

/// Whether no moment serves less than the poorer of both plans.
#[no_mangle]
pub unsafe extern "C" fn servemix_transition_is_safe(transition: *const Transition) -> bool {
    // SAFETY: the rules of the header.
    unsafe { of(transition, false, |transition| transition.inner.is_safe) }
}

/// Whether it is proven that no order serves more at its worst moment.
#[no_mangle]
pub unsafe extern "C" fn servemix_transition_is_best(transition: *const Transition) -> bool {
    // SAFETY: the rules of the header.
    unsafe { of(transition, false, |transition| transition.inner.is_best) }
}

/// Share of all queries that can be served at the worst moment; NAN for NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_transition_lowest_share(transition: *const Transition) -> f64 {
    // SAFETY: the rules of the header.
    unsafe { of(transition, f64::NAN, |transition| transition.inner.lowest_share) }
}

/// Cost of all starts, USD; NAN for NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_transition_start_usd(transition: *const Transition) -> f64 {
    // SAFETY: the rules of the header.
    unsafe { of(transition, f64::NAN, |transition| transition.inner.start_usd) }
}

/// What falls short on the way, "" where nothing does. Valid until the transition is freed.
#[no_mangle]
pub unsafe extern "C" fn servemix_transition_message(transition: *const Transition) -> *const c_char {
    // SAFETY: the rules of the header.
    unsafe { of(transition, c"".as_ptr(), |transition| transition.message.as_ptr()) }
}

/// Frees a transition.
#[no_mangle]
pub unsafe extern "C" fn servemix_transition_free(transition: *mut Transition) {
    // SAFETY: the rules of the header.
    unsafe { free(transition) };
}

unsafe fn step_of<'t>(transition: *const Transition, index: usize) -> servemix_core::Result<&'t Step> {
    // SAFETY: the rules of the header.
    let steps = unsafe { &get(transition, "transition")?.inner.steps };
    let message = || format!("is {index}, out of range for {} entries", steps.len());
    steps.get(index).ok_or_else(|| servemix_core::Error::invalid("index", message()))
}

/// Something of a transition, or `otherwise` for NULL.
unsafe fn of<T: Copy>(transition: *const Transition, otherwise: T, get_it: impl FnOnce(&Transition) -> T) -> T {
    // SAFETY: the rules of the header.
    quietly(otherwise, || unsafe { get(transition, "transition") }.map_or(otherwise, get_it))
}
