//! Parse a problem, solve it, check the plan, write it, read it again.
#![no_main]
#![allow(dead_code)]

#[path = "../../rust/core/tests/common/fuzz.rs"]
mod fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::run("problem", bytes);
});
