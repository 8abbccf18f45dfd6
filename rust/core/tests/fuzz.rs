//! Arbitrary bytes against readers, solvers and planners, from the fuzz targets' seeds. `benches/fuzz.rs` runs many more, and
//! `cargo +nightly fuzz run TARGET` in `fuzz/` is guided by coverage.

#[path = "common/fuzz.rs"]
mod fuzz;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const MUTATIONS: usize = 120;

#[test]
fn mutated_problems_plans_and_calls_end_in_plans_or_named_errors() {
    let mut rng = Pcg64Mcg::seed_from_u64(17);
    for (target, _, bytes) in fuzz::seeds() {
        fuzz::run(target, &bytes);
        for _ in 0..MUTATIONS {
            fuzz::run(target, &fuzz::mutated(&bytes, &mut rng));
        }
    }
}

#[test]
fn planners_outlive_any_calls() {
    let mut rng = Pcg64Mcg::seed_from_u64(18);
    for _ in 0..60 {
        let bytes: Vec<u8> = (0..200).map(|_| rng.random()).collect();
        fuzz::planner(&bytes);
    }
}
