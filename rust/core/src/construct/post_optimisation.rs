//! Post-optimisation of a construction: whatever later choices have made redundant goes.

use super::context::Context;
use super::exchange;
use super::greedy::fill;
use super::state::{ConstructionState, MISSING_TOLERANCE, SHARE_EPSILON};
use super::Scratch;
use crate::Stop;

/// Changes tried at most: this many, and so many more per query type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempts(pub(super) usize, pub(super) usize);

/// What may be changed about a solution, in rounds: how far the present one has come.
#[derive(Debug, Clone, Default)]
pub(super) struct PostOptimisation {
    targets: Vec<Target>,
    next: usize,
    /// Whether the round has changed anything so far.
    improved: bool,
}

/// What a few changes are tried about.
#[derive(Debug, Clone, Copy)]
enum Target {
    Deployment(u32),
    QueryType(u32),
    Everything,
}

impl PostOptimisation {
    /// At the beginning of the first round.
    pub(super) fn restart(&mut self) {
        self.targets.clear();
        self.next = 0;
        self.improved = true;
    }

    /// Closes or shrinks deployments whose traffic fits elsewhere for less, and places single types again, each kept
    /// only where the solution gets better; ends when a round has changed nothing or enough has been tried.
    pub(super) fn run(
        &mut self,
        context: &Context<'_>,
        state: &mut ConstructionState,
        scratch: &mut Scratch,
        order: &[u32],
        attempts: Attempts,
        stop: &Stop,
    ) {
        let mut left = attempts.0 + attempts.1 * order.len();
        while left > 0 && !stop.should_stop() {
            // Where all have a place, what does not get better is given up early.
            if context.work.is_enough(context.problem, &context.candidates.tuning)
                && state.total_missing(context.problem) > 0.0
            {
                return;
            }
            if self.next == self.targets.len() {
                if !self.improved {
                    return;
                }
                self.targets.clear();
                self.targets.extend(state.slots.iter().map(|slot| Target::Deployment(slot.configuration)));
                self.targets.extend(order.iter().map(|&i| Target::QueryType(i)));
                self.targets.push(Target::Everything);
                self.next = 0;
                self.improved = false;
            }
            let target = self.targets[self.next];
            self.next += 1;
            match target {
                Target::Deployment(configuration) => {
                    self.improved |= change_deployment(context, state, scratch, order, configuration, &mut left);
                }
                Target::QueryType(i) => {
                    left -= 1;
                    self.improved |= attempt(context, state, scratch, order, Change::Place(i));
                }
                Target::Everything => {
                    if state.served.iter().any(|&served| served < 1.0 - SHARE_EPSILON) {
                        left -= 1;
                        self.improved |= attempt(context, state, scratch, order, Change::All);
                    }
                }
            }
        }
    }
}

/// Tries to close a deployment, to shrink it and to exchange its configuration; whether it got better.
fn change_deployment(
    context: &Context<'_>,
    state: &mut ConstructionState,
    scratch: &mut Scratch,
    order: &[u32],
    configuration: u32,
    left: &mut usize,
) -> bool {
    let pair = context.problem.pair(configuration as usize);
    let mut improved = false;
    for keep in [Keep::Nothing, Keep::AllButOne] {
        let Some(slot) = state.slot_index(pair) else { break };
        let slot = state.slots[slot];
        if slot.configuration != configuration {
            break;
        }
        // A large deployment is there for a reason, a small one has no replica to spare.
        let least = context.problem.min_replicas(configuration as usize);
        let pointless = match keep {
            Keep::Nothing => slot.replicas > context.candidates.tuning.small.max(least),
            Keep::AllButOne => slot.replicas <= least,
        };
        if !pointless {
            *left = left.saturating_sub(1);
            improved |= attempt(context, state, scratch, order, Change::Shrink(configuration, keep));
        }
    }
    for (to, replicas) in exchange::choices(context, state, configuration).into_iter().flatten() {
        *left = left.saturating_sub(1);
        if attempt(context, state, scratch, order, Change::Exchange(configuration, to, replicas)) {
            return true;
        }
    }
    improved
}

