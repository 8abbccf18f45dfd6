//! A scheduler's loop on servemix-core alone: requests are routed all the time by one thread, while another takes new
//! arrival rates, routes anew every tick and plans anew every tenth.
//!
//! ```text
//! cargo run --release -p servemix-core --example scheduler -- examples/problem.json
//! ```
#![allow(clippy::print_stdout)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use servemix_core::{read_problem, Planner, PlannerParams, Result, Router, RouterMode, Status, Update};

const TICKS: usize = 30;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "examples/problem.json".to_owned());
    let served = run(&path, Duration::from_millis(10))?;
    println!("{served} requests were routed while plans changed");
    Ok(())
}

/// Runs the loop for 30 ticks; how many requests were routed meanwhile.
pub(crate) fn run(path: &str, tick: Duration) -> Result<u64> {
    let problem = read_problem(path)?;
    let usual = problem.query_types.rate_per_h.clone();
    let mut params = PlannerParams::default();
    params.transition.start_s = 120.0; // Until a started replica serves; its rental meanwhile is part of a change's cost.
    params.payback_h = Some(1.0); // Replicas that are worth it for an hour only are not started.
    let mut planner = Planner::new(problem, None, params)?;

    // Who routes holds the lock for as long as it takes to count a reference; who plans, to swap one.
    let router = RwLock::new(Arc::new(planner.plan().router(RouterMode::Deficit, 0)?));
    let (has_ended, served) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let requests = scope.spawn(|| route(&router, &has_ended, &served));
        let planned = plan(&mut planner, &usual, &router, tick);
        has_ended.store(true, Ordering::Relaxed);
        requests.join().unwrap_or(Ok(()))?;
        planned
    })?;
    Ok(served.load(Ordering::Relaxed))
}

/// What would hand each request to an engine.
fn route(router: &RwLock<Arc<Router>>, has_ended: &AtomicBool, served: &AtomicU64) -> Result<()> {
    let mut query_type = 0;
    while !has_ended.load(Ordering::Relaxed) {
        let present = Arc::clone(&router.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(_configuration) = present.pick(query_type)? {
            served.fetch_add(1, Ordering::Relaxed);
        }
        query_type = (query_type + 1) % present.num_query_types() as u32;
    }
    Ok(())
}

/// What would read the arrival rates of the last seconds from the engines' metrics.
fn plan(planner: &mut Planner, usual: &[f64], router: &RwLock<Arc<Router>>, tick: Duration) -> Result<()> {
    for n in 0..TICKS {
        let swing = 1.0 + 0.5 * (n as f64 / 5.0).sin();
        let rates: Vec<f64> = usual.iter().map(|rate| rate * swing).collect();
        let update = Update { rates: Some(&rates), ..Update::default() };
        let next = match n % 10 {
            0 => planner.replan(&update)?,
            _ => planner.reroute(&update)?,
        };
        if n % 10 == 0 {
            let replicas: u32 = next.deployments.iter().map(|deployment| deployment.replicas).sum();
            println!("tick {n}: {replicas} replicas, {:.2} USD", next.objective_value.unwrap_or(f64::NAN));
        }
        if next.status == Status::Degraded {
            println!("tick {n}: {}", next.message.as_deref().unwrap_or_default());
        }
        let next = Arc::new(next.router(RouterMode::Deficit, n as u64)?);
        *router.write().unwrap_or_else(PoisonError::into_inner) = next;
        thread::sleep(tick);
    }
    Ok(())
}
