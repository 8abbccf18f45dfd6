//! What a check finds.

use super::counts;
use crate::Cost;

/// A kind of constraint, as the formulation names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Constraint {
    /// Shares are not negative.
    Bounds,
    /// At most `max_unmet` of a query type goes unserved.
    MaxUnmet,
    /// The shares of a query type add up to 1.
    Supply,
    /// Only what is deployed serves.
    Activation,
    /// At most `max_replicas` of a configuration.
    MaxReplicas,
    /// At least `min_replicas` of a deployed configuration.
    MinReplicas,
    /// One configuration per pair: one TP/PP choice and operating point per model and tier.
    OnePerPair,
    /// The replicas have the time.
    Time,
    /// The replicas have the KV-cache memory.
    Memory,
    /// The mean error of a query type meets its SLO.
    ErrorSlo,
    /// The latency of a query type meets its SLO.
    LatencySlo,
    /// Rental and storage fit the budget.
    Budget,
    /// Weights and tokens fit the storage.
    Storage,
    /// The GPUs of a pool suffice.
    Pools,
    /// What the plan says of its own cost and bound is true.
    Claim,
}

impl Constraint {
    /// The name in Python.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bounds => "bounds",
            Self::MaxUnmet => "max_unmet",
            Self::Supply => "supply",
            Self::Activation => "activation",
            Self::MaxReplicas => "max_replicas",
            Self::MinReplicas => "min_replicas",
            Self::OnePerPair => "one_per_pair",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::ErrorSlo => "error_slo",
            Self::LatencySlo => "latency_slo",
            Self::Budget => "budget",
            Self::Storage => "storage",
            Self::Pools => "pools",
            Self::Claim => "claim",
        }
    }
}

/// A constraint that a plan breaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Which kind.
    pub constraint: Constraint,
    /// Where: an entry of the problem, such as `configurations[3]`, or of the plan, such as `routing[5]`.
    pub entry: String,
    /// By how much, in the unit of the constraint: a share, replicas, GB, GPUs, s or USD.
    pub amount: f64,
    /// In words.
    pub message: String,
}

/// What a check finds; see [`super::check`].
#[derive(Debug, Clone, PartialEq)]
pub struct CheckReport {
    /// What is broken, in the order of the formulation.
    pub violations: Vec<Violation>,
    /// The cost that the plan has, whatever it claims; `None` where there is no plan.
    pub cost: Option<Cost>,
}

impl CheckReport {
    /// Whether there is a plan and it breaks nothing.
    pub fn is_feasible(&self) -> bool {
        self.cost.is_some() && self.violations.is_empty()
    }

    /// The objective that the plan has; `None` where there is no plan.
    pub fn objective_value(&self) -> Option<f64> {
        self.cost.map(|cost| cost.total())
    }
}

/// Collects violations.
#[derive(Default)]
pub(super) struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a violation where `value` exceeds `limit` by more than the tolerance for a right-hand side of size `scale`.
    pub(super) fn at_most(
        &mut self,
        constraint: Constraint,
        value: f64,
        limit: f64,
        scale: f64,
        tell: impl FnOnce() -> (String, String),
    ) {
        let amount = value - limit;
        // An infinite limit is none, and minus infinity exceeds nothing.
        if limit < f64::INFINITY && counts(amount, scale) {
            let (entry, message) = tell();
            self.0.push(Violation { constraint, entry, amount, message });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<Violation> {
        self.0
    }
}

/// A number with six significant digits, as a person writes it.
pub(super) fn show(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let exponent = value.abs().log10().floor() as i32;
    if !(-5..15).contains(&exponent) {
        return format!("{value:.5e}");
    }
    let text = format!("{value:.*}", (5 - exponent).max(0) as usize);
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
