//! When a call of the planner digs: looks much further than most.

/// What digging takes of the credit, which each call raises by one, the most that is saved up, and the most that is owed.
const COST: f64 = 2.4;
const MOST: f64 = 9.0;
const DEBT: f64 = 9.0;
/// What was found is dear where it costs this much more beside the relaxation, as a share, than what was found before;
/// very dear, so that digging may go into debt, with the second. What is forgotten of before per call.
const DEAR: f64 = 0.01;
const VERY_DEAR: f64 = 0.03;
const FORGOTTEN: f64 = 0.002;
/// The most that a call forgets which dug and found no better, as a share.
const MOST_FORGOTTEN: f64 = 0.05;
/// The relaxation is priced anew at once where what was found costs this much more beside it than before, as a share.
const OFF: f64 = 0.05;
/// The cost beside the relaxation over the calls so far, and the credit for digging.
#[derive(Debug)]
pub(super) struct Pace {
    /// Cost over the value of the relaxation after the last calls.
    excess: f64,
    credit: f64,
}

impl Pace {
    /// With full credit.
    pub(super) fn new() -> Self {
        Self { excess: f64::INFINITY, credit: MOST }
    }

    /// Whether a call digs whose first descents ended at `excess`, the cost over the value of the relaxation. It does where
    /// it `must`, where that is dear and there is credit, and where the credit is full. What leaves queries unserved,
    /// `is_short`, is dear: what it cost before may have left as many.
    pub(super) fn digs(&mut self, excess: f64, is_short: bool, must: bool) -> bool {
        self.credit = (self.credit + 1.0).min(MOST);
        let is_above = |share: f64| excess > self.excess * (1.0 + share);
        let is_dear = (is_short || is_above(DEAR)) && self.credit >= COST;
        let is_very_dear = is_above(VERY_DEAR) && self.credit >= -DEBT;
        let digs = must || is_dear || is_very_dear || self.credit >= MOST;
        if digs {
            self.credit = (self.credit - COST).max(-DEBT - COST);
        }
        digs
    }

    /// Whether the relaxation promises so much more than was found that what the search moves within must be at fault, and a call
    /// may dig for that.
    pub(super) fn is_off(&self, excess: f64) -> bool {
        self.has_credit() && excess > self.excess * (1.0 + OFF)
    }

    /// Whether a call may dig without going into debt.
    pub(super) fn has_credit(&self) -> bool {
        self.credit >= 0.0
    }

    /// Whether `excess` is at most the `share` above what was found before.
    pub(super) fn is_good(&self, excess: f64, share: f64) -> bool {
        excess <= self.excess * (1.0 + share)
    }

    /// Takes costs beside the relaxation for higher by `factor` from now on, since that has another value.
    pub(super) fn rescale(&mut self, factor: f64) {
        if factor.is_finite() && factor > 0.0 {
            self.excess *= factor;
        }
    }

    /// Takes note of the `excess` that a call ended at.
    pub(super) fn note(&mut self, excess: f64, digs: bool) {
        let least = FORGOTTEN * self.excess;
        let forgotten = match digs {
            true => (0.5 * (excess - self.excess)).min(MOST_FORGOTTEN * self.excess).max(least),
            false => least,
        };
        if excess.is_finite() {
            self.excess = excess.min(self.excess + forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_dear_is_dug_for_at_once_and_then_in_less_than_half_of_the_calls() {
        let mut pace = Pace::new();
        pace.note(1.0, false);
        let digs: Vec<bool> = (0..1000)
            .map(|call| {
                let digs = pace.digs(1.1 * 1.1_f64.powi(call % 2), false, false);
                // Nothing better is found, and what was found before is not forgotten.
                pace.excess = 1.0;
                digs
            })
            .collect();
        assert!(digs[..5].iter().all(|&digs| digs), "{:?}", &digs[..5]);
        let late = digs[100..].iter().filter(|&&digs| digs).count();
        assert!((300..450).contains(&late), "{late}");
    }

    #[test]
    fn where_nothing_is_dear_some_calls_dig_all_the_same() {
        let mut pace = Pace::new();
        pace.note(1.0, false);
        let digs = (0..1000).filter(|_| pace.digs(1.0, false, false)).count();
        assert!((300..450).contains(&digs), "{digs}");
    }

    #[test]
    fn new_prices_are_asked_for_within_a_call_only_with_credit() {
        let mut pace = Pace::new();
        pace.note(1.0, false);
        assert!(pace.is_off(1.2) && pace.is_good(1.009, 0.01) && !pace.is_good(1.011, 0.01));
        // Every call has to dig, until there is only debt.
        (0..20).for_each(|_| assert!(pace.digs(1.2, false, true)));
        assert!(!pace.is_off(1.2) && !pace.has_credit());
        pace.rescale(1.2);
        assert!(pace.is_good(1.2, 0.0));
    }

    #[test]
    fn what_was_found_before_is_forgotten_little_by_little() {
        let mut pace = Pace::new();
        pace.note(1.0, false);
        // What one call did not find is no measure of the next.
        pace.note(3.0, true);
        assert!(pace.is_good(1.04, 0.0) && !pace.is_good(1.06, 0.0));
        pace.note(f64::INFINITY, true);
        assert!(!pace.is_good(1.06, 0.0));
        (0..100).for_each(|_| pace.note(3.0, true));
        assert!(pace.is_good(2.9, 0.0));
        pace.note(0.9, false);
        assert!(pace.is_good(0.9, 0.0) && !pace.is_good(0.91, 0.0));
    }
}
