//! The long-lived planner: keeps a problem, a plan and working memory, and makes the next plan from the present one.
//!
//! [`Planner::reroute`] keeps the deployments and solves their routing for the new numbers, from the basis of the last
//! time: for use every second. Where the rates change, every routing column of a query type is scaled alike, which keeps
//! the basis dual feasible, so that a few pivots lead to the new optimum.
//!
//! What cannot be met is no error: the plan then has [`Status::Degraded`], serves as many queries as it can, and its
//! message says what is short. An error leaves planner and plan as they were.

mod call;
mod counts;
mod full;
mod intensification;
mod kernel;
mod next_plan;
mod params;
mod partial;
mod payoff;
mod rank;
mod ready;
mod replica_relaxation;
mod solutions;
mod transition;
mod update;

use call::{First, Next, Outcome};
use full::Reoptimiser;
pub use params::{PlannerParams, TransitionCosts};
use partial::{changes, Course};
use payoff::Kept;
use rank::Rank;
pub use transition::{Action, Step, Transition};

use crate::check::gate;
use crate::ledger::is_one_per_pair;
use crate::linear::LinearStatus;
use crate::routing::RoutingProgram;
use crate::{solve, CancelToken, Deployment, Error, Method, Plan, Problem, ProblemData, Result, SolveParams, Status};

/// What has changed since the last plan; `None` where nothing has.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Update<'u> {
    /// Arrival rate of each query type, queries per hour.
    pub rates: Option<&'u [f64]>,
    /// Rental of one GPU of each tier, USD per hour.
    pub prices: Option<&'u [f64]>,
    /// GPUs that exist in each pool; infinite where there is no limit, 0 where it is lost.
    pub pools: Option<&'u [f64]>,
    /// Replicas lost of each deployment of the present plan, in its order. They stay lost until a replan starts new ones.
    pub failed: Option<&'u [u32]>,
    /// Replicas that take traffic now, of each configuration of the problem. Where they are given, the plan returned is the one
    /// in force on the way to the present plan; see [`Planner::replan`].
    pub ready: Option<&'u [u32]>,
}

/// See the module.
#[derive(Debug)]
pub struct Planner {
    problem: Problem,
    /// The route table holds old rates, except for what is deployed.
    has_old_routes: bool,
    params: PlannerParams,
    program: RoutingProgram,
    reoptimiser: Reoptimiser,
    before: Numbers,
    /// Headroom that is tried next, and what that of the present plan cost, as a share, when it was taken over.
    headroom: f64,
    headroom_cost_share: f64,
    /// Where `max_changes` left a change unfinished: what it leads to.
    course: Course,
    plan: Plan,
    /// What a call returned that was told what is ready.
    in_force: Option<Plan>,
    /// The deployments of the last call that was told what is ready.
    asked: Option<Vec<Deployment>>,
}

/// The numbers of a problem before an update, for the case that it fails.
#[derive(Debug, Clone, Default)]
struct Numbers {
    rates: Vec<f64>,
    prices: Vec<f64>,
    pools: Vec<f64>,
}

impl Numbers {
    fn clone_from(&mut self, data: &ProblemData) {
        self.rates.clone_from(&data.query_types.rate_per_h);
        self.prices.clone_from(&data.tiers.gpu_usd_per_h);
        self.pools.clone_from(&data.pools.max_gpus);
    }

    /// Whether these are the numbers of a problem.
    fn is_of(&self, data: &ProblemData) -> bool {
        self.rates == data.query_types.rate_per_h
            && self.prices == data.tiers.gpu_usd_per_h
            && self.pools == data.pools.max_gpus
    }
}

impl Planner {
    /// A planner that starts from `plan`, or from one of method AGH where that is `None`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a setting or the plan is not valid.
    pub fn new(problem: Problem, plan: Option<&Plan>, params: PlannerParams) -> Result<Self> {
        params.validate()?;
        let plan = match plan {
            Some(plan) => {
                plan.validate(&problem)?;
                check_pairs(&problem, plan)?;
                plan.clone()
            }
            None => {
                let solve_params = SolveParams { seed: params.seed, ..SolveParams::default() };
                solve(&problem, Method::Agh, &solve_params, None, &CancelToken::new())?
            }
        };
        Self::begin(problem, plan, params)
    }

    /// With the deployments of `plan`.
    fn begin(problem: Problem, plan: Plan, params: PlannerParams) -> Result<Self> {
        let program = RoutingProgram::of_deployments(&problem, &plan.deployments);
        let reoptimiser = Reoptimiser::new(&problem, &params);
        let mut planner = Self {
            headroom: params.headroom,
            headroom_cost_share: 0.0,
            problem,
            has_old_routes: false,
            params,
            program,
            reoptimiser,
            before: Numbers::default(),
            course: Course::default(),
            plan,
            in_force: None,
            asked: None,
        };
        planner.lose_surplus();
        planner.lose_pools();
        planner.route()?;
        Ok(planner)
    }

