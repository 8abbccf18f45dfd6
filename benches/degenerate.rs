//! Problems at the edges: no wrong status, no plan that the checker refuses, no bound above a plan, nothing that does not end.
//!
//! `cargo bench -p servemix-core --bench degenerate [-- 100000 [first seed]]`
//!
//! Every method, under relabelling, other units, threads and short limits, against each other, the checker and, where the
//! numbers are plain, enumeration; and a planner under extreme rates. Prints every finding with its seed, and the slowest problem.
#![allow(clippy::print_stdout, missing_docs)]

#[path = "../rust/core/tests/common/mod.rs"]
mod common;

use std::panic::{catch_unwind, set_hook, UnwindSafe};
use std::time::Instant;

use servemix_core::generate::degenerate;

fn caught(work: impl FnOnce() -> Vec<String> + UnwindSafe) -> Vec<String> {
    catch_unwind(work).unwrap_or_else(|panic| vec![format!("panic: {:?}", panic.downcast_ref::<String>())])
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let (count, first) = (numbers.first().copied().unwrap_or(10_000), numbers.get(1).copied().unwrap_or(0));
    // A panic is a finding of its problem.
    set_hook(Box::new(|_| {}));
    let (mut num_findings, mut num_bad, mut slowest) = (0, 0, (0.0, 0));
    let start = Instant::now();
    for seed in first..first + count {
        let began = Instant::now();
        let found = match degenerate(seed) {
            Ok(problem) => {
                let mut found = caught(|| common::examine::examine(&problem, seed, seed % 3 != 2));
                found.extend(caught(|| common::examine::examine_planner(&problem, seed)));
                found
            }
            Err(error) => vec![format!("not a problem: {error}")],
        };
        let seconds = began.elapsed().as_secs_f64();
        if seconds > slowest.0 {
            slowest = (seconds, seed);
        }
        num_bad += usize::from(!found.is_empty());
        num_findings += found.len();
        for one in found {
            println!("seed {seed}: {}", one.chars().take(400).collect::<String>());
        }
        if (seed - first + 1) % 1000 == 0 {
            println!("{} problems, {num_findings} findings so far", seed - first + 1);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} problems in {seconds:.0} s: {num_findings} findings in {num_bad} problems; the slowest took {:.1} s (seed {})", slowest.0, slowest.1);
}
