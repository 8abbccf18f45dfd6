//! Small dense linear programs, solved again and again from a warm start.

mod dual_simplex;

pub(crate) use dual_simplex::{DualSimplex, LinearStatus};
