//! Values and reduced costs made right: where a solve begins, and where it claims to end.

use super::step::list_nonzeros;
use super::{DualSimplex, DUAL_TOLERANCE, NOT_BASIC};

/// A non-basic slack with a reduced cost below minus this makes the basis useless.
const SLACK_DUAL_TOLERANCE: f64 = 1e-6;
/// Distance between the dual bound and the objective, relative to that, which is rounding.
const DUALITY_GAP_TOLERANCE: f64 = 1e-9;

impl DualSimplex {
    /// Makes the basis dual feasible and computes its values.
    pub(super) fn restart(&mut self) {
        if !self.restore_dual_feasibility() {
            self.reset_basis();
            self.restore_dual_feasibility();
        }
        self.compute_values();
    }

    /// Puts every non-basic column at the bound that its reduced cost asks for.
    ///
    /// False where a slack, which has no other bound, asks for one.
    pub(super) fn restore_dual_feasibility(&mut self) -> bool {
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
    pub(super) fn is_dual_feasible(&self) -> bool {
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
    pub(super) fn compute_values(&mut self) {
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
        list_nonzeros(&self.change, &mut self.change_nonzeros);
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
    pub(super) fn residual_is_small(&mut self) -> bool {
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
