//! The steps that lead towards a set of deployments, and the best of a kind.

use super::{count, deployments_of, distance, Kind, Replicas, Trial};
use crate::planner::rank::Rank;
use crate::planner::{route, Planner};

/// Replicas to start and to stop, by configuration.
type Change = Vec<(u32, i64)>;

impl Planner {
    /// The best plan that one change of a kind leads to, of at most `left` starts and stops; see [`Kind`] for what it must be.
    pub(super) fn best_step(
        &self,
        at: &Trial,
        goal: &Replicas,
        left: u64,
        floor_per_h: f64,
        kind: Kind,
    ) -> Option<Trial> {
        let mut best: Option<Trial> = None;
        for change in self.steps(&at.replicas, goal, budget(left), kind) {
            let Some(trial) = self.trial(changed(&at.replicas, &change)) else { continue };
            let is_allowed = match kind {
                Kind::Improve => trial.rank < at.rank,
                // More than rounding, so that growth ends.
                Kind::Grow => trial.rank < at.rank && trial.served_per_h > at.served_per_h * (1.0 + 1e-6),
                Kind::Switch | Kind::Invest | Kind::Divest => true,
            };
            let is_better = best.as_ref().is_none_or(|best| trial.rank < best.rank);
            if is_allowed && is_better && trial.keeps_up(at, floor_per_h) {
                best = Some(trial);
            }
        }
        best
    }

    /// Several changes in one, of at most `left` starts and stops, where none can be made alone: on the way to the first plan that keeps
    /// up with `at`, fewer queries may be served.
    pub(super) fn compound_step(&self, at: &Trial, goal: &Replicas, left: u64, floor_per_h: f64) -> Option<Trial> {
        let (mut reached, mut spent): (Option<Trial>, u64) = (None, 0);
        while spent < left {
            let now = reached.as_ref().unwrap_or(at);
            let mut best: Option<Trial> = None;
            for change in self.steps(&now.replicas, goal, budget(left - spent), Kind::Improve) {
                // Starts and stops one by one, and what excludes each other.
                let pair = |entry: &(u32, i64)| self.problem.pair(entry.0 as usize);
                if matches!(change.as_slice(), [first, second] if pair(first) != pair(second)) {
                    continue;
                }
                let Some(trial) = self.trial(changed(&now.replicas, &change)) else { continue };
                if trial.keeps_up(at, floor_per_h) {
                    return Some(trial);
                }
                if trial.rank.excess <= at.rank.excess && best.as_ref().is_none_or(|best| trial.rank < best.rank) {
                    best = Some(trial);
                }
            }
            let next = best?;
            spent += distance(&now.replicas, &next.replicas);
            reached = Some(next);
        }
        None
    }

    /// The changes of a kind, of at most `left` starts and stops.
    fn steps(&self, at: &Replicas, goal: &Replicas, left: i64, kind: Kind) -> Vec<Change> {
        let number = |of: &Replicas, a: u32| i64::from(count(of, a));
        let differing = |of: &Replicas, to: &Replicas| -> Vec<(u32, i64)> {
            of.keys().map(|&a| (a, number(of, a) - number(to, a))).filter(|entry| entry.1 > 0).collect()
        };
        let (missing, surplus) = (differing(goal, at), differing(at, goal));
        let mut changes: Vec<Change> = Vec::new();
        if matches!(kind, Kind::Improve | Kind::Divest) {
            for &(a, too_many) in &surplus {
                changes.extend(sizes(too_many.min(left), 1).map(|size| vec![(a, -size)]));
            }
        }
        if matches!(kind, Kind::Switch | Kind::Improve | Kind::Invest) {
            for &(a, too_few) in &missing {
                let least = i64::from(self.least_start(at, a));
                if let Some(rival) = self.rival_of(at, a) {
                    let stopped = number(at, rival);
                    let most = too_few.min(left - stopped);
                    changes.extend(sizes(most, least).map(|size| vec![(rival, -stopped), (a, size)]));
                    continue;
                }
                if kind == Kind::Switch {
                    continue;
                }
                changes.extend(sizes(too_few.min(left), least).map(|size| vec![(a, size)]));
                for &(b, too_many) in &surplus {
                    for started in sizes(too_few.min(left - 1), least) {
                        let stops = sizes(too_many.min(left - started), 1);
                        changes.extend(stops.map(|size| vec![(a, started), (b, -size)]));
                    }
                }
            }
        }
        let rivals =
            missing.iter().filter_map(|&(a, _)| Some((self.rival_of(at, a)?, i64::from(self.least_start(at, a)))));
        let rivals: Vec<(u32, i64)> = if kind == Kind::Grow { rivals.collect() } else { Vec::new() };
        for (&a, &running) in at.iter().filter(|_| !rivals.is_empty()) {
            // What one call may still stop stays so small.
            let limit = i64::from(self.params.max_changes.unwrap_or(u32::MAX));
            let room = rivals.iter().find(|rival| rival.0 == a).map(|rival| limit - rival.1 - i64::from(running));
            let most = room.filter(|&room| room >= 0).unwrap_or(left).min(left);
            changes.extend(sizes(most, 1).map(|size| vec![(a, size)]));
        }
        changes
    }