/// What is left of a deployment.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Nothing,
    AllButOne,
}

#[derive(Clone, Copy)]
enum Change {
    /// The traffic of a deployment is placed again with fewer replicas of it or none.
    Shrink(u32, Keep),
    /// The traffic of a deployment is placed again with replicas of another configuration in its place.
    Exchange(u32, u32, u32),
    /// A type is placed again.
    Place(u32),
    /// All types are placed again on the deployments that there are.
    All,
}

/// Changes the state and keeps the change only where it is for the better.
fn attempt(
    context: &Context<'_>,
    state: &mut ConstructionState,
    scratch: &mut Scratch,
    order: &[u32],
    change: Change,
) -> bool {
    let problem = context.problem;
    let (missing, cost_usd) = (state.total_missing(problem), state.cost_usd);
    let mut before = std::mem::take(&mut scratch.before);
    before.clone_from(state);
    let mut closed = context.closed;
    match change {
        Change::Shrink(configuration, keep) => {
            let pair = problem.pair(configuration as usize);
            closed = configuration;
            state.evict(problem, configuration);
            if let Some(slot) = state.slot_index(pair) {
                match keep {
                    Keep::Nothing => state.close(problem, slot),
                    Keep::AllButOne => state.set_replicas(problem, slot, state.slots[slot].replicas - 1),
                }
            }
        }
        Change::Exchange(from, to, replicas) => {
            closed = from;
            state.evict(problem, from);
            if let Some(slot) = state.slot_index(problem.pair(from as usize)) {
                state.close(problem, slot);
            }
            let most = state.addable(problem, to as usize, 0);
            if most >= 1.0 {
                let slot = state.open(problem, to as usize);
                state.set_replicas(problem, slot, most.min(f64::from(replicas)) as u32);
            }
        }
        Change::All => order.iter().for_each(|&i| state.withdraw_type(problem, i)),
        Change::Place(i) => {
            state.withdraw_type(problem, i);
            state.right_size(problem);
        }
    }
    // Those hit and those that found no place before, in the order of the construction.
    let is_open = |i: u32| 1.0 - state.served[i as usize] > SHARE_EPSILON;
    scratch.order.clear();
    scratch.order.extend(order.iter().copied().filter(|&i| is_open(i)));
    let context = Context { closed, ..*context };
    let better = refill(&context, state, &scratch.order, missing, cost_usd) && {
        state.right_size(problem);
        state.is_better_than(problem, missing, cost_usd)
    };
    if !better {
        std::mem::swap(state, &mut before);
    }
    scratch.before = before;
    better
}

/// Fills `open`; `false` as soon as it is clear that the outcome is no better than `missing` and `cost_usd`.
fn refill(context: &Context<'_>, state: &mut ConstructionState, open: &[u32], missing: f64, cost_usd: f64) -> bool {
    let problem = context.problem;
    // What the types to come cost now and may not cost in the end: their unserved share.
    let unserved_usd =
        |state: &ConstructionState, i: u32| problem.unmet_usd(i as usize) * (1.0 - state.served[i as usize]);
    let mut left_out = 0.0;
    let mut pending_usd: f64 = open.iter().map(|&i| unserved_usd(state, i)).sum();
    for (position, &i) in open.iter().enumerate() {
        pending_usd -= unserved_usd(state, i);
        let later = (open.len() - 1 - position) as f64 / open.len() as f64;
        let most_usd = if missing == 0.0 { cost_usd + pending_usd } else { f64::INFINITY };
        fill(&Context { most_usd, ..*context }, state, i as usize, context.candidates.tuning.idle_value * later);
        if missing == 0.0 {
            let exceeds = state.cost_usd > most_usd && state.cost_usd - state.releasable_usd(problem) > most_usd;
            if exceeds || state.missing(problem, i as usize) > 0.0 {
                return false;
            }
        } else {
            // What the types to come find no place for can only add to it.
            left_out += state.missing(problem, i as usize);
            if left_out > missing + MISSING_TOLERANCE {
                return false;
            }
        }
    }
    true
}
