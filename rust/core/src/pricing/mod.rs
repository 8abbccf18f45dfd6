//! Prices of what query types and limits are worth, and what follows from them for a deployment.

mod fill;
mod prices;

pub(crate) use fill::{best_profit_usd, fill_replica, most_fraction, spread_replicas, Item};
pub(crate) use prices::{blend, mix, LimitPrices, RoutingPrices};
