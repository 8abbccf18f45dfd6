//! What a plan decides, read again from the data as given.

use crate::{Cost, Error, LatencyScope, Plan, Problem, ProblemData, Result, FEASIBILITY_TOLERANCE};

/// The decision variables, and where in the data their routes are.
pub(super) struct Decisions<'a> {
    pub(super) data: &'a ProblemData,
    /// Replicas r of each deployed configuration, by rising configuration.
    pub(super) replicas: Vec<(usize, f64)>,
    /// Shares x with their query type, configuration and route.
    pub(super) traffic: Vec<Traffic>,
    /// Shares u.
    pub(super) unmet: &'a [f64],
}

pub(super) struct Traffic {
    pub(super) query_type: usize,
    pub(super) configuration: usize,
    pub(super) route: usize,
    /// As the plan has it.
    pub(super) given: f64,
    /// What of it counts.
    pub(super) share: f64,
    pub(super) is_deployed: bool,
}

impl<'a> Decisions<'a> {
    pub(super) fn read(problem: &'a Problem, plan: &'a Plan) -> Result<Self> {
        let data = problem.data();
        let replicas = |one: &crate::Deployment| (one.configuration as usize, f64::from(one.replicas));
        let mut replicas: Vec<(usize, f64)> = plan.deployments.iter().map(replicas).collect();
        replicas.sort_unstable_by_key(|one| one.0);
        let mut found =
            Self { data, replicas, traffic: Vec::with_capacity(plan.routing.fraction.len()), unmet: &plan.unmet };
        let r = &plan.routing;
        for (index, &given) in r.fraction.iter().enumerate() {
            let (query_type, configuration) = (r.query_type[index] as usize, r.configuration[index] as usize);
            let route = position(problem, query_type, configuration).ok_or_else(|| {
                let message =
                    format!("there is no route from query type {query_type} to configuration {configuration}");
                Error::invalid(format!("routing[{index}]"), message)
            })?;
            let is_deployed = found.replicas_of(configuration).is_some();
            let may_be = is_deployed && !is_late(data, query_type, route);
            let share = if given.abs() <= FEASIBILITY_TOLERANCE && !(may_be && given > 0.0) { 0.0 } else { given };
            found.traffic.push(Traffic { query_type, configuration, route, given, share, is_deployed });
        }
        Ok(found)
    }

    /// Replicas of configuration `a` where it is deployed.
    pub(super) fn replicas_of(&self, a: usize) -> Option<f64> {
        let index = self.replicas.binary_search_by_key(&a, |one| one.0).ok()?;
        Some(self.replicas[index].1)
    }

    pub(super) fn type_name(&self, i: usize) -> &str {
        &self.data.query_types.name[i]
    }

    pub(super) fn configuration_name(&self, a: usize) -> String {
        let c = &self.data.configurations;
        let model = &self.data.models.name[c.model[a] as usize];
        let tier = &self.data.tiers.name[c.tier[a] as usize];
        format!("{model} on {tier} with TP {} and PP {}", c.tp[a], c.pp[a])
    }

    /// GPUs n·m of one replica.
    pub(super) fn gpus(&self, a: usize) -> f64 {
        f64::from(self.data.configurations.tp[a]) * f64::from(self.data.configurations.pp[a])
    }

    /// Σ over the traffic of each query type of `value(type, route)·x`.
    pub(super) fn sum_by_type(&self, value: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.unmet.len()];
        for traffic in &self.traffic {
            sums[traffic.query_type] += value(traffic.query_type, traffic.route) * traffic.share;
        }
        sums
    }

    /// Share of query type `i` that goes unserved.
    pub(super) fn unmet(&self, i: usize) -> f64 {
        if self.unmet[i] < -FEASIBILITY_TOLERANCE {
            self.unmet[i]
        } else {
            self.unmet[i].max(0.0)
        }
    }

    pub(super) fn storage_gb(&self) -> f64 {
        let weights: f64 = self.replicas.iter().map(|&(a, _)| self.data.configurations.weights_gb[a]).sum();
        let data_gb = self.data.query_types.data_gb.iter().enumerate();
        weights + data_gb.map(|(i, gb)| gb * (1.0 - self.unmet(i))).sum::<f64>()
    }

    pub(super) fn cost(&self) -> Cost {
        let (data, q) = (self.data, &self.data.query_types);
        let rental_per_h: f64 = self
            .replicas
            .iter()
            .map(|&(a, replicas)| {
                let tier = data.configurations.tier[a] as usize;
                data.tiers.gpu_usd_per_h[tier] * self.gpus(a) * replicas
            })
            .sum();
        let latency_per_h: f64 = self
            .traffic
            .iter()
            .map(|traffic| {
                let i = traffic.query_type;
                q.rate_per_h[i] * q.latency_usd_per_s[i] * data.routes.latency_s[traffic.route] * traffic.share
            })
            .sum();
        let unmet_per_h: f64 =
            (0..q.name.len()).map(|i| q.rate_per_h[i] * q.unmet_usd_per_query[i] * self.unmet(i)).sum();
        Cost {
            rental: data.horizon_h * rental_per_h,
            storage: data.horizon_h * data.storage_usd_per_gb_h * self.storage_gb(),
            latency: data.horizon_h * latency_per_h,
            unmet: data.horizon_h * unmet_per_h,
        }
    }
}

/// Where the data has the route from `query_type` to `configuration`. That of the problem's table is only a hint: most routes are
/// found there at once, and what it says is looked up in the data.
fn position(problem: &Problem, query_type: usize, configuration: usize) -> Option<usize> {
    let r = &problem.data().routes;
    let is_it =
        |route: usize| r.query_type[route] as usize == query_type && r.configuration[route] as usize == configuration;
    let hint = problem.find_route(query_type, configuration).map(|at| problem.route_table().source[at] as usize);
    hint.filter(|&route| is_it(route)).or_else(|| (0..r.query_type.len()).find(|&route| is_it(route)))
}

/// Whether the latency SLO keeps all traffic of query type `i` off a route.
pub(super) fn is_late(data: &ProblemData, i: usize, route: usize) -> bool {
    data.latency_scope == LatencyScope::Route && data.routes.latency_s[route] > data.query_types.latency_slo_s[i]
}