    /// What runs on the (model, tier) of `a` in its place.
    pub(super) fn rival_of(&self, at: &Replicas, a: u32) -> Option<u32> {
        let pair = self.problem.pair(a as usize);
        at.keys().copied().find(|&other| other != a && self.problem.pair(other as usize) == pair)
    }

    /// The fewest replicas of `a` that can be started.
    pub(super) fn least_start(&self, at: &Replicas, a: u32) -> u32 {
        self.problem.min_replicas(a as usize).saturating_sub(count(at, a)).max(1)
    }

    /// The plan with some deployments; `None` where they break a limit of pools or replicas.
    pub(super) fn trial(&self, replicas: Replicas) -> Option<Trial> {
        let deployments = deployments_of(&replicas);
        let mut used_gpus = vec![0.0; self.problem.num_pools()];
        for entry in &deployments {
            let a = entry.configuration as usize;
            if entry.replicas > self.problem.configurations.max_replicas[a]
                || entry.replicas < self.problem.min_replicas(a)
            {
                return None;
            }
            if let Some(used) = used_gpus.get_mut(self.problem.pool(a) as usize) {
                *used += f64::from(entry.replicas) * self.problem.gpus_per_replica(a);
            }
        }
        let fits = used_gpus.iter().zip(&self.problem.pools.max_gpus).all(|(used, most)| *used <= most * (1.0 + 1e-9));
        if !fits {
            return None;
        }
        let mut program = self.program.with_deployments(&self.problem, &deployments);
        program.begin_from(&self.program);
        let plan = route(&self.problem, &mut program, &self.params).ok()?;
        let rank = Rank::of(&self.problem, &plan);
        let rates = &self.problem.query_types.rate_per_h;
        let served_per_h = rates.iter().zip(&plan.unmet).map(|(rate, unmet)| rate * (1.0 - unmet)).sum();
        Some(Trial { replicas, program, plan, rank, served_per_h })
    }
}

fn budget(left: u64) -> i64 {
    i64::try_from(left).unwrap_or(i64::MAX)
}

fn changed(at: &Replicas, change: &Change) -> Replicas {
    let mut replicas = at.clone();
    for &(a, by) in change {
        match u32::try_from(i64::from(count(&replicas, a)) + by) {
            Ok(now) if now > 0 => _ = replicas.insert(a, now),
            _ => _ = replicas.remove(&a),
        }
    }
    replicas
}

/// All, half or the fewest of `most` replicas.
pub(super) fn sizes(most: i64, least: i64) -> impl Iterator<Item = i64> {
    let half = most / 2;
    let sizes = [most, half, least];
    (0..3)
        .filter(move |&n| sizes[n] >= least && sizes[n] <= most && !sizes[..n].contains(&sizes[n]))
        .map(move |n| sizes[n])
}
