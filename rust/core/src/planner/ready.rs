//! The plan in force while replicas start and drain: traffic goes to what is up.

use std::collections::BTreeMap;

use super::transition::{carried_over, unmet, Action, Walk};
use super::{Planner, Update};
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

    /// The next plan, with deployments chosen anew as far as a change pays for itself; see [`crate::PlannerParams`]. Never
    /// worse than what [`Planner::reroute`] would return.
    ///
    /// With [`Update::ready`] it is the plan in force on the way to [`Planner::plan`]: its deployments are what should run now,
    /// replicas that start and those that others do not replace yet included, and its routing sends traffic to replicas that are
    /// ready and stay. It follows the steps of [`Plan::transition`] from what is ready: what stops first drains now, what starts
    /// after that starts now, and the rest waits for a later call. Once what is ready is what the present plan deploys, the two
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
        Ok(self.in_force.as_ref().unwrap_or(&self.plan))
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
        let transition = Walk::new(problem, &up, target, &self.params.transition).transition();
        if transition.steps.is_empty() {
            return Ok(None);
        }
        let mut replicas: BTreeMap<u32, u32> = BTreeMap::new();
        for entry in carried_over(problem, &up, target) {
            *replicas.entry(entry.configuration).or_default() += entry.replicas;
        }
        let (mut routing, mut served, mut starting) = (transition.routing, transition.served, 0_u64);
        for step in transition.steps {
            let count = replicas.entry(step.configuration).or_default();
            match step.action {
                Action::Start => {
                    *count += step.replicas;
                    starting += u64::from(step.replicas);
                }
                // What others replace goes on until they serve.
                Action::Stop if starting > 0 => break,
                Action::Stop => {
                    *count = count.saturating_sub(step.replicas);
                    (routing, served) = (step.routing, step.served);
                }
            }
        }
        replicas.retain(|_, count| *count > 0);
        let deployments = replicas.into_iter().map(|(configuration, replicas)| Deployment { configuration, replicas });
        let mut plan = Plan::from_solution(problem, deployments.collect(), &routing, unmet(&served))?;
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
