//! Problems at the edges: no wrong status, no plan that the checker refuses, no bound above a plan, nothing that does not end.
//!
//! `cargo bench -p servemix-core --bench degenerate [-- 100000 [first seed]]`
//!
//! Every method, under relabelling, other units, threads and short limits, against each other, the checker and, where the
//! numbers are plain, enumeration; and a planner under extreme rates. Prints every finding with its seed, the slowest problem and the slowest solve.
#![allow(clippy::print_stdout, missing_docs)]

#[path = "../rust/core/tests/common/mod.rs"]
mod common;

use std::panic::{catch_unwind, set_hook, UnwindSafe};

use common::examine::{examine, examine_planner, Examined};
use cpu_time::ProcessTime;
use servemix_core::generate::degenerate;

fn caught(work: impl FnOnce() -> Examined + UnwindSafe) -> Examined {
    catch_unwind(work).unwrap_or_else(|panic| {
        let found = vec![format!("panic: {:?}", panic.downcast_ref::<String>())];
        Examined { found, ..Examined::default() }
    })
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let (count, first) = (numbers.first().copied().unwrap_or(10_000), numbers.get(1).copied().unwrap_or(0));
    // A panic is a finding of its problem.
    set_hook(Box::new(|_| {}));
    let (mut num_findings, mut num_bad) = (0, 0);
    let (mut slowest, mut slowest_solve) = ((0.0, 0), (0.0, String::new(), 0));
    let start = ProcessTime::now();
    for seed in first..first + count {
        let began = ProcessTime::now();
        let mut examined = match degenerate(seed) {
            Ok(problem) => {
                let mut examined = caught(|| examine(&problem, seed, seed % 3 != 2));
                let of_planner = || Examined { found: examine_planner(&problem, seed), ..Examined::default() };
                examined.found.extend(caught(of_planner).found);
                examined
            }
            Err(error) => Examined { found: vec![format!("not a problem: {error}")], ..Examined::default() },
        };
        let seconds = began.elapsed().as_secs_f64();
        if seconds > slowest.0 {
            slowest = (seconds, seed);
        }
        if examined.slowest.0 > slowest_solve.0 {
            let (seconds, asked) = std::mem::take(&mut examined.slowest);
            slowest_solve = (seconds, asked, seed);
        }
        num_bad += usize::from(!examined.found.is_empty());
        num_findings += examined.found.len();
        for one in examined.found {
            println!("seed {seed}: {}", one.chars().take(400).collect::<String>());
        }
        if (seed - first + 1) % 1000 == 0 {
            println!("{} problems, {num_findings} findings so far", seed - first + 1);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} problems from seed {first} in {seconds:.0} s of CPU time: {num_findings} findings in {num_bad} problems");
    println!("the slowest problem took {:.1} s with enumeration (seed {})", slowest.0, slowest.1);
    println!("the slowest solve took {:.1} s ({}, seed {})", slowest_solve.0, slowest_solve.1, slowest_solve.2);
}
