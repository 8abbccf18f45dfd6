//! Prices for scarce limits, so that what is left of them goes where it is worth most.

use super::candidates::Candidates;
use super::slot::Slot;
use super::state::ConstructionState;
use super::type_price::LimitUse;
use crate::pricing::LimitPrices;
use crate::Problem;

/// Prices at which the relaxation keeps the budget and every pool, about.
pub(super) fn limit_prices(problem: &Problem, candidates: &mut Candidates) -> LimitPrices {
    let num_pools = problem.num_pools();
    let mut prices = LimitPrices { pool: vec![0.0; num_pools], ..LimitPrices::default() };
    let mut used = LimitUse::default();
    let first_price = candidates.tuning.first_price;
    // A pool's first price is a part of what its GPUs cost.
    let mut first_usd = vec![0.0_f64; num_pools];
    for a in 0..problem.num_configurations() {
        if let Some(first) = first_usd.get_mut(problem.pool(a) as usize) {
            *first = first.max(first_price * problem.replica_usd(a) / problem.gpus_per_replica(a));
        }
    }
    let mut step = 2.0;
    for _ in 0..candidates.tuning.price_steps {
        candidates.use_at(problem, &prices, &mut used);
        let raise = |price: &mut f64, first: f64, used: f64, limit: f64| {
            if !limit.is_finite() {
                return;
            }
            let excess = (used / limit.max(f64::MIN_POSITIVE) - 1.0).clamp(-0.5, 1.0);
            if *price == 0.0 {
                *price = if excess > 0.0 { first } else { 0.0 };
            } else {
                *price *= (step * excess).exp();
            }
        };
        raise(&mut prices.budget, first_price, used.budget_usd, problem.budget_usd);
        for (g, &first) in first_usd.iter().enumerate() {
            raise(&mut prices.pool[g], first, used.pool_gpus[g], problem.pools.max_gpus[g]);
        }
        if prices.budget == 0.0 && prices.pool.iter().all(|&usd| usd == 0.0) {
            // Nothing is exceeded, and nothing will be.
            break;
        }
        step *= 0.93;
    }
    prices
}

/// A first price of storage: what `state`, which exceeds it, spends on replicas for each GB that there is; 0 where it
/// keeps it.
pub(super) fn storage_price(problem: &Problem, state: &ConstructionState) -> f64 {
    if state.storage_left_gb >= 0.0 {
        return 0.0;
    }
    let rental_usd = |slot: &Slot| problem.replica_usd(slot.configuration as usize) * f64::from(slot.replicas);
    state.slots.iter().map(rental_usd).sum::<f64>() / problem.storage_gb
}

/// The query types by falling worth of serving them for what they use of the priced limits.
pub(super) fn falling_value(problem: &Problem, candidates: &Candidates, order: &mut [u32]) {
    let value = |i: u32| {
        let usd = candidates.types[i as usize].usd;
        let must = problem.query_types.max_unmet[i as usize] < 1.0;
        (must, problem.unmet_usd(i as usize) / usd.max(f64::MIN_POSITIVE))
    };
    order.sort_by(|&x, &y| {
        let (x, y) = (value(x), value(y));
        y.0.cmp(&x.0).then(y.1.total_cmp(&x.1))
    });
}
