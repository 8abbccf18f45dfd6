//! Elementary changes and what each does to cost, limits and bounds.

use super::{Neighbourhood, NO_CONFIGURATION};
use crate::search::cuts::MAX_CUTS;
use crate::search::{Change, SearchState};

/// Sizes considered for one opening: those that the cuts choose, and beside them those of what it would replace.
const MAX_CUT_SIZES: usize = 4;
const MAX_SIZES: usize = MAX_CUT_SIZES + 2;

/// What a change does to cost, limits and bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effect {
    pub(super) change: Change,
    pub(super) position: u32,
    pub(super) pair: u32,
    /// The other configuration that must leave the pair (model, tier) first.
    pub(super) occupant: u32,
    pub(super) pool: u32,
    pub(super) cost_usd: f64,
    pub(super) weights_usd: f64,
    pub(super) weights_gb: f64,
    pub(super) gpus: f64,
    /// Cost of starting replicas, beside `cost_usd`.
    pub(super) starting_usd: f64,
    /// Change of the bound under every cut, cost included.
    pub(super) bound_usd: [f64; MAX_CUTS],
}

impl Neighbourhood {
    /// Lists an opening in the sizes that the cuts would choose, and with as many GPUs as its (model, tier) has already: cuts
    /// price what is short, and say little about how much of its own kind a change of TP/PP has to replace.
    pub(super) fn push_openings(&mut self, state: &SearchState<'_>, position: usize) {
        let problem = state.problem();
        let a = self.cuts.kernel()[position] as usize;
        let (least, most) = (problem.min_replicas(a), problem.replica_limit(a));
        if most == 0 {
            return;
        }
        if state.program().is_continuous() {
            self.push(state, position, 0, least);
            return;
        }
        let mut sizes = [0_u32; MAX_SIZES];
        let mut count = 0;
        let mut add = |replicas: f64, max_count: usize| {
            for size in [replicas.ceil(), replicas.floor()] {
                let size = (size as u32).clamp(least, most);
                if count < max_count && !sizes[..count].contains(&size) {
                    sizes[count] = size;
                    count += 1;
                }
            }
            count
        };
        let occupant = state.configuration_on(problem.pair(a));
        let max_count = MAX_CUT_SIZES
            + occupant.map_or(0, |occupant| {
                let gpus = f64::from(state.replicas(occupant)) * problem.gpus_per_replica(occupant);
                add(gpus / problem.gpus_per_replica(a), MAX_SIZES)
            });
        // The latest cuts know the present state best.
        for cut in (0..self.cuts.len()).rev() {
            if add(self.cuts.worthwhile(cut, position, problem.replica_usd(a)), max_count) == max_count {
                break;
            }
        }
        for &size in &sizes[..count] {
            self.push(state, position, 0, size);
        }
    }

    pub(super) fn push(&mut self, state: &SearchState<'_>, position: usize, from: u32, to: u32) {
        let problem = state.problem();
        let configuration = self.cuts.kernel()[position];
        let a = configuration as usize;
        let replicas = f64::from(to) - f64::from(from);
        let opened = f64::from(u8::from(to > 0)) - f64::from(u8::from(from > 0));
        let cost_usd = replicas * problem.replica_usd(a) + opened * problem.weights_usd(a);
        let occupant = match state.configuration_on(problem.pair(a)) {
            Some(deployed) if deployed != a => deployed as u32,
            _ => NO_CONFIGURATION,
        };
        let mut effect = Effect {
            change: Change { configuration, from, to },
            position: position as u32,
            pair: problem.pair(a) as u32,
            occupant,
            pool: problem.pool(a),
            cost_usd,
            weights_usd: opened * problem.weights_usd(a),
            weights_gb: opened * problem.configurations.weights_gb[a],
            gpus: replicas * problem.gpus_per_replica(a),
            starting_usd: state.starting_change_usd(a, from, to),
            bound_usd: [0.0; MAX_CUTS],
        };
        self.set_bounds(&mut effect);
        self.effects.push(effect);
    }

    pub(super) fn set_bounds(&self, effect: &mut Effect) {
        let Change { from, to, .. } = effect.change;
        let position = effect.position as usize;
        let (lost_usd, won_usd) = (self.cuts.values_usd(position, from), self.cuts.values_usd(position, to));
        let cost_usd = effect.starting_usd + effect.cost_usd;
        effect.bound_usd = std::array::from_fn(|cut| cost_usd + lost_usd[cut] - won_usd[cut]);
    }
}
