//! One step: the row that leaves the basis, the column that enters it, and the pivot.

use super::{DualSimplex, DUAL_TOLERANCE, NOT_BASIC, PADDING, PIVOT_TOLERANCE};

const PRIMAL_TOLERANCE: f64 = 1e-9;
/// Ratios are not known better than this, relative to themselves.
const RATIO_PRECISION: f64 = 1e-14;

impl DualSimplex {
    /// Row of the basis with the largest bound violation in terms of the length of its row of the inverse (dual steepest
    /// edge), and that violation (negative: below 0).
    pub(super) fn choose_leaving(&self, pivot: u64) -> Option<(usize, f64)> {
        // After very many pivots the first violated row is taken, which cannot cycle as easily.
        let careful = pivot > 50 * (self.num_rows as u64 + 20);
        let mut best = None;
        let mut largest = 0.0;
        let rows = self.basic_value.iter().zip(&self.head).zip(&self.row_weight);
        for (row, ((&value, &column), &weight)) in rows.enumerate() {
            let excess = value - self.upper[column as usize];
            let infeasibility = if value < 0.0 { value } else { excess };
            let size = if value < 0.0 { -value } else { excess };
            // Without a division, which only the best so far needs.
            if size > PRIMAL_TOLERANCE && size * size > largest * weight {
                best = Some((row, infeasibility));
                if careful {
                    break;
                }
                largest = size * size / weight;
            }
        }
        best
    }

    /// Fills `row` with row `leaving` of the inverse, and `alpha` with its products with the non-basic columns.
    pub(super) fn compute_row(&mut self, leaving: usize) {
        let m = self.num_rows;
        self.row.copy_from_slice(&self.inverse[leaving * m..(leaving + 1) * m]);
        list_nonzeros(&self.row, &mut self.row_nonzeros);
    }

    /// Bound flipping ratio test: the entering column, having flipped the columns that the dual step passes.
    pub(super) fn choose_entering(&mut self, infeasibility: f64) -> Option<usize> {
        let n = self.num_columns;
        self.candidates.clear();
        // The basic variable must rise when it is below 0 and fall when it is above its upper bound; a non-basic
        // column j at its lower bound can enter when its move has the helping sign.
        let sign = if infeasibility < 0.0 { -1.0 } else { 1.0 };
        self.compute_products();
        for index in 0..self.touched.len() {
            let column = self.touched[index] as usize;
            self.consider(column, sign * self.alpha[column]);
        }
        for index in 0..self.row_nonzeros.len() {
            let row = self.row_nonzeros[index] as usize;
            let column = n + row;
            if self.upper[column] == 0.0 || self.position[column] != NOT_BASIC {
                continue;
            }
            self.consider(column, sign * self.row[row]);
        }
        if self.candidates.is_empty() {
            return None;
        }
        self.pass_breakpoints(infeasibility.abs())
    }

    pub(super) fn consider(&mut self, column: usize, helping: f64) {
        let at_upper = self.at_upper[column];
        if (at_upper && helping < -PIVOT_TOLERANCE) || (!at_upper && helping > PIVOT_TOLERANCE) {
            let ratio = (self.reduced_cost[column] / helping).max(0.0);
            self.candidates.push((ratio, helping.abs(), column as u32));
        }
    }

    /// Walks the breakpoints of the dual objective while its slope stays positive.
    pub(super) fn pass_breakpoints(&mut self, mut slope: f64) -> Option<usize> {
        let mut flipped = false;
        let mut remaining = self.candidates.len();
        let chosen = loop {
            // The smallest ratio; of nearly equal ones the largest pivot, then the smallest index.
            let mut best = 0;
            let mut farthest = least_apart(self.candidates[0]);
            for (index, &(ratio, size, column)) in self.candidates[..remaining].iter().enumerate().skip(1) {
                if ratio > farthest {
                    continue;
                }
                let (best_ratio, best_size, best_column) = self.candidates[best];
                // What the column with the smaller ratio would lose of its dual feasibility.
                let smaller = if ratio < best_ratio { size } else { best_size };
                let tied = (ratio - best_ratio).abs() * smaller <= DUAL_TOLERANCE + RATIO_PRECISION * best_ratio.abs();
                let better = if tied {
                    size > best_size || (size == best_size && column < best_column)
                } else {
                    ratio < best_ratio
                };
                if better {
                    best = index;
                    farthest = least_apart(self.candidates[index]);
                }
            }
            let (_, size, column) = self.candidates[best];
            let column = column as usize;
            slope -= size * self.upper[column];
            // Also where it is no number any more: what has no other bound is not to be flipped.
            if slope <= 0.0 || slope.is_nan() || remaining == 1 {
                if slope > PRIMAL_TOLERANCE && self.upper[column].is_finite() {
                    // Even with every column at its helping bound the row stays violated.
                    break None;
                }
                break Some(column);
            }
            remaining -= 1;
            self.candidates.swap(best, remaining);
            flipped = true;
        };
        chosen?;
        if flipped {
            self.change.fill(0.0);
            for index in remaining..self.candidates.len() {
                let column = self.candidates[index].2 as usize;
                self.flip(column);
            }
            self.apply_change();
        }
        chosen
    }

