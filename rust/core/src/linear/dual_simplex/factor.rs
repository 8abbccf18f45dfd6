//! The basis inverse: its change by a pivot, and its recomputation.

use super::step::fixed_product;
use super::{DualSimplex, NOT_BASIC, PIVOTS_PER_REFACTORIZATION, PIVOT_TOLERANCE};

/// Entries of the basis inverse below this are rounding noise.
const ZERO_TOLERANCE: f64 = 1e-13;
/// A pivot row with more than one nonzero in so many entries is treated as dense: contiguous loops then pay.
const DENSE_RATIO: usize = 4;
/// What rounding may leave of the squared length of a row of the inverse.
const LEAST_WEIGHT: f64 = 1e-10;

impl DualSimplex {
    /// Brings the inverse up to date for the pivot in row `leaving` of the entering column in `column`; the number of rows
    /// that changed.
    pub(super) fn update_inverse(&mut self, leaving: usize, pivot: f64) -> usize {
        let m = self.num_rows;
        let is_dense = DENSE_RATIO * self.row_nonzeros.len() > m;
        let mut updated = 0;
        let rows = self.inverse.chunks_exact_mut(m).zip(&mut self.row_weight).zip(&self.column);
        for (index, ((inverse_row, weight), &entry)) in rows.enumerate() {
            let factor = entry / pivot;
            if index == leaving || factor == 0.0 {
                continue;
            }
            updated += 1;
            if is_dense {
                *weight = subtract_multiple(inverse_row, factor, &self.row);
            } else {
                let mut growth = 0.0;
                for &nonzero in &self.row_nonzeros {
                    let entry = &mut inverse_row[nonzero as usize];
                    let before = *entry;
                    *entry = cleaned(before - factor * self.row[nonzero as usize]);
                    growth += *entry * *entry - before * before;
                }
                *weight = (*weight + growth).max(LEAST_WEIGHT);
            }
        }
        for &nonzero in &self.row_nonzeros {
            self.inverse[leaving * m + nonzero as usize] /= pivot;
        }
        self.row_weight[leaving] /= pivot * pivot;
        updated
    }

    /// Returns to the slack basis, which is always dual feasible.
    pub(super) fn reset_basis(&mut self) {
        let m = self.num_rows;
        self.inverse.fill(0.0);
        self.position.fill(NOT_BASIC);
        for row in 0..m {
            self.inverse[row * m + row] = 1.0;
            self.head[row] = (self.num_columns + row) as u32;
            self.position[self.num_columns + row] = row as u32;
        }
        self.at_upper.fill(false);
        self.row_weight.fill(1.0);
        self.pivots_since_refactorization = 0;
        self.recompute_reduced_costs();
    }

    /// Recomputes the inverse where it is out of date or has gone through many pivots, else the reduced costs where they are out of
    /// date.
    pub(super) fn renew(&mut self) {
        // Half as many where much is computed anyway: one that takes many pivots is then not the one in which it has to be.
        let most = if self.stale_costs { PIVOTS_PER_REFACTORIZATION / 2 } else { PIVOTS_PER_REFACTORIZATION };
        if self.stale_inverse || self.pivots_since_refactorization >= most {
            self.refactorize();
        } else if self.stale_costs {
            self.recompute_reduced_costs();
            self.stale_values = true;
            self.work += (self.num_rows * self.num_rows / 4 + 8 * self.num_columns) as u64;
        }
    }

    /// Multiplies the rows by positive factors and the columns by such that the first entry of each stays what it is: the basis and
    /// its inverse, not what is out of it, of which nothing is known until it is put again. As many steps as a pivot.
    pub(crate) fn scale_rows(&mut self, factors: &[f64]) {
        let (m, n) = (self.num_rows, self.num_columns);
        self.change.iter_mut().zip(factors).for_each(|(inverse, factor)| *inverse = 1.0 / factor);
        for (row, &column) in self.head.iter().enumerate() {
            let column = column as usize;
            let start = column * self.stride;
            let first = if column < n { self.entry_rows[start] as usize } else { column - n };
            let own = factors[first];
            if column < n {
                let end = start + self.entry_counts[column] as usize;
                for (&row, value) in self.entry_rows[start..end].iter().zip(&mut self.entry_values[start..end]) {
                    *value *= factors[row as usize] / own;
                }
            }
            let inverse_row = &mut self.inverse[row * m..(row + 1) * m];
            for (entry, inverse_factor) in inverse_row.iter_mut().zip(&self.change) {
                *entry *= own * inverse_factor;
            }
            self.row_weight[row] = squared_length(inverse_row);
        }
        self.pivots_since_refactorization += 1;
        self.stale_costs = true;
        self.work += (m * m / 2) as u64;
    }

