//! Parse a plan, check, write and route it, and go on from it with a planner.
#![no_main]
#![allow(dead_code)]

#[path = "../../rust/core/tests/common/fuzz.rs"]
mod fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::run("plan", bytes);
});
