//! Which changes may be made together: one configuration per (model, tier), and what the limits leave.

use super::effect::Effect;
use super::{Neighbourhood, NO_CONFIGURATION, NO_EFFECT};
use crate::NO_POOL;

impl Neighbourhood {
    /// The change of the last of `positions` made as large as the limits allow beside the others.
    pub(super) fn fitted(&mut self, positions: &[usize]) -> Option<usize> {
        let (&more, less) = positions.split_last()?;
        let effect = self.effects[more];
        let others = || less.iter().map(|&position| &self.effects[position]);
        let added = f64::from(effect.change.to) - f64::from(effect.change.from);
        let replica_usd = (effect.cost_usd - effect.weights_usd) / added;
        let mut most = added - 1.0;
        if replica_usd > 0.0 {
            let left_usd = self.left_usd.max(0.0) - others().map(|other| other.cost_usd).sum::<f64>();
            most = most.min(((left_usd - effect.weights_usd) / replica_usd).floor());
        }
        if effect.pool != NO_POOL {
            let same = others().filter(|other| other.pool == effect.pool);
            let left = self.left_gpus[effect.pool as usize].max(0.0) - same.map(|other| other.gpus).sum::<f64>();
            most = most.min((left * added / effect.gpus + 1e-9).floor());
        }
        let kernel_position = effect.position as usize;
        if most < 1.0 {
            return None;
        }
        let to = effect.change.from + most as u32;
        if to < self.least_replicas[kernel_position] {
            return None;
        }
        let mut known = self.first_fitted[kernel_position];
        while known != NO_EFFECT {
            if self.effects[known as usize].change.to == to {
                return Some(known as usize);
            }
            known = self.next_fitted[known as usize - self.opens.end];
        }
        if self.effects.len() >= usize::from(u16::MAX) {
            return None;
        }
        let mut smaller = effect;
        smaller.change.to = to;
        smaller.cost_usd = most * replica_usd + effect.weights_usd;
        smaller.gpus = effect.gpus * most / added;
        // At most this, since those that run already come first.
        smaller.starting_usd = effect.starting_usd * most / added;
        self.set_bounds(&mut smaller);
        self.next_fitted.push(self.first_fitted[kernel_position]);
        self.first_fitted[kernel_position] = self.effects.len() as u32;
        self.effects.push(smaller);
        Some(self.effects.len() - 1)
    }

    /// Whether the changes leave one configuration on each (model, tier).
    pub(super) fn fit_together(&self, positions: &[usize]) -> bool {
        let effects = || positions.iter().map(|&position| &self.effects[position]);
        for (index, effect) in effects().enumerate() {
            let leaves = |other: &Effect| other.change.configuration == effect.occupant && other.change.to == 0;
            if effect.occupant != NO_CONFIGURATION && (!self.upgrades || !effects().any(leaves)) {
                return false;
            }
            let clashes = |other: &Effect| {
                let both_stay = other.change.to > 0 && effect.change.to > 0;
                other.pair == effect.pair && (other.change.configuration == effect.change.configuration || both_stay)
            };
            if effects().take(index).any(clashes) {
                return false;
            }
        }
        true
    }

    /// Whether the changes stay within budget, storage and pools.
    pub(super) fn fit_limits(&self, positions: &[usize]) -> bool {
        if !self.is_limited {
            return true;
        }
        let effects = || positions.iter().map(|&position| &self.effects[position]);
        let sum = |value: fn(&Effect) -> f64| effects().map(value).sum::<f64>();
        if sum(|effect| effect.cost_usd) > self.left_usd.max(0.0)
            || sum(|effect| effect.weights_gb) > self.left_gb.max(0.0)
        {
            return false;
        }
        effects().all(|effect| {
            effect.pool == NO_POOL || {
                let same = effects().filter(|other| other.pool == effect.pool);
                same.map(|other| other.gpus).sum::<f64>() <= self.left_gpus[effect.pool as usize].max(0.0) + 1e-9
            }
        })
    }
}
