//! Lower bounds on what moves cost, under every cut.

use super::{Neighbourhood, STEPS_PER_BOUND};
use crate::search::cuts::MAX_CUTS;
use crate::search::{Change, Move, SearchState};

impl Neighbourhood {
    /// The largest lower bound that a cut gives for a move, USD.
    pub(super) fn bound_of(&self, positions: &[usize]) -> f64 {
        largest(&self.sum_of(positions))
    }

    /// The bound of a move under the state's own cut.
    pub(super) fn own_sum_of(&self, positions: &[usize]) -> f64 {
        positions.iter().fold(self.own_base_usd, |sum, &position| sum + self.own_usd[position])
    }

    /// The bound of a move under every cut.
    #[inline]
    pub(super) fn sum_of(&self, positions: &[usize]) -> [f64; MAX_CUTS] {
        positions.iter().fold(self.base_usd, |sum, &position| add(&sum, &self.effects[position].bound_usd))
    }

    /// The bound of a move under the present cuts, which may be more than when it was listed.
    pub(crate) fn renewed_bound_usd(&self, candidate: &Move) -> f64 {
        let mut positions = [0; 3];
        let count = usize::from(candidate.len);
        for (slot, &position) in positions.iter_mut().zip(&candidate.changes) {
            *slot = usize::from(position);
        }
        self.bound_of(&positions[..count])
    }

    /// Adds the cut at the prices of `trial` to the bounds of the moves from `state`.
    pub(crate) fn learn(&mut self, state: &SearchState<'_>, trial: &SearchState<'_>) {
        let cut = self.cuts.add_state(trial);
        self.work += (STEPS_PER_BOUND * self.effects.len()) as u64;
        self.base_usd[cut] = self.base(state, cut);
        for effect in &mut self.effects {
            let Change { from, to, .. } = effect.change;
            let position = effect.position as usize;
            effect.bound_usd[cut] = effect.starting_usd + effect.cost_usd + self.cuts.value_usd(cut, position, from)
                - self.cuts.value_usd(cut, position, to);
        }
    }

    /// The bound that `cut` gives for `state` itself.
    pub(super) fn base(&self, state: &SearchState<'_>, cut: usize) -> f64 {
        let value = |(a, replicas)| self.cuts.position(a).map_or(0.0, |at| self.cuts.value_usd(cut, at, replicas));
        state.deployment_usd() + state.starting_usd() + self.cuts.constant_usd(cut)
            - state.deployments().map(value).sum::<f64>()
    }
}

#[inline]
pub(super) fn add(left: &[f64; MAX_CUTS], right: &[f64; MAX_CUTS]) -> [f64; MAX_CUTS] {
    std::array::from_fn(|cut| left[cut] + right[cut])
}

#[inline]
pub(super) fn largest(values: &[f64; MAX_CUTS]) -> f64 {
    // Four independent chains, which the compiler turns into vector instructions.
    let mut best = [f64::NEG_INFINITY; 4];
    for chunk in values.chunks_exact(4) {
        for (best, &value) in best.iter_mut().zip(chunk) {
            *best = if value > *best { value } else { *best };
        }
    }
    best.iter().copied().fold(f64::NEG_INFINITY, |best, value| if value > best { value } else { best })
}
