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

mod equilibrate;
mod factor;
mod primal;
mod program;
mod step;
#[cfg(test)]
mod tests;
mod values;

/// How a solve of a [`DualSimplex`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinearStatus {
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
const PIVOT_TOLERANCE: f64 = 1e-9;
const DUAL_TOLERANCE: f64 = 1e-9;
const PIVOTS_PER_REFACTORIZATION: u32 = 120;
/// Ties between ratios are broken by the size of the pivot, which costs a little dual feasibility: much, in terms of the
/// objective, where some costs are millions of times larger than others. So often at most it is restored in one solve.
const MAX_CORRECTIONS: u32 = 4;
/// Columns are filled up with zeros to a multiple of this, but those of five and six entries, of
/// which there are most.
const PADDING: usize = 4;
/// Pivots between two questions whether to stop.
const PIVOTS_PER_QUESTION: u64 = 16;

/// A linear program with its current basis; `clone_from` copies into existing memory.
///
/// Columns `0..num_columns` are structural, column `num_columns + i` is the slack of row `i`.
#[derive(Debug, Default)]
pub(crate) struct DualSimplex {
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
    /// Reduced costs are to be recomputed.
    stale_costs: bool,
    /// About how many elementary steps all solves since the creation took.
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
        self.stale_costs = source.stale_costs;
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
    pub(crate) fn new(num_rows: usize, num_columns: usize, max_entries: usize) -> Self {
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
            stale_costs: false,
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
    pub(crate) fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// Number of structural columns.
    pub(crate) fn num_columns(&self) -> usize {
        self.num_columns
    }

    /// About how many elementary steps the solves since the creation took: a measure of time that does not depend on the
    /// machine.
    pub(crate) fn work(&self) -> u64 {
        self.work
    }

    /// Counts work on from those of a program that this one replaces.
    pub(crate) fn count_on_from(&mut self, other: &Self) {
        self.work += other.work;
    }

    /// Objective value of the current basis; after [`LinearStatus::Optimal`] the optimum.
    pub(crate) fn objective(&self) -> f64 {
        self.objective
    }

    /// Value of a structural column or slack at the current basis.
    pub(crate) fn value(&self, column: usize) -> f64 {
        match self.position[column] {
            NOT_BASIC if self.at_upper[column] => self.upper[column],
            NOT_BASIC => 0.0,
            position => self.basic_value[position as usize],
        }
    }

    /// Dual price of a row: the rate at which the optimum changes with its right-hand side (at most 0 for `≤` rows).
    pub(crate) fn dual(&self, row: usize) -> f64 {
        -self.reduced_cost[self.num_columns + row]
    }

    /// Reduced cost of a structural column.
    pub(crate) fn reduced_cost(&self, column: usize) -> f64 {
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
    pub(crate) fn solve(&mut self, cutoff: f64, max_pivots: u64) -> LinearStatus {
        self.solve_unless(cutoff, max_pivots, &|| false)
    }

    /// As [`DualSimplex::solve`]; ends with [`LinearStatus::PivotLimit`] as well where `should_stop`, which is asked every
    /// few pivots, says so.
    pub(crate) fn solve_unless(
        &mut self,
        cutoff: f64,
        max_pivots: u64,
        should_stop: &dyn Fn() -> bool,
    ) -> LinearStatus {
        self.renew();
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
                    return self.optimal_if_finite();
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
                        if self.pivots_since_refactorization == 0 {
                            // Refactorised, it would be the same.
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

    /// What overflowed violates no bound, but is not a solution.
    fn optimal_if_finite(&self) -> LinearStatus {
        let is_finite = self.objective.is_finite() && self.basic_value.iter().all(|value| value.is_finite());
        if is_finite {
            LinearStatus::Optimal
        } else {
            LinearStatus::PivotLimit
        }
    }
}
