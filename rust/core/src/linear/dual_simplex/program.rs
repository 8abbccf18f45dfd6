//! The program itself: rows, columns and bounds, and how a change keeps the basis.

use super::{DualSimplex, NOT_BASIC};

/// Entries that differ by no more, relative to themselves, differ by rounding.
const SAME: f64 = 1e-13;

impl DualSimplex {
    /// Makes row `row` a `≤` row (`true`) or an equation (`false`). The slack must be basic, or the row unchanged.
    pub(crate) fn set_inequality(&mut self, row: usize, inequality: bool) {
        self.upper[self.num_columns + row] = if inequality { f64::INFINITY } else { 0.0 };
        self.stale_values = true;
    }

    /// Adds an equation with right-hand side 0 and no entries behind the other rows; its number. The basis stays what it is,
    /// with the slack of the new row in it.
    pub(crate) fn add_equation(&mut self) -> usize {
        let row = self.num_rows;
        let longer = row + 1;
        let mut inverse = vec![0.0; longer * longer];
        for (from, to) in self.inverse.chunks_exact(row.max(1)).zip(inverse.chunks_exact_mut(longer)) {
            to[..row].copy_from_slice(from);
        }
        inverse[longer * longer - 1] = 1.0;
        self.inverse = inverse;
        self.num_rows = longer;
        self.rhs.push(0.0);
        self.head.push((self.num_columns + row) as u32);
        self.row_weight.push(1.0);
        self.basic_value.push(0.0);
        self.position.push(row as u32);
        self.upper.push(0.0);
        self.at_upper.push(false);
        self.reduced_cost.push(0.0);
        self.alpha.push(0.0);
        self.devex_weight.push(1.0);
        for buffer in [&mut self.row, &mut self.column, &mut self.change] {
            buffer.push(0.0);
        }
        row
    }

    /// Sets the right-hand side of a row.
    pub(crate) fn set_rhs(&mut self, row: usize, value: f64) {
        if self.rhs[row] != value {
            self.rhs[row] = value;
            self.stale_values = true;
        }
    }

    /// Whether a column is in the basis.
    pub(crate) fn is_basic(&self, column: usize) -> bool {
        self.position[column] != NOT_BASIC
    }

    /// Replaces a non-basic structural column; zero entries are left out.
    ///
    /// A column that is basic keeps its entries: fix it at 0 and solve first.
    pub(crate) fn set_column(&mut self, column: usize, cost: f64, upper: f64, entries: &[(usize, f64)]) {
        debug_assert!(!self.is_basic(column) && entries.len() <= self.stride && upper.is_finite());
        self.put_entries(column, entries);
        self.cost[column] = cost;
        self.upper[column] = upper;
        self.at_upper[column] = false;
        self.reduced_cost[column] = cost - self.dual_product(column);
        self.stale_values = true;
    }

    /// Replaces a structural column, basic or not, where it stands: the next solve recomputes the inverse and goes on
    /// from the same basis. Worth it where many columns change at once.
    pub(crate) fn replace_column(&mut self, column: usize, cost: f64, upper: f64, entries: &[(usize, f64)]) {
        debug_assert!(entries.len() <= self.stride && upper.is_finite());
        self.put_entries(column, entries);
        self.cost[column] = cost;
        self.upper[column] = upper;
        self.stale_inverse = true;
    }

    /// Replaces a structural column, basic or not, where it stands. The next solve recomputes all reduced costs, and the inverse only
    /// where the entries of a basic column are no longer what they were.
    pub(crate) fn renew_column(&mut self, column: usize, cost: f64, upper: f64, entries: &[(usize, f64)]) {
        debug_assert!(entries.len() <= self.stride && upper.is_finite());
        let is_basic = self.is_basic(column);
        let start = column * self.stride;
        let rows = &mut self.entry_rows[start..start + self.stride];
        let values = &mut self.entry_values[start..start + self.stride];
        let (mut count, mut is_alike) = (0, true);
        let places = rows.iter_mut().zip(values.iter_mut());
        for (&(new_row, new), (row, value)) in entries.iter().filter(|entry| entry.1 != 0.0).zip(places) {
            is_alike &= *row == new_row as u32 && (!is_basic || (new - *value).abs() <= SAME * new.abs());
            (*row, *value) = (new_row as u32, new);
            count += 1;
        }
        if count != self.entry_counts[column] as usize {
            is_alike = false;
            rows[count..].fill(0);
            values[count..].fill(0.0);
            self.entry_counts[column] = count as u32;
        }
        if !is_alike {
            self.stale_inverse |= is_basic;
            self.at_upper[column] = false;
        }
        self.cost[column] = cost;
        self.upper[column] = upper;
        self.stale_costs = true;
    }

    /// Whether the next solve recomputes all reduced costs.
    pub(crate) fn has_stale_costs(&self) -> bool {
        self.stale_costs
    }

    /// Lets the next solve recompute all reduced costs: worth it where many columns change at once.
    pub(crate) fn distrust_costs(&mut self) {
        self.stale_costs = true;
    }

    /// Writes the nonzero entries of a column, and zeros behind them.
    pub(super) fn put_entries(&mut self, column: usize, entries: &[(usize, f64)]) {
        let start = column * self.stride;
        let mut count = 0;
        for &(row, value) in entries.iter().filter(|entry| entry.1 != 0.0) {
            self.entry_rows[start + count] = row as u32;
            self.entry_values[start + count] = value;
            count += 1;
        }
        self.entry_rows[start + count..start + self.stride].fill(0);
        self.entry_values[start + count..start + self.stride].fill(0.0);
        self.entry_counts[column] = count as u32;
    }

    /// Begins the next solve with these different columns and slacks in the basis, as far as they are independent and there is room:
    /// from any of them it finds the same optimum, in few pivots where they are those of a program much like this one.
    pub(crate) fn begin_with(&mut self, basic: &[usize]) {
        let (m, n) = (self.num_rows, self.num_columns);
        for &column in &self.head {
            self.position[column as usize] = NOT_BASIC;
        }
        self.head.clear();
        self.head.extend(basic.iter().take(m).map(|&column| column as u32));
        self.head.iter().for_each(|&column| self.position[column as usize] = 0);
        // Rows for which nothing is left keep their slack.
        let slacks = (n..n + m).filter(|&slack| self.position[slack] == NOT_BASIC);
        let missing = m - self.head.len();
        self.head.extend(slacks.take(missing).map(|slack| slack as u32));
        self.head.iter().for_each(|&column| self.position[column as usize] = 0);
        self.stale_inverse = true;
    }

    /// Changes the upper bound of a structural column; 0 fixes it.
    pub(crate) fn set_upper(&mut self, column: usize, upper: f64) {
        if self.upper[column] != upper {
            if self.upper[column] == 0.0 && !self.is_basic(column) {
                // Reduced costs of fixed columns are not kept up to date.
                self.reduced_cost[column] = self.cost[column] - self.dual_product(column);
            }
            self.upper[column] = upper;
            self.stale_values = true;
        }
    }

    /// Upper bound of a structural column.
    pub(crate) fn upper(&self, column: usize) -> f64 {
        self.upper[column]
    }
}