    /// Recomputes the inverse, the row duals and the reduced costs from the basis.
    ///
    /// Starts from the slack basis and brings the structural columns in by Gauss-Jordan steps with the largest
    /// remaining pivot; a column that has become dependent is left out and its row keeps its slack.
    pub(super) fn refactorize(&mut self) {
        let m = self.num_rows;
        let n = self.num_columns;
        self.inverse.fill(0.0);
        for row in 0..m {
            self.inverse[row * m + row] = 1.0;
        }
        let structural: Vec<u32> = self.head.iter().copied().filter(|&column| (column as usize) < n).collect();
        let mut slack_rows = vec![false; m];
        for &column in &self.head {
            if column as usize >= n {
                slack_rows[column as usize - n] = true;
            }
        }
        for &column in &self.head {
            self.position[column as usize] = NOT_BASIC;
        }
        // Rows whose slack left the basis are free to take a structural column.
        let mut free: Vec<bool> = slack_rows.iter().map(|&slack| !slack).collect();
        for row in 0..m {
            self.head[row] = (n + row) as u32;
        }
        for &column in &structural {
            let column = column as usize;
            self.column.fill(0.0);
            let start = column * self.stride;
            let end = start + self.entry_counts[column] as usize;
            for (value, inverse_row) in self.column.iter_mut().zip(self.inverse.chunks_exact(m)) {
                for (&row, &entry) in self.entry_rows[start..end].iter().zip(&self.entry_values[start..end]) {
                    *value += inverse_row[row as usize] * entry;
                }
            }
            let mut best = None;
            let mut largest = PIVOT_TOLERANCE;
            for (row, &is_free) in free.iter().enumerate() {
                if is_free && self.column[row].abs() > largest {
                    largest = self.column[row].abs();
                    best = Some(row);
                }
            }
            let Some(pivot_row) = best else {
                self.at_upper[column] = false;
                continue;
            };
            free[pivot_row] = false;
            let pivot = self.column[pivot_row];
            self.row.copy_from_slice(&self.inverse[pivot_row * m..(pivot_row + 1) * m]);
            for (index, inverse_row) in self.inverse.chunks_exact_mut(m).enumerate() {
                let factor = if index == pivot_row { 0.0 } else { self.column[index] / pivot };
                if factor != 0.0 {
                    for (entry, &row_entry) in inverse_row.iter_mut().zip(&self.row) {
                        *entry -= factor * row_entry;
                    }
                }
            }
            for entry in &mut self.inverse[pivot_row * m..(pivot_row + 1) * m] {
                *entry /= pivot;
            }
            self.head[pivot_row] = column as u32;
        }
        for row in 0..m {
            self.position[self.head[row] as usize] = row as u32;
            self.at_upper[self.head[row] as usize] = false;
        }
        for (weight, inverse_row) in self.row_weight.iter_mut().zip(self.inverse.chunks_exact(m)) {
            *weight = squared_length(inverse_row);
        }
        self.pivots_since_refactorization = 0;
        self.stale_inverse = false;
        self.recompute_reduced_costs();
        self.stale_values = true;
        self.work += (m * m * (2 + structural.len()) / 4 + 8 * n) as u64;
    }

    fn recompute_reduced_costs(&mut self) {
        self.stale_costs = false;
        let m = self.num_rows;
        let n = self.num_columns;
        // y = c_B · inverse, stored as minus the slacks' reduced costs.
        self.change.fill(0.0);
        for (&column, inverse_row) in self.head.iter().zip(self.inverse.chunks_exact(m)) {
            let cost = if (column as usize) < n { self.cost[column as usize] } else { 0.0 };
            if cost != 0.0 {
                for (dual, &entry) in self.change.iter_mut().zip(inverse_row) {
                    *dual += cost * entry;
                }
            }
        }
        for row in 0..m {
            self.reduced_cost[n + row] = -self.change[row];
        }
        match self.stride {
            4 => self.price_columns::<4>(),
            5 => self.price_columns::<5>(),
            _ => {
                for column in 0..n {
                    self.reduced_cost[column] = match self.position[column] {
                        NOT_BASIC => self.cost[column] - self.dual_product(column),
                        _ => 0.0,
                    };
                }
            }
        }
    }

    /// Computes the reduced costs of the structural columns from the duals in `change`, of as many entries at most.
    fn price_columns<const STRIDE: usize>(&mut self) {
        let entries = self.entry_rows.chunks_exact(STRIDE).zip(self.entry_values.chunks_exact(STRIDE));
        let columns = self.cost.iter().zip(&self.position).zip(&mut self.reduced_cost);
        for ((rows, values), ((&cost, &position), reduced_cost)) in entries.zip(columns) {
            // Without a branch on what is basic.
            let priced = cost - fixed_product::<STRIDE>(&self.change, rows, values);
            *reduced_cost = if position == NOT_BASIC { priced } else { 0.0 };
        }
    }
}

fn cleaned(entry: f64) -> f64 {
    if entry.abs() < ZERO_TOLERANCE {
        0.0
    } else {
        entry
    }
}

/// Subtracts `factor` times `row` from `target`; the squared length of what results.
fn subtract_multiple(target: &mut [f64], factor: f64, row: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let mut chunks = target.chunks_exact_mut(4);
    let mut row_chunks = row.chunks_exact(4);
    for (entries, row_entries) in chunks.by_ref().zip(row_chunks.by_ref()) {
        for ((entry, &row_entry), sum) in entries.iter_mut().zip(row_entries).zip(&mut sums) {
            *entry = cleaned(*entry - factor * row_entry);
            *sum += *entry * *entry;
        }
    }
    for (entry, row_entry) in chunks.into_remainder().iter_mut().zip(row_chunks.remainder()) {
        *entry = cleaned(*entry - factor * row_entry);
        sums[0] += *entry * *entry;
    }
    ((sums[0] + sums[1]) + (sums[2] + sums[3])).max(LEAST_WEIGHT)
}

fn squared_length(row: &[f64]) -> f64 {
    row.iter().map(|entry| entry * entry).sum::<f64>().max(LEAST_WEIGHT)
}
