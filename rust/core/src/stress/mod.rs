//! What becomes of a plan when reality is worse than its figures: its deployments stay, its traffic is routed again.
//!
//! Stage 1 fixed what is deployed. Stage 2 draws scenarios in which the latency and busy time of every route are
//! multiplied by one factor in `[1, f]` and its error by another, lifts the cap on what may go unserved and routes at
//! the least cost (a linear program). A query type whose unserved queries have no price is served as far as it can be, as the
//! most expensive of all. Rental and storage are those of stage 1; latency and unmet those of stage 2. The
//! factors of a route depend on the seed, the scenario and the route alone, so that every plan of a problem meets the
//! same scenarios, whatever the number of threads.
//!
//! ```
//! use servemix_core::generate::{physical, Family, Size};
//! use servemix_core::stress::{stress, Inflation, StressParams};
//! use servemix_core::{solve, CancelToken, Method, SolveParams};
//!
//! let problem = physical(Size::new(4, 4, 5), 1.0, Family::Plain, 1)?;
//! let plan = solve(&problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new())?;
//! let params = StressParams { inflation: Inflation::uniform(1.5), scenarios: 20, ..StressParams::default() };
//! let report = stress(&problem, &plan, &params, &CancelToken::new())?;
//! assert_eq!(report.cost_usd.len(), 20);
//! # Ok::<(), servemix_core::Error>(())
//! ```

mod inflation;
mod part;

pub use inflation::Inflation;
pub(crate) use part::Part;

use crate::linear::LinearStatus;
use crate::params::MAX_THREADS;
use crate::routing::RoutingProgram;
use crate::threads::for_each;
use crate::{CancelToken, Deployment, Error, Plan, Problem, ProblemData, Result, Routing};

/// Times that the price of shortage is raised before the deployments count as having no feasible routing.
const SHORTAGE_RAISES: u32 = 2;
/// Settings of a stress test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StressParams {
    /// Largest factors; 1.5 for latency, busy time and error by default.
    pub inflation: Inflation,
    /// Number of scenarios; 500 by default.
    pub scenarios: u32,
    /// Number of the first scenario, so that a long test can be done in parts; 0 by default.
    pub first: u32,
    /// Seed of the scenarios; 0 by default.
    pub seed: u64,
    /// Threads to use; 1 by default, and the result does not depend on it.
    pub threads: usize,
}

impl Default for StressParams {
    fn default() -> Self {
        Self { inflation: Inflation::uniform(1.5), scenarios: 500, first: 0, seed: 0, threads: 1 }
    }
}

/// What the scenarios of a stress test came to, in columns with one entry per scenario.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StressReport {
    /// Rental and storage of stage 1, latency and unmet of stage 2, USD over the horizon.
    pub cost_usd: Vec<f64>,
    /// Price of the latency of every served query, USD.
    pub latency_usd: Vec<f64>,
    /// Price of every query not served, USD.
    pub unmet_usd: Vec<f64>,
    /// Share of all queries that go unserved, `Σ λ·u / Σ λ`.
    pub violation_rate: Vec<f64>,
    /// Share of each query type that goes unserved, one scenario after the other.
    pub unmet: Vec<f64>,
}

/// The best routing of a plan's deployments.
#[derive(Debug, Clone, PartialEq)]
pub struct Rerouting {
    /// Where the traffic goes.
    pub routing: Routing,
    /// Share of each query type that goes unserved.
    pub unmet: Vec<f64>,
    /// Price of the latency of every served query, USD.
    pub latency_usd: f64,
    /// Price of every query not served, USD.
    pub unmet_usd: f64,
}

/// Stresses the deployments of `plan`.
///
/// A cancelled test returns the scenarios that it finished.
///
/// # Errors
/// [`Error::Invalid`] where a setting is out of range or there is no plan for `problem`; [`Error::Internal`] where a
/// routing cannot be solved.
pub fn stress(problem: &Problem, plan: &Plan, params: &StressParams, cancel: &CancelToken) -> Result<StressReport> {
    params.inflation.validate()?;
    if !(1..=MAX_THREADS).contains(&params.threads) {
        let message = format!("must be between 1 and {MAX_THREADS}, got {}", params.threads);
        return Err(Error::invalid("threads", message));
    }
    let deployed = Deployed::new(problem, plan, true)?;
    let sunk_usd = plan.cost.map_or(0.0, |cost| cost.rental + cost.storage);
    let numbers: Vec<u32> = (0..params.scenarios).map(|offset| params.first.wrapping_add(offset)).collect();
    let share = numbers.len().div_ceil(params.threads).max(1);
    let run = |numbers: &[u32]| -> Result<StressReport> {
        let mut report = StressReport::default();
        for &number in numbers {
            if cancel.poll() {
                break;
            }
            deployed.scenario(params, number, sunk_usd, &mut report)?;
        }
        Ok(report)
    };
    let mut parts: Vec<Result<StressReport>> = Vec::new();
    parts.resize_with(numbers.len().div_ceil(share), || Ok(StressReport::default()));
    for_each(numbers.chunks(share).zip(&mut parts), params.threads, |(numbers, part)| *part = run(numbers));
    let mut whole = StressReport::default();
    for part in parts {
        let part = part?;
        whole.cost_usd.extend(part.cost_usd);
        whole.latency_usd.extend(part.latency_usd);
        whole.unmet_usd.extend(part.unmet_usd);
        whole.violation_rate.extend(part.violation_rate);
        whole.unmet.extend(part.unmet);
    }
    Ok(whole)
}

