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

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::linear::LinearStatus;
use crate::params::MAX_THREADS;
use crate::routing::RoutingProgram;
use crate::splitmix::random;
use crate::{
    CancelToken, Configurations, Deployment, Error, Plan, Pools, Problem, ProblemData, Result, Routes, Routing, NO_POOL,
};

/// Times that the price of shortage is raised before the deployments count as having no feasible routing.
const SHORTAGE_RAISES: u32 = 2;
/// Price of an unserved query, USD, where no query type states one.
const LEAST_UNMET_USD: f64 = 1e-3;
/// How many times the price of its latency leaving a query costs at least where it has no price.
const UNPRICED_FACTOR: f64 = 100.0;

/// The largest factor by which each kind of parameter may be worse than planned; 1 where it is known exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inflation {
    /// Of the latency and the busy time of a route, by the same factor.
    pub latency: f64,
    /// Of the error rate of a route.
    pub error: f64,
    /// Of the arrival rate of a query type.
    pub demand: f64,
}

impl Inflation {
    /// Latency, busy time and error up to `factor`, demand as planned: stage 2 of the formulation.
    pub const fn uniform(factor: f64) -> Self {
        Self { latency: factor, error: factor, demand: 1.0 }
    }

    /// Checks that every factor is at least 1.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the factor that is not.
    pub fn validate(&self) -> Result<()> {
        for (name, factor) in [("latency", self.latency), ("error", self.error), ("demand", self.demand)] {
            if !(1.0..=1e6).contains(&factor) {
                let message = format!("must lie between 1 and 1e6, got {factor}");
                return Err(Error::invalid(format!("inflation.{name}"), message));
            }
        }
        Ok(())
    }
}

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
    if params.threads == 1 {
        return run(&numbers);
    }
    let parts: Vec<Result<StressReport>> = std::thread::scope(|scope| {
        let workers: Vec<_> = numbers.chunks(share).map(|numbers| scope.spawn(|| run(numbers))).collect();
        let failed = |_| Err(Error::Internal("a thread of the stress test failed".to_owned()));
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(failed)).collect()
    });
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

/// The problem with nothing but some of its configurations, whose rental and storage are paid for.
pub(crate) struct Part {
    pub(crate) data: ProblemData,
    /// Position of each route in the routes of the whole problem.
    source: Vec<u32>,
    num_routes: usize,
    /// Query types whose unserved queries cost nothing, and have a price here only so that they are served.
    unpriced: Vec<bool>,
}

fn routes_of(routes: &Routes, i: usize) -> impl Iterator<Item = usize> + '_ {
    routes.query_type.iter().enumerate().filter(move |&(_, &of)| of as usize == i).map(|(route, _)| route)
}

impl Part {
    /// The part of `problem` with these configurations, each with the most replicas that it may have here.
    pub(crate) fn new(problem: &Problem, kept: &[Deployment], lift_unmet: bool) -> Self {
        let mut place = vec![u32::MAX; problem.num_configurations()];
        let all = &problem.configurations;
        let mut configurations = Configurations::default();
        for (index, kept) in kept.iter().enumerate() {
            let a = kept.configuration as usize;
            place[a] = index as u32;
            configurations.model.push(all.model[a]);
            configurations.tier.push(all.tier[a]);
            configurations.tp.push(all.tp[a]);
            configurations.pp.push(all.pp[a]);
            configurations.weights_gb.push(all.weights_gb[a]);
            configurations.kv_cache_gb.push(all.kv_cache_gb[a]);
            configurations.max_replicas.push(all.max_replicas[a].max(kept.replicas));
            configurations.max_num_seqs.push(all.max_num_seqs[a]);
            configurations.max_utilization.push(all.max_utilization[a]);
            configurations.min_replicas.push(all.min_replicas[a]);
            configurations.pair.push(all.pair[a]);
        }
        let mut routes = Routes::default();
        let mut source = Vec::new();
        let given = &problem.routes;
        for route in 0..problem.num_routes() {
            let at = place[given.configuration[route] as usize];
            if at != u32::MAX {
                routes.query_type.push(given.query_type[route]);
                routes.configuration.push(at);
                routes.busy_s.push(given.busy_s[route]);
                routes.kv_gb_s.push(given.kv_gb_s[route]);
                routes.latency_s.push(given.latency_s[route]);
                routes.error.push(given.error[route]);
                source.push(route as u32);
            }
        }
        let mut tiers = problem.tiers.clone();
        tiers.pool.fill(NO_POOL);
        let mut query_types = problem.query_types.clone();
        let mut unpriced = vec![false; problem.num_query_types()];
        if lift_unmet {
            query_types.max_unmet.fill(1.0);
            let highest_usd = query_types.unmet_usd_per_query.iter().copied().fold(LEAST_UNMET_USD, f64::max);
            for (i, usd) in query_types.unmet_usd_per_query.iter_mut().enumerate() {
                if *usd == 0.0 {
                    unpriced[i] = true;
                    // Above what its latency may cost, so that it pays to serve it.
                    let slowest_s = routes_of(&routes, i).map(|route| routes.latency_s[route]).fold(0.0, f64::max);
                    *usd = highest_usd.max(UNPRICED_FACTOR * query_types.latency_usd_per_s[i] * slowest_s);
                }
            }
        }
        let data = ProblemData {
            name: String::new(),
            horizon_h: problem.horizon_h,
            budget_usd: f64::INFINITY,
            storage_gb: problem.storage_gb,
            storage_usd_per_gb_h: 0.0,
            max_utilization: problem.max_utilization,
            latency_scope: problem.latency_scope,
            pools: Pools::default(),
            query_types,
            models: problem.models.clone(),
            tiers,
            configurations,
            routes,
        };
        Self { data, source, num_routes: problem.num_routes(), unpriced }
    }

