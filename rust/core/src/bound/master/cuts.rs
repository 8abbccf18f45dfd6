//! The rows of cuts.

use super::super::cut::Cut;
use super::super::relaxation::{Pattern, Relaxation};
use super::super::rounding::Used;
use super::super::separation::violated;
use super::Master;

/// A cut with a lower price, in terms of the objective's scale, gives up its row to one that is violated.
const IDLE_PRICE: f64 = 1e-12;

impl Master {
    /// Gives rows to cuts, where none is free those of cuts that do not bind; false where there are none of these either.
    pub(crate) fn add_cuts(&mut self, relaxation: &Relaxation<'_>, cuts: &[Cut]) -> bool {
        let mut added = false;
        for cut in cuts {
            if self.cuts.contains(cut) {
                continue;
            }
            if self.cuts.len() < self.num_cut_rows {
                self.simplex.set_rhs(self.first_cut_row + self.cuts.len(), cut.most().signum());
                self.cuts.push(cut.clone());
            } else {
                let is_idle = |index: &usize| self.simplex.dual(self.first_cut_row + index) > -IDLE_PRICE;
                let Some(index) = (0..self.num_cut_rows).find(is_idle) else { break };
                self.simplex.set_rhs(self.first_cut_row + index, cut.most().signum());
                self.cuts[index] = cut.clone();
            }
            added = true;
        }
        if added {
            self.replace_columns(relaxation, |_| true);
            for i in 0..relaxation.problem.num_query_types() {
                let cost = self.entries_of_unserved(relaxation, i);
                self.simplex.replace_column(i, cost, self.simplex.upper(i), &self.entries);
            }
        }
        added
    }

    /// The cuts that the present mixture violates.
    pub(crate) fn violated(&self, relaxation: &Relaxation<'_>) -> Vec<Cut> {
        let used = |(pattern, weight): (&Pattern, f64)| Used {
            configuration: pattern.configuration as usize,
            replicas: weight * f64::from(pattern.replicas),
            deployments: weight,
        };
        let mixture: Vec<_> = self.mixture().map(used).collect();
        violated(relaxation, &mixture, |i| self.simplex.value(i))
    }

    /// Cuts that can have a row.
    pub(crate) fn num_cut_rows(&self) -> usize {
        self.num_cut_rows
    }

    /// The cuts that have a row.
    pub(crate) fn cuts(&self) -> &[Cut] {
        &self.cuts
    }
}
