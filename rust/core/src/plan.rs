//! The result of a solve.

use crate::{Status, StopReason};

/// The parts of a plan's objective, in USD over the horizon.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Rental of every GPU of every replica.
    pub rental: f64,
    /// Storage of weights and of the tokens of served queries.
    pub storage: f64,
    /// Price of the latency of every served query.
    pub latency: f64,
    /// Price of every query not served.
    pub unmet: f64,
}

impl Cost {
    /// The objective value.
    pub fn total(&self) -> f64 {
        self.rental + self.storage + self.latency + self.unmet
    }
}

/// A deployed configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployment {
    /// Index of the configuration in the problem.
    pub configuration: u32,
    /// Whole replicas, at least one.
    pub replicas: u32,
}

/// Where the traffic goes: three columns of equal length, zero fractions left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Routing {
    /// Index of the query type.
    pub query_type: Vec<u32>,
    /// Index of the configuration that serves it.
    pub configuration: Vec<u32>,
    /// Share of the query type's queries, in (0, 1].
    pub fraction: Vec<f64>,
}

/// What to deploy and where to send each kind of request; see `files.md` for the file of the same shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Name of the problem that it answers.
    pub problem: String,
    /// Method that found it, such as `gh`.
    pub method: String,
    /// Seed of the method's random choices.
    pub seed: u64,
    /// What is known of it.
    pub status: Status,
    /// Why the method ended.
    pub stop_reason: StopReason,
    /// Wall-clock time of the solve, in seconds.
    pub runtime_s: f64,
    /// Cost in USD over the horizon; `None` without a plan.
    pub objective_value: Option<f64>,
    /// A valid lower bound on the objective of every plan; `None` where none was asked for.
    pub objective_bound: Option<f64>,
    /// The parts of the objective; `None` without a plan.
    pub cost: Option<Cost>,
    /// What is deployed, by rising configuration index; empty without a plan.
    pub deployments: Vec<Deployment>,
    /// Where the traffic goes; empty without a plan.
    pub routing: Routing,
    /// Share of each query type that goes unserved; empty without a plan.
    pub unmet: Vec<f64>,
    /// Where there is no plan, what was missing, per query type.
    pub message: Option<String>,
    /// Figures of the search by name, such as `starts`; which ones there are is told by each method.
    pub statistics: Vec<(String, f64)>,
}

impl Plan {
    /// The answer where no plan was found.
    pub fn none(problem: &str, method: &str, seed: u64, status: Status, message: String) -> Self {
        Self {
            problem: problem.to_owned(),
            method: method.to_owned(),
            seed,
            status,
            stop_reason: StopReason::Completed,
            runtime_s: 0.0,
            objective_value: None,
            objective_bound: None,
            cost: None,
            deployments: Vec::new(),
            routing: Routing::default(),
            unmet: Vec::new(),
            message: Some(message),
            statistics: Vec::new(),
        }
    }

    /// Relative gap `|value - bound| / |value|` between the plan and its bound; `None` where either is unknown.
    pub fn gap(&self) -> Option<f64> {
        let (value, bound) = (self.objective_value?, self.objective_bound?);
        Some(relative_gap(value, bound))
    }
}

/// `|value - bound| / |value|`, 0 where both are 0.
pub fn relative_gap(value: f64, bound: f64) -> f64 {
    let difference = (value - bound).abs();
    if difference == 0.0 {
        0.0
    } else {
        difference / value.abs()
    }
}
