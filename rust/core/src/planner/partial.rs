//! A change that takes more starts and stops than one call may make, in steps: within the limit, those that help most.
//!
//! The deployments that are found without the limit are the target. Each call makes the changes towards it that improve
//! the plan most, by the order of [`Rank`]: what serves queries comes first, then what saves money. Where none improves it by
//! itself, replicas of the target are started ahead of those that they replace, as far as limits allow, which later calls stop.
//! No step serves fewer queries than the poorer of the present plan and the target would.

use std::collections::BTreeMap;

use super::call::Next;
use super::rank::Rank;
use super::{route, Planner};
use crate::routing::RoutingProgram;
use crate::{Deployment, Plan};

/// Replicas by configuration.
type Replicas = BTreeMap<u32, u32>;

/// Replicas to start and to stop, by configuration.
type Change = Vec<(u32, i64)>;

/// What a step does.
///
/// A *rival* is what runs of a (model, tier) that the target serves by another configuration: the two exclude each other, so all of it
/// stops in the step that starts the other. Where it is too large for that, it stays, and what is deployed beside it is fitted to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Starts and stops towards the target that make the plan better.
    Improve,
    /// Starts towards the target that later stops pay for.
    Invest,
    /// More of what runs beside a rival, or of it, where that serves queries.
    Grow,
}

impl Kind {
    /// What is tried: while queries go unserved whatever serves them, then what later calls build on, once a call.
    fn in_order(is_short: bool, changed: bool) -> &'static [Self] {
        match (is_short, changed) {
            (true, false) => &[Self::Improve, Self::Grow, Self::Invest],
            (true, true) => &[Self::Improve, Self::Grow],
            (false, false) => &[Self::Improve, Self::Invest],
            (false, true) => &[Self::Improve],
        }
    }
}

/// A plan with the deployments of one step.
struct Trial {
    replicas: Replicas,
    program: RoutingProgram,
    plan: Plan,
    rank: Rank,
    served_per_h: f64,
}

/// Starts and stops between two sets of deployments.
pub(super) fn changes(from: &[Deployment], to: &[Deployment]) -> u64 {
    distance(&replicas_of(from), &replicas_of(to))
}

fn replicas_of(deployments: &[Deployment]) -> Replicas {
    deployments.iter().map(|entry| (entry.configuration, entry.replicas)).collect()
}

fn distance(from: &Replicas, to: &Replicas) -> u64 {
    let count = |of: &Replicas, a: &u32| u64::from(of.get(a).copied().unwrap_or(0));
    let started_or_fewer: u64 = to.keys().map(|a| count(from, a).abs_diff(count(to, a))).sum();
    let gone: u64 = from.iter().filter(|(a, _)| !to.contains_key(a)).map(|(_, &replicas)| u64::from(replicas)).sum();
    started_or_fewer + gone
}

impl Planner {
    /// Remembers where `next` leads, with headroom where that costs little.
    pub(super) fn set_target(&mut self, next: &Next) {
        let most_usd = next.usd * (1.0 + self.params.max_headroom_cost_share);
        let enlarged = if self.params.headroom > 0.0 { self.enlarge(next) } else { None };
        let enlarged = enlarged.filter(|enlarged| {
            let trial = self.trial(replicas_of(enlarged));
            trial.is_some_and(|trial| trial.plan.objective_value.is_some_and(|usd| usd <= most_usd))
        });
        self.target = Some(enlarged.unwrap_or_else(|| next.deployments.clone()));
    }

    /// Makes the next changes towards the target; false where there is none, or none of them can be made.
    pub(super) fn go_on_to_target(&mut self) -> bool {
        let (Some(target), Some(most)) = (self.target.take(), self.params.max_changes) else { return false };
        for entry in &target {
            self.problem.derive_routes_of(entry.configuration as usize);
        }
        let goal = replicas_of(&target);
        let Some(present) = self.trial(replicas_of(&self.plan.deployments)) else { return false };
        let Some(best) = self.trial(goal.clone()) else { return false };
        if best.rank >= present.rank {
            return false;
        }
        let floor_per_h = present.served_per_h.min(best.served_per_h) * (1.0 - 1e-9);
        let (mut at, mut left, start) = (present, u64::from(most), self.plan.deployments.clone());
        let mut changed = false;
        while left > 0 {
            // First what improves the plan by itself; where nothing has, what the next calls build on.
            let kinds = Kind::in_order(at.rank.short_per_h > 0.0, changed);
            let Some(step) = kinds.iter().find_map(|&kind| self.best_step(&at, &goal, left, floor_per_h, kind)) else {
                break;
            };
            left -= distance(&at.replicas, &step.replicas);
            at = step;
            changed = true;
        }
        if !changed {
            return false;
        }
        debug_assert!(changes(&start, &deployments_of(&at.replicas)) <= u64::from(most));
        let is_there = at.replicas == goal;
        (self.program, self.plan) = (at.program, at.plan);
        if !is_there {
            self.target = Some(target);
        }
        true
    }

