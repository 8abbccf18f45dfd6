//! Cover cuts: a query type that is served at all needs a whole deployment that meets its SLO.
//!
//! Error and average latency are means over the traffic of a type, so that a mixture can make up for many cheap
//! deployments by a fifth of an accurate one. Whole deployments cannot: of those with an error within the SLO one
//! must be there, `Σ_{a: e_ia ≤ ε_i} w_a ≥ 1`, or `Σ w_a + u_i ≥ 1` where the type may go unserved.

use super::widened::Widened;
use crate::{LatencyScope, Problem};

/// A route counts as meeting its SLO up to this excess, in terms of what its row is widened by: a plan within the feasibility
/// tolerance serves less than a hundredth of a type by routes beyond it alone.
const EXCESS: f64 = 120.0;
/// What is asked for where such a hundredth is a type's only traffic.
const LEAST: f64 = 0.98;

/// Of which SLO a cover is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slo {
    Error,
    Latency,
}

/// At least one deployment out of a set, or the query type unserved.
#[derive(Debug)]
pub(crate) struct Cover {
    slo: Slo,
    pub(super) query_type: usize,
    /// Whether a configuration is in the set.
    meets: Vec<bool>,
    /// Whether the type may go unserved altogether.
    pub(super) is_optional: bool,
    /// How many deployments and unserved types it takes.
    pub(super) least: f64,
}

impl PartialEq for Cover {
    /// Of one problem.
    fn eq(&self, other: &Self) -> bool {
        (self.slo, self.query_type) == (other.slo, other.query_type)
    }
}

impl Cover {
    /// The covers of a problem that say anything: those of types of which some routes do not meet the SLO.
    pub(super) fn all(problem: &Problem, widened: &Widened) -> Vec<Self> {
        let table = problem.route_table();
        let of = |slo: Slo, query_type: usize| {
            let (excess, most) = match slo {
                Slo::Error => (&table.error_excess, EXCESS * widened.error[query_type]),
                Slo::Latency => (&table.latency_excess, EXCESS * widened.latency_s[query_type]),
            };
            let mut meets = vec![false; problem.num_configurations()];
            let mut is_needed = false;
            for &route in table.of_query_type(query_type) {
                let meets_slo = excess[route as usize] <= most;
                meets[table.configuration[route as usize] as usize] = meets_slo;
                is_needed |= !meets_slo;
            }
            let is_optional = problem.query_types.max_unmet[query_type] >= LEAST;
            let least = if is_optional { LEAST } else { 1.0 };
            is_needed.then_some(Self { slo, query_type, meets, is_optional, least })
        };
        let slos: &[Slo] = match problem.latency_scope {
            LatencyScope::Route => &[Slo::Error],
            LatencyScope::Average => &[Slo::Error, Slo::Latency],
        };
        slos.iter().flat_map(|&slo| (0..problem.num_query_types()).filter_map(move |i| of(slo, i))).collect()
    }

    /// What a deployment of configuration `a` counts.
    pub(super) fn of_deployment(&self, a: usize) -> f64 {
        f64::from(u8::from(self.meets[a]))
    }

    /// What query type `i` unserved counts.
    pub(super) fn of_unserved(&self, i: usize) -> f64 {
        f64::from(u8::from(self.is_optional && i == self.query_type))
    }
}