    /// Data of the problem with the factors of scenario `number`.
    pub(crate) fn inflated(&self, inflation: Inflation, seed: u64, number: u32) -> ProblemData {
        let mut data = self.data.clone();
        inflate(&mut data, &self.source, self.num_routes, inflation, seed, number);
        data
    }
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

/// Multiplies the parameters by the factors of scenario `number`; `source` tells each route's place among `num_routes`.
fn inflate(data: &mut ProblemData, source: &[u32], num_routes: usize, inflation: Inflation, seed: u64, number: u32) {
    let Inflation { latency, error, demand } = inflation;
    for (index, &route) in source.iter().enumerate() {
        let mut rng = stream(seed, number, u64::from(route));
        let slower = rng.random_range(1.0..=latency);
        data.routes.busy_s[index] *= slower;
        data.routes.latency_s[index] *= slower;
        data.routes.error[index] *= rng.random_range(1.0..=error);
    }
    if demand > 1.0 {
        for (i, rate) in data.query_types.rate_per_h.iter_mut().enumerate() {
            *rate *= stream(seed, number, (num_routes + i) as u64).random_range(1.0..=demand);
        }
    }
}

/// The random numbers of one entry in one scenario.
fn stream(seed: u64, scenario: u32, entry: u64) -> Pcg64Mcg {
    let first = |start: u64| random(start, 0);
    let key = first(first(seed).wrapping_add(u64::from(scenario))).wrapping_add(entry);
    Pcg64Mcg::seed_from_u64(first(key))
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

    #[test]
    fn factors_lie_in_their_ranges_and_belong_to_the_route_whatever_else_is_deployed() {
        let problem = physical(Size::new(3, 3, 4), 1.0, Family::Plain, 2).unwrap();
        let inflation = Inflation { latency: 1.5, error: 1.2, demand: 1.3 };
        let params = StressParams { inflation, ..StressParams::default() };
        let every: Vec<u32> = (0..problem.num_routes() as u32).collect();
        let mut whole = problem.data().clone();
        inflate(&mut whole, &every, problem.num_routes(), inflation, params.seed, 7);
        let given = &problem.routes;
        for route in 0..problem.num_routes() {
            let slower = whole.routes.latency_s[route] / given.latency_s[route];
            assert!((1.0..=1.5 + 1e-12).contains(&slower));
            assert!((whole.routes.busy_s[route] / given.busy_s[route] - slower).abs() < 1e-12);
            assert!((1.0..=1.2 + 1e-12).contains(&(whole.routes.error[route] / given.error[route])));
        }
        let more = |i: usize| whole.query_types.rate_per_h[i] / problem.query_types.rate_per_h[i];
        assert!((0..3).all(|i| (1.0..=1.3 + 1e-12).contains(&more(i))) && more(0) != more(1));
        let last = problem.num_routes() - 1;
        let mut part = problem.data().clone();
        part.routes.latency_s = vec![given.latency_s[last]];
        part.routes.busy_s = vec![given.busy_s[last]];
        part.routes.error = vec![given.error[last]];
        inflate(&mut part, &[last as u32], problem.num_routes(), inflation, params.seed, 7);
        assert_eq!(part.routes.latency_s[0], whole.routes.latency_s[last]);
        assert_eq!(part.routes.error[0], whole.routes.error[last]);
    }
}