    /// The present plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The settings.
    pub fn params(&self) -> &PlannerParams {
        &self.params
    }

    /// The numbers of the last update: rates, prices and pools are up to date here, the route table need not be.
    pub fn numbers(&self) -> &ProblemData {
        self.problem.data()
    }

    /// The problem with the numbers of the last update.
    pub fn problem(&mut self) -> &Problem {
        self.renew_routes();
        &self.problem
    }

    /// Sets a planner whose last call failed, or was interrupted by a panic, to the numbers before that call and its last plan, with new working memory.
    pub fn recover(&mut self) {
        let before = std::mem::take(&mut self.before);
        if before.rates.len() == self.problem.num_query_types() {
            self.problem.put_rates(&before.rates);
            self.problem.put_prices(&before.prices);
            self.problem.put_pools(&before.pools);
        }
        self.problem.derive_routes();
        self.has_old_routes = false;
        self.course = Course::default();
        self.begin_anew(&self.plan.deployments.clone());
    }

    /// Makes the next plan with the deployments of the present one.
    fn follow(&mut self, update: &Update<'_>) -> Result<&Plan> {
        self.check(update)?;
        self.before.clone_from(self.problem.data());
        self.apply(update);
        if !self.before.is_of(self.problem.data())
            || update.failed.is_some_and(|failed| failed.iter().any(|&lost| lost > 0))
        {
            self.course.begin_anew();
        } else {
            self.course.go_on();
        }
        if let Err(error) = self.route() {
            self.recover();
            return Err(error);
        }
        Ok(&self.plan)
    }

    /// Makes the next plan, with deployments chosen again as far as a change pays for itself.
    fn choose(&mut self, update: &Update<'_>) -> Result<&Plan> {
        self.follow(update)?;
        if self.go_on_to_target() {
            return Ok(&self.plan);
        }
        if self.reoptimiser.is_due(&self.problem) {
            if self.renew_routes() {
                self.route()?;
            }
        } else if self.has_old_routes {
            let looked_at = self.reoptimiser.looked_at(&self.plan.deployments);
            looked_at.iter().for_each(|&a| self.problem.derive_routes_of(a as usize));
        }
        let next = match self.improve(None)? {
            Outcome::Next(next) => next,
            Outcome::Poor(first) => {
                // What was found refers to the routes that there were.
                let first = if self.renew_routes() { None } else { Some(first) };
                if first.is_none() {
                    self.route()?;
                }
                match self.improve(first)? {
                    Outcome::Next(next) => next,
                    // Not where all routes are up to date.
                    Outcome::Poor(_) => None,
                }
            }
        };
        if let (Some(next), Some(most)) = (&next, self.params.max_changes) {
            if changes(&self.plan.deployments, &next.deployments) > u64::from(most) {
                self.set_target(next);
                self.go_on_to_target();
                return Ok(&self.plan);
            }
        }
        if let Some(next) = next {
            if !self.take_over_with_headroom(&next) && self.take_over(&next.deployments, &next.program, f64::INFINITY) {
                self.headroom_cost_share = 0.0;
            }
        }
        Ok(&self.plan)
    }

    fn improve(&mut self, first: Option<First>) -> Result<Outcome> {
        let kept = Kept {
            deployments: &self.plan.deployments,
            program: &self.program,
            is_short: self.plan.status != Status::Feasible,
            least_saving_share: self.params.min_saving_share + self.headroom_cost_share,
        };
        self.reoptimiser.improve(&self.problem, &self.params, kept, !self.has_old_routes, first)
    }

    /// Takes `next` over with as much headroom as costs little; false where there is none, or it costs too much.
    fn take_over_with_headroom(&mut self, next: &Next) -> bool {
        let most_share = self.params.max_headroom_cost_share;
        if self.params.headroom <= 0.0 || most_share <= 0.0 {
            return false;
        }
        let most_changes = self.params.max_changes.map_or(u64::MAX, u64::from);
        let enlarged = self.enlarge(next).filter(|enlarged| changes(&self.plan.deployments, enlarged) <= most_changes);
        let Some(enlarged) = enlarged else { return false };
        let is_taken = self.take_over(&enlarged, &next.program, next.usd * (1.0 + most_share));
        // What costs too much now will most likely do so the next time; what does not may be too little.
        let tuning = &self.params.tuning;
        let least = tuning.least_headroom_share * self.params.headroom;
        let factor = if is_taken { tuning.headroom_growth } else { 1.0 / tuning.headroom_shrink };
        self.headroom = (self.headroom * factor).clamp(least, self.params.headroom);
        if is_taken {
            self.headroom_cost_share = (self.plan.objective_value.unwrap_or(next.usd) / next.usd - 1.0).max(0.0);
        }
        is_taken
    }

