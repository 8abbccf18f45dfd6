//! The examples run.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

#[allow(dead_code)]
#[path = "../../../examples/rust/scheduler.rs"]
mod scheduler;

#[test]
fn a_scheduler_routes_requests_while_it_plans() {
    let problem = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/problem.json");
    assert!(scheduler::run(problem, Duration::from_millis(1)).unwrap() > 0);
    assert!(scheduler::run("no/such/file.json", Duration::ZERO).is_err());
}
