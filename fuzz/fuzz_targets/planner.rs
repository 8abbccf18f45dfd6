//! Calls of a planner with any numbers.
#![no_main]
#![allow(dead_code)]

#[path = "../../rust/core/tests/common/fuzz.rs"]
mod fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::run("planner", bytes);
});
