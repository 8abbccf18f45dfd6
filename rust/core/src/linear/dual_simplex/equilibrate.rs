//! A second try at a program whose numbers lie too far apart for the tolerances: in other units for rows, columns and costs.
//!
//! What a column can reach at most follows from the rows (activity bounds, as in presolving: Brearley, Mitra and Williams,
//! "Analysis of mathematical programming problems prior to applying the simplex algorithm", 1975). In units of that, and with
//! every row in units of what its largest term can reach, all terms are at most 1, whatever the program is made of.

use super::{DualSimplex, LinearStatus, NOT_BASIC};

/// Passes over the rows that tighten what columns can reach.
const PASSES: usize = 3;
/// A column that can reach no more is left at 0.
const LEAST_REACH: f64 = 1e-12;
/// Costs above are brought down to it, so that their rounding lies below the tolerances.
const MOST_COST: f64 = 1e6;
/// How much wider columns stay than what they can reach, which no optimum then makes use of.
const MARGIN: f64 = 4.0;

/// What rows, columns and the objective are multiplied by: powers of two, so that no digit is lost.
struct Factors {
    rows: Vec<f64>,
    /// 0 where the column is left at 0.
    columns: Vec<f64>,
    cost: f64,
}

impl DualSimplex {
    /// As [`DualSimplex::solve`], from nothing and in units in which all numbers are near: several times as slow. The prices that
    /// it leaves need not hold for columns that can reach next to nothing.
    pub(crate) fn solve_equilibrated(&mut self, cutoff: f64, max_pivots: u64) -> LinearStatus {
        let factors = self.factors();
        let mut scaled = self.multiplied(&factors);
        let status = scaled.solve(cutoff * factors.cost, max_pivots);
        self.take_solution(&scaled, &factors);
        self.count_on_from(&scaled);
        status
    }

    /// Most that each column can be, as far as single rows tell.
    fn reaches(&self) -> Vec<f64> {
        let mut reach = self.upper[..self.num_columns].to_vec();
        for _ in 0..PASSES {
            // What the terms below 0 of a row can add to its right-hand side at most.
            let mut most = self.rhs.clone();
            for (column, &reach) in reach.iter().enumerate() {
                for (row, value) in self.entries(column).filter(|entry| entry.1 < 0.0) {
                    most[row] -= value * reach;
                }
            }
            for (column, reach) in reach.iter_mut().enumerate() {
                for (row, value) in self.entries(column).filter(|entry| entry.1 > 0.0) {
                    *reach = reach.min(most[row].max(0.0) / value);
                }
            }
        }
        reach
    }

    fn factors(&self) -> Factors {
        let reach = self.reaches();
        let columns: Vec<f64> =
            reach.iter().map(|&reach| if reach > LEAST_REACH { power_of_two(reach) } else { 0.0 }).collect();
        let mut largest = vec![0.0_f64; self.num_rows];
        let mut dearest = 0.0_f64;
        for (column, &factor) in columns.iter().enumerate() {
            for (row, value) in self.entries(column) {
                largest[row] = largest[row].max(value.abs() * factor);
            }
            dearest = dearest.max(self.cost[column].abs() * factor);
        }
        let inverse = |size: f64| if size > 0.0 && size.is_finite() { 1.0 / power_of_two(size) } else { 1.0 };
        let cost = if dearest > MOST_COST { MOST_COST * inverse(dearest) } else { 1.0 };
        Factors { rows: largest.into_iter().map(inverse).collect(), columns, cost: power_of_two(cost) }
    }

    /// This program in other units, at the slack basis.
    fn multiplied(&self, factors: &Factors) -> Self {
        let (m, n) = (self.num_rows, self.num_columns);
        let mut scaled = Self::new(m, n, self.stride);
        for (row, &factor) in factors.rows.iter().enumerate() {
            scaled.set_inequality(row, self.upper[n + row] > 0.0);
            scaled.set_rhs(row, self.rhs[row] * factor);
        }
        let mut entries: Vec<(usize, f64)> = Vec::with_capacity(self.stride);
        for (column, &factor) in factors.columns.iter().enumerate().filter(|column| *column.1 > 0.0) {
            entries.clear();
            entries.extend(self.entries(column).map(|(row, value)| (row, value * factor * factors.rows[row])));
            let upper = (self.upper[column] / factor).min(MARGIN);
            scaled.set_column(column, self.cost[column] * factor * factors.cost, upper, &entries);
        }
        scaled
    }

    /// Takes over the basis of `scaled` with its values and prices; the next solve recomputes them.
    fn take_solution(&mut self, scaled: &Self, factors: &Factors) {
        let n = self.num_columns;
        self.head.clone_from(&scaled.head);
        self.position.clone_from(&scaled.position);
        self.at_upper.clone_from(&scaled.at_upper);
        let unit = |column: usize| match column.checked_sub(n) {
            None => factors.columns[column],
            Some(row) => 1.0 / factors.rows[row],
        };
        for (row, &column) in self.head.iter().enumerate() {
            self.basic_value[row] = scaled.basic_value[row] * unit(column as usize);
        }
        for (column, &reduced_cost) in scaled.reduced_cost.iter().enumerate() {
            let unit = unit(column);
            self.reduced_cost[column] = if unit > 0.0 { reduced_cost / unit / factors.cost } else { 0.0 };
            // Within the margin, which the program itself does not have.
            self.at_upper[column] &= column < n && self.position[column] == NOT_BASIC;
        }
        self.objective = scaled.objective / factors.cost;
        self.stale_inverse = true;
        self.stale_values = true;
    }
}

/// The power of two at or below a positive number.
fn power_of_two(value: f64) -> f64 {
    2.0_f64.powi(value.log2().floor().clamp(-1000.0, 1000.0) as i32)
}
