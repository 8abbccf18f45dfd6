//! Figures of a run.

use super::{Engine, Island};
use crate::search::{OperatorStatistics, OPERATORS};

impl Engine<'_> {
    /// Figures of the search: starts, epochs, linear programs, and per operator moves evaluated, applied and USD saved.
    pub(crate) fn statistics(&self) -> Vec<(String, f64)> {
        let mut statistics = Vec::new();
        let mut put = |name: String, value: f64| statistics.push((name, value));
        put("starts".into(), self.islands.len() as f64);
        put("epochs".into(), self.epochs as f64);
        put("kernel".into(), self.islands.first().map_or(0, |island| island.search.kernel().len()) as f64);
        put("work".into(), self.islands.iter().map(Island::work).sum::<u64>() as f64);
        put("routings_solved".into(), self.islands.iter().map(|island| island.search.solves).sum::<u64>() as f64);
        for (index, operator) in OPERATORS.iter().enumerate() {
            let of = |figure: fn(&OperatorStatistics) -> f64| {
                self.islands.iter().map(|island| figure(&island.search.statistics[index])).sum::<f64>()
            };
            put(format!("{}_evaluated", operator.name()), of(|figures| figures.evaluated as f64));
            put(format!("{}_applied", operator.name()), of(|figures| figures.applied as f64));
            put(format!("{}_saved_usd", operator.name()), of(|figures| figures.saved_usd));
        }
        put("starts_s".into(), self.starts_s);
        put("epochs_s".into(), self.epochs_s);
        statistics
    }
}
