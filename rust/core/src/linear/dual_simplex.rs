//! A bounded-variable dual simplex for small linear programs that are solved thousands of times with slight changes.
//!
//! The program is `min c·x, A·x + s = b, 0 ≤ x ≤ u` with one slack per row, `0 ≤ s` for `≤` rows and `s = 0` for
//! equations. Every structural column has a finite upper bound, so that any basis is made dual feasible by moving
//! non-basic columns to their other bound; adding, changing and fixing non-basic columns and changing `b` therefore
//! all keep the warm start. The basis inverse is dense and updated in product form over its nonzeros: the programs
//! have tens to a few hundred rows and columns of a handful of entries.
//!
//! Sources: Koberstein, "The Dual Simplex Method, Techniques for a fast and stable implementation", 2005 (bound
//! flipping ratio test, section 3.3); Forrest and Goldfarb, "Steepest-edge simplex algorithms for linear programming",
//! 1992; Maros, "Computational Techniques of the Simplex Method", 2003.

mod factor;
mod primal;
#[cfg(test)]
mod tests;

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
/// Columns are filled up with zeros to a multiple of this, but those of five and six entries, of
/// which there are most.
const PADDING: usize = 4;
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
    /// Squared length of every row of the inverse.
    row_weight: Vec<f64>,
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
    change_nonzeros: Vec<u32>,
    column: Vec<f64>,
    alpha: Vec<f64>,
    change: Vec<f64>,
    candidates: Vec<(f64, f64, u32)>,
    /// Structural columns with a product other than 0 in `alpha`.
    touched: Vec<u32>,
    /// Reference weights of the columns in primal steps.
    devex_weight: Vec<f64>,
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
        self.row_weight.clone_from(&source.row_weight);
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
        self.devex_weight.resize(source.devex_weight.len(), 1.0);
    }
}

impl DualSimplex {
    /// A program of `num_rows` equations with right-hand side 0 and `num_columns` empty columns fixed at 0, each of
    /// at most `max_entries` nonzeros, at the slack basis.
    pub fn new(num_rows: usize, num_columns: usize, max_entries: usize) -> Self {
        let total = num_columns + num_rows;
        let stride = match max_entries {
            5 | 6 => max_entries,
            _ => max_entries.max(1).next_multiple_of(PADDING),
        };
        let mut position = vec![NOT_BASIC; total];
        let mut inverse = vec![0.0; num_rows * num_rows];
        for row in 0..num_rows {
            position[num_columns + row] = row as u32;
            inverse[row * num_rows + row] = 1.0;
        }
        Self {
            num_rows,
            num_columns,
            stride,
            entry_rows: vec![0; num_columns * stride],
            entry_values: vec![0.0; num_columns * stride],
            entry_counts: vec![0; num_columns],
            cost: vec![0.0; num_columns],
            upper: vec![0.0; total],
            rhs: vec![0.0; num_rows],
            head: (num_columns as u32..total as u32).collect(),
            position,
            at_upper: vec![false; total],
            inverse,
            row_weight: vec![1.0; num_rows],
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
            change_nonzeros: Vec::with_capacity(num_rows),
            column: vec![0.0; num_rows],
            alpha: vec![0.0; total],
            change: vec![0.0; num_rows],
            candidates: Vec::with_capacity(total),
            touched: Vec::with_capacity(num_columns),
            devex_weight: vec![1.0; total],
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
        self.put_entries(column, entries);
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
        self.put_entries(column, entries);
        self.cost[column] = cost;
        self.upper[column] = upper;
        self.stale_inverse = true;
    }

    /// Writes the nonzero entries of a column, and zeros behind them.
    fn put_entries(&mut self, column: usize, entries: &[(usize, f64)]) {
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
    pub fn begin_with(&mut self, basic: &[usize]) {
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

    /// Row of the basis with the largest bound violation in terms of the length of its row of the inverse (dual steepest
    /// edge), and that violation (negative: below 0).
    fn choose_leaving(&self, pivot: u64) -> Option<(usize, f64)> {
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
        self.change_nonzeros.clear();
        self.change_nonzeros.extend((0..m as u32).filter(|&index| self.change[index as usize] != 0.0));
        for (value, inverse_row) in self.basic_value.iter_mut().zip(self.inverse.chunks_exact(m)) {
            let mut total = 0.0;
            for &index in &self.change_nonzeros {
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
        // Loops of a fixed length are much faster; the zeros behind a column's entries do no harm.
        let scanned = match self.stride {
            5 => self.list_products(|row, at, values, _| fixed_product::<5>(row, at, values)),
            6 => self.list_products(|row, at, values, _| fixed_product::<6>(row, at, values)),
            _ => self.list_products(|row, at, values, count| {
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
    fn list_products(&mut self, product: impl Fn(&[f64], &[u32], &[f64], usize) -> f64) -> usize {
        let n = self.num_columns;
        let mut scanned = 0;
        let mut listed = 0;
        self.touched.resize(n, 0);
        let row = &self.row[..];
        let entries = self.entry_rows.chunks_exact(self.stride).zip(self.entry_values.chunks_exact(self.stride));
        let states = self.upper[..n].iter().zip(&self.position[..n]).zip(&self.entry_counts);
        let alphas = self.alpha[..n].iter_mut();
        for (column, (((rows, values), ((&upper, &position), &count)), alpha)) in
            entries.zip(states).zip(alphas).enumerate()
        {
            if upper == 0.0 || position != NOT_BASIC {
                continue;
            }
            scanned += count as usize;
            *alpha = product(row, rows, values, count as usize);
            // Without a branch, which would be guessed wrong too often.
            self.touched[listed] = column as u32;
            listed += usize::from(*alpha != 0.0);
        }
        self.touched.truncate(listed);
        scanned
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
        self.change_nonzeros.clear();
        self.change_nonzeros.extend((0..m as u32).filter(|&index| self.change[index as usize] != 0.0));
        for ((value, inverse_row), &column) in
            self.basic_value.iter_mut().zip(self.inverse.chunks_exact(m)).zip(&self.head)
        {
            let mut total = 0.0;
            for &index in &self.change_nonzeros {
                total += inverse_row[index as usize] * self.change[index as usize];
            }
            *value = total;
            if (column as usize) < self.num_columns {
                objective += self.cost[column as usize] * total;
            }
        }
        self.objective = objective;
        self.stale_values = false;
        self.work += (2 * self.num_columns + m * (2 + self.change_nonzeros.len() / 2)) as u64;
    }

    /// Whether the rows hold at the current values.
    fn residual_is_small(&mut self) -> bool {
        // What proves an optimum and what the callers copy for every solve grow alike.
        self.work += (2 * self.num_columns + self.num_rows) as u64;
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
}

/// Product of a row with the first `COUNT` entries of a column, as few as there are of them included.
fn fixed_product<const COUNT: usize>(row: &[f64], at: &[u32], values: &[f64]) -> f64 {
    at.iter().zip(values).take(COUNT).map(|(&at, &value)| row[at as usize] * value).sum()
}