/// The best routing of the deployments of `plan` in `problem`, which may be another problem than the plan's as long as
/// it has the same query types and configurations. `None` where the deployments have no feasible routing, which cannot
/// be with `lift_unmet`: then everything may go unserved, at its price.
///
/// Rental and storage count as spent; the budget does not limit the routing.
///
/// # Errors
/// As [`stress`].
pub fn reroute(problem: &Problem, plan: &Plan, lift_unmet: bool) -> Result<Option<Rerouting>> {
    let deployed = Deployed::new(problem, plan, lift_unmet)?;
    deployed.route(deployed.part.data.clone())
}

/// As [`reroute`], of deployments that are no plan yet.
pub(crate) fn reroute_deployments(
    problem: &Problem,
    deployments: &[Deployment],
    lift_unmet: bool,
) -> Result<Option<Rerouting>> {
    let deployed = Deployed { part: Part::new(problem, deployments, lift_unmet), deployments: deployments.to_vec() };
    deployed.route(deployed.part.data.clone())
}

/// What is deployed, in a problem with nothing else.
struct Deployed {
    part: Part,
    deployments: Vec<Deployment>,
}

impl Deployed {
    fn new(problem: &Problem, plan: &Plan, lift_unmet: bool) -> Result<Self> {
        plan.validate(problem)?;
        if !plan.status.has_plan() {
            return Err(Error::invalid("plan", "has no deployments: no plan was found"));
        }
        let deployments = plan.deployments.clone();
        Ok(Self { part: Part::new(problem, &deployments, lift_unmet), deployments })
    }

    /// Draws scenario `number`, routes and adds the outcome to `report`.
    fn scenario(&self, params: &StressParams, number: u32, sunk_usd: f64, report: &mut StressReport) -> Result<()> {
        let data = self.part.inflated(params.inflation, params.seed, number);
        let rate_per_h = data.query_types.rate_per_h.clone();
        let Some(best) = self.route(data)? else {
            return Err(Error::Internal(format!("scenario {number} has no routing though all may go unserved")));
        };
        let total_per_h: f64 = rate_per_h.iter().sum();
        let unmet_per_h: f64 = rate_per_h.iter().zip(&best.unmet).map(|(rate, share)| rate * share).sum();
        report.cost_usd.push(sunk_usd + best.latency_usd + best.unmet_usd);
        report.latency_usd.push(best.latency_usd);
        report.unmet_usd.push(best.unmet_usd);
        report.violation_rate.push(if total_per_h > 0.0 { unmet_per_h / total_per_h } else { 0.0 });
        report.unmet.extend(best.unmet);
        Ok(())
    }

    fn route(&self, data: ProblemData) -> Result<Option<Rerouting>> {
        let reduced = Problem::new(data)?;
        let mut program = RoutingProgram::new(&reduced, self.deployments.len());
        for (slot, deployment) in self.deployments.iter().enumerate() {
            program.set_replicas(&reduced, slot, slot, deployment.replicas);
        }
        program.price_shortage_last(&reduced);
        program.refresh(&reduced);
        for _ in 0..=SHORTAGE_RAISES {
            match program.solve(f64::INFINITY) {
                LinearStatus::Optimal => {}
                LinearStatus::Infeasible => return Ok(None),
                status => return Err(Error::Internal(format!("the routing program ended as {status:?}"))),
            }
            if program.is_feasible() {
                return Ok(Some(self.read(&reduced, &program)));
            }
            program.press_shortage(&reduced);
        }
        Ok(None)
    }

    fn read(&self, reduced: &Problem, program: &RoutingProgram) -> Rerouting {
        let mut routing = Routing::default();
        let mut latency_usd = 0.0;
        program.for_each_route(reduced, |i, slot, fraction| {
            let usd = reduced.find_route(i, slot).map_or(0.0, |route| reduced.route_table().latency_usd[route]);
            latency_usd += usd * fraction;
            routing.query_type.push(i as u32);
            routing.configuration.push(self.deployments[slot].configuration);
            routing.fraction.push(fraction);
        });
        let unmet: Vec<f64> = (0..reduced.num_query_types()).map(|i| program.unmet(i)).collect();
        let priced = (0..unmet.len()).filter(|&i| !self.part.unpriced[i]);
        let unmet_usd = priced.map(|i| reduced.unmet_usd(i) * unmet[i]).sum();
        Rerouting { routing: routing.sorted(), unmet, latency_usd, unmet_usd }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{physical, Family, Size};

    #[test]
    fn what_has_no_price_is_served_as_far_as_it_can_be_and_costs_nothing_else() {
        let priced = physical(Size::new(4, 4, 5), 1.0, Family::Plain, 1).unwrap();
        let mut data = priced.data().clone();
        data.query_types.unmet_usd_per_query.fill(0.0);
        data.query_types.max_unmet.fill(0.0);
        let problem = Problem::new(data).unwrap();
        let params = crate::SolveParams::default();
        let plan = crate::solve(&problem, crate::Method::Agh, &params, None, &CancelToken::new()).unwrap();
        let as_planned = reroute(&problem, &plan, true).unwrap().unwrap();
        assert!(as_planned.unmet.iter().all(|&share| share < 1e-6), "{:?}", as_planned.unmet);
        let params = StressParams { scenarios: 50, ..StressParams::default() };
        let report = stress(&problem, &plan, &params, &CancelToken::new()).unwrap();
        let mean = report.violation_rate.iter().sum::<f64>() / 50.0;
        assert!(mean < 0.9, "{mean}");
        assert!(report.unmet_usd.iter().all(|&usd| usd == 0.0));
    }
}
