//! Taking over what has changed: new numbers, and the replicas that are lost with them.

use super::{Planner, Update};
use crate::{Error, Result, NO_POOL};

impl Planner {
    pub(super) fn check(&self, update: &Update<'_>) -> Result<()> {
        update.rates.map_or(Ok(()), |rates| self.problem.check_rates(rates))?;
        update.prices.map_or(Ok(()), |prices| self.problem.check_prices(prices))?;
        update.pools.map_or(Ok(()), |pools| self.problem.check_pools(pools))?;
        update.ready.map_or(Ok(()), |ready| self.check_ready(ready))?;
        let Some(failed) = update.failed else { return Ok(()) };
        let deployments = &self.plan.deployments;
        if failed.len() != deployments.len() {
            let message = format!("has {} entries where the plan has {} deployments", failed.len(), deployments.len());
            return Err(Error::invalid("failed", message));
        }
        for (index, (&lost, deployment)) in failed.iter().zip(deployments).enumerate() {
            if lost > deployment.replicas {
                let message = format!("is {lost} where {} replicas are deployed", deployment.replicas);
                return Err(Error::invalid(format!("failed[{index}]"), message));
            }
        }
        Ok(())
    }

    /// Takes over a checked update, and what it makes of the deployments.
    pub(super) fn apply(&mut self, update: &Update<'_>) {
        if let Some(rates) = update.rates {
            self.problem.put_rates(rates);
            self.has_old_routes = true;
            for slot in 0..self.program.num_slots() {
                if let Some(a) = self.program.configuration(slot) {
                    self.problem.derive_routes_of(a);
                }
            }
        }
        if update.prices.is_some() || update.pools.is_some() {
            self.reoptimiser.distrust_prices();
        }
        if let Some(prices) = update.prices {
            self.problem.put_prices(prices);
        }
        if let Some(pools) = update.pools {
            self.problem.put_pools(pools);
        }
        for (index, &lost) in update.failed.unwrap_or_default().iter().enumerate().filter(|entry| *entry.1 > 0) {
            let a = self.plan.deployments[index].configuration as usize;
            let slot = (0..self.program.num_slots()).find(|&slot| self.program.configuration(slot) == Some(a));
            if let Some(slot) = slot {
                let left = self.program.replicas(slot).saturating_sub(lost);
                self.program.set_replicas(&self.problem, slot, a, left);
            }
            let asked = self.asked.iter_mut().flatten().find(|entry| entry.configuration as usize == a);
            if let Some(asked) = asked {
                asked.replicas = asked.replicas.saturating_sub(lost);
            }
        }
        if update.pools.is_some() {
            self.lose_pools();
        }
    }

    /// Gives up replicas beyond a configuration's limit.
    pub(super) fn lose_surplus(&mut self) {
        for slot in 0..self.program.num_slots() {
            let Some(a) = self.program.configuration(slot) else { continue };
            let most = self.problem.configurations.max_replicas[a];
            if self.program.replicas(slot) > most {
                self.program.set_replicas(&self.problem, slot, a, most);
            }
        }
    }

    /// Gives up what no longer fits a pool, the idlest deployments first.
    pub(super) fn lose_pools(&mut self) {
        for pool in 0..self.problem.num_pools() as u32 {
            let max_gpus = self.problem.pools.max_gpus[pool as usize];
            while let Some((slot, a, lost)) = self.idlest(pool, max_gpus) {
                self.program.set_replicas(&self.problem, slot, a, self.program.replicas(slot) - lost);
            }
        }
    }

    /// The deployment of a pool with the most spare replicas, where the pool is overdrawn, and how many it loses: as many as
    /// are too many, but no more than leave it the idlest.
    fn idlest(&self, pool: u32, max_gpus: f64) -> Option<(usize, usize, u32)> {
        debug_assert_ne!(pool, NO_POOL);
        let (mut used_gpus, mut most, mut idlest) = (0.0, f64::NEG_INFINITY, None);
        let mut second = f64::NEG_INFINITY;
        for slot in 0..self.program.num_slots() {
            let Some(a) = self.program.configuration(slot).filter(|&a| self.problem.pool(a) == pool) else { continue };
            let replicas = f64::from(self.program.replicas(slot));
            used_gpus += replicas * self.problem.gpus_per_replica(a);
            let spare = replicas - self.program.load(slot);
            if spare > most || idlest.is_none() {
                second = most;
                (most, idlest) = (spare, Some((slot, a)));
            } else {
                second = second.max(spare);
            }
        }
        let (slot, a) = idlest.filter(|_| used_gpus > max_gpus * (1.0 + 1e-9))?;
        let surplus = (used_gpus - max_gpus) / self.problem.gpus_per_replica(a);
        let lost = surplus.min(most - second).floor().clamp(1.0, f64::from(self.program.replicas(slot)));
        Some((slot, a, lost as u32))
    }
}
