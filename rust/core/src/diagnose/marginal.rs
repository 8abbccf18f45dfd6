//! What one unit more of a constraint is worth, from the prices of the Lagrangian relaxation.

use super::constraint::Constraint;
use crate::bound::stated_bound;
use crate::{LatencyScope, Problem, Result, SolveParams, Stop};

/// Values below this share of the bound, per unit, are noise of the search for prices.
const NOISE: f64 = 1e-7;
/// How much longer an SLO is tried under [`LatencyScope::Route`], where it is no row and has no price.
const SLO_STEP: f64 = 0.1;

/// What one unit of a constraint is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarginalValue {
    /// The constraint, which binds in the relaxation.
    pub constraint: Constraint,
    /// USD over the horizon saved per unit: per GPU of a pool, per GB, per dollar of budget, per second of an SLO, per
    /// 1.0 of an error SLO. Of the bound, so of the best plan about.
    pub usd_per_unit: f64,
}

/// The constraints of a feasible problem that cost something, by falling value.
pub(crate) fn values(problem: &Problem, params: &SolveParams, stop: &Stop) -> Result<Vec<MarginalValue>> {
    // Without a deadline the relaxation is not branched on, which would only make the differences below uneven.
    let untimed = Stop::new(&SolveParams::default(), stop.cancel_token());
    let root = stated_bound(problem, params, &untimed);
    let prices = &root.prices;
    let mut values = Vec::new();
    let mut add = |constraint: Constraint, usd_per_unit: f64, unit: f64| {
        if usd_per_unit * unit > NOISE * root.value.abs() {
            values.push(MarginalValue { constraint, usd_per_unit });
        }
    };
    for i in 0..problem.num_query_types() {
        let id = i as u32;
        add(Constraint::ErrorSlo(id), prices.error[i], problem.query_types.error_slo[i]);
        let slo = problem.query_types.latency_slo_s[i];
        if problem.latency_scope == LatencyScope::Average {
            add(Constraint::LatencySlo(id), prices.latency[i], slo);
        } else if slo > 0.0 && !stop.should_stop() {
            let mut data = problem.data().clone();
            Constraint::LatencySlo(id).set(&mut data, (1.0 + SLO_STEP) * slo);
            let longer = stated_bound(&Problem::new(data)?, params, &untimed);
            if longer.converged && root.converged {
                add(Constraint::LatencySlo(id), (root.value - longer.value) / (SLO_STEP * slo), slo);
            }
        }
    }
    add(Constraint::Budget, prices.budget, problem.budget_usd);
    add(Constraint::Storage, prices.storage, problem.storage_gb);
    for (pool, &price) in prices.pool.iter().enumerate() {
        add(Constraint::Pool(pool as u32), price, 1.0);
    }
    Ok(values)
}
