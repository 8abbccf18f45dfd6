//! The result of a solve.

use std::collections::HashSet;

use crate::{Error, Problem, Result, Status, StopReason, MAX_REPLICAS};

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
    /// Figures of the search by name, such as `starts`; each method documents its own.
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

    /// Checks that the plan is one for `problem`: indices in range, no deployment and no route twice, finite numbers,
    /// and decisions exactly where the status says that there are some. Whether it meets the constraints is for
    /// the checker to tell.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the entry that breaks a rule.
    pub fn validate(&self, problem: &Problem) -> Result<()> {
        let (num_types, num_configurations) = (problem.num_query_types(), problem.num_configurations());
        if !self.status.has_plan() {
            let is_empty = self.deployments.is_empty() && self.routing.fraction.is_empty() && self.unmet.is_empty();
            if !is_empty || self.objective_value.is_some() || self.cost.is_some() {
                return Err(Error::invalid("status", format!("is {} beside a plan", self.status.as_str())));
            }
            return self.validate_figures();
        }
        for (entry, is_there) in [("objective_value", self.objective_value.is_some()), ("cost", self.cost.is_some())] {
            if !is_there {
                return Err(Error::invalid(entry, format!("is missing with status {}", self.status.as_str())));
            }
        }
        if self.unmet.len() != num_types {
            let message = format!("has {} entries where {num_types} are expected", self.unmet.len());
            return Err(Error::invalid("unmet", message));
        }
        for (i, &share) in self.unmet.iter().enumerate() {
            finite(share, || format!("unmet[{i}]"))?;
        }
        // Plans keep this order; only others are looked through for what stands there twice.
        let is_rising = self.deployments.is_sorted_by(|x, y| x.configuration < y.configuration);
        let mut seen = HashSet::new();
        for (index, deployment) in self.deployments.iter().enumerate() {
            let entry = |key: &str| format!("deployments[{index}].{key}");
            in_range(deployment.configuration, num_configurations, || entry("configuration"))?;
            if deployment.replicas == 0 {
                return Err(Error::invalid(entry("replicas"), "must be at least 1, got 0"));
            }
            if deployment.replicas > MAX_REPLICAS {
                let message = format!("must be at most {MAX_REPLICAS}, got {}", deployment.replicas);
                return Err(Error::invalid(entry("replicas"), message));
            }
            if !is_rising && !seen.insert(deployment.configuration) {
                let message = format!("{} is deployed twice", deployment.configuration);
                return Err(Error::invalid(entry("configuration"), message));
            }
        }
        self.routing.validate(num_types, num_configurations)?;
        self.validate_figures()
    }

    fn validate_figures(&self) -> Result<()> {
        for (entry, value) in [
            ("runtime_s", Some(self.runtime_s)),
            ("objective_value", self.objective_value),
            ("objective_bound", self.objective_bound),
            ("cost.rental", self.cost.map(|cost| cost.rental)),
            ("cost.storage", self.cost.map(|cost| cost.storage)),
            ("cost.latency", self.cost.map(|cost| cost.latency)),
            ("cost.unmet", self.cost.map(|cost| cost.unmet)),
        ] {
            finite(value.unwrap_or(0.0), || entry.to_owned())?;
        }
        Ok(())
    }

    /// Relative gap `|value - bound| / |value|` between the plan and its bound; `None` where either is unknown.
    pub fn gap(&self) -> Option<f64> {
        let (value, bound) = (self.objective_value?, self.objective_bound?);
        Some(relative_gap(value, bound))
    }
}

impl Routing {
    fn validate(&self, num_types: usize, num_configurations: usize) -> Result<()> {
        for (column, length) in [("query_type", self.query_type.len()), ("configuration", self.configuration.len())] {
            if length != self.fraction.len() {
                let message = format!("has {length} entries where {} are expected", self.fraction.len());
                return Err(Error::invalid(format!("routing.{column}"), message));
            }
        }
        let key = |&index: &usize| (self.query_type[index], self.configuration[index]);
        let is_rising = (0..self.fraction.len()).is_sorted_by(|x, y| key(x) < key(y));
        let mut seen = HashSet::new();
        for (index, &fraction) in self.fraction.iter().enumerate() {
            let (i, a) = (self.query_type[index], self.configuration[index]);
            in_range(i, num_types, || format!("routing.query_type[{index}]"))?;
            in_range(a, num_configurations, || format!("routing.configuration[{index}]"))?;
            finite(fraction, || format!("routing.fraction[{index}]"))?;
            if !is_rising && !seen.insert((i, a)) {
                let message = format!("repeats query_type {i}, configuration {a}");
                return Err(Error::invalid(format!("routing[{index}]"), message));
            }
        }
        Ok(())
    }
}

fn finite(value: f64, entry: impl FnOnce() -> String) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::invalid(entry(), format!("must be a finite number, got {value}")))
}

fn in_range(index: u32, count: usize, entry: impl FnOnce() -> String) -> Result<()> {
    if (index as usize) < count {
        return Ok(());
    }
    Err(Error::invalid(entry(), format!("is {index}, out of range for {count} entries")))
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