    /// The best plan that one change of a kind leads to, of at most `left` starts and stops; see [`Kind`] for what it must be.
    fn best_step(&self, at: &Trial, goal: &Replicas, left: u64, floor_per_h: f64, kind: Kind) -> Option<Trial> {
        let mut best: Option<Trial> = None;
        for change in self.steps(&at.replicas, goal, i64::try_from(left).unwrap_or(i64::MAX), kind) {
            let mut replicas = at.replicas.clone();
            for (a, count) in change {
                let now = i64::from(replicas.get(&a).copied().unwrap_or(0)) + count;
                match u32::try_from(now) {
                    Ok(now) if now > 0 => _ = replicas.insert(a, now),
                    _ => _ = replicas.remove(&a),
                }
            }
            let Some(trial) = self.trial(replicas) else { continue };
            let is_allowed = match kind {
                Kind::Improve | Kind::Grow => trial.rank < at.rank,
                Kind::Invest => trial.rank.excess <= at.rank.excess,
            };
            let serves = trial.served_per_h >= floor_per_h.min(at.served_per_h)
                && trial.rank.short_per_h <= at.rank.short_per_h * (1.0 + 1e-9);
            if is_allowed && serves && best.as_ref().is_none_or(|best| trial.rank < best.rank) {
                best = Some(trial);
            }
        }
        best
    }

    /// The changes of a kind, of at most `left` starts and stops.
    fn steps(&self, at: &Replicas, goal: &Replicas, left: i64, kind: Kind) -> Vec<Change> {
        let count = |of: &Replicas, a: u32| i64::from(of.get(&a).copied().unwrap_or(0));
        let pair = |a: u32| self.problem.pair(a as usize);
        let rival_of = |a: u32| at.keys().copied().find(|&other| other != a && pair(other) == pair(a));
        let least_of = |a: u32| (i64::from(self.problem.min_replicas(a as usize)) - count(at, a)).max(1);
        let differing = |of: &Replicas, to: &Replicas| -> Vec<(u32, i64)> {
            of.keys().map(|&a| (a, count(of, a) - count(to, a))).filter(|entry| entry.1 > 0).collect()
        };
        let (missing, mut surplus) = (differing(goal, at), differing(at, goal));
        let rivals: Vec<u32> = missing.iter().filter_map(|&(a, _)| rival_of(a)).collect();
        if !rivals.is_empty() {
            // Beside a rival other counts may be right than in the target.
            surplus = at.iter().map(|(&a, &replicas)| (a, i64::from(replicas))).collect();
        }
        let mut changes: Vec<Change> = Vec::new();
        match kind {
            Kind::Improve | Kind::Invest => {
                if kind == Kind::Improve {
                    for &(a, number) in &surplus {
                        changes.extend(sizes(number.min(left), 1).map(|size| vec![(a, -size)]));
                    }
                }
                for &(a, number) in &missing {
                    let least = least_of(a);
                    if let Some(rival) = rival_of(a) {
                        let stopped = count(at, rival);
                        let most = number.min(left - stopped);
                        changes.extend(sizes(most, least).map(|size| vec![(rival, -stopped), (a, size)]));
                        continue;
                    }
                    changes.extend(sizes(number.min(left), least).map(|size| vec![(a, size)]));
                    for &(b, too_many) in &surplus {
                        for started in sizes(number.min(left - 1), least) {
                            let stops = sizes(too_many.min(left - started), 1);
                            changes.extend(stops.map(|size| vec![(a, started), (b, -size)]));
                        }
                    }
                }
            }
            Kind::Grow if !rivals.is_empty() => {
                for &a in at.keys() {
                    changes.extend(sizes(left, 1).map(|size| vec![(a, size)]));
                }
            }
            Kind::Grow => {}
        }
        changes
    }

    /// The plan with some deployments; `None` where they break a limit of pools or replicas.
    fn trial(&self, replicas: Replicas) -> Option<Trial> {
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

/// All, half or the fewest of `most` replicas.
fn sizes(most: i64, least: i64) -> impl Iterator<Item = i64> {
    let half = most / 2;
    let sizes = [most, half, least];
    (0..3)
        .filter(move |&n| sizes[n] >= least && sizes[n] <= most && !sizes[..n].contains(&sizes[n]))
        .map(move |n| sizes[n])
}

fn deployments_of(replicas: &Replicas) -> Vec<Deployment> {
    replicas.iter().map(|(&configuration, &replicas)| Deployment { configuration, replicas }).collect()
}

#[cfg(test)]
mod tests;