    /// `next` enlarged so that it suffices for rates higher by the headroom.
    fn enlarge(&mut self, next: &Next) -> Option<Vec<Deployment>> {
        let kept = &self.plan.deployments;
        let kernel = self.reoptimiser.kernel_with(kept.iter().chain(&next.deployments));
        let rates = self.problem.query_types.rate_per_h.clone();
        let higher: Vec<f64> = rates.iter().map(|rate| rate * (1.0 + self.headroom)).collect();
        self.problem.put_rates(&higher);
        kernel.iter().for_each(|&a| self.problem.derive_routes_of(a as usize));
        let enlarged = self.reoptimiser.enlarge(&self.problem, kept, next);
        self.problem.put_rates(&rates);
        kernel.iter().for_each(|&a| self.problem.derive_routes_of(a as usize));
        enlarged
    }

    /// Routes over `next`, for which about `program` is solved, and keeps that where it is better than the present plan and
    /// costs at most `most_usd`.
    fn take_over(&mut self, next: &[Deployment], program: &RoutingProgram, most_usd: f64) -> bool {
        let mut next_program = self.program.with_deployments(&self.problem, next);
        next_program.begin_from(program);
        let kept_program = std::mem::replace(&mut self.program, next_program);
        let kept_plan = self.plan.clone();
        let is_taken = self.route().is_ok()
            && self.plan.objective_value.is_some_and(|usd| usd <= most_usd)
            && Rank::of(&self.problem, &self.plan) <= Rank::of(&self.problem, &kept_plan);
        if !is_taken {
            (self.program, self.plan) = (kept_program, kept_plan);
        }
        is_taken
    }

    /// Routes for the present numbers and makes the plan of it.
    fn route(&mut self) -> Result<()> {
        self.plan = route(&self.problem, &mut self.program, &self.params)?;
        Ok(())
    }

    fn deployments(&self) -> Vec<Deployment> {
        next_plan::deployments(&self.program)
    }

    /// Brings all routes up to date; true where that rebuilt the routing program, which then has to be solved.
    fn renew_routes(&mut self) -> bool {
        let is_new = std::mem::take(&mut self.has_old_routes) && self.problem.derive_routes();
        if is_new {
            self.begin_anew(&self.deployments());
        }
        is_new
    }

    /// Rebuilds all that refers to routes by their position.
    fn begin_anew(&mut self, deployments: &[Deployment]) {
        self.program = RoutingProgram::of_deployments(&self.problem, deployments);
        self.reoptimiser = Reoptimiser::new(&self.problem, &self.params);
    }
}

/// Solves the routing of a program's deployments and makes the plan of it.
fn route(problem: &Problem, program: &mut RoutingProgram, params: &PlannerParams) -> Result<Plan> {
    if program.is_outgrown(problem) {
        *program = RoutingProgram::of_deployments(problem, &next_plan::deployments(program));
    }
    if !solve_routing(problem, program) {
        // A basis that has gone bad: from scratch.
        let deployments = next_plan::deployments(program);
        *program = RoutingProgram::of_deployments(problem, &deployments);
        if !solve_routing(problem, program) {
            // There is a plan even so.
            *program = RoutingProgram::of_deployments(problem, &deployments);
            return next_plan::without_traffic(problem, deployments, params);
        }
    }
    let plan = next_plan::make(problem, program, params)?;
    Ok(gate::admit_or_degrade(problem, plan))
}

fn solve_routing(problem: &Problem, program: &mut RoutingProgram) -> bool {
    program.price_shortage_last(problem);
    program.refresh(problem);
    program.drop_broken_limits(problem);
    if program.solve(f64::INFINITY) != LinearStatus::Optimal {
        return false;
    }
    !program.press_shortage(problem) || program.solve(f64::INFINITY) == LinearStatus::Optimal
}

/// Refuses what a planner could not keep: two configurations on one (model, tier).
fn check_pairs(problem: &Problem, plan: &Plan) -> Result<()> {
    match is_one_per_pair(problem, &plan.deployments) {
        true => Ok(()),
        false => Err(Error::invalid("plan", "has two configurations on one (model, tier)")),
    }
}

#[cfg(test)]
mod tests;
