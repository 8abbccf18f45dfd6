//! The cheapest choice of one known plan per component within the limits: a knapsack of several dimensions, by depth-first
//! search with Lagrangian bounds.
//!
//! Source of the bound: Kellerer, Pferschy and Pisinger, "Knapsack Problems", 2004, chapter 11 (multiple choice).

use super::linking::Column;

/// Choices looked at.
const MAX_STEPS: u64 = 60_000;

struct Search<'a> {
    columns: &'a [Vec<Column>],
    /// Per component, in the order of the search: its number and its columns with their reduced costs, rising.
    options: Vec<(usize, Vec<(f64, usize)>)>,
    /// Least usage of the components from each step of the search on.
    least_usage: Vec<Vec<f64>>,
    left: Vec<f64>,
    chosen: Vec<usize>,
    best: Option<Vec<usize>>,
    best_usd: f64,
    steps: u64,
}

/// The cheapest choice that costs less than `below_usd`, as far as a limited search finds one; the bound at `prices` guides it.
pub(super) fn choose(columns: &[Vec<Column>], capacity: &[f64], prices: &[f64], below_usd: f64) -> Option<Vec<usize>> {
    let mut options: Vec<(usize, Vec<(f64, usize)>)> = Vec::with_capacity(columns.len());
    let mut bound = -capacity.iter().zip(prices).map(|(most, price)| most * price).sum::<f64>();
    for (component, columns) in columns.iter().enumerate() {
        let least = columns.iter().map(|column| column.priced_usd(prices)).fold(f64::INFINITY, f64::min);
        bound += least;
        let reduced = columns.iter().enumerate().map(|(index, column)| (column.priced_usd(prices) - least, index));
        options.push((component, reduced.collect()));
    }
    for (_, options) in &mut options {
        options.retain(|option| bound + option.0 < below_usd);
        options.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
    // Those that take the most come first, while there is room.
    let heaviest = |component: usize| -> f64 {
        let of = |column: &Column| column.usage.iter().zip(capacity).map(|(usage, most)| usage / most).sum::<f64>();
        columns[component].iter().map(of).fold(0.0, f64::max)
    };
    options.sort_by(|a, b| heaviest(b.0).total_cmp(&heaviest(a.0)).then(a.0.cmp(&b.0)));
    let mut least_usage = vec![vec![0.0; capacity.len()]];
    for (component, options) in options.iter().rev() {
        let mut least = least_usage.last().cloned().unwrap_or_default();
        for (link, least) in least.iter_mut().enumerate() {
            let of = |option: &(f64, usize)| columns[*component][option.1].usage[link];
            *least += options.iter().map(of).fold(f64::INFINITY, f64::min);
        }
        least_usage.push(least);
    }
    least_usage.reverse();
    let mut search = Search {
        columns,
        chosen: vec![0; columns.len()],
        options,
        least_usage,
        left: capacity.to_vec(),
        best: None,
        best_usd: below_usd,
        steps: 0,
    };
    search.descend(0, bound, 0.0);
    search.best
}

impl Search<'_> {
    /// Chooses for the components from `depth` on: `bound` is what every choice costs at least that goes on like this, and `usd`
    /// what is chosen.
    fn descend(&mut self, depth: usize, bound: f64, usd: f64) {
        if depth == self.options.len() {
            if usd < self.best_usd {
                self.best_usd = usd;
                self.best = Some(self.chosen.clone());
            }
            return;
        }
        for option in 0..self.options[depth].1.len() {
            let component = self.options[depth].0;
            let (reduced, index) = self.options[depth].1[option];
            self.steps += 1;
            if bound + reduced >= self.best_usd || self.steps > MAX_STEPS {
                return;
            }
            let columns = self.columns;
            let column = &columns[component][index];
            let after = &self.least_usage[depth + 1];
            let fits = self
                .left
                .iter()
                .zip(&column.usage)
                .zip(after)
                .all(|((left, usage), after)| usage + after <= left * (1.0 + 1e-12));
            if fits {
                self.left.iter_mut().zip(&column.usage).for_each(|(left, usage)| *left -= usage);
                self.chosen[component] = index;
                self.descend(depth + 1, bound + reduced, usd + column.usd);
                self.left.iter_mut().zip(&column.usage).for_each(|(left, usage)| *left += usage);
            }
        }
    }
}
