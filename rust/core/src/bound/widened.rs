//! The problem that bounds are of: its right-hand sides are widened by the feasibility tolerance, so that what is proven
//! holds for every plan that the checker accepts.

use crate::{error_scale, LatencyScope, Problem, FEASIBILITY_TOLERANCE, LEAST_SHARE};

/// By how much the rows of each query type are wider than the formulation's.
#[derive(Debug, Default)]
pub(crate) struct Widened {
    /// What limits, capacities and shares of 1 are multiplied by.
    pub(crate) more: f64,
    /// Of the supply row: a share that need not be served.
    pub(crate) supply: Vec<f64>,
    /// Of the error row.
    pub(crate) error: Vec<f64>,
    /// Of the row of the mean latency, seconds.
    pub(crate) latency_s: Vec<f64>,
}

/// Routes of each query type that the route table leaves out because they can carry no share that counts.
pub(crate) fn left_out(problem: &Problem) -> Vec<u32> {
    let (q, r) = (&problem.query_types, &problem.routes);
    let mut count = vec![0; problem.num_query_types()];
    for (&i, &latency_s) in r.query_type.iter().zip(&r.latency_s) {
        // What is late carries nothing at all.
        let may_carry = problem.latency_scope == LatencyScope::Average || latency_s <= q.latency_slo_s[i as usize];
        count[i as usize] += u32::from(may_carry);
    }
    count.iter_mut().enumerate().for_each(|(i, count)| *count -= problem.route_table().of_query_type(i).len() as u32);
    count
}

impl Widened {
    pub(crate) fn of(problem: &Problem) -> Self {
        let q = &problem.query_types;
        let mut widened = Self { more: 1.0 + FEASIBILITY_TOLERANCE, ..Self::default() };
        for (i, left_out) in left_out(problem).into_iter().enumerate() {
            // What these could carry, all together.
            let aside = 2.0 * LEAST_SHARE * f64::from(left_out);
            widened.supply.push(FEASIBILITY_TOLERANCE + aside);
            widened.error.push(FEASIBILITY_TOLERANCE * error_scale(q.error_slo[i]) + aside * q.error_slo[i]);
            let slo_s = q.latency_slo_s[i];
            widened.latency_s.push(FEASIBILITY_TOLERANCE * slo_s.max(1.0) + aside * slo_s);
        }
        if problem.latency_scope == LatencyScope::Route {
            widened.latency_s.fill(0.0);
        }
        widened
    }

    /// The rows as the formulation states them: for prices, which at a limit that is just met depend on which side of it they
    /// are taken.
    pub(crate) fn stated(problem: &Problem) -> Self {
        let none = vec![0.0; problem.num_query_types()];
        Self { more: 1.0, supply: none.clone(), error: none.clone(), latency_s: none }
    }

    /// The largest share of query type `i` that may go unserved.
    pub(crate) fn max_unmet(&self, problem: &Problem, i: usize) -> f64 {
        problem.query_types.max_unmet[i] + (self.more - 1.0)
    }
}
