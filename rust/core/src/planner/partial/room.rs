//! Ways around: deployments that serve the traffic while room is made for what the target wants.
//!
//! What is in the way is the other configuration of a (model, tier), GPUs of a pool, budget or storage. A planner of its own, without a
//! limit on changes, plans a problem in which that is taken away and which asks for as much service as there is now. What it
//! finds is reached in steps, and from there the start is one call's work.

use super::steps::sizes;
use super::{count, deployments_of, Replicas, Trial, Way};
use crate::planner::{Planner, PlannerParams, Update};
use crate::{Plan, Problem, ProblemData, Routes};

/// Calls that a planner gets for it: each looks further.
const REPLANS: usize = 2;

impl Planner {
    /// The deployments to make so that at least one replica of `a` more than `at` has can be started, on the way to `goal`.
    pub(super) fn way_to(&self, a: u32, at: &Trial, goal: &Replicas, most: u64, floor_per_h: f64) -> Option<Way> {
        let least = self.least_start(&at.replicas, a);
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let most_stops = most.checked_sub(least)?;
        let Some(rival) = self.rival_of(&at.replicas, a) else {
            let now = count(&at.replicas, a);
            let limit = |data: &mut ProblemData| {
                self.leave_room(data, &at.replicas, a, least);
                data.configurations.max_replicas[a as usize] = now.max(1);
            };
            let around = self.around(at, goal, limit, |b| b != a || now > 0)?;
            return self.way_by(a, None, around, at, goal, most, floor_per_h);
        };
        // Without what is in the way at all, or with as much of it as may stop in the call that starts the other.
        let is_other = |b: u32| self.problem.pair(b as usize) != self.problem.pair(a as usize);
        let mut stops = vec![0, most_stops / 2, most_stops];
        stops.dedup();
        stops.retain(|&stop| stop == 0 || stop >= self.problem.min_replicas(rival as usize));
        stops.into_iter().find_map(|stop| {
            let limit = |data: &mut ProblemData| {
                if stop == 0 {
                    self.leave_room(data, &at.replicas, a, least);
                } else {
                    data.configurations.max_replicas[rival as usize] = stop;
                }
            };
            let mut around = self.around(at, goal, limit, |b| is_other(b) || (b == rival && stop > 0))?;
            if stop > 0 {
                // Both before and after the change there has to be enough.
                let limit = |data: &mut ProblemData| data.configurations.max_replicas[a as usize] = most - stop;
                let after = self.around(at, goal, limit, |b| is_other(b) || b == a)?;
                for (b, replicas) in after.into_iter().filter(|entry| is_other(entry.0)) {
                    let before = around.entry(b).or_insert(0);
                    *before = replicas.max(*before);
                }
            }
            self.way_by(a, Some(rival), around, at, goal, most, floor_per_h)
        })
    }

    /// A problem's limits without what `least` replicas of `a` take.
    fn leave_room(&self, data: &mut ProblemData, at: &Replicas, a: u32, least: u32) {
        let (a, number) = (a as usize, f64::from(least));
        if let Some(gpus) = data.pools.max_gpus.get_mut(self.problem.pool(a) as usize) {
            *gpus = (*gpus - number * self.problem.gpus_per_replica(a)).max(0.0);
        }
        data.budget_usd -= number * self.problem.replica_usd(a);
        if count(at, a as u32) == 0 {
            data.budget_usd -= self.problem.weights_usd(a);
            data.storage_gb -= self.problem.configurations.weights_gb[a];
        }
    }

    /// The way by `around`, which keeps what `at` has of `goal`, if that can be and leads to a start of `a`.
    #[allow(clippy::too_many_arguments)]
    fn way_by(
        &self,
        a: u32,
        rival: Option<u32>,
        mut around: Replicas,
        at: &Trial,
        goal: &Replicas,
        most: u32,
        floor_per_h: f64,
    ) -> Option<Way> {
        for (&b, &replicas) in &at.replicas {
            let kept = replicas.min(count(goal, b));
            if kept > count(&around, b) {
                around.insert(b, kept);
            }
        }
        let mut before = self.trial(around.clone()).filter(|trial| trial.keeps_up(at, floor_per_h));
        before.as_ref()?;
        let stopped = rival.map_or(0, |rival| count(&around, rival));
        let least = i64::from(self.least_start(&around, a));
        let starts = sizes(i64::from(most.saturating_sub(stopped)), least);
        for started in starts.filter_map(|started| u32::try_from(started).ok()) {
            let mut after = around.clone();
            rival.and_then(|rival| after.remove(&rival));
            *after.entry(a).or_insert(0) += started;
            let Some(after) = self.trial(after).filter(|trial| trial.keeps_up(at, floor_per_h)) else { continue };
            let mut stops = vec![after.replicas];
            stops.extend(before.take().map(|before| before.replicas).filter(|before| *before != at.replicas));
            return Some(Way { configuration: a, stops });
        }
        None
    }