    /// Moves a non-basic column to its other bound, collecting the effect on the rows in `change`.
    pub(super) fn flip(&mut self, column: usize) {
        let step = if self.at_upper[column] { -self.upper[column] } else { self.upper[column] };
        self.at_upper[column] = !self.at_upper[column];
        self.objective += self.reduced_cost[column] * step;
        let start = column * self.stride;
        let end = start + self.entry_counts[column] as usize;
        for (&row, &value) in self.entry_rows[start..end].iter().zip(&self.entry_values[start..end]) {
            self.change[row as usize] += value * step;
        }
    }

    /// Subtracts `inverse · change` from the basic values.
    pub(super) fn apply_change(&mut self) {
        let m = self.num_rows;
        list_nonzeros(&self.change, &mut self.change_nonzeros);
        for (value, inverse_row) in self.basic_value.iter_mut().zip(self.inverse.chunks_exact(m)) {
            let mut total = 0.0;
            for &index in &self.change_nonzeros {
                total += inverse_row[index as usize] * self.change[index as usize];
            }
            *value -= total;
        }
    }

    /// Fills `column` with the product of the inverse and a column.
    pub(super) fn compute_column(&mut self, entering: usize) {
        let m = self.num_rows;
        let n = self.num_columns;
        if entering < n {
            let start = entering * self.stride;
            let end = start + self.entry_counts[entering] as usize;
            for (value, inverse_row) in self.column.iter_mut().zip(self.inverse.chunks_exact(m)) {
                let mut total = 0.0;
                for (&row, &entry) in self.entry_rows[start..end].iter().zip(&self.entry_values[start..end]) {
                    total += inverse_row[row as usize] * entry;
                }
                *value = total;
            }
        } else {
            let row = entering - n;
            for (value, inverse_row) in self.column.iter_mut().zip(self.inverse.chunks_exact(m)) {
                *value = inverse_row[row];
            }
        }
    }

    /// Fills `alpha` with the products of `row` and the non-basic columns; those of structural columns that are not 0 are
    /// listed in `touched`.
    pub(super) fn compute_products(&mut self) {
        let n = self.num_columns;
        // Loops of a fixed length are much faster; the zeros behind a column's entries do no harm.
        let scanned = match self.stride {
            4 => self.list_products(4, |row, at, values, _| fixed_product::<4>(row, at, values)),
            5 => self.list_products(5, |row, at, values, _| fixed_product::<5>(row, at, values)),
            6 => self.list_products(6, |row, at, values, _| fixed_product::<6>(row, at, values)),
            stride => self.list_products(stride, |row, at, values, count| {
                let padded = count.next_multiple_of(PADDING);
                let chunks = at[..padded].chunks_exact(PADDING).zip(values[..padded].chunks_exact(PADDING));
                chunks.map(|(at, values)| fixed_product::<PADDING>(row, at, values)).sum()
            }),
        };
        for &row in &self.row_nonzeros {
            self.alpha[n + row as usize] = self.row[row as usize];
        }
        self.work += (n + scanned) as u64;
    }

