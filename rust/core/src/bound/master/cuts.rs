//! The rows of rounding cuts.

use super::super::relaxation::{Pattern, Relaxation};
use super::super::rounding::{violated, RoundingCut, Used};
use super::Master;

/// A cut with a lower price, in terms of the objective's scale, gives up its row to one that is violated.
const IDLE_PRICE: f64 = 1e-12;

impl Master {
    /// Gives rows to cuts, where none is free those of cuts that do not bind; false where there are none of these either.
    pub(crate) fn add_cuts(&mut self, relaxation: &Relaxation<'_>, cuts: &[RoundingCut]) -> bool {
        let mut added = false;
        for &cut in cuts {
            if self.cuts.contains(&cut) {
                continue;
            }
            if self.cuts.len() < self.num_cut_rows {
                self.simplex.set_rhs(self.first_cut_row + self.cuts.len(), 1.0);
                self.cuts.push(cut);
            } else {
                let is_idle = |index: &usize| self.simplex.dual(self.first_cut_row + index) > -IDLE_PRICE;
                let Some(index) = (0..self.num_cut_rows).find(is_idle) else { break };
                self.cuts[index] = cut;
            }
            added = true;
        }
        if added {
            self.replace_columns(relaxation, |_| true);
        }
        added
    }

    /// Gives rows to cuts that the present mixture violates; false where there are none.
    pub(crate) fn separate(&mut self, relaxation: &Relaxation<'_>) -> bool {
        let used = |(pattern, weight): (&Pattern, f64)| Used {
            configuration: pattern.configuration as usize,
            replicas: weight * f64::from(pattern.replicas),
            deployments: weight,
        };
        let mixture: Vec<_> = self.mixture().map(used).collect();
        self.num_cut_rows > 0 && self.add_cuts(relaxation, &violated(relaxation.problem, &mixture))
    }

    /// The cuts that have a row.
    pub(crate) fn cuts(&self) -> &[RoundingCut] {
        &self.cuts
    }
}
