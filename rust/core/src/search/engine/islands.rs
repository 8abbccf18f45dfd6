//! What the islands do together.

use super::island::Island;
use crate::search::{ContinuousSearch, Memory, SearchState};

/// The choice of configurations that costs least with its counts left open.
pub(super) fn best_choice<'a>(islands: &[Island<'a>]) -> Option<SearchState<'a>> {
    let choices = islands.iter().filter_map(|island| island.continuous.as_ref()).map(ContinuousSearch::state);
    let sound = choices.filter(|state| state.is_sound());
    sound.min_by(|left, right| left.total_usd().total_cmp(&right.total_usd())).cloned()
}

/// For each island the first one with the same choice of configurations, for both of which a tree finds the same counts; a plan
/// that was given is left as it is.
pub(super) fn first_with_choice(islands: &[Island<'_>]) -> Vec<usize> {
    let choice = |island: &Island<'_>| -> Option<Vec<(usize, u32)>> {
        let continuous = island.continuous.as_ref().filter(|_| !island.has_given_plan)?;
        Some(continuous.state().deployments().collect())
    };
    let choices: Vec<_> = islands.iter().map(choice).collect();
    let first = |index: usize| match &choices[index] {
        None => index,
        own => choices.iter().position(|other| other == own).unwrap_or(index),
    };
    (0..islands.len()).map(first).collect()
}

/// Tells each island what the others have found out about states.
pub(super) fn share_memory(islands: &mut [Island<'_>]) {
    let memories: Vec<&mut Memory> = islands.iter_mut().map(|island| island.search.memory_mut()).collect();
    Memory::share(memories);
    let continuous = islands.iter_mut().filter_map(|island| island.continuous.as_mut());
    Memory::share(continuous.map(ContinuousSearch::memory_mut).collect());
}
