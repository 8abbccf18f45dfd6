//! A bounded-variable dual simplex for small linear programs that are solved thousands of times with slight changes.
//!
//! The program is `min c·x, A·x + s = b, 0 ≤ x ≤ u` with one slack per row, `0 ≤ s` for `≤` rows and `s = 0` for
//! equations. Every structural column has a finite upper bound, so that any basis is made dual feasible by moving
//! non-basic columns to their other bound; adding, changing and fixing non-basic columns and changing `b` therefore
//! all keep the warm start. The basis inverse is dense and updated in product form over its nonzeros: the programs
//! have tens to a few hundred rows and columns of a handful of entries.
//!
//! Sources: Koberstein, "The Dual Simplex Method, Techniques for a fast and stable implementation", 2005 (bound
//! flipping ratio test, section 3.3); Maros, "Computational Techniques of the Simplex Method", 2003.

mod primal;

/// How a solve of a [`DualSimplex`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinearStatus {
    /// The current basis is optimal.
    Optimal,
    /// No point meets the rows and bounds.
    Infeasible,
    /// The dual objective, a lower bound on the optimum, has reached the cutoff.
    Cutoff,
    /// The pivot limit was reached, or the caller wants to stop.
    PivotLimit,
}

const NOT_BASIC: u32 = u32::MAX;
const PRIMAL_TOLERANCE: f64 = 1e-9;
const PIVOT_TOLERANCE: f64 = 1e-9;
const DUAL_TOLERANCE: f64 = 1e-9;
/// Ratios are not known better than this, relative to themselves.
const RATIO_PRECISION: f64 = 1e-14;
/// A non-basic slack with a reduced cost below minus this makes the basis useless.
const SLACK_DUAL_TOLERANCE: f64 = 1e-6;
/// Entries of the basis inverse below this are rounding noise.
const ZERO_TOLERANCE: f64 = 1e-13;
const PIVOTS_PER_REFACTORIZATION: u32 = 120;
/// Ties between ratios are broken by the size of the pivot, which costs a little dual feasibility: much, in terms of the
/// objective, where some costs are millions of times larger than others. So often at most it is restored in one solve.
const MAX_CORRECTIONS: u32 = 4;
/// Distance between the dual bound and the objective, relative to that, which is rounding.
const DUALITY_GAP_TOLERANCE: f64 = 1e-9;
/// Pivots between two questions whether to stop.
const PIVOTS_PER_QUESTION: u64 = 16;

/// A linear program with its current basis; `clone_from` copies into existing memory.
///
/// Columns `0..num_columns` are structural, column `num_columns + i` is the slack of row `i`.
#[derive(Debug, Default)]
pub struct DualSimplex {
    num_rows: usize,
    num_columns: usize,
    stride: usize,
    // The program.
    entry_rows: Vec<u32>,
    entry_values: Vec<f64>,
    entry_counts: Vec<u32>,
    cost: Vec<f64>,
    upper: Vec<f64>,
    rhs: Vec<f64>,
    // The basis.
    head: Vec<u32>,
    position: Vec<u32>,
    at_upper: Vec<bool>,
    inverse: Vec<f64>,
    basic_value: Vec<f64>,
    reduced_cost: Vec<f64>,
    objective: f64,
    pivots_since_refactorization: u32,
    stale_values: bool,
    stale_inverse: bool,
    /// Pivots made since the creation, and about how many elementary steps all solves took.
    pivots: u64,
    work: u64,
    // Working memory.
    row: Vec<f64>,
    row_nonzeros: Vec<u32>,
    column: Vec<f64>,
    alpha: Vec<f64>,
    change: Vec<f64>,
    candidates: Vec<(f64, f64, u32)>,
    /// Structural columns with a product other than 0 in `alpha`.
    touched: Vec<u32>,
}

