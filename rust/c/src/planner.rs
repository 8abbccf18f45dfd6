//! Planners.

use std::sync::Mutex;

use servemix_core::{Planner as Inner, PlannerParams as Params, Result, Update as InnerUpdate};

use crate::entry::{call, elements, free, get, give, place};
use crate::{Plan, Problem};

/// Keeps a plan up to date: new numbers in, next plan out.
pub struct Planner {
    inner: Mutex<Inner>,
}

/// Settings of a planner; begin with servemix_planner_params_default.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannerParams {
    /// Seed of every random choice.
    pub seed: u64,
    /// USD per replica started.
    pub start_usd: f64,
    /// USD per GB of weights that a started replica loads.
    pub start_usd_per_gb: f64,
    /// Seconds until a started replica serves; its rental counts meanwhile.
    pub start_s: f64,
    /// Seconds more per GB of weights that it loads.
    pub start_s_per_gb: f64,
    /// Hours over which a change has to pay for itself; 0 for the horizon of the problem.
    pub payback_h: f64,
    /// A change is made only where it saves more than this, USD over the payback time, start-up paid.
    pub min_saving_usd: f64,
    /// As min_saving_usd, as a share of the present cost.
    pub min_saving_share: f64,
    /// Where deployments change, they are chosen for rates higher by up to this share, as far as that costs little.
    pub headroom: f64,
    /// Most that headroom may cost, as a share of the cost without.
    pub max_headroom_cost_share: f64,
    /// Most replicas started and stopped in one replan, lost ones not counted; UINT32_MAX for no limit.
    pub max_changes: u32,
}

impl PlannerParams {
    pub(crate) fn to_params(self) -> Params {
        let mut params = Params::default();
        params.seed = self.seed;
        params.transition.start_usd = self.start_usd;
        params.transition.start_usd_per_gb = self.start_usd_per_gb;
        params.transition.start_s = self.start_s;
        params.transition.start_s_per_gb = self.start_s_per_gb;
        params.payback_h = (self.payback_h != 0.0).then_some(self.payback_h);
        params.min_saving_usd = self.min_saving_usd;
        params.min_saving_share = self.min_saving_share;
        params.headroom = self.headroom;
        params.max_headroom_cost_share = self.max_headroom_cost_share;
        params.max_changes = (self.max_changes != u32::MAX).then_some(self.max_changes);
        params
    }
}

impl From<Params> for PlannerParams {
    fn from(params: Params) -> Self {
        Self {
            seed: params.seed,
            start_usd: params.transition.start_usd,
            start_usd_per_gb: params.transition.start_usd_per_gb,
            start_s: params.transition.start_s,
            start_s_per_gb: params.transition.start_s_per_gb,
            payback_h: params.payback_h.unwrap_or(0.0),
            min_saving_usd: params.min_saving_usd,
            min_saving_share: params.min_saving_share,
            headroom: params.headroom,
            max_headroom_cost_share: params.max_headroom_cost_share,
            max_changes: params.max_changes.unwrap_or(u32::MAX),
        }
    }
}

/// What has changed since the last plan; zero it (`ServemixUpdate update = {0};`) and set what has. A NULL array leaves the
/// numbers as they are; otherwise its length must be right.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Update {
    /// Arrival rate of each query type, queries per hour.
    pub rates: *const f64,
    /// Number of rates.
    pub num_rates: usize,
    /// Rental of one GPU of each tier, USD per hour.
    pub prices: *const f64,
    /// Number of prices.
    pub num_prices: usize,
    /// GPUs that exist in each pool; INFINITY for no limit, 0 where it is lost.
    pub pools: *const f64,
    /// Number of pools.
    pub num_pools: usize,
    /// Replicas lost of each deployment of the planner's present plan, in its order.
    pub failed: *const u32,
    /// Number of deployments.
    pub num_failed: usize,
    /// Replicas that take traffic now, of each configuration of the problem. With them the plan made is the one in force: its
    /// deployments are what should run now, its routing goes to replicas that are ready and stay.
    pub ready: *const u32,
    /// Number of configurations.
    pub num_ready: usize,
}

