//! A change that takes more starts and stops than one call may make, in steps: within the limit, those that help most.
//!
//! The deployments that are found without the limit are the target. Each call makes the changes towards it that improve
//! the plan most, by the order of [`Rank`]: what serves queries comes first, then what saves money. Where none improves it by
//! itself, replicas of the target are started ahead of those that they replace, as far as limits allow, and replicas that the target
//! lacks are stopped as far as nothing needs them. Where not even that is possible, since what has to stop for something of
//! the target is too much for one call, other deployments serve its traffic for the time of the change; see [`room`].
//! No step serves fewer queries than the poorer of the present plan and the target would.
//!
//! All steps lead nearer to the target, and each way around ends with more of the target deployed, so that calls arrive.
//! What cannot be reached at all is left out of the target, which is then chosen again.

mod room;
mod steps;

use std::collections::BTreeMap;

use super::call::Next;
use super::rank::Rank;
use super::Planner;
use crate::routing::RoutingProgram;
use crate::{Deployment, Plan};

/// Replicas by configuration.
type Replicas = BTreeMap<u32, u32>;

/// Ways around, and targets that leave more out, that a call looks for.
const TRIES: usize = 3;
/// Calls with new numbers in which no way is looked for after none was found.
const REST: u32 = 10;
/// Starts for which ways around are looked for before they count as out of reach.
const STARTS: usize = 4;

/// What limited calls are on the way to at the present numbers.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The deployments that the change leads to.
    target: Option<Replicas>,
    /// A way around to them, where there is need of one.
    way: Option<Way>,
    /// Most replicas of what cannot be reached with more of it.
    out_of_reach: Replicas,
    /// Whether the numbers are new in this call, and for how many calls with new numbers no way around is looked for, since that
    /// takes long and found none the last time.
    is_new: bool,
    rest: u32,
}

impl Course {
    /// For other numbers.
    pub(super) fn begin_anew(&mut self) {
        *self = Self { is_new: true, rest: self.rest.saturating_sub(1), ..Self::default() };
    }

    /// For the same numbers once more.
    pub(super) fn go_on(&mut self) {
        self.is_new = false;
    }
}

/// Deployments that are made one after the other so that something can be started.
#[derive(Debug)]
struct Way {
    /// What is to be started.
    configuration: u32,
    /// The last first.
    stops: Vec<Replicas>,
}

/// What a step does.
///
/// A *rival* is what runs of a (model, tier) that the target serves by another configuration: the two exclude each other, so all of it
/// stops in the step that starts the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The other configuration of a (model, tier) in the place of a rival, before that grows beyond what one call may stop.
    Switch,
    /// Starts and stops towards the target that make the plan better.
    Improve,
    /// Starts towards the target that later stops pay for.
    Invest,
    /// Stops towards the target of what is not needed.
    Divest,
    /// More of what runs beside a rival, or of it, where that serves queries.
    Grow,
}

