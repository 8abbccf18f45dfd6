//! Operators: which changes of replicas a move combines.

use crate::search::Neighbourhood;
use crate::Switches;

/// A kind of move: it lists its moves with their bounds, the search tries those that promise something.
pub(crate) trait Operator: Sync {
    /// Name in statistics.
    fn name(&self) -> &'static str;

    /// Whether the operator is only tried where the simpler ones find nothing.
    fn is_deep(&self) -> bool {
        false
    }

    /// Whether the operator empties deployments into others: GPU consolidation, which can be turned off.
    fn consolidates(&self) -> bool {
        false
    }

    /// Proposes moves to `neighbourhood`, which keeps those with a bound below its target.
    fn propose(&self, neighbourhood: &mut Neighbourhood);
}

/// Every operator.
pub(crate) static OPERATORS: [&dyn Operator; 5] = [&Resize, &Close, &Open, &Exchange, &Merge];

impl Neighbourhood {
    /// Lists the moves of the operators with a bound below `target_usd`, best first.
    pub(crate) fn propose(&mut self, target_usd: f64, deep: bool, most: usize, switches: Switches) {
        self.propose_by(&OPERATORS, target_usd, deep, most, switches);
    }

    /// As [`Neighbourhood::propose`], by these `operators`.
    pub(crate) fn propose_by(
        &mut self,
        operators: &[&dyn Operator],
        target_usd: f64,
        deep: bool,
        most: usize,
        switches: Switches,
    ) {
        self.begin_offers(target_usd, switches.tp_upgrade);
        for (index, operator) in operators.iter().enumerate() {
            if operator.is_deep() == deep && (switches.consolidation || !operator.consolidates()) {
                self.offers_come_from(index);
                operator.propose(self);
            }
        }
        self.end_offers(most);
    }
}

/// Replicas of one deployment more or less.
struct Resize;

/// Closes a deployment, its traffic re-routed.
struct Close;

/// Opens a deployment and draws traffic to it.
struct Open;

/// Takes replicas of one deployment away, all or some, and adds those of another: also a change of TP/PP.
struct Exchange;

/// Closes two deployments and opens or enlarges one.
struct Merge;

impl Operator for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn propose(&self, neighbourhood: &mut Neighbourhood) {
        for change in neighbourhood.shrinks() {
            neighbourhood.offer(&[change]);
        }
        neighbourhood.offer_with_each(&[], neighbourhood.grows());
    }
}

impl Operator for Close {
    fn name(&self) -> &'static str {
        "close"
    }

    fn consolidates(&self) -> bool {
        true
    }

    fn propose(&self, neighbourhood: &mut Neighbourhood) {
        for change in neighbourhood.closes() {
            neighbourhood.offer(&[change]);
        }
    }
}

impl Operator for Open {
    fn name(&self) -> &'static str {
        "open"
    }

    fn propose(&self, neighbourhood: &mut Neighbourhood) {
        neighbourhood.offer_with_each(&[], neighbourhood.opens());
    }
}

impl Operator for Exchange {
    fn name(&self) -> &'static str {
        "exchange"
    }

    fn propose(&self, neighbourhood: &mut Neighbourhood) {
        for less in neighbourhood.closes().chain(neighbourhood.shrinks()) {
            neighbourhood.offer_with_each(&[less], neighbourhood.grows().start..neighbourhood.opens().end);
        }
    }
}

impl Operator for Merge {
    fn name(&self) -> &'static str {
        "merge"
    }

    fn consolidates(&self) -> bool {
        true
    }

    fn is_deep(&self) -> bool {
        true
    }

    fn propose(&self, neighbourhood: &mut Neighbourhood) {
        for first in neighbourhood.closes() {
            for second in neighbourhood.closes().start..first {
                let more = neighbourhood.grows().start..neighbourhood.opens().end;
                neighbourhood.offer_with_each(&[second, first], more);
            }
        }
    }
}
