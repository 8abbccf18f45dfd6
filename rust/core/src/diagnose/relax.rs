//! The least change of one constraint that gives the problem a plan.

use super::constraint::Constraint;
use super::oracle::{any_plan, Answer};
use crate::{bnb, LatencyScope, Plan, Problem, ProblemData, Result, SolveParams, Stop, FEASIBILITY_TOLERANCE};

/// Bisection of a continuous value ends at this share of its range.
const RESOLUTION: f64 = 1e-3;

/// A change that gives the problem a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Relaxation {
    /// What is changed.
    pub constraint: Constraint,
    /// Its value now; 1 where it is a factor, see [`Constraint::set`].
    pub from: f64,
    /// Its value with which a plan was found and checked.
    pub to: f64,
    /// A value with which there is proven to be no plan, as near to `to` as was looked for.
    pub not_enough: f64,
    /// Objective value of the plan found, USD; not the least.
    pub objective_value: f64,
}

impl Relaxation {
    /// The change in words.
    pub fn describe(&self, problem: &Problem) -> String {
        self.constraint.describe_change(problem, self.to)
    }
}

/// The least change of `constraint` alone that gives a plan; `None` where none does, or where time ran out first.
pub(crate) fn least(problem: &Problem, constraint: Constraint, stop: &Stop) -> Result<Option<Relaxation>> {
    let with = |value: f64| -> ProblemData {
        let mut data = problem.data().clone();
        constraint.set(&mut data, value);
        data
    };
    let from = constraint.value(problem);
    let loosest = constraint.loosest(problem);
    let Answer::Plan(plan) = any_plan(with(loosest), stop)? else { return Ok(None) };
    let needs = used(problem, constraint, &plan, loosest);
    let mut search = Search { to: loosest, not_enough: from, plan };
    if needs < loosest {
        // What the plan uses should do; where rounding is against it, a little more.
        for factor in [1.0, 1.0 + FEASIBILITY_TOLERANCE, 1.01] {
            search.test(needs * factor, &with, stop)?;
            if search.to < loosest {
                break;
            }
        }
        search.not_enough = search.not_enough.min(search.to);
    }
    if search.to.is_infinite() {
        return Ok(None);
    }
    match constraint {
        Constraint::Budget => cheapest(problem, &mut search, stop)?,
        Constraint::LatencySlo(i) if problem.latency_scope == LatencyScope::Route => {
            // Only the latencies of routes matter.
            let routes = &problem.routes;
            let of_type = routes.query_type.iter().zip(&routes.latency_s).filter(|(query_type, _)| **query_type == i);
            let mut values: Vec<f64> =
                of_type.map(|(_, latency)| *latency).filter(|s| *s > from && *s < search.to).collect();
            values.push(search.to);
            values.sort_by(f64::total_cmp);
            values.dedup();
            search.among(&values, &with, stop)?;
        }
        Constraint::Pool(_) => {
            let values: Vec<f64> =
                (1..).map(|more| from.floor() + f64::from(more)).take_while(|v| *v <= search.to).collect();
            search.among(&values, &with, stop)?;
        }
        Constraint::LatencySlo(_)
        | Constraint::ErrorSlo(_)
        | Constraint::MaxUnmet(_)
        | Constraint::Storage
        | Constraint::MaxReplicas
        | Constraint::Memory
        | Constraint::EveryLatencySlo
        | Constraint::EveryErrorSlo
        | Constraint::EveryMaxUnmet
        | Constraint::EveryPool => search.bisect(RESOLUTION, &with, stop)?,
    }
    Ok(Some(Relaxation {
        constraint,
        from,
        to: search.to,
        not_enough: search.not_enough,
        objective_value: search.plan.objective_value.unwrap_or(f64::NAN),
    }))
}

