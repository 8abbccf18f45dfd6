//! The master program of the decomposition: the best mixture of the plans of components within the limits.

use super::linking::Column;
use crate::linear::{DualSimplex, LinearStatus};
use crate::Stop;

const MAX_PIVOTS: u64 = 100_000;
/// What a whole limit of excess costs, in terms of the cost of everything.
const EXCESS_USD: f64 = 30.0;

/// The most excess, in whole limits.
const MOST_EXCESS: f64 = 1e6;

/// A mixture of columns and the prices at which it is the best.
#[derive(Debug, Default)]
pub(super) struct Mixture {
    pub(super) usd: f64,
    /// Of one unit of each limit.
    pub(super) prices: Vec<f64>,
    /// Of each column of each component.
    pub(super) weights: Vec<Vec<f64>>,
    /// Whether it exceeds a limit.
    pub(super) exceeds: bool,
}

/// The best mixture of `columns`, of which only those that `is_open` has a say; `None` where the simplex gave up.
pub(super) fn mix(
    columns: &[Vec<Column>],
    capacity: &[f64],
    is_open: &dyn Fn(usize, &Column) -> bool,
    stop: &Stop,
) -> Option<Mixture> {
    let num_links = capacity.len();
    let num_columns = columns.iter().map(Vec::len).sum::<usize>() + num_links;
    let mut simplex = DualSimplex::new(num_links + columns.len(), num_columns, num_links + 1);
    let least = |columns: &Vec<Column>| columns.iter().map(|column| column.usd).fold(f64::INFINITY, f64::min);
    let scale = columns.iter().map(least).sum::<f64>().max(f64::MIN_POSITIVE);
    for link in 0..num_links {
        simplex.set_inequality(link, true);
        simplex.set_rhs(link, 1.0);
        simplex.set_column(link, EXCESS_USD, MOST_EXCESS, &[(link, -1.0)]);
    }
    let mut next = num_links;
    let mut entries = Vec::with_capacity(num_links + 1);
    for (component, columns) in columns.iter().enumerate() {
        simplex.set_rhs(num_links + component, 1.0);
        for column in columns {
            entries.clear();
            entries.push((num_links + component, 1.0));
            entries.extend(
                column.usage.iter().zip(capacity).enumerate().map(|(link, (usage, most))| (link, usage / most)),
            );
            let upper = if is_open(component, column) { 1.0 } else { 0.0 };
            simplex.set_column(next, column.usd / scale, upper, &entries);
            next += 1;
        }
    }
    if simplex.solve_unless(f64::INFINITY, MAX_PIVOTS, &|| stop.should_stop()) != LinearStatus::Optimal {
        return None;
    }
    let mut next = num_links;
    let mut mixture = Mixture { usd: simplex.objective() * scale, ..Mixture::default() };
    mixture.exceeds = (0..num_links).any(|link| simplex.value(link) > 1e-9);
    mixture.prices = (0..num_links).map(|link| (-simplex.dual(link)).max(0.0) * scale / capacity[link]).collect();
    for columns in columns {
        mixture.weights.push((next..next + columns.len()).map(|column| simplex.value(column)).collect());
        next += columns.len();
    }
    Some(mixture)
}
