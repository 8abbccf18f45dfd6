//! The plan in force while replicas start and drain: traffic goes to what is up.

use super::transition::Walk;
use super::{route, Planner, Update};
use crate::check::gate;
use crate::{Deployment, Error, Plan, Result, Status, StopReason, FEASIBILITY_TOLERANCE, MAX_REPLICAS};

impl Planner {
    /// The next plan with the deployments of the present one, as far as they still exist, routed at least cost; with
    /// [`Update::ready`] the plan in force, as of [`Planner::replan`].
    ///
    /// # Errors
    /// [`Error::Invalid`] names the entry of `update` that is not valid; then nothing has changed.
    pub fn reroute(&mut self, update: &Update<'_>) -> Result<&Plan> {
        self.follow(update)?;
        self.enforce(update.ready)
    }

    /// The next plan, with deployments chosen again as far as a change pays for itself; see [`crate::PlannerParams`]. Never
    /// worse than what [`Planner::reroute`] would return.
    ///
    /// With [`Update::ready`] it is the plan in force on the way to [`Planner::plan`]: its deployments are what should run now,
    /// replicas that start and those that others do not replace yet included, and its routing sends traffic to replicas that are
    /// ready and stay. It follows the steps of [`Plan::transition`] from what is ready: what stops first drains now, what starts
    /// after that starts now, and the rest waits for a later call. With [`crate::PlannerParams::max_changes`] no such plan starts and
    /// stops more than that beside the one before. Once what is ready is what the present plan deploys, the two
    /// are the same.
    ///
    /// # Errors
    /// As [`Planner::reroute`].
    pub fn replan(&mut self, update: &Update<'_>) -> Result<&Plan> {
        self.choose(update)?;
        self.enforce(update.ready)
    }

    pub(super) fn check_ready(&self, ready: &[u32]) -> Result<()> {
        let expected = self.problem.num_configurations();
        if ready.len() != expected {
            let message = format!("has {} entries where the problem has {expected} configurations", ready.len());
            return Err(Error::invalid("ready", message));
        }
        match ready.iter().position(|&replicas| replicas > MAX_REPLICAS) {
            Some(a) => {
                Err(Error::invalid(format!("ready[{a}]"), format!("must be at most {MAX_REPLICAS}, got {}", ready[a])))
            }
            None => Ok(()),
        }
    }

    /// The plan to return: the present one, or the one in force.
    fn enforce(&mut self, ready: Option<&[u32]>) -> Result<&Plan> {
        self.in_force = match ready {
            Some(ready) => self.on_the_way(ready)?,
            None => None,
        };
        let returned = self.in_force.as_ref().unwrap_or(&self.plan);
        if ready.is_some() {
            self.asked = Some(returned.deployments.clone());
        }
        Ok(returned)
    }

    /// The plan in force; `None` where what is ready is what the present plan deploys.
    fn on_the_way(&mut self, ready: &[u32]) -> Result<Option<Plan>> {
        let up = (0..).zip(ready).filter(|entry| *entry.1 > 0);
        let up: Vec<Deployment> = up.map(|(configuration, &replicas)| Deployment { configuration, replicas }).collect();
        if self.has_old_routes {
            up.iter().for_each(|entry| self.problem.derive_routes_of(entry.configuration as usize));
        }
        let problem = &self.problem;
        let target = &self.plan.deployments;
        // What was asked for before may be neither up nor wanted any more.
        let asked = self.asked.as_deref().unwrap_or(&up);
        let mut running = up.clone();
        running.extend(asked.iter().map(|entry| Deployment { replicas: 0, ..*entry }));
        let walk = Walk::new(problem, &running, target, &self.params.transition);
        let Some(begun) = walk.begun(asked, self.params.max_changes.map(u64::from)) else { return Ok(None) };
        let mut program = self.program.with_deployments(problem, &begun.serving);
        program.begin_from(&self.program);
        let serving = route(problem, &mut program, &self.params)?;
        let mut plan = Plan::from_solution(problem, begun.deployments, &serving.routing, serving.unmet)?;
        let starting = begun.starting;
        plan.method = "planner".to_owned();
        plan.seed = self.params.seed;
        plan.stop_reason = StopReason::Completed;
        let q = &problem.query_types;
        let mut short: Vec<String> = (0..plan.unmet.len())
            .filter(|&i| plan.unmet[i] > q.max_unmet[i] + FEASIBILITY_TOLERANCE)
            .map(|i| {
                format!(
                    "{}: {:.2} % go unserved where {:.2} % may",
                    q.name[i],
                    100.0 * plan.unmet[i],
                    100.0 * q.max_unmet[i]
                )
            })
            .collect();
        if !short.is_empty() {
            if starting > 0 {
                short.push(format!("{starting} replicas are starting"));
            }
            plan.status = Status::Degraded;
            plan.message = Some(short.join("; "));
        }
        Ok(Some(gate::admit_or_degrade(problem, plan)))
    }
}

#[cfg(test)]
mod tests;
