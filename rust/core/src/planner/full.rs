//! Full re-planning: deployments, too, are chosen anew, as far as that pays.

use crate::{solve, CancelToken, Deployment, Method, Planner, Result, SolveParams, Status, Update};

impl Planner {
    /// Replicas of `a` in `deployments`.
    fn replicas_in(deployments: &[Deployment], a: u32) -> u32 {
        deployments.iter().find(|entry| entry.configuration == a).map_or(0, |entry| entry.replicas)
    }

    /// What starting the replicas of `next` that `kept` does not have costs, USD over the payback time.
    fn start_usd(&self, kept: &[Deployment], next: &[Deployment]) -> f64 {
        let started = |entry: &Deployment| {
            let before = Self::replicas_in(kept, entry.configuration);
            let replica_usd = self.params.transition.replica_usd(&self.problem, entry.configuration as usize);
            f64::from(entry.replicas.saturating_sub(before)) * replica_usd
        };
        next.iter().map(started).sum()
    }

    pub(super) fn reoptimise(&mut self, update: &Update<'_>) -> Result<()> {
        self.reroute(update)?;
        self.renew_routes();
        let solve_params = SolveParams { seed: self.params.seed, ..SolveParams::default() };
        let kept = self.plan.clone();
        let next = solve(&self.problem, Method::Agh, &solve_params, Some(&kept), &CancelToken::new())?;
        let (Some(kept_usd), Some(next_usd)) = (kept.objective_value, next.objective_value) else { return Ok(()) };
        if kept.status == Status::Feasible {
            let share = self.params.payback_h.unwrap_or(self.problem.horizon_h) / self.problem.horizon_h;
            let saving_usd = (kept_usd - next_usd) * share - self.start_usd(&kept.deployments, &next.deployments);
            let least_usd = self.params.min_saving_usd.max(self.params.min_saving_share * kept_usd * share);
            if saving_usd <= least_usd {
                return Ok(());
            }
        }
        self.program = super::program_of(&self.problem, &next.deployments);
        self.route()
    }
}
