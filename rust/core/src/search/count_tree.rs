//! Whole replica counts for given deployments, by a tree of roundings.
//!
//! The [continuous](SearchState::continuous) optimum leaves open how to round its counts. Where replicas are expensive, or a budget
//! or a pool is tight, rounding one after the other is not good enough. Each node of the tree fixes one more count at the
//! next lower or the next higher whole number and lets the others adapt; nodes are taken best bound first, each time down
//! to whole counts. A tree without limit on its work finds the best rounding of this kind, not the best counts of all.
//!
//! Sources: Land and Doig, "An automatic method of solving discrete programming problems", 1960; Berthold, "RENS: the
//! optimal rounding", 2014.

use crate::routing::RoutingProgram;
use crate::search::SearchState;
use crate::{Deployment, Stop};

/// Improvements smaller than this, relative to the total, are not looked for.
const LEAST_IMPROVEMENT: f64 = 1e-6;

/// Price of shortage, in terms of that in the search, while counts are made whole: a replica more has to be cheaper.
const SHORTAGE_FACTOR: f64 = 30.0;
/// Distance from a whole number that counts as none: what rounding it away leaves short is priced many times over.
const INTEGRALITY_TOLERANCE: f64 = 1e-8;
/// Elementary steps more, in terms of those allowed, while nothing is found.
const WORK_WITHOUT: u64 = 1;

/// A part of the tree: least and most replicas of every deployment, and a lower bound on its cost.
#[derive(Debug, Clone, Default)]
struct Node {
    bound_usd: f64,
    ranges: Vec<(u32, u32)>,
}

/// The tree, with memory that is used again.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountTree {
    configurations: Vec<usize>,
    open: Vec<Node>,
    spare: Vec<Vec<(u32, u32)>>,
    /// The whole counts of least cost that were found.
    pub(crate) found: Vec<Deployment>,
}

impl CountTree {
    /// Prices shortage in `state` so that its whole counts serve everything, in terms of what it costs in the search that has
    /// the `program`. Solve afterwards.
    pub(crate) fn price_shortage(state: &mut SearchState<'_>, program: &RoutingProgram) {
        state.price_shortage(|i| SHORTAGE_FACTOR * program.shortage_usd(i));
    }

    /// Looks for the whole counts of the deployments of `state`, which is continuous, that cost least and less than
    /// `cutoff_usd`. Ends after `max_work` elementary steps, or where `stop` says so, with the best found; its cost, USD, or
    /// `None` where none was. Counts that leave a query type short are none. Leaves the counts of `state` in disorder.
    pub(crate) fn search(
        &mut self,
        state: &mut SearchState<'_>,
        cutoff_usd: f64,
        max_work: u64,
        stop: &Stop,
    ) -> Option<f64> {
        let last_work = state.program().work().saturating_add(max_work);
        let last_work_without = last_work.saturating_add(WORK_WITHOUT.saturating_mul(max_work));
        let mut best_usd = cutoff_usd;
        let mut is_found = false;
        self.configurations.clear();
        self.configurations.extend(state.deployments().map(|(a, _)| a));
        self.spare.extend(self.open.drain(..).map(|node| node.ranges));
        let mut ranges = self.spare.pop().unwrap_or_default();
        ranges.clear();
        ranges.extend(self.configurations.iter().map(|&a| (state.replicas(a), state.problem().replica_limit(a))));
        let mut next = Some(Node { bound_usd: f64::NEG_INFINITY, ranges });
        // Each turn goes from a node to the better of its two halves, down to whole counts.
        while let Some(node) = next.take().or_else(|| self.take_best(best_usd)) {
            let last_work = if is_found { last_work } else { last_work_without };
            if state.program().work() >= last_work || stop.should_stop() {
                self.open.push(node);
                break;
            }
            if !self.solve(state, &node.ranges, best_usd) {
                self.spare.push(node.ranges);
                continue;
            }
            let Some((a, replicas)) = dearest_fractional(state, self.configurations.iter().copied()) else {
                if state.is_feasible() {
                    best_usd = state.total_usd();
                    is_found = true;
                    read_counts(state, &mut self.found);
                }
                self.spare.push(node.ranges);
                continue;
            };
            let position = self.configurations.iter().position(|&other| other == a).unwrap_or(0);
            let mut halves = [node.ranges, self.spare.pop().unwrap_or_default()];
            let [down, up] = &mut halves;
            up.clone_from(down);
            let floor = replicas.floor() as u32;
            down[position] = (floor, floor);
            up[position] = (floor + 1, floor + 1);
            for ranges in halves {
                if !self.solve(state, &ranges, best_usd) {
                    self.spare.push(ranges);
                    continue;
                }
                let half = Node { bound_usd: state.total_usd(), ranges };
                if next.as_ref().is_none_or(|other| half.bound_usd <= other.bound_usd) {
                    self.open.extend(next.replace(half));
                } else {
                    self.open.push(half);
                }
            }
        }
        is_found.then_some(best_usd)
    }

    /// Solves for the counts within `ranges`; false where they cost no less than `best_usd`, or limits rule them out.
    fn solve(&self, state: &mut SearchState<'_>, ranges: &[(u32, u32)], best_usd: f64) -> bool {
        for (&a, &(lowest, highest)) in self.configurations.iter().zip(ranges) {
            state.set_range(a, lowest, highest);
        }
        let least_gain_usd = if best_usd.is_finite() { LEAST_IMPROVEMENT * best_usd.abs() } else { 0.0 };
        state.keeps_limits() && state.solve(best_usd - least_gain_usd)
    }

    /// Takes the open node with the least bound out; `None` where no bound is below `best_usd`.
    fn take_best(&mut self, best_usd: f64) -> Option<Node> {
        let bounds = self.open.iter().map(|node| node.bound_usd).enumerate();
        let (index, bound_usd) = bounds.min_by(|left, right| left.1.total_cmp(&right.1))?;
        (bound_usd < best_usd).then(|| self.open.swap_remove(index))
    }
}

/// The deployments of `state`, which is continuous, with the whole numbers nearest to their counts.
pub(super) fn read_counts(state: &SearchState<'_>, found: &mut Vec<Deployment>) {
    found.clear();
    let whole = |a| Deployment { configuration: a as u32, replicas: state.continuous_replicas(a).round() as u32 };
    found.extend(state.deployments().map(|(a, _)| whole(a)));
}

/// Of the `deployments` of `state`, which is continuous, that have a count that is not whole the one of the most expensive replica, with the
/// count: cheap ones still adapt to how it is rounded.
pub(super) fn dearest_fractional(
    state: &SearchState<'_>,
    deployments: impl Iterator<Item = usize>,
) -> Option<(usize, f64)> {
    let mut best = None;
    let mut most_usd = f64::NEG_INFINITY;
    for a in deployments {
        let replicas = state.continuous_replicas(a);
        let is_whole = (replicas - replicas.round()).abs() <= INTEGRALITY_TOLERANCE * (1.0 + replicas);
        let replica_usd = state.problem().replica_usd(a);
        if !is_whole && replica_usd > most_usd {
            most_usd = replica_usd;
            best = Some((a, replicas));
        }
    }
    best
}
