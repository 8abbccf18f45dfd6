//! Columns that meet a row at a cost which rises level by level.

use super::Master;

const LEVELS: usize = 9;
const LEVEL_FACTOR: f64 = 6.0;

/// A column that meets a row at a cost: its row, the most of it, and its cost at the first level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Artificial {
    pub(super) row: usize,
    pub(super) upper: f64,
    pub(super) cost: f64,
}

impl Master {
    /// Whether artificial columns are in use.
    pub(crate) fn uses_artificials(&self) -> bool {
        (0..self.artificials.len()).any(|index| self.simplex.value(self.first_artificial + index) > 1e-9)
    }

    /// Goes on to a more expensive level of artificial columns; false where this was the last.
    pub(crate) fn raise_artificials(&mut self) -> bool {
        if self.level + 1 == LEVELS {
            return false;
        }
        self.set_level(self.level + 1);
        true
    }

    /// Sets the level of cost of the artificial columns.
    pub(crate) fn set_level(&mut self, level: usize) {
        if level == self.level {
            return;
        }
        // Without an objective there is nothing to weigh them against.
        let factor = if self.constant_cost { 1.0 } else { LEVEL_FACTOR.powi(level as i32) };
        for (index, artificial) in self.artificials.iter().enumerate() {
            let entries = [(artificial.row, -1.0)];
            let column = self.first_artificial + index;
            self.simplex.replace_column(column, factor * artificial.cost, artificial.upper, &entries);
        }
        self.level = level;
    }

    /// The level of artificial columns in use.
    pub(crate) fn level(&self) -> usize {
        self.level
    }
}