impl Kind {
    /// What is tried: while queries go unserved whatever serves them, then what later calls build on, once a call.
    fn in_order(is_short: bool, changed: bool) -> &'static [Self] {
        match (is_short, changed) {
            (true, false) => &[Self::Switch, Self::Improve, Self::Grow, Self::Invest, Self::Divest],
            (true, true) => &[Self::Switch, Self::Improve, Self::Grow],
            (false, false) => &[Self::Switch, Self::Improve, Self::Invest, Self::Divest],
            (false, true) => &[Self::Switch, Self::Improve],
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

impl Trial {
    /// Whether this serves no less than `floor_per_h` or `at`, and breaks limits no more than that does.
    fn keeps_up(&self, at: &Self, floor_per_h: f64) -> bool {
        self.served_per_h >= floor_per_h.min(at.served_per_h)
            && self.rank.short_per_h <= at.rank.short_per_h * (1.0 + 1e-9)
            && self.rank.excess <= at.rank.excess * (1.0 + 1e-9)
    }
}

/// Starts and stops between two sets of deployments.
pub(super) fn changes(from: &[Deployment], to: &[Deployment]) -> u64 {
    distance(&replicas_of(from), &replicas_of(to))
}

fn replicas_of(deployments: &[Deployment]) -> Replicas {
    deployments.iter().map(|entry| (entry.configuration, entry.replicas)).collect()
}

fn deployments_of(replicas: &Replicas) -> Vec<Deployment> {
    replicas.iter().map(|(&configuration, &replicas)| Deployment { configuration, replicas }).collect()
}

fn count(of: &Replicas, a: u32) -> u32 {
    of.get(&a).copied().unwrap_or(0)
}

fn distance(from: &Replicas, to: &Replicas) -> u64 {
    let started_or_fewer: u64 = to.keys().map(|&a| u64::from(count(from, a).abs_diff(count(to, a)))).sum();
    let gone: u64 = from.iter().filter(|(a, _)| !to.contains_key(a)).map(|(_, &replicas)| u64::from(replicas)).sum();
    started_or_fewer + gone
}

impl Planner {
    /// Remembers where `next` leads, with headroom where that costs little, or what can be reached instead.
    pub(super) fn set_target(&mut self, next: &Next) {
        let most_usd = next.usd * (1.0 + self.params.max_headroom_cost_share);
        let enlarged = if self.params.headroom > 0.0 { self.enlarge(next) } else { None };
        let enlarged = enlarged.filter(|enlarged| {
            let trial = self.trial(replicas_of(enlarged));
            trial.is_some_and(|trial| trial.plan.objective_value.is_some_and(|usd| usd <= most_usd))
        });
        let found = [enlarged.as_deref(), Some(&next.deployments)].into_iter().flatten().map(replicas_of);
        let out_of_reach = &self.course.out_of_reach;
        let within = |replicas: &Replicas| out_of_reach.iter().all(|(&a, &most)| count(replicas, a) <= most);
        self.course.target = found.into_iter().find(within).or_else(|| self.target_within_reach());
    }

    /// Makes the next changes towards the target; false where there is none, or none of them can be made.
    pub(super) fn go_on_to_target(&mut self) -> bool {
        let Some(most) = self.params.max_changes.map(u64::from) else { return false };
        for _ in 0..TRIES {
            let Some(target) = self.course.target.take() else { return false };
            let way = self.course.way.take();
            for &a in target.keys().chain(way.iter().flat_map(|way| &way.stops).flat_map(BTreeMap::keys)) {
                self.problem.derive_routes_of(a as usize);
            }
            let Some(present) = self.trial(replicas_of(&self.plan.deployments)) else { return false };
            let Some(best) = self.trial(target.clone()) else { return false };
            if best.rank >= present.rank {
                return false;
            }
            let floor_per_h = present.served_per_h.min(best.served_per_h) * (1.0 - 1e-9);
            if let Some(Way { configuration, mut stops }) = way {
                let next = stops.last().and_then(|stop| self.approach(&present, stop, most, floor_per_h));
                if let Some(next) = next {
                    if stops.last() == Some(&next.replicas) {
                        stops.pop();
                    }
                    self.course.way = (!stops.is_empty()).then_some(Way { configuration, stops });
                    self.course.target = Some(target);
                    self.arrive(next);
                    return true;
                }
                self.course.out_of_reach.insert(configuration, count(&present.replicas, configuration));
                self.course.target = self.target_within_reach();
                continue;
            }
            if let Some(next) = self.approach(&present, &target, most, floor_per_h) {
                self.course.target = (next.replicas != target).then_some(target);
                self.arrive(next);
                return true;
            }
            if self.course.is_new && self.course.rest > 0 {
                return false;
            }
            let missing = target.iter().filter(|(&a, &then)| count(&present.replicas, a) < then);
            let missing: Vec<u32> = missing.map(|(&a, _)| a).take(STARTS).collect();
            self.course.way = missing.iter().find_map(|&a| self.way_to(a, &present, &target, most, floor_per_h));
            self.course.target = if self.course.way.is_some() {
                Some(target)
            } else {
                for a in missing {
                    self.course.out_of_reach.insert(a, count(&present.replicas, a));
                }
                self.course.rest = REST;
                self.target_within_reach()
            };
        }
        false
    }

    fn arrive(&mut self, at: Trial) {
        debug_assert!(self
            .params
            .max_changes
            .is_none_or(|most| { changes(&self.plan.deployments, &deployments_of(&at.replicas)) <= u64::from(most) }));
        (self.program, self.plan) = (at.program, at.plan);
    }

    /// The changes of one call, of at most `most` starts and stops, from `present` to `goal`; `None` where there are none.
    fn approach(&self, present: &Trial, goal: &Replicas, most: u64, floor_per_h: f64) -> Option<Trial> {
        let (mut reached, mut left): (Option<Trial>, u64) = (None, most);
        while left > 0 {
            let at = reached.as_ref().unwrap_or(present);
            // First what improves the plan by itself; where nothing has, what the next calls build on.
            let kinds = Kind::in_order(at.rank.short_per_h > 0.0, reached.is_some());
            let step = kinds.iter().find_map(|&kind| self.best_step(at, goal, left, floor_per_h, kind));
            let step = step.or_else(|| match reached {
                None => self.compound_step(at, goal, left, floor_per_h),
                Some(_) => None,
            });
            let Some(step) = step else { break };
            left = left.saturating_sub(distance(&at.replicas, &step.replicas));
            reached = Some(step);
        }
        reached
    }
}

#[cfg(test)]
mod tests;
