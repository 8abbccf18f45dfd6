//! The one place where decisions become a cost and a [`Plan`], through the coefficients of the [`Problem`].

use crate::{Cost, Deployment, Error, Plan, Problem, Result, Routing, Status, StopReason};

impl Cost {
    /// The cost of `deployments`, `routing` and the shares `unmet`, whether they meet the constraints or not.
    ///
    /// # Errors
    /// [`Error::Invalid`] names an index that is out of range, a column of the wrong length, or traffic where the
    /// problem has no route.
    pub fn evaluate(problem: &Problem, deployments: &[Deployment], routing: &Routing, unmet: &[f64]) -> Result<Self> {
        let num_types = problem.num_query_types();
        if unmet.len() != num_types {
            let message = format!("has {} entries where {num_types} are expected", unmet.len());
            return Err(Error::invalid("unmet", message));
        }
        let mut cost = Self::default();
        for (index, deployment) in deployments.iter().enumerate() {
            let a = deployment.configuration as usize;
            if a >= problem.num_configurations() {
                let message = format!("is {a}, out of range for {} entries", problem.num_configurations());
                return Err(Error::invalid(format!("deployments[{index}].configuration"), message));
            }
            cost.rental += problem.replica_usd(a) * f64::from(deployment.replicas);
            cost.storage += problem.weights_usd(a);
        }
        for (i, share) in unmet.iter().enumerate() {
            cost.storage += problem.data_usd(i) * (1.0 - share);
            cost.unmet += problem.unmet_usd(i) * share;
        }
        cost.latency = routing.latency_usd(problem)?;
        Ok(cost)
    }
}

impl Routing {
    fn latency_usd(&self, problem: &Problem) -> Result<f64> {
        if self.query_type.len() != self.fraction.len() || self.configuration.len() != self.fraction.len() {
            return Err(Error::invalid("routing", "its columns differ in length"));
        }
        let mut usd = 0.0;
        for (index, &fraction) in self.fraction.iter().enumerate() {
            let (i, a) = (self.query_type[index] as usize, self.configuration[index] as usize);
            if i >= problem.num_query_types() || a >= problem.num_configurations() {
                let message = format!("query type {i} or configuration {a} is out of range");
                return Err(Error::invalid(format!("routing[{index}]"), message));
            }
            usd += fraction
                * match problem.find_route(i, a) {
                    Some(route) => problem.route_table().latency_usd[route],
                    None => problem.unusable_latency_usd(i, a).ok_or_else(|| {
                        let message = format!("there is no route from query type {i} to configuration {a}");
                        Error::invalid(format!("routing[{index}]"), message)
                    })?,
                };
        }
        Ok(usd)
    }

    /// This traffic, sorted by query type and configuration, without zero fractions.
    pub fn sorted(&self) -> Self {
        let mut order: Vec<usize> = (0..self.fraction.len()).filter(|&index| self.fraction[index] != 0.0).collect();
        order.sort_by_key(|&index| (self.query_type[index], self.configuration[index]));
        Self {
            query_type: order.iter().map(|&index| self.query_type[index]).collect(),
            configuration: order.iter().map(|&index| self.configuration[index]).collect(),
            fraction: order.iter().map(|&index| self.fraction[index]).collect(),
        }
    }
}

impl Plan {
    /// The plan made of these decisions, with its cost, in the order that plans keep. Method, seed, runtime and stop
    /// reason are the caller's to fill in; the status is [`Status::Feasible`], which is for the caller to be sure of.
    ///
    /// # Errors
    /// As [`Cost::evaluate`].
    pub fn from_solution(
        problem: &Problem,
        mut deployments: Vec<Deployment>,
        routing: &Routing,
        unmet: Vec<f64>,
    ) -> Result<Self> {
        let cost = Cost::evaluate(problem, &deployments, routing, &unmet)?;
        deployments.sort_by_key(|deployment| deployment.configuration);
        Ok(Self {
            problem: problem.name.clone(),
            method: String::new(),
            seed: 0,
            status: Status::Feasible,
            stop_reason: StopReason::Completed,
            runtime_s: 0.0,
            objective_value: Some(cost.total()),
            objective_bound: None,
            cost: Some(cost),
            deployments,
            routing: routing.sorted(),
            unmet,
            message: None,
            statistics: Vec::new(),
        })
    }
}
