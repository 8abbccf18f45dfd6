//! The fractional knapsack: which traffic is worth most on the replicas of a configuration, at given prices.

use super::{LimitPrices, RoutingPrices};
use crate::Problem;

/// Most that one replica of `a` carries of a query type: where there are as many as there have to be, each its part of the whole type
/// (`m·x ≤ m·w ≤ r`).
#[inline]
pub(crate) fn most_fraction(problem: &Problem, a: usize) -> f64 {
    1.0 / f64::from(problem.min_replicas(a))
}

/// The traffic of a route that is worth something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) route: u32,
    /// Profit per replica, USD.
    pub(crate) ratio: f64,
    /// Replicas that the whole query type takes.
    pub(crate) load: f64,
    /// What serving the whole query type is worth, USD, capacity not counted.
    pub(crate) profit: f64,
    /// Share of the query type that is taken.
    pub(crate) fraction: f64,
}

/// Lists the routes of `a` that are worth something.
fn list_items(problem: &Problem, prices: &RoutingPrices, a: usize, items: &mut Vec<Item>) {
    let table = problem.route_table();
    items.clear();
    for (route, profit) in prices.profits(table, a) {
        if profit > 0.0 {
            let load = table.load(route).max(1e-12);
            items.push(Item { route: route as u32, ratio: profit / load, load, profit, fraction: 0.0 });
        }
    }
}

/// Lists the items of configuration `a`, the most profit per load first.
fn list_in_order(problem: &Problem, prices: &RoutingPrices, a: usize, items: &mut Vec<Item>) {
    list_items(problem, prices, a, items);
    items.sort_unstable_by(|left, right| right.ratio.total_cmp(&left.ratio));
}

/// Fills one replica of `a` with the traffic that is worth most; the value of the fill, USD.
pub(crate) fn fill_replica(problem: &Problem, prices: &RoutingPrices, a: usize, items: &mut Vec<Item>) -> f64 {
    list_items(problem, prices, a, items);
    let most_fraction = most_fraction(problem, a);
    let mut left = 1.0;
    let mut value = 0.0;
    let mut rest = items.as_mut_slice();
    // Few of many fill it: they are not put in order.
    while left > 0.0 {
        let by_ratio = |left: &(usize, &Item), right: &(usize, &Item)| left.1.ratio.total_cmp(&right.1.ratio);
        let Some((best, _)) = rest.iter().enumerate().max_by(by_ratio) else { break };
        rest.swap(0, best);
        let Some((item, others)) = std::mem::take(&mut rest).split_first_mut() else { break };
        item.fraction = (left / item.load).min(most_fraction);
        left -= item.fraction * item.load;
        value += item.fraction * item.profit;
        rest = others;
    }
    value
}

/// Fills as many replicas of `a` as pay with the traffic that is worth most, and takes an equal part of it for one; the
/// value of that part, USD.
pub(crate) fn spread_replicas(
    problem: &Problem,
    prices: &RoutingPrices,
    limits: &LimitPrices,
    a: usize,
    items: &mut Vec<Item>,
) -> f64 {
    list_in_order(problem, prices, a, items);
    let replica_usd = limits.priced_replica_usd(problem, a);
    let most = f64::from(problem.replica_limit(a));
    let (mut load, mut value) = (0.0, 0.0);
    for item in items.iter_mut().take_while(|item| item.ratio > replica_usd) {
        item.fraction = ((most - load) / item.load).clamp(0.0, 1.0);
        load += item.fraction * item.load;
        value += item.fraction * item.profit;
    }
    let part = 1.0 / load.max(f64::from(problem.min_replicas(a)));
    items.iter_mut().for_each(|item| item.fraction *= part);
    part * value
}

/// What the best number of replicas of `a`, at least as many as it has to have, earns beyond their cost without weights, USD.
pub(crate) fn best_profit_usd(
    problem: &Problem,
    prices: &RoutingPrices,
    limits: &LimitPrices,
    a: usize,
    most: u32,
    items: &mut Vec<Item>,
) -> f64 {
    let replica_usd = limits.priced_replica_usd(problem, a);
    let (least, most) = (f64::from(problem.min_replicas(a)), f64::from(most));
    // In most cases the order of the traffic does not matter.
    let table = problem.route_table();
    let (mut whole_load, mut whole_usd, mut paying_load, mut paying_usd) = (0.0, 0.0, 0.0, 0.0);
    for (route, profit) in prices.profits(table, a) {
        if profit > 0.0 {
            let load = table.load(route).max(1e-12);
            whole_load += load;
            whole_usd += profit;
            if profit > load * replica_usd {
                paying_load += load;
                paying_usd += profit - load * replica_usd;
            }
        }
    }
    if whole_load <= least {
        return whole_usd - least * replica_usd;
    }
    if (least..=most).contains(&paying_load) {
        return paying_usd;
    }
    list_in_order(problem, prices, a, items);
    let (mut load, mut value) = (0.0, 0.0);
    for item in items.iter() {
        // Beyond the least replicas, traffic is taken as long as it pays for the capacity that it needs.
        if load >= least && item.ratio <= replica_usd {
            break;
        }
        let room = if item.ratio <= replica_usd { least } else { most };
        let taken = ((room - load) / item.load).min(1.0);
        load += taken * item.load;
        value += taken * item.profit;
        if load >= most {
            break;
        }
    }
    value - load.max(least) * replica_usd
}
