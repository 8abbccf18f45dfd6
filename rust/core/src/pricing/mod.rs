//! Prices of what query types and limits are worth, and what follows from them for a deployment.

mod prices;

pub(crate) use prices::{blend, mix, LimitPrices, RoutingPrices};
