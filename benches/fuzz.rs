//! Mutated inputs and extreme re-plans in any number, on a stable toolchain: no panic, no error but those that name an entry, no
//! plan that the checker refuses, no planner that does not go on.
//!
//! `cargo bench -p servemix-core --bench fuzz -- planner 500000 [first seed]`: so many calls of planners, of random bytes
//! `cargo bench -p servemix-core --bench fuzz -- problem 100000`, `… plan 100000`: so many mutations of the seeds
//! `cargo bench -p servemix-core --bench fuzz -- seeds FOLDER`: writes the first inputs of the targets in `fuzz/`
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "../rust/core/tests/common/fuzz.rs"]
mod fuzz;

use std::panic::{catch_unwind, set_hook};
use std::path::Path;
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [target, rest @ ..] = arguments.as_slice() else {
        println!("name a target: problem, plan, planner or seeds");
        return;
    };
    if target == "seeds" {
        let folder = Path::new(rest.first().map_or("fuzz/corpus", String::as_str));
        for (target, name, bytes) in fuzz::seeds() {
            std::fs::create_dir_all(folder.join(target)).unwrap();
            std::fs::write(folder.join(target).join(format!("seed-{name}")), bytes).unwrap();
        }
        return;
    }
    let number = |index: usize, default: u64| rest.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (count, first) = (number(0, 10_000), number(1, 1));
    let seeds: Vec<Vec<u8>> = fuzz::seeds().into_iter().filter(|seed| seed.0 == target).map(|seed| seed.2).collect();
    // A panic is a finding of its input.
    set_hook(Box::new(|_| {}));
    let (mut done, mut inputs, mut findings, mut slowest_s) = (0, 0_u64, 0, 0.0_f64);
    let start = Instant::now();
    while done < count {
        let input = first + inputs;
        inputs += 1;
        let mut rng = Pcg64Mcg::seed_from_u64(input);
        let bytes: Vec<u8> = match target.as_str() {
            "planner" => (0..rng.random_range(10..240)).map(|_| rng.random()).collect(),
            _ => fuzz::mutated(&seeds[inputs as usize % seeds.len()], &mut rng),
        };
        let began = Instant::now();
        match catch_unwind(|| fuzz::run(target, &bytes)) {
            Ok(calls) => done += if target == "planner" { calls.max(1) as u64 } else { 1 },
            Err(panic) => {
                done += 1;
                findings += 1;
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
                println!("input {input}: {}", text.chars().take(400).collect::<String>());
            }
        }
        slowest_s = slowest_s.max(began.elapsed().as_secs_f64());
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{target}: {done} of {inputs} inputs in {seconds:.0} s: {findings} findings; the slowest input took {slowest_s:.2} s");
}