/// What `plan` really needs of a constraint that it was freed of.
fn used(problem: &Problem, constraint: Constraint, plan: &Plan, loosest: f64) -> f64 {
    let cost = plan.cost.unwrap_or_default();
    match constraint {
        Constraint::Budget => cost.rental + cost.storage,
        Constraint::Storage => {
            let weights = plan.deployments.iter().map(|d| problem.configurations.weights_gb[d.configuration as usize]);
            let data = problem.query_types.data_gb.iter().zip(&plan.unmet).map(|(gb, unmet)| gb * (1.0 - unmet));
            weights.sum::<f64>() + data.sum::<f64>()
        }
        Constraint::Pool(pool) => {
            let in_pool = plan.deployments.iter().filter(|d| problem.pool(d.configuration as usize) == pool);
            in_pool.map(|d| problem.gpus_per_replica(d.configuration as usize) * f64::from(d.replicas)).sum()
        }
        Constraint::MaxUnmet(i) => plan.unmet[i as usize],
        Constraint::MaxReplicas => plan
            .deployments
            .iter()
            .map(|d| f64::from(d.replicas) / f64::from(problem.configurations.max_replicas[d.configuration as usize]))
            .fold(1.0, f64::max),
        Constraint::EveryMaxUnmet => plan.unmet.iter().copied().fold(0.0, f64::max),
        Constraint::LatencySlo(_)
        | Constraint::ErrorSlo(_)
        | Constraint::Memory
        | Constraint::EveryLatencySlo
        | Constraint::EveryErrorSlo
        | Constraint::EveryPool => loosest,
    }
}

/// The budget of the cheapest deployment, found by minimising rental and storage alone.
fn cheapest(problem: &Problem, search: &mut Search, stop: &Stop) -> Result<()> {
    let mut data = problem.data().clone();
    data.budget_usd = f64::INFINITY;
    data.query_types.latency_usd_per_s.fill(0.0);
    data.query_types.unmet_usd_per_query.fill(0.0);
    let params = SolveParams { rel_gap: 0.1 * RESOLUTION, ..SolveParams::default() };
    let free = Problem::new(data)?;
    let plan = bnb::solve(&free, &params, Some(&search.plan), stop)?;
    if let (Some(bound), Some(value)) = (plan.objective_bound, plan.objective_value) {
        search.not_enough = search.not_enough.max(bound * (1.0 - FEASIBILITY_TOLERANCE));
        let to = value * (1.0 + 0.1 * FEASIBILITY_TOLERANCE);
        let mut data = problem.data().clone();
        data.budget_usd = to;
        if let Answer::Plan(plan) = any_plan(data, stop)? {
            if to <= search.to {
                search.to = to;
                search.plan = plan;
            }
        }
    }
    Ok(())
}

struct Search {
    /// Enough, with the plan that shows it.
    to: f64,
    plan: Box<Plan>,
    /// Proven not to be enough.
    not_enough: f64,
}

impl Search {
    fn test(&mut self, value: f64, with: &impl Fn(f64) -> ProblemData, stop: &Stop) -> Result<bool> {
        match any_plan(with(value), stop)? {
            Answer::Plan(plan) => {
                self.to = value;
                self.plan = plan;
            }
            Answer::None => self.not_enough = value,
            Answer::Unknown => return Ok(false),
        }
        Ok(true)
    }

    /// The least of `values`, rising, the last of which is enough.
    fn among(&mut self, values: &[f64], with: &impl Fn(f64) -> ProblemData, stop: &Stop) -> Result<()> {
        let (mut low, mut high) = (0, values.len().saturating_sub(1));
        while low < high {
            let middle = (low + high) / 2;
            if !self.test(values[middle], with, stop)? {
                break;
            }
            if self.to <= values[middle] {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(())
    }

    fn bisect(&mut self, share: f64, with: &impl Fn(f64) -> ProblemData, stop: &Stop) -> Result<()> {
        while self.to - self.not_enough > share * (self.to - self.not_enough.min(0.0)).max(1e-9) {
            let middle = 0.5 * (self.to + self.not_enough);
            if !self.test(middle, with, stop)? {
                break;
            }
        }
        Ok(())
    }
}