    /// The structural part of [`Self::compute_products`], by a `product` of the row with the rows, values and number of
    /// the entries of a column; how many entries there were.
    #[inline(always)]
    pub(super) fn list_products(
        &mut self,
        stride: usize,
        product: impl Fn(&[f64], &[u32], &[f64], usize) -> f64,
    ) -> usize {
        let n = self.num_columns;
        let mut scanned = 0;
        let mut listed = 0;
        self.touched.resize(n, 0);
        let row = &self.row[..];
        let entries = self.entry_rows.chunks_exact(stride).zip(self.entry_values.chunks_exact(stride));
        let states = self.upper[..n].iter().zip(&self.position[..n]).zip(&self.entry_counts);
        let alphas = self.alpha[..n].iter_mut();
        for (column, (((rows, values), ((&upper, &position), &count)), alpha)) in
            entries.zip(states).zip(alphas).enumerate()
        {
            if upper == 0.0 {
                continue;
            }
            // Without a branch on what is basic or 0, which would be guessed wrong too often.
            let is_free = position == NOT_BASIC;
            scanned += if is_free { count as usize } else { 0 };
            *alpha = product(row, rows, values, count as usize);
            self.touched[listed] = column as u32;
            listed += usize::from(is_free & (*alpha != 0.0));
        }
        self.touched.truncate(listed);
        scanned
    }

    /// Exchanges the basic column of row `leaving` for `entering`, whose product with the inverse is in `column`; false
    /// where the pivot is numerically unsafe.
    pub(super) fn pivot(&mut self, leaving: usize, entering: usize, infeasibility: f64) -> bool {
        let m = self.num_rows;
        let n = self.num_columns;
        let pivot = self.column[leaving];
        let expected = self.alpha[entering];
        let is_safe = pivot.abs() >= PIVOT_TOLERANCE && (pivot - expected).abs() <= 1e-6 * (1.0 + pivot.abs());
        if !(is_safe && pivot.is_finite()) {
            return false;
        }
        let outgoing = self.head[leaving] as usize;
        let to_upper = infeasibility > 0.0;
        let target = if to_upper { self.upper[outgoing] } else { 0.0 };
        let step = (self.basic_value[leaving] - target) / pivot;
        let entering_value = if self.at_upper[entering] { self.upper[entering] } else { 0.0 } + step;
        self.objective += self.reduced_cost[entering] * step;
        for (value, &change) in self.basic_value.iter_mut().zip(&self.column) {
            *value -= step * change;
        }
        self.basic_value[leaving] = entering_value;

        // Reduced costs: d_j -= (d_q / alpha_q) alpha_j over the non-basic columns, and the outgoing one.
        let dual_step = self.reduced_cost[entering] / expected;
        if dual_step != 0.0 {
            for &column in &self.touched {
                self.reduced_cost[column as usize] -= dual_step * self.alpha[column as usize];
            }
            // Slacks of equations and fixed columns are kept exact as well, for the row duals.
            for &row in &self.row_nonzeros {
                let column = n + row as usize;
                if self.position[column] == NOT_BASIC {
                    self.reduced_cost[column] -= dual_step * self.row[row as usize];
                }
            }
        }
        self.reduced_cost[outgoing] = -dual_step;
        self.reduced_cost[entering] = 0.0;
        let updated = self.update_inverse(leaving, pivot);

        self.position[outgoing] = NOT_BASIC;
        self.at_upper[outgoing] = to_upper && self.upper[outgoing] > 0.0;
        self.position[entering] = leaving as u32;
        self.at_upper[entering] = false;
        self.head[leaving] = entering as u32;
        self.pivots_since_refactorization += 1;
        self.work += (3 * self.touched.len() + 8 * m + updated * self.row_nonzeros.len() / 2) as u64;
        true
    }
}

/// A ratio that is certainly above that of the candidate, and not tied with it.
fn least_apart((ratio, size, _): (f64, f64, u32)) -> f64 {
    ratio + 2.0 * (DUAL_TOLERANCE + RATIO_PRECISION * ratio.abs()) / size
}

/// Lists where `values` are not 0.
pub(super) fn list_nonzeros(values: &[f64], nonzeros: &mut Vec<u32>) {
    nonzeros.resize(values.len(), 0);
    let mut listed = 0;
    for (index, &value) in values.iter().enumerate() {
        // Without a branch, which would be guessed wrong too often.
        nonzeros[listed] = index as u32;
        listed += usize::from(value != 0.0);
    }
    nonzeros.truncate(listed);
}

/// Product of a row with the `COUNT` entries of a column, which are known to be so many where this is compiled.
#[inline(always)]
pub(super) fn fixed_product<const COUNT: usize>(row: &[f64], at: &[u32], values: &[f64]) -> f64 {
    match (<&[u32; COUNT]>::try_from(at), <&[f64; COUNT]>::try_from(values)) {
        (Ok(at), Ok(values)) => at.iter().zip(values).map(|(&at, &value)| row[at as usize] * value).sum(),
        _ => 0.0,
    }
}
