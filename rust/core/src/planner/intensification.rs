//! When a call of the planner intensifies its search: looks much further than a quick pass.

use crate::tuning::IntensificationTuning;

/// The gap to the relaxation over the calls so far, as a factor, and the credit for intensifying.
#[derive(Debug)]
pub(super) struct IntensificationPolicy {
    tuning: IntensificationTuning,
    /// Cost over the value of the relaxation after the last calls.
    gap: f64,
    credit: f64,
}

impl IntensificationPolicy {
    /// With full credit.
    pub(super) fn new(tuning: IntensificationTuning) -> Self {
        Self { tuning, gap: f64::INFINITY, credit: tuning.most_credit }
    }

    /// Whether a call intensifies whose first descents ended at `gap`, the cost over the value of the relaxation: where it
    /// `must`, where the gap is wider than before and there is credit, and where the credit is full. What leaves queries unserved,
    /// `is_short`, counts as wider: what it cost before may have left as many.
    pub(super) fn intensifies(&mut self, gap: f64, is_short: bool, must: bool) -> bool {
        self.credit = (self.credit + 1.0).min(self.tuning.most_credit);
        let is_above = |share: f64| gap > self.gap * (1.0 + share);
        let is_wider = (is_short || is_above(self.tuning.wider)) && self.credit >= self.tuning.cost;
        let is_much_wider = is_above(self.tuning.much_wider) && self.credit >= -self.tuning.most_debt;
        let intensifies = must || is_wider || is_much_wider || self.credit >= self.tuning.most_credit;
        if intensifies {
            self.credit = (self.credit - self.tuning.cost).max(-self.tuning.most_debt - self.tuning.cost);
        }
        intensifies
    }

    /// Whether the relaxation promises so much more than was found that what the search moves within must be at fault, and a call
    /// may intensify for that.
    pub(super) fn is_off(&self, gap: f64) -> bool {
        self.has_credit() && gap > self.gap * (1.0 + self.tuning.off)
    }

    /// Whether a call may intensify without going into debt.
    pub(super) fn has_credit(&self) -> bool {
        self.credit >= 0.0
    }

    /// Whether `gap` is at most the `share` above what was found before.
    pub(super) fn is_good(&self, gap: f64, share: f64) -> bool {
        gap <= self.gap * (1.0 + share)
    }

    /// Takes costs beside the relaxation for higher by `factor` from now on, since that has another value.
    pub(super) fn rescale(&mut self, factor: f64) {
        if factor.is_finite() && factor > 0.0 {
            self.gap *= factor;
        }
    }

    /// Takes note of the `gap` that a call ended at.
    pub(super) fn note(&mut self, gap: f64, intensified: bool) {
        let least = self.tuning.forgotten * self.gap;
        let forgotten = match intensified {
            true => (0.5 * (gap - self.gap)).min(self.tuning.most_forgotten * self.gap).max(least),
            false => least,
        };
        if gap.is_finite() {
            self.gap = gap.min(self.gap + forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_dear_is_searched_for_at_once_and_then_in_less_than_half_of_the_calls() {
        let mut policy = IntensificationPolicy::new(IntensificationTuning::default());
        policy.note(1.0, false);
        let intensive: Vec<bool> = (0..1000)
            .map(|call| {
                let is_intensive = policy.intensifies(1.1 * 1.1_f64.powi(call % 2), false, false);
                // Nothing better is found, and what was found before is not forgotten.
                policy.gap = 1.0;
                is_intensive
            })
            .collect();
        assert!(intensive[..5].iter().all(|&one| one), "{:?}", &intensive[..5]);
        let late = intensive[100..].iter().filter(|&&one| one).count();
        assert!((300..450).contains(&late), "{late}");
    }

    #[test]
    fn where_nothing_is_dear_some_calls_intensify_all_the_same() {
        let mut policy = IntensificationPolicy::new(IntensificationTuning::default());
        policy.note(1.0, false);
        let intensive = (0..1000).filter(|_| policy.intensifies(1.0, false, false)).count();
        assert!((300..450).contains(&intensive), "{intensive}");
    }

    #[test]
    fn new_prices_are_asked_for_within_a_call_only_with_credit() {
        let mut policy = IntensificationPolicy::new(IntensificationTuning::default());
        policy.note(1.0, false);
        assert!(policy.is_off(1.2) && policy.is_good(1.009, 0.01) && !policy.is_good(1.011, 0.01));
        // Every call has to intensify, until there is only debt.
        (0..20).for_each(|_| assert!(policy.intensifies(1.2, false, true)));
        assert!(!policy.is_off(1.2) && !policy.has_credit());
        policy.rescale(1.2);
        assert!(policy.is_good(1.2, 0.0));
    }

    #[test]
    fn what_was_found_before_is_forgotten_little_by_little() {
        let mut policy = IntensificationPolicy::new(IntensificationTuning::default());
        policy.note(1.0, false);
        // What one call did not find is no measure of the next.
        policy.note(3.0, true);
        assert!(policy.is_good(1.04, 0.0) && !policy.is_good(1.06, 0.0));
        policy.note(f64::INFINITY, true);
        assert!(!policy.is_good(1.06, 0.0));
        (0..100).for_each(|_| policy.note(3.0, true));
        assert!(policy.is_good(2.9, 0.0));
        policy.note(0.9, false);
        assert!(policy.is_good(0.9, 0.0) && !policy.is_good(0.91, 0.0));
    }
}
