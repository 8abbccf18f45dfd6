//! What remains to be placed of a query type, and what the SLOs allow of it on a route.

use super::type_price::TypePrice;

/// What remains to be placed of one query type, and how its candidates are judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    pub(super) query_type: usize,
    /// Share to place.
    pub(super) share: f64,
    /// `Σ (e - ε)·x` and `Σ (D - Δ)·x` of what is placed.
    pub(super) error: f64,
    pub(super) latency: f64,
    pub(super) price: TypePrice,
    /// Part of the rental of idle capacity that later traffic is expected to use.
    pub(super) idle_value: f64,
    /// M2; off ranks by added cost alone.
    pub(super) by_coverage: bool,
    /// Routes beyond an SLO may use only the allowance already earned, not that of routes still to come.
    pub(super) earned_only: bool,
    /// A configuration that may not get more replicas than it has, or [`super::state::NONE`].
    pub(super) closed: u32,
    /// A placement of this rank or a higher one is of no use.
    pub(super) most_rank: f64,
}

impl Demand {
    /// Largest share for a route of this excess error and latency that lets the rest of the type end within its SLOs.
    #[inline]
    pub(super) fn allowed_share(&self, error: f64, latency: f64) -> f64 {
        let limit = |excess: f64, used: f64, good: f64| {
            if excess <= 0.0 {
                f64::INFINITY
            } else if self.earned_only {
                -used / excess
            } else {
                (-used - self.share * good) / (excess - good)
            }
        };
        let by_error = limit(error, self.error, self.price.error_ends.0);
        by_error.min(limit(latency, self.latency, self.price.latency_ends.0)).clamp(0.0, self.share)
    }

    /// The share of a good route at which the bad end of the best mix can take the rest.
    #[inline]
    pub(super) fn balanced_share(&self, error: f64) -> f64 {
        let bad = self.price.error_ends.1;
        if self.price.error > 0.0 && error < bad {
            (self.error + self.share * bad) / (bad - error)
        } else {
            f64::INFINITY
        }
    }

    /// Price of the allowance that `share` of a route uses; what it earns counts only as far as the rest can use it.
    #[inline]
    pub(super) fn allowance_usd(&self, error: f64, latency: f64, share: f64) -> f64 {
        let change =
            |excess: f64, used: f64, bad: f64| (used + excess * share).max((share - self.share) * bad.max(0.0)) - used;
        let mut usd = 0.0;
        if self.price.error > 0.0 {
            usd += self.price.error * change(error, self.error, self.price.error_ends.1);
        }
        if self.price.latency > 0.0 {
            usd += self.price.latency * change(latency, self.latency, self.price.latency_ends.1);
        }
        usd
    }
}