    /// Deployments that serve as much as `at` within limits that `limit` has changed, of configurations that `may_run`.
    fn around(
        &self,
        at: &Trial,
        goal: &Replicas,
        limit: impl FnOnce(&mut ProblemData),
        may_run: impl Fn(u32) -> bool,
    ) -> Option<Replicas> {
        // What neither runs nor is wanted must not come between the two.
        let problem = &self.problem;
        let mut taken = vec![None; problem.num_pairs()];
        for &a in goal.keys().chain(at.replicas.keys()).filter(|&&a| may_run(a)) {
            taken[problem.pair(a as usize)] = Some(a);
        }
        let is_free = |a: u32| taken[problem.pair(a as usize)].is_none_or(|taken| taken == a);
        let limit = |data: &mut ProblemData| {
            for (most, &unmet) in data.query_types.max_unmet.iter_mut().zip(&at.plan.unmet) {
                *most = unmet.clamp(0.0, 1.0);
            }
            limit(data);
        };
        let params = PlannerParams { min_saving_share: 0.0, min_saving_usd: 0.0, ..self.params.clone() };
        self.plan_within(&at.replicas, limit, |a| may_run(a) && is_free(a), params)
    }

    /// The best deployments without what is out of reach.
    pub(super) fn target_within_reach(&self) -> Option<Replicas> {
        let out_of_reach = &self.course.out_of_reach;
        let limit = |data: &mut ProblemData| {
            for (&a, &most) in out_of_reach.iter().filter(|(_, &most)| most > 0) {
                data.configurations.max_replicas[a as usize] = most;
            }
        };
        let may_run = |a: u32| out_of_reach.get(&a).is_none_or(|&most| most >= self.problem.min_replicas(a as usize));
        let present = super::replicas_of(&self.plan.deployments);
        self.plan_within(&present, limit, may_run, self.params.clone()).filter(|target| *target != present)
    }

    /// What a planner without a limit on changes makes of `from` in a problem that `limit` has changed.
    fn plan_within(
        &self,
        from: &Replicas,
        limit: impl FnOnce(&mut ProblemData),
        may_run: impl Fn(u32) -> bool,
        params: PlannerParams,
    ) -> Option<Replicas> {
        let mut data = self.problem.data().clone();
        data.routes = routes_of(&data.routes, &may_run);
        limit(&mut data);
        for (least, most) in data.configurations.min_replicas.iter_mut().zip(&data.configurations.max_replicas) {
            *least = (*least).min(*most);
        }
        let problem = Problem::new(data).ok()?;
        let mut deployments = deployments_of(from);
        deployments.retain(|entry| may_run(entry.configuration));
        let plan = Plan { deployments, ..self.plan.clone() };
        let params = PlannerParams { max_changes: None, headroom: 0.0, ..params };
        let mut planner = Self::begin(problem, plan, params).ok()?;
        for _ in 0..REPLANS {
            planner.replan(&Update::default()).ok()?;
        }
        Some(super::replicas_of(&planner.plan().deployments))
    }
}

/// The routes of the configurations that `may_run`.
fn routes_of(routes: &Routes, may_run: impl Fn(u32) -> bool) -> Routes {
    let kept: Vec<usize> =
        (0..routes.configuration.len()).filter(|&route| may_run(routes.configuration[route])).collect();
    let of = |values: &[f64]| -> Vec<f64> { kept.iter().map(|&route| values[route]).collect() };
    Routes {
        query_type: kept.iter().map(|&route| routes.query_type[route]).collect(),
        configuration: kept.iter().map(|&route| routes.configuration[route]).collect(),
        busy_s: of(&routes.busy_s),
        kv_gb_s: of(&routes.kv_gb_s),
        latency_s: of(&routes.latency_s),
        error: of(&routes.error),
    }
}
