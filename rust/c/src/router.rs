//! Routers.

use std::ffi::c_char;

use servemix_core::{Router as Inner, RouterMode};

use crate::entry::{call, elements, free, get, give, place, room, string};
use crate::Plan;

/// In place of a configuration: the plan leaves the request unserved.
pub const SERVEMIX_UNSERVED: u32 = u32::MAX;

const _: () = assert!(SERVEMIX_UNSERVED == servemix_core::UNSERVED);

/// Chooses the deployment of each request by the fractions of a plan.
pub struct Router {
    pub(crate) inner: Inner,
}

/// Makes a router by the fractions of a plan. `mode` is "random" (independent draws) or "deficit" (no count ever differs
/// from its fraction of the requests by one or more). Give routers that work side by side different seeds.
#[no_mangle]
pub unsafe extern "C" fn servemix_router_new(
    plan: *const Plan,
    mode: *const c_char,
    seed: u64,
    router: *mut *mut Router,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        give(router, "router", || {
            let (plan, mode) = (&get(plan, "plan")?.inner, RouterMode::parse(string(mode, "mode")?)?);
            Ok(Router { inner: Inner::new(plan, mode, seed)? })
        })
    })
}

/// Chooses the configuration whose deployment serves the next request of a query type, or SERVEMIX_UNSERVED.
#[no_mangle]
pub unsafe extern "C" fn servemix_router_pick(router: *const Router, query_type: u32, configuration: *mut u32) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        // Before the choice, which must not be lost.
        let place = place(configuration, "configuration")?;
        place.write(get(router, "router")?.inner.pick(query_type)?.unwrap_or(SERVEMIX_UNSERVED));
        Ok(())
    })
}

/// Chooses for `length` requests in turn. The two arrays must not overlap.
#[no_mangle]
pub unsafe extern "C" fn servemix_router_pick_many(
    router: *const Router,
    query_types: *const u32,
    configurations: *mut u32,
    length: usize,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        let router = get(router, "router")?;
        let query_types = elements(query_types, length, "query_types")?;
        router.inner.pick_many(query_types, room(configurations, length, "configurations")?)
    })
}

/// Frees a router.
#[no_mangle]
pub unsafe extern "C" fn servemix_router_free(router: *mut Router) {
    // SAFETY: the rules of the header.
    unsafe { free(router) };
}
