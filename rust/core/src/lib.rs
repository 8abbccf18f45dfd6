//! Choose which models to run on which GPUs and where to send each kind of LLM request, at minimum cost.
//!
//! Given query types *i*, models *j*, GPU tiers *k* and the configurations *a* = (*j*, *k*, TP, PP) that can be
//! deployed in whole replicas, choose fractions `x[i,a]` of traffic, unserved shares `u[i]` and replicas `r[a]`:
//!
//! ```text
//! minimise    rental + storage + latency + unmet                      (USD over the horizon)
//! subject to  supply       Σ_a x[i,a] + u[i] = 1                      every query type
//!             activation   x[i,a] ≤ w[a] ≤ r[a] ≤ R[a]·w[a]           one configuration per (model, tier)
//!             time         Σ_i (λ[i]/3600)·b[i,a]·x[i,a] ≤ ρ·r[a]     every configuration
//!             memory       Σ_i (λ[i]/3600)·κ[i,a]·x[i,a] ≤ M[a]·r[a]  every configuration
//!             SLOs         error and latency of every query type
//!             limits       budget, storage, GPU pools, max_unmet
//! ```
//!
//! [`Problem`] is the validated, immutable input and [`Plan`] the result.
#![forbid(unsafe_code)]

mod agh;
mod bnb;
pub mod bound;
mod certify;
mod check;
pub mod construct;
mod decompose;
pub mod diagnose;
mod error;
mod evaluate;
mod files;
pub mod generate;
mod heap;
mod ledger;
mod linear;
mod params;
mod plan;
mod planner;
mod pricing;
mod problem;
pub mod recourse;
pub mod replay;
mod router;
mod routing;
mod search;
mod solve;
mod splitmix;
mod status;
mod stop;
pub mod stress;
mod threads;
mod tree;
pub mod tuning;

pub use certify::lower_bound;
pub use check::{check, CheckReport, Constraint, Violation};
pub use error::{Error, Result};
pub use files::{read_plan, read_problem, write_plan, write_problem};
pub use files::{
    Basis, CurveRow, EngineDetails, EstimatedError, EstimatedErrors, MeasuredFile, PlanAttainment, PlanDetails,
    PublishedRetention, QueryTypeDetails,
};
pub use params::{SolveParams, Switches, MAX_THREADS};
pub use plan::{relative_gap, Cost, Deployment, Plan, Routing};
pub use planner::{Action, Planner, PlannerParams, Step, Transition, TransitionCosts, Update};
pub(crate) use problem::{error_scale, LEAST_SHARE};
pub use problem::{
    Configurations, LatencyScope, Models, Pools, Problem, ProblemData, QueryTypes, RouteTable, Routes, Tiers,
    FEASIBILITY_TOLERANCE, MAX_REPLICAS, NO_PAIR, NO_POOL,
};
pub use router::{Router, RouterMode, UNSERVED};
pub use solve::{solve, Method};
pub use status::{Status, StopReason};
pub use stop::{CancelToken, Stop};