/// Sets every setting to its default: a started replica is rented for 300 s before it serves, a change has to save a little, and
/// headroom is taken where it costs little.
#[no_mangle]
pub unsafe extern "C" fn servemix_planner_params_default(params: *mut PlannerParams) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe { place(params, "params") }.map(|place| _ = place.write(Params::default().into())))
}

/// Sets every setting for few changes of deployments at little more cost: for a planner that follows measured rates, replanned every
/// 20 minutes, and at once where the routing for new rates is degraded.
#[no_mangle]
pub unsafe extern "C" fn servemix_planner_params_steady(params: *mut PlannerParams) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe { place(params, "params") }.map(|place| _ = place.write(Params::steady().into())))
}

/// Makes a planner that starts from `plan`, as it is deployed, or from a plan of method "agh" where that is NULL. `params` may
/// be NULL for the defaults. The problem is copied.
#[no_mangle]
pub unsafe extern "C" fn servemix_planner_new(
    problem: *const Problem,
    plan: *const Plan,
    params: *const PlannerParams,
    planner: *mut *mut Planner,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        give(planner, "planner", || {
            let problem = get(problem, "problem")?.inner.clone();
            let params = params.as_ref().map_or_else(Params::default, |params| params.to_params());
            let inner = Inner::new(problem, plan.as_ref().map(|plan| &plan.inner), params)?;
            Ok(Planner { inner: Mutex::new(inner) })
        })
    })
}

/// Takes new numbers and makes the next plan, with deployments chosen anew as far as a change pays for itself: for use
/// every few minutes. `update` may be NULL. The plan is the caller's; it is degraded where not every constraint can be
/// met. An error leaves the planner and its plan as they were.
#[no_mangle]
pub unsafe extern "C" fn servemix_planner_replan(
    planner: *const Planner,
    update: *const Update,
    plan: *mut *mut Plan,
) -> i32 {
    // SAFETY: the rules of the header.
    unsafe { next(planner, update, plan, |inner, update| inner.replan(update).cloned()) }
}

/// As servemix_planner_replan with the deployments that there are, for use every second.
#[no_mangle]
pub unsafe extern "C" fn servemix_planner_reroute(
    planner: *const Planner,
    update: *const Update,
    plan: *mut *mut Plan,
) -> i32 {
    // SAFETY: the rules of the header.
    unsafe { next(planner, update, plan, |inner, update| inner.reroute(update).cloned()) }
}

/// A copy of the planner's present plan.
#[no_mangle]
pub unsafe extern "C" fn servemix_planner_plan(planner: *const Planner, plan: *mut *mut Plan) -> i32 {
    // SAFETY: the rules of the header.
    unsafe { next(planner, std::ptr::null(), plan, |inner, _| Ok(inner.plan().clone())) }
}

/// Frees a planner.
#[no_mangle]
pub unsafe extern "C" fn servemix_planner_free(planner: *mut Planner) {
    // SAFETY: the rules of the header.
    unsafe { free(planner) };
}

unsafe fn next(
    planner: *const Planner,
    update: *const Update,
    plan: *mut *mut Plan,
    work: impl FnOnce(&mut Inner, &InnerUpdate<'_>) -> Result<servemix_core::Plan>,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        give(plan, "plan", || {
            let planner = get(planner, "planner")?;
            let mut changed = InnerUpdate::default();
            if let Some(update) = update.as_ref() {
                changed.rates = column(update.rates, update.num_rates)?;
                changed.prices = column(update.prices, update.num_prices)?;
                changed.pools = column(update.pools, update.num_pools)?;
                changed.failed = column(update.failed, update.num_failed)?;
                changed.ready = column(update.ready, update.num_ready)?;
            }
            let mut inner = planner.inner.lock().unwrap_or_else(|interrupted| {
                // A panic has interrupted a call: back to the plan and the numbers before it.
                let mut inner = interrupted.into_inner();
                inner.recover();
                planner.inner.clear_poison();
                inner
            });
            work(&mut inner, &changed).map(Plan::new)
        })
    })
}

/// An array that may be left out.
unsafe fn column<'c, T>(pointer: *const T, length: usize) -> Result<Option<&'c [T]>> {
    // SAFETY: the rules of the header.
    (!pointer.is_null()).then(|| unsafe { elements(pointer, length, "update") }).transpose()
}
