//! Primal simplex steps, for a program to which columns were added.
//!
//! New columns leave the basis primal feasible. Brought in one after the other they cost a pivot each, where the dual
//! simplex would first have to move all that pay to their upper bounds and then most of them back.
//!
//! Source: Maros, "Computational Techniques of the Simplex Method", 2003 (chapter 9); Harris, "Pivot selection methods of
//! the Devex LP code", 1973, for the reference weights and the two passes of the ratio test.

use super::{
    DualSimplex, LinearStatus, DUAL_TOLERANCE, NOT_BASIC, PIVOTS_PER_QUESTION, PIVOTS_PER_REFACTORIZATION,
    PIVOT_TOLERANCE,
};

/// How far a value may be outside its bounds and still count as within.
const BOUND_TOLERANCE: f64 = 1e-9;
/// Pivots per row after which the dual simplex takes over: the primal one can stall where many values are at a bound.
const PIVOTS_PER_ROW: u64 = 3;

/// What ends the move of an entering column.
enum Limit {
    /// A basic column reaches a bound: its row, and whether the bound is the upper one.
    Row(usize, bool),
    /// The column reaches its own other bound.
    OwnBound,
}

impl DualSimplex {
    /// As [`DualSimplex::solve_unless`] without a cutoff, by primal steps where the present basis is primal feasible.
    pub(crate) fn solve_after_adding(&mut self, max_pivots: u64, should_stop: &dyn Fn() -> bool) -> LinearStatus {
        self.renew();
        if self.stale_values {
            self.compute_values();
        }
        let most = max_pivots.min(PIVOTS_PER_ROW * self.num_rows as u64 + 50);
        // Where no column pays any more, what is left to do is to verify.
        if !self.is_within_bounds() || !self.enter_columns(most, should_stop) {
            self.stale_values = true;
        }
        self.solve_unless(f64::INFINITY, max_pivots, should_stop)
    }

    fn is_within_bounds(&self) -> bool {
        self.basic_value.iter().zip(&self.head).all(|(&value, &column)| {
            value >= -BOUND_TOLERANCE && value <= self.upper[column as usize] + BOUND_TOLERANCE
        })
    }

    /// Primal steps until no column pays; false where that takes too many or a pivot is numerically unsafe.
    fn enter_columns(&mut self, max_pivots: u64, should_stop: &dyn Fn() -> bool) -> bool {
        self.devex_weight.fill(1.0);
        for pivot in 0..max_pivots {
            if pivot % PIVOTS_PER_QUESTION == PIVOTS_PER_QUESTION - 1 && should_stop() {
                return false;
            }
            let Some(entering) = self.choose_paying() else { return true };
            self.compute_column(entering);
            match self.choose_limit(entering) {
                Some(Limit::OwnBound) => self.flip_alone(entering),
                Some(Limit::Row(leaving, to_upper)) => {
                    self.compute_row(leaving);
                    self.compute_products();
                    self.update_devex_weights(leaving, entering);
                    if !self.pivot(leaving, entering, if to_upper { 1.0 } else { -1.0 }) {
                        return false;
                    }
                }
                None => return false,
            }
            if self.pivots_since_refactorization >= PIVOTS_PER_REFACTORIZATION {
                self.refactorize();
                self.compute_values();
                if !self.is_within_bounds() {
                    return false;
                }
            }
        }
        false
    }

    /// The non-basic column that pays most per unit of its reference weight.
    fn choose_paying(&self) -> Option<usize> {
        let mut best = None;
        let mut largest = 0.0;
        let columns = self.reduced_cost.iter().zip(&self.at_upper).zip(&self.devex_weight);
        for (column, ((&reduced_cost, &at_upper), &weight)) in columns.enumerate() {
            let gain = if at_upper { reduced_cost } else { -reduced_cost };
            if gain > DUAL_TOLERANCE
                && gain * gain > largest * weight
                && self.upper[column] != 0.0
                && self.position[column] == NOT_BASIC
            {
                largest = gain * gain / weight;
                best = Some(column);
            }
        }
        best
    }

    /// Brings the reference weights up to date before the pivot in row `leaving` of `entering`.
    fn update_devex_weights(&mut self, leaving: usize, entering: usize) {
        let pivot = self.alpha[entering];
        let own = self.devex_weight[entering] / (pivot * pivot);
        for &column in &self.touched {
            let alpha = self.alpha[column as usize];
            let weight = &mut self.devex_weight[column as usize];
            *weight = weight.max(alpha * alpha * own);
        }
        for &row in &self.row_nonzeros {
            let alpha = self.row[row as usize];
            let weight = &mut self.devex_weight[self.num_columns + row as usize];
            *weight = weight.max(alpha * alpha * own);
        }
        self.devex_weight[self.head[leaving] as usize] = own.max(1.0);
    }

    /// What the entering column, whose column of the inverse is in `column`, meets first.
    fn choose_limit(&mut self, entering: usize) -> Option<Limit> {
        let direction = if self.at_upper[entering] { -1.0 } else { 1.0 };
        self.candidates.clear();
        let mut longest = f64::INFINITY;
        let values = self.basic_value.iter().zip(&self.head);
        for (row, (&entry, (&value, &column))) in self.column.iter().zip(values).enumerate() {
            // What the value falls by per unit, and how far it may still go.
            let fall = direction * entry;
            if fall.abs() <= PIVOT_TOLERANCE {
                continue;
            }
            let room = if fall > 0.0 { value } else { self.upper[column as usize] - value };
            if room < f64::INFINITY {
                longest = longest.min((room + BOUND_TOLERANCE).max(0.0) / fall.abs());
                self.candidates.push((room.max(0.0), fall.abs(), row as u32));
            }
        }
        if self.upper[entering] <= longest && self.upper[entering].is_finite() {
            return Some(Limit::OwnBound);
        }
        let within = self.candidates.iter().filter(|&&(room, size, _)| room <= longest * size);
        let row = within.max_by(|left, right| left.1.total_cmp(&right.1))?.2 as usize;
        Some(Limit::Row(row, direction * self.column[row] < 0.0))
    }

    /// Moves a non-basic column, whose column of the inverse is in `column`, to its other bound.
    fn flip_alone(&mut self, column: usize) {
        let step = if self.at_upper[column] { -self.upper[column] } else { self.upper[column] };
        self.at_upper[column] = !self.at_upper[column];
        self.objective += self.reduced_cost[column] * step;
        for (value, &change) in self.basic_value.iter_mut().zip(&self.column) {
            *value -= step * change;
        }
    }
}
