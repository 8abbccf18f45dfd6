//! The shares of a plan as whole numbers, so that no number of requests makes rounding add up.

use super::UNSERVED;
use crate::{Error, Result, Routing, FEASIBILITY_TOLERANCE};

/// Small enough that sums of several shares do not overflow.
const LARGEST_WHOLE: u64 = 1 << 61;

/// What one query type's requests are spread over.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shares {
    /// Configurations, and [`UNSERVED`] where a share goes unserved; at least one.
    pub(super) targets: Vec<u32>,
    /// The share of each target, positive, in parts of `whole`; they sum to it.
    pub(super) parts: Vec<u64>,
    /// A multiple of `2k - 2` for `k > 1` targets, so that the thresholds of a quota are whole, too.
    pub(super) whole: u64,
}

/// The shares of every query type.
pub(super) fn of_routing(routing: &Routing, unmet: &[f64]) -> Result<Vec<Shares>> {
    let mut fractions: Vec<Vec<(u32, f64)>> = vec![Vec::new(); unmet.len()];
    let routes = routing.query_type.iter().zip(&routing.configuration).zip(&routing.fraction);
    for (n, ((&i, &a), &fraction)) in routes.enumerate() {
        let Some(of_type) = fractions.get_mut(i as usize) else {
            let message = format!("is {i}, out of range for {} entries", unmet.len());
            return Err(Error::invalid(format!("routing.query_type[{n}]"), message));
        };
        if a == UNSERVED {
            return Err(Error::invalid(format!("routing.configuration[{n}]"), format!("is {a}, out of range")));
        }
        of_type.push((a, share(fraction, || format!("routing.fraction[{n}]"))?));
    }
    for (i, (of_type, &unmet)) in fractions.iter_mut().zip(unmet).enumerate() {
        of_type.push((UNSERVED, share(unmet, || format!("unmet[{i}]"))?));
    }
    fractions.into_iter().enumerate().map(|(i, of_type)| Shares::new(i, of_type)).collect()
}

/// A share that is none by a rounding error is none.
fn share(fraction: f64, entry: impl Fn() -> String) -> Result<f64> {
    match fraction >= -FEASIBILITY_TOLERANCE && fraction.is_finite() {
        true => Ok(fraction.max(0.0)),
        false => Err(Error::invalid(entry(), format!("must be a share between 0 and 1, got {fraction}"))),
    }
}

impl Shares {
    fn new(i: usize, mut fractions: Vec<(u32, f64)>) -> Result<Self> {
        fractions.retain(|&(_, fraction)| fraction > 0.0);
        let sum: f64 = fractions.iter().map(|&(_, fraction)| fraction).sum();
        // Twice the tolerance of the supply row, whose own rounding and that of the sum come on top of it.
        if (sum - 1.0).abs() > 2.0 * FEASIBILITY_TOLERANCE {
            let message = format!("query type {i} has fractions and an unserved share that sum to {sum}, not to 1");
            return Err(Error::invalid("routing", message));
        }
        let steps = (2 * fractions.len() as u64).saturating_sub(2).max(1);
        let whole = LARGEST_WHOLE / steps * steps;
        let part = |fraction: f64| ((fraction / sum * whole as f64) as u64).clamp(1, whole);
        let mut parts: Vec<u64> = fractions.iter().map(|&(_, fraction)| part(fraction)).collect();
        // The largest bears what rounding left over, which is next to nothing of it.
        let sum: u64 = parts.iter().sum();
        if let Some(largest) = parts.iter_mut().max() {
            *largest = *largest + whole - sum;
        }
        Ok(Self { targets: fractions.into_iter().map(|(target, _)| target).collect(), parts, whole })
    }
}
