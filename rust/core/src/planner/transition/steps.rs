//! What a transition consists of: [`Transition`], [`Step`], [`Action`].

use crate::{Result, Router, RouterMode, Routing};

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start replicas and wait until they serve.
    Start,
    /// Send replicas no more traffic, let them finish and stop them.
    Stop,
}

impl Action {
    /// The name in Python.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

/// One step; each waits for the one before.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Configuration.
    pub configuration: u32,
    /// Replicas started or stopped.
    pub replicas: u32,
    /// Seconds until started replicas serve; 0 for a stop.
    pub start_s: f64,
    /// Share of all queries that `routing` serves, within the SLOs.
    pub served_share: f64,
    /// Share of each query type that it serves.
    pub served: Vec<f64>,
    /// Where traffic goes from then on: to what serves once started replicas are ready, and to none of those that stop, which
    /// may drain from then on. As many queries as possible are served, at low latency.
    pub routing: Routing,
}

impl Step {
    /// A router by the fractions of `routing`.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where the routing has been changed so that a query type's shares do not sum to 1.
    pub fn router(&self, mode: RouterMode, seed: u64) -> Result<Router> {
        Router::of_routing(&self.routing, &unmet(&self.served), mode, seed)
    }
}

/// The shares that are not served.
pub(in crate::planner) fn unmet(served: &[f64]) -> Vec<f64> {
    served.iter().map(|share| (1.0 - share).clamp(0.0, 1.0)).collect()
}

/// How to get from one plan's deployments to another's.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The steps in order; none where nothing changes.
    pub steps: Vec<Step>,
    /// Whether no moment serves less than the poorer of both plans.
    pub is_safe: bool,
    /// Whether it is proven that no other order of these starts and stops serves more at its lowest moment; true where safe.
    pub is_best: bool,
    /// Lowest share of all queries that can be served on the way, both ends included.
    pub lowest_share: f64,
    /// Share of all queries that the previous deployments can serve at the rates of the problem, and the next ones.
    pub previous_share: f64,
    /// See `previous_share`.
    pub next_share: f64,
    /// Cost of the starts, USD.
    pub start_usd: f64,
    /// Where no safe order was found: how much less can be served on the way.
    pub message: Option<String>,
    /// Where traffic goes until the first step: as in [`Step::routing`], of the previous deployments.
    pub routing: Routing,
    /// Share of each query type that it serves.
    pub served: Vec<f64>,
}