impl Clone for DualSimplex {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, source: &Self) {
        self.num_rows = source.num_rows;
        self.num_columns = source.num_columns;
        self.stride = source.stride;
        self.entry_rows.clone_from(&source.entry_rows);
        self.entry_values.clone_from(&source.entry_values);
        self.entry_counts.clone_from(&source.entry_counts);
        self.cost.clone_from(&source.cost);
        self.upper.clone_from(&source.upper);
        self.rhs.clone_from(&source.rhs);
        self.head.clone_from(&source.head);
        self.position.clone_from(&source.position);
        self.at_upper.clone_from(&source.at_upper);
        self.inverse.clone_from(&source.inverse);
        self.basic_value.clone_from(&source.basic_value);
        self.reduced_cost.clone_from(&source.reduced_cost);
        self.objective = source.objective;
        self.pivots_since_refactorization = source.pivots_since_refactorization;
        self.stale_values = source.stale_values;
        self.stale_inverse = source.stale_inverse;
        self.row.resize(source.row.len(), 0.0);
        self.column.resize(source.column.len(), 0.0);
        self.alpha.resize(source.alpha.len(), 0.0);
        self.change.resize(source.change.len(), 0.0);
    }
}

impl DualSimplex {
    /// A program of `num_rows` equations with right-hand side 0 and `num_columns` empty columns fixed at 0, each of
    /// at most `max_entries` nonzeros, at the slack basis.
    pub fn new(num_rows: usize, num_columns: usize, max_entries: usize) -> Self {
        let total = num_columns + num_rows;
        let mut position = vec![NOT_BASIC; total];
        let mut inverse = vec![0.0; num_rows * num_rows];
        for row in 0..num_rows {
            position[num_columns + row] = row as u32;
            inverse[row * num_rows + row] = 1.0;
        }
        Self {
            num_rows,
            num_columns,
            stride: max_entries,
            entry_rows: vec![0; num_columns * max_entries],
            entry_values: vec![0.0; num_columns * max_entries],
            entry_counts: vec![0; num_columns],
            cost: vec![0.0; num_columns],
            upper: vec![0.0; total],
            rhs: vec![0.0; num_rows],
            head: (num_columns as u32..total as u32).collect(),
            position,
            at_upper: vec![false; total],
            inverse,
            basic_value: vec![0.0; num_rows],
            reduced_cost: vec![0.0; total],
            objective: 0.0,
            pivots_since_refactorization: 0,
            stale_values: true,
            stale_inverse: false,
            pivots: 0,
            work: 0,
            row: vec![0.0; num_rows],
            row_nonzeros: Vec::with_capacity(num_rows),
            column: vec![0.0; num_rows],
            alpha: vec![0.0; total],
            change: vec![0.0; num_rows],
            candidates: Vec::with_capacity(total),
            touched: Vec::with_capacity(num_columns),
        }
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// Number of structural columns.
    pub fn num_columns(&self) -> usize {
        self.num_columns
    }

    /// Pivots made since the creation.
    pub fn pivots(&self) -> u64 {
        self.pivots
    }

    /// About how many elementary steps the solves since the creation took: a measure of time that does not depend on the
    /// machine.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// Counts pivots and work on from those of a program that this one replaces.
    pub fn count_on_from(&mut self, other: &Self) {
        self.pivots += other.pivots;
        self.work += other.work;
    }

    /// Makes row `row` a `≤` row (`true`) or an equation (`false`). The slack must be basic, or the row unchanged.
    pub fn set_inequality(&mut self, row: usize, inequality: bool) {
        self.upper[self.num_columns + row] = if inequality { f64::INFINITY } else { 0.0 };
        self.stale_values = true;
    }

    /// Sets the right-hand side of a row.
    pub fn set_rhs(&mut self, row: usize, value: f64) {
        if self.rhs[row] != value {
            self.rhs[row] = value;
            self.stale_values = true;
        }
    }

    /// Whether a column is in the basis.
    pub fn is_basic(&self, column: usize) -> bool {
        self.position[column] != NOT_BASIC
    }

    /// Replaces a non-basic structural column; zero entries are left out.
    ///
    /// A column that is basic keeps its entries: fix it at 0 and solve first.
    pub fn set_column(&mut self, column: usize, cost: f64, upper: f64, entries: &[(usize, f64)]) {
        debug_assert!(!self.is_basic(column) && entries.len() <= self.stride && upper.is_finite());
        let start = column * self.stride;
        let mut count = 0;
        for &(row, value) in entries {
            if value != 0.0 {
                self.entry_rows[start + count] = row as u32;
                self.entry_values[start + count] = value;
                count += 1;
            }
        }
        self.entry_counts[column] = count as u32;
        self.cost[column] = cost;
        self.upper[column] = upper;
        self.at_upper[column] = false;
        self.reduced_cost[column] = cost - self.dual_product(column);
        self.stale_values = true;
    }

    /// Replaces a structural column, basic or not, where it stands: the next solve computes the inverse anew and goes on
    /// from the same basis. Worth it where many columns change at once.
    pub fn replace_column(&mut self, column: usize, cost: f64, upper: f64, entries: &[(usize, f64)]) {
        debug_assert!(entries.len() <= self.stride && upper.is_finite());
        let start = column * self.stride;
        let mut count = 0;
        for &(row, value) in entries.iter().filter(|entry| entry.1 != 0.0) {
            self.entry_rows[start + count] = row as u32;
            self.entry_values[start + count] = value;
            count += 1;
        }
        self.entry_counts[column] = count as u32;
        self.cost[column] = cost;
        self.upper[column] = upper;
        self.stale_inverse = true;
    }

    /// Changes the upper bound of a structural column; 0 fixes it.
    pub fn set_upper(&mut self, column: usize, upper: f64) {
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
    pub fn upper(&self, column: usize) -> f64 {
        self.upper[column]
    }

    /// Objective value of the current basis; after [`LinearStatus::Optimal`] the optimum.
    pub fn objective(&self) -> f64 {
        self.objective
    }

    /// Value of a structural column or slack at the current basis.
    pub fn value(&self, column: usize) -> f64 {
        match self.position[column] {
            NOT_BASIC if self.at_upper[column] => self.upper[column],
            NOT_BASIC => 0.0,
            position => self.basic_value[position as usize],
        }
    }

    /// Dual price of a row: the rate at which the optimum changes with its right-hand side (at most 0 for `≤` rows).
    pub fn dual(&self, row: usize) -> f64 {
        -self.reduced_cost[self.num_columns + row]
    }

    /// Reduced cost of a structural column.
    pub fn reduced_cost(&self, column: usize) -> f64 {
        self.reduced_cost[column]
    }

    fn entries(&self, column: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let start = column * self.stride;
        let end = start + self.entry_counts[column] as usize;
        self.entry_rows[start..end]
            .iter()
            .zip(&self.entry_values[start..end])
            .map(|(&row, &value)| (row as usize, value))
    }

    /// `y·A[column]` for the current row duals.
    fn dual_product(&self, column: usize) -> f64 {
        self.entries(column).map(|(row, value)| self.dual(row) * value).sum()
    }

    /// Solves from the current basis until optimal, until the dual objective reaches `cutoff`, or for `max_pivots`.
    pub fn solve(&mut self, cutoff: f64, max_pivots: u64) -> LinearStatus {
        self.solve_unless(cutoff, max_pivots, &|| false)
    }

    /// As [`DualSimplex::solve`]; ends with [`LinearStatus::PivotLimit`] as well where `should_stop`, which is asked every
    /// few pivots, says so.
    pub fn solve_unless(&mut self, cutoff: f64, max_pivots: u64, should_stop: &dyn Fn() -> bool) -> LinearStatus {
        if self.stale_inverse || self.pivots_since_refactorization >= PIVOTS_PER_REFACTORIZATION {
            self.refactorize();
        }
        if self.stale_values {
            self.restart();
        }
        let mut verified = self.pivots_since_refactorization == 0;
        let mut corrections = 0;
        for pivot in 0..max_pivots {
            if self.objective >= cutoff {
                return LinearStatus::Cutoff;
            }
            if pivot % PIVOTS_PER_QUESTION == PIVOTS_PER_QUESTION - 1 && should_stop() {
                return LinearStatus::PivotLimit;
            }
            let Some((leaving, infeasibility)) = self.choose_leaving(pivot) else {
                if !verified && !self.residual_is_small() {
                    self.refactorize();
                    self.restart();
                    verified = true;
                    continue;
                }
                if corrections == MAX_CORRECTIONS || self.is_dual_feasible() {
                    return LinearStatus::Optimal;
                }
                corrections += 1;
                self.restart();
                continue;
            };
            self.compute_row(leaving);
            match self.choose_entering(infeasibility) {
                Some(entering) => {
                    self.compute_column(entering);
                    if !self.pivot(leaving, entering, infeasibility) {
                        if verified && self.pivots_since_refactorization == 0 {
                            return LinearStatus::PivotLimit;
                        }
                        self.refactorize();
                        self.restart();
                    }
                }
                None => {
                    if self.pivots_since_refactorization == 0 {
                        return LinearStatus::Infeasible;
                    }
                    self.refactorize();
                    self.restart();
                }
            }
            if self.pivots_since_refactorization >= PIVOTS_PER_REFACTORIZATION {
                self.refactorize();
                self.restart();
            }
        }
        LinearStatus::PivotLimit
    }

    /// Row of the basis with the largest bound violation and that violation (negative: below 0).
    fn choose_leaving(&self, pivot: u64) -> Option<(usize, f64)> {
        // After very many pivots the first violated row is taken, which cannot cycle as easily.
        let careful = pivot > 50 * (self.num_rows as u64 + 20);
        let mut best = None;
        let mut largest = PRIMAL_TOLERANCE;
        for (row, (&value, &column)) in self.basic_value.iter().zip(&self.head).enumerate() {
            let excess = value - self.upper[column as usize];
            let infeasibility = if value < 0.0 { value } else { excess };
            let size = if value < 0.0 { -value } else { excess };
            if size > largest {
                best = Some((row, infeasibility));
                if careful {
                    break;
                }
                largest = size;
            }
        }
        best
    }

    /// Fills `row` with row `leaving` of the inverse, and `alpha` with its products with the non-basic columns.
    fn compute_row(&mut self, leaving: usize) {
        let m = self.num_rows;
        self.row.copy_from_slice(&self.inverse[leaving * m..(leaving + 1) * m]);
        self.row_nonzeros.clear();
        self.row_nonzeros.extend((0..m as u32).filter(|&index| self.row[index as usize] != 0.0));
    }

    /// Bound flipping ratio test: the entering column, having flipped the columns that the dual step passes.
    fn choose_entering(&mut self, infeasibility: f64) -> Option<usize> {
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

    fn consider(&mut self, column: usize, helping: f64) {
        let at_upper = self.at_upper[column];
        if (at_upper && helping < -PIVOT_TOLERANCE) || (!at_upper && helping > PIVOT_TOLERANCE) {
            let ratio = (self.reduced_cost[column] / helping).max(0.0);
            self.candidates.push((ratio, helping.abs(), column as u32));
        }
    }

    /// Walks the breakpoints of the dual objective while its slope stays positive.
    fn pass_breakpoints(&mut self, mut slope: f64) -> Option<usize> {
        self.change.fill(0.0);
        let mut flipped = false;
        let mut remaining = self.candidates.len();
        let chosen = loop {
            // The smallest ratio; of nearly equal ones the largest pivot, then the smallest index.
            let mut best = 0;
            for index in 1..remaining {
                let (ratio, size, column) = self.candidates[index];
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
                }
            }
            let (_, size, column) = self.candidates[best];
            let column = column as usize;
            slope -= size * self.upper[column];
            if slope <= 0.0 || remaining == 1 {
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
            for index in remaining..self.candidates.len() {
                let column = self.candidates[index].2 as usize;
                self.flip(column);
            }
            self.apply_change();
        }
        chosen
    }

    /// Moves a non-basic column to its other bound, collecting the effect on the rows in `change`.
    fn flip(&mut self, column: usize) {
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
    fn apply_change(&mut self) {
        let m = self.num_rows;
        self.row_nonzeros.clear();
        self.row_nonzeros.extend((0..m as u32).filter(|&index| self.change[index as usize] != 0.0));
        for (value, inverse_row) in self.basic_value.iter_mut().zip(self.inverse.chunks_exact(m)) {
            let mut total = 0.0;
            for &index in &self.row_nonzeros {
                total += inverse_row[index as usize] * self.change[index as usize];
            }
            *value -= total;
        }
    }

    /// Fills `column` with the product of the inverse and a column.
    fn compute_column(&mut self, entering: usize) {
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
    fn compute_products(&mut self) {
        let n = self.num_columns;
        let mut scanned = 0;
        self.touched.clear();
        let row = &self.row[..];
        let entries = self.entry_rows.chunks_exact(self.stride).zip(self.entry_values.chunks_exact(self.stride));
        let states = self.upper[..n].iter().zip(&self.position[..n]).zip(&self.entry_counts);
        for (column, ((rows, values), ((&upper, &position), &count))) in entries.zip(states).enumerate() {
            if upper == 0.0 || position != NOT_BASIC {
                continue;
            }
            let count = count as usize;
            scanned += count;
            let mut product = 0.0;
            for (&at, &value) in rows[..count].iter().zip(&values[..count]) {
                product += row[at as usize] * value;
            }
            if product != 0.0 {
                self.touched.push(column as u32);
                self.alpha[column] = product;
            }
        }
        for &row in &self.row_nonzeros {
            self.alpha[n + row as usize] = self.row[row as usize];
        }
        self.work += (n + scanned) as u64;
    }

    /// Exchanges the basic column of row `leaving` for `entering`, whose product with the inverse is in `column`; false
    /// where the pivot is numerically unsafe.
    fn pivot(&mut self, leaving: usize, entering: usize, infeasibility: f64) -> bool {
        let m = self.num_rows;
        let n = self.num_columns;
        let pivot = self.column[leaving];
        let expected = self.alpha[entering];
        if pivot.abs() < PIVOT_TOLERANCE || (pivot - expected).abs() > 1e-6 * (1.0 + pivot.abs()) {
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
            for row in 0..m {
                let column = n + row;
                if self.position[column] == NOT_BASIC {
                    self.reduced_cost[column] -= dual_step * self.row[row];
                }
            }
        }
        self.reduced_cost[outgoing] = -dual_step;
        self.reduced_cost[entering] = 0.0;

        self.row_nonzeros.clear();
        self.row_nonzeros.extend((0..m as u32).filter(|&index| self.row[index as usize] != 0.0));
        let mut updated = 0;
        for (index, inverse_row) in self.inverse.chunks_exact_mut(m).enumerate() {
            let factor = self.column[index] / pivot;
            if index == leaving || factor == 0.0 {
                continue;
            }
            updated += 1;
            for &nonzero in &self.row_nonzeros {
                let entry = &mut inverse_row[nonzero as usize];
                *entry -= factor * self.row[nonzero as usize];
                if entry.abs() < ZERO_TOLERANCE {
                    *entry = 0.0;
                }
            }
        }
        for &nonzero in &self.row_nonzeros {
            self.inverse[leaving * m + nonzero as usize] /= pivot;
        }

        self.position[outgoing] = NOT_BASIC;
        self.at_upper[outgoing] = to_upper && self.upper[outgoing] > 0.0;
        self.position[entering] = leaving as u32;
        self.at_upper[entering] = false;
        self.head[leaving] = entering as u32;
        self.pivots_since_refactorization += 1;
        self.pivots += 1;
        self.work += (3 * self.touched.len() + 8 * m + updated * self.row_nonzeros.len() / 2) as u64;
        true
    }

    /// Makes the basis dual feasible and computes its values.
    fn restart(&mut self) {
        if !self.restore_dual_feasibility() {
            self.reset_basis();
            self.restore_dual_feasibility();
        }
        self.compute_values();
    }

    /// Returns to the slack basis, which is always dual feasible.
    fn reset_basis(&mut self) {
        let m = self.num_rows;
        self.inverse.fill(0.0);
        self.position.fill(NOT_BASIC);
        for row in 0..m {
            self.inverse[row * m + row] = 1.0;
            self.head[row] = (self.num_columns + row) as u32;
            self.position[self.num_columns + row] = row as u32;
        }
        self.at_upper.fill(false);
        self.pivots_since_refactorization = 0;
        self.recompute_reduced_costs();
    }

    /// Puts every non-basic column at the bound that its reduced cost asks for.
    ///
    /// False where a slack, which has no other bound, asks for one.
    fn restore_dual_feasibility(&mut self) -> bool {
        for column in 0..self.num_columns {
            if self.position[column] != NOT_BASIC {
                continue;
            }
            let reduced_cost = self.reduced_cost[column];
            if self.upper[column] == 0.0 {
                self.at_upper[column] = false;
            } else if reduced_cost < -DUAL_TOLERANCE {
                self.at_upper[column] = true;
            } else if reduced_cost > DUAL_TOLERANCE {
                self.at_upper[column] = false;
            }
        }
        (self.num_columns..self.num_columns + self.num_rows).all(|column| {
            self.position[column] != NOT_BASIC
                || self.upper[column] == 0.0
                || self.reduced_cost[column] >= -SLACK_DUAL_TOLERANCE
        })
    }

    /// Whether the reduced costs prove the objective of the present, primal feasible basis.
    fn is_dual_feasible(&self) -> bool {
        let n = self.num_columns;
        let mut gap = 0.0;
        for (column, (&reduced_cost, &upper)) in self.reduced_cost[..n].iter().zip(&self.upper).enumerate() {
            let wrong = if self.at_upper[column] { reduced_cost } else { -reduced_cost };
            if wrong > 0.0 && upper > 0.0 && self.position[column] == NOT_BASIC {
                gap += wrong * upper;
            }
        }
        gap <= DUALITY_GAP_TOLERANCE * (1.0 + self.objective.abs())
    }

    /// Recomputes basic values and objective from the inverse and the bounds.
    fn compute_values(&mut self) {
        let m = self.num_rows;
        self.change.copy_from_slice(&self.rhs);
        let mut objective = 0.0;
        for column in 0..self.num_columns {
            if self.position[column] == NOT_BASIC && self.at_upper[column] {
                let upper = self.upper[column];
                objective += self.cost[column] * upper;
                let start = column * self.stride;
                let end = start + self.entry_counts[column] as usize;
                for (&row, &value) in self.entry_rows[start..end].iter().zip(&self.entry_values[start..end]) {
                    self.change[row as usize] -= value * upper;
                }
            }
        }
        self.row_nonzeros.clear();
        self.row_nonzeros.extend((0..m as u32).filter(|&index| self.change[index as usize] != 0.0));
        for ((value, inverse_row), &column) in
            self.basic_value.iter_mut().zip(self.inverse.chunks_exact(m)).zip(&self.head)
        {
            let mut total = 0.0;
            for &index in &self.row_nonzeros {
                total += inverse_row[index as usize] * self.change[index as usize];
            }
            *value = total;
            if (column as usize) < self.num_columns {
                objective += self.cost[column as usize] * total;
            }
        }
        self.objective = objective;
        self.stale_values = false;
        self.work += (2 * self.num_columns + m * (2 + self.row_nonzeros.len() / 2)) as u64;
    }

    /// Whether the rows hold at the current values.
    fn residual_is_small(&mut self) -> bool {
        self.change.copy_from_slice(&self.rhs);
        for column in 0..self.num_columns + self.num_rows {
            let value = self.value(column);
            if value == 0.0 {
                continue;
            }
            if column >= self.num_columns {
                self.change[column - self.num_columns] -= value;
            } else {
                let start = column * self.stride;
                let end = start + self.entry_counts[column] as usize;
                for (&row, &entry) in self.entry_rows[start..end].iter().zip(&self.entry_values[start..end]) {
                    self.change[row as usize] -= entry * value;
                }
            }
        }
        self.change.iter().zip(&self.rhs).all(|(residual, rhs)| residual.abs() <= 1e-9 * (1.0 + rhs.abs()))
    }

    /// Computes the inverse, the row duals and the reduced costs anew from the basis.
    ///
    /// Starts from the slack basis and brings the structural columns in by Gauss-Jordan steps with the largest
    /// remaining pivot; a column that has become dependent is left out and its row keeps its slack.
    fn refactorize(&mut self) {
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
        self.pivots_since_refactorization = 0;
        self.stale_inverse = false;
        self.recompute_reduced_costs();
        self.stale_values = true;
        self.work += (m * m * (2 + structural.len()) / 4 + 8 * n) as u64;
    }

    fn recompute_reduced_costs(&mut self) {
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
        for column in 0..n {
            self.reduced_cost[column] = match self.position[column] {
                NOT_BASIC => self.cost[column] - self.dual_product(column),
                _ => 0.0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    struct Program {
        inequality: Vec<bool>,
        rhs: Vec<f64>,
        columns: Vec<(f64, f64, Vec<f64>)>,
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![Just(0.0), Just(1.0), Just(-1.0), -5.0..5.0_f64]
    }

    /// Costs as they are, and some that a program pays only where it must.
    fn cost() -> impl Strategy<Value = f64> {
        prop_oneof![4 => number(), 1 => 1e6..1e7_f64]
    }

    fn column(rows: usize) -> impl Strategy<Value = (f64, f64, Vec<f64>)> {
        (cost(), prop_oneof![Just(0.0), Just(1.0), 0.1..4.0_f64], prop::collection::vec(number(), rows))
    }

    fn program() -> impl Strategy<Value = Program> {
        (1..6_usize, 1..10_usize).prop_flat_map(|(rows, columns)| {
            (
                prop::collection::vec(any::<bool>(), rows),
                prop::collection::vec(number(), rows),
                prop::collection::vec(column(rows), columns),
            )
                .prop_map(|(inequality, rhs, columns)| Program { inequality, rhs, columns })
        })
    }

    fn reference(program: &Program) -> Option<f64> {
        let mut model = microlp::Problem::new(microlp::OptimizationDirection::Minimize);
        let variables: Vec<_> =
            program.columns.iter().map(|(cost, upper, _)| model.add_var(*cost, (0.0, *upper))).collect();
        for (row, &inequality) in program.inequality.iter().enumerate() {
            let terms: Vec<_> = variables.iter().zip(&program.columns).map(|(&v, c)| (v, c.2[row])).collect();
            let operator = if inequality { microlp::ComparisonOp::Le } else { microlp::ComparisonOp::Eq };
            model.add_constraint(terms, operator, program.rhs[row]);
        }
        match model.solve() {
            Ok(microlp::SolveOutcome::Solution(solution)) => Some(solution.objective()),
            _ => None,
        }
    }

    fn load(simplex: &mut DualSimplex, column: usize, data: &(f64, f64, Vec<f64>)) {
        let entries: Vec<_> = data.2.iter().copied().enumerate().collect();
        simplex.set_column(column, data.0, data.1, &entries);
    }

    fn build(program: &Program) -> DualSimplex {
        let rows = program.rhs.len();
        let mut simplex = DualSimplex::new(rows, program.columns.len(), rows);
        for row in 0..rows {
            simplex.set_inequality(row, program.inequality[row]);
            simplex.set_rhs(row, program.rhs[row]);
        }
        for (column, data) in program.columns.iter().enumerate() {
            load(&mut simplex, column, data);
        }
        simplex
    }

    fn assert_same(simplex: &mut DualSimplex, program: &Program) -> std::result::Result<(), TestCaseError> {
        let status = simplex.solve(f64::INFINITY, 10_000);
        assert_optimal(simplex, program, status)
    }

    /// Whether `status` and the present basis are right for `program`.
    fn assert_optimal(
        simplex: &DualSimplex,
        program: &Program,
        status: LinearStatus,
    ) -> std::result::Result<(), TestCaseError> {
        match reference(program) {
            Some(optimum) => {
                prop_assert_eq!(status, LinearStatus::Optimal);
                prop_assert!((simplex.objective() - optimum).abs() <= 1e-6 * (1.0 + optimum.abs()));
                for (row, &inequality) in program.inequality.iter().enumerate() {
                    let activity: f64 =
                        program.columns.iter().enumerate().map(|(j, c)| c.2[row] * simplex.value(j)).sum();
                    let slack = program.rhs[row] - activity;
                    prop_assert!(slack >= -1e-6 && (inequality || slack <= 1e-6));
                }
                for (column, data) in program.columns.iter().enumerate() {
                    prop_assert!(simplex.value(column) >= -1e-7 && simplex.value(column) <= data.1 + 1e-7);
                }
                // Strong duality: the duals and reduced costs prove the optimum.
                let bound: f64 = program.rhs.iter().enumerate().map(|(row, b)| simplex.dual(row) * b).sum::<f64>()
                    + (0..program.columns.len())
                        .map(|j| {
                            let product: f64 =
                                (0..program.rhs.len()).map(|row| simplex.dual(row) * program.columns[j].2[row]).sum();
                            (program.columns[j].0 - product).min(0.0) * program.columns[j].1
                        })
                        .sum::<f64>();
                prop_assert!((bound - optimum).abs() <= 1e-6 * (1.0 + optimum.abs()));
            }
            None => prop_assert_eq!(status, LinearStatus::Infeasible),
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn agrees_with_a_general_solver_from_a_cold_and_from_a_warm_start(
            program in program(),
            changes in prop::collection::vec((0..10_usize, 0..10_usize, 0..4_u8, number(), 0.1..4.0_f64), 1..8),
        ) {
            let mut program = program;
            let mut simplex = build(&program);
            assert_same(&mut simplex, &program)?;
            for (row, column, kind, value, upper) in changes {
                let row = row % program.rhs.len();
                let column = column % program.columns.len();
                match kind {
                    0 => {
                        program.rhs[row] = value;
                        simplex.set_rhs(row, value);
                    }
                    1 => {
                        program.columns[column].1 = 0.0;
                        simplex.set_upper(column, 0.0);
                    }
                    2 => {
                        program.columns[column].1 = upper;
                        simplex.set_upper(column, upper);
                    }
                    _ => {
                        if !simplex.is_basic(column) {
                            program.columns[column].0 = value;
                            program.columns[column].1 = upper;
                            program.columns[column].2[row] = value;
                            load(&mut simplex, column, &program.columns[column].clone());
                        }
                    }
                }
                let mut copy = DualSimplex::default();
                copy.clone_from(&simplex);
                let status = copy.solve_after_adding(10_000, &|| false);
                assert_optimal(&copy, &program, status)?;
                assert_same(&mut simplex, &program)?;
            }
        }

        #[test]
        fn a_cutoff_is_never_reached_below_the_optimum(program in program(), share in 0.5..1.5_f64) {
            if let Some(optimum) = reference(&program) {
                let cutoff = optimum * share;
                let mut simplex = build(&program);
                if simplex.solve(cutoff, 10_000) == LinearStatus::Cutoff {
                    prop_assert!(optimum >= cutoff - 1e-6 * (1.0 + cutoff.abs()));
                }
            }
        }
    }
}
