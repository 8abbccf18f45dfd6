//! Examples for contributors: a new operator and a new rounding strategy, each in one file, as they would be added.
//!
//! They are compiled and run as tests only. Copy one to its home (`search/operator.rs`, `search/rounding/`), give it what it is
//! to do, and measure it with `cargo bench --bench quality`; `docs/dev/extending-the-core.md` goes through it step by step. An
//! example of an evaluator is in `tree/example.rs`.

mod operator;
mod rounding;
