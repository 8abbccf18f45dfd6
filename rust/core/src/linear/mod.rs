//! Small dense linear programs, solved again and again from a warm start.

mod dual_simplex;

pub use dual_simplex::{DualSimplex, LinearStatus};
