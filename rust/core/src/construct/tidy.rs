//! Tidying up after the construction: whatever later choices have made redundant goes.

use super::greedy::{fill, fill_all, Context};
use super::state::{State, SHARE_EPSILON};
use super::Scratch;
use crate::{Problem, Stop};

/// Closes or shrinks deployments whose traffic fits elsewhere for less, and places single types anew, each kept only
/// where the solution gets better; ends after `passes` or when nothing helps any more.
pub(super) fn tidy(
    context: &Context<'_>,
    state: &mut State,
    scratch: &mut Scratch,
    order: &[u32],
    passes: usize,
    stop: &Stop,
) {
    for _ in 0..passes {
        let mut improved = false;
        scratch.configurations.clear();
        scratch.configurations.extend(state.slots.iter().map(|slot| slot.configuration));
        for index in 0..scratch.configurations.len() {
            let configuration = scratch.configurations[index];
            if stop.should_stop() {
                return;
            }
            let pair = context.problem.pair(configuration as usize);
            for keep in [Keep::Nothing, Keep::AllButOne] {
                let Some(slot) = state.slot_index(pair) else { break };
                let slot = state.slots[slot];
                if slot.configuration != configuration || (keep == Keep::AllButOne && slot.replicas == 1) {
                    break;
                }
                improved |= attempt(context.problem, state, scratch, |state, scratch| {
                    shrink(context, state, scratch, configuration, keep, order);
                });
            }
        }
        for &i in order {
            improved |= attempt(context.problem, state, scratch, |state, _| {
                state.withdraw_type(context.problem, i);
                state.right_size(context.problem);
                fill(context, state, i as usize, 0.0);
            });
        }
        if !improved {
            return;
        }
    }
}

/// What is left of a deployment.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Nothing,
    AllButOne,
}

fn shrink(
    context: &Context<'_>,
    state: &mut State,
    scratch: &mut Scratch,
    configuration: u32,
    keep: Keep,
    order: &[u32],
) {
    let problem = context.problem;
    let pair = problem.pair(configuration as usize);
    let Some(slot) = state.slot_index(pair) else { return };
    scratch.types.clear();
    state.evict(problem, configuration, &mut scratch.types);
    match keep {
        Keep::Nothing => state.close(problem, slot),
        Keep::AllButOne => {
            let replicas = state.slots[slot].replicas;
            state.set_replicas(problem, slot, replicas - 1);
        }
    }
    // Those hit and those that found no place before, in the order of the construction.
    scratch.order.clear();
    let open = |i: u32| 1.0 - state.served[i as usize] > SHARE_EPSILON;
    scratch.order.extend(order.iter().copied().filter(|&i| open(i)));
    let context = Context { closed_pair: pair as u32, ..*context };
    fill_all(&context, state, &scratch.order);
}

/// Changes the state and keeps the change only where it is for the better.
fn attempt(
    problem: &Problem,
    state: &mut State,
    scratch: &mut Scratch,
    change: impl FnOnce(&mut State, &mut Scratch),
) -> bool {
    let (missing, cost_usd) = (state.total_missing(problem), state.cost_usd);
    let mut before = std::mem::take(&mut scratch.before);
    before.clone_from(state);
    change(state, scratch);
    state.right_size(problem);
    let better = state.is_better_than(problem, missing, cost_usd);
    if !better {
        std::mem::swap(state, &mut before);
    }
    scratch.before = before;
    better
}
