//! What each query type pays where replicas are divisible: its price, and those of its error and latency allowance.

/// What a relaxed solution uses of the limits.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitUse {
    pub(super) budget_usd: f64,
    pub(super) pool_gpus: Vec<f64>,
}

/// A point of the relaxed problem of one query type: the whole type on one route, replicas shared out to the last
/// fraction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) usd: f64,
    pub(super) error: f64,
    pub(super) latency: f64,
}

/// What one query type pays in the relaxation where replicas are divisible and limits are priced:
/// `min Σ c·x` subject to `Σ x = 1` and mean error and latency within the SLOs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TypePrice {
    /// USD per unit of mean excess error, not negative.
    pub(super) error: f64,
    /// USD per second of mean excess latency, not negative.
    pub(super) latency: f64,
    /// USD for the whole type; infinite where no route serves it within the SLOs.
    pub(super) usd: f64,
    /// Excess error of the good and of the bad end of the best mix.
    pub(super) error_ends: (f64, f64),
    /// Positions of the good and of the bad end among the points.
    pub(super) ends: (u32, u32),
    /// Excess latency of the good and of the bad end of the best mix.
    pub(super) latency_ends: (f64, f64),
}

/// Prices rise towards their value in alternation, each in this many steps at most.
const STEPS: usize = 12;
const ROUNDS: usize = 3;

impl TypePrice {
    /// The prices for a type with the routes `points`.
    pub(super) fn new(points: impl Iterator<Item = Point> + Clone, average_latency: bool) -> Self {
        let mut price = Self { usd: f64::INFINITY, ..Self::default() };
        let rounds = if average_latency { ROUNDS } else { 1 };
        for _ in 0..rounds {
            let latency = price.latency;
            let by_error = points.clone().map(|point| (point.usd + latency * point.latency, point.error));
            let Some(mix) = multiplier(by_error) else { return price };
            let error = mix.price;
            (price.error, price.error_ends, price.ends) = (error, mix.excess, mix.ends);
            if !average_latency {
                break;
            }
            let by_latency = points.clone().map(|point| (point.usd + error * point.error, point.latency));
            let Some(mix) = multiplier(by_latency) else { return price };
            (price.latency, price.latency_ends) = (mix.price, mix.excess);
            if mix.price == 0.0 {
                break;
            }
        }
        price.usd = points.map(|point| price.value(point)).fold(f64::INFINITY, f64::min);
        price
    }

    /// The good and the bad end of the best mix, each with its share.
    pub(super) fn shares(&self) -> [(usize, f64); 2] {
        let (good_error, bad_error) = self.error_ends;
        let bad_share = if bad_error > good_error { -good_error / (bad_error - good_error) } else { 0.0 };
        [(self.ends.0 as usize, 1.0 - bad_share), (self.ends.1 as usize, bad_share)]
    }

    /// Cost of a point with its error and latency priced.
    #[inline]
    pub(super) fn value(&self, point: Point) -> f64 {
        point.usd + self.error * point.error + self.latency * point.latency
    }
}

/// The cheapest mix of two points with mean excess at most 0.
struct Mix {
    /// What a unit of excess is worth in it.
    price: f64,
    /// Excess of the good and of the bad point.
    excess: (f64, f64),
    /// Positions of the good and of the bad point.
    ends: (u32, u32),
}

/// The cheapest mix of `points` of cost and excess; `None` where every point has a positive excess.
///
/// The price is the slope of the lower hull of the points where it crosses excess 0, found by cutting: the line through
/// a good and a bad point is lowered by the point furthest below it until there is none.
fn multiplier(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Mix> {
    let points = points.zip(0u32..).map(|((usd, excess), position)| End { usd, excess, position });
    let (mut good, mut bad): (Option<End>, Option<End>) = (None, None);
    for point in points.clone() {
        let best = if point.excess <= 0.0 { &mut good } else { &mut bad };
        if best.is_none_or(|best| (point.usd, point.excess) < (best.usd, best.excess)) {
            *best = Some(point);
        }
    }
    let mut good = good?;
    let Some(mut bad) = bad.filter(|bad| bad.usd < good.usd) else {
        return Some(Mix { price: 0.0, excess: (good.excess, good.excess), ends: (good.position, good.position) });
    };
    let mut price = 0.0;
    for _ in 0..STEPS {
        price = (good.usd - bad.usd) / (bad.excess - good.excess);
        let line = good.usd + price * good.excess;
        let mut lowest = (line, good);
        for point in points.clone() {
            let value = point.usd + price * point.excess;
            if value < lowest.0 {
                lowest = (value, point);
            }
        }
        if lowest.0 >= line - 1e-12 * line.abs() {
            break;
        }
        if lowest.1.excess <= 0.0 {
            good = lowest.1;
        } else {
            bad = lowest.1;
        }
    }
    Some(Mix { price, excess: (good.excess, bad.excess), ends: (good.position, bad.position) })
}

/// A point of a mix.
#[derive(Clone, Copy)]
struct End {
    usd: f64,
    excess: f64,
    position: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The cheapest mix of at most two points with mean excess at most 0.
    fn cheapest_mix(points: &[(f64, f64)]) -> f64 {
        let mut best = f64::INFINITY;
        for &(usd, excess) in points {
            if excess <= 0.0 {
                best = best.min(usd);
            }
            for &(other_usd, other) in points {
                if excess < 0.0 && other > 0.0 {
                    let share = other / (other - excess);
                    best = best.min(share * usd + (1.0 - share) * other_usd);
                }
            }
        }
        best
    }

    proptest! {
        #[test]
        fn the_price_makes_the_relaxation_as_dear_as_the_cheapest_mix(
            points in prop::collection::vec((0.0..10.0_f64, -1.0..1.0_f64), 1..12)
        ) {
            let price = TypePrice::new(
                points.iter().map(|&(usd, error)| Point { usd, error, latency: 0.0 }),
                false,
            );
            let expected = cheapest_mix(&points);
            if expected.is_finite() {
                prop_assert!((price.usd - expected).abs() <= 1e-6 * (1.0 + expected), "{} {expected}", price.usd);
            } else {
                prop_assert!(price.usd.is_infinite());
            }
        }
    }
}
