//! Operators: which changes of replicas a move combines.

use crate::search::{Neighbourhood, SearchState};

/// A change of one configuration's replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// Configuration.
    pub(crate) configuration: u32,
    /// Replicas before.
    pub(crate) from: u32,
    /// Replicas after.
    pub(crate) to: u32,
}

/// Up to three changes made together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Move {
    /// Positions in the elementary changes of the neighbourhood; the first `len` count.
    pub(crate) changes: [u16; 3],
    /// Number of changes.
    pub(crate) len: u8,
    /// Index in [`OPERATORS`].
    pub(crate) operator: u8,
    /// Lower bound on the total cost after the move, USD.
    pub(crate) bound_usd: f64,
}

impl SearchState<'_> {
    /// Makes changes, those that free capacity first. Solve afterwards.
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        changes.iter().filter(|change| change.to < change.from).for_each(|change| self.change(change, change.to));
        changes.iter().filter(|change| change.to > change.from).for_each(|change| self.change(change, change.to));
    }

    /// Takes changes back.
    #[cfg(test)]
    pub(crate) fn undo(&mut self, changes: &[Change]) {
        changes.iter().filter(|change| change.to > change.from).for_each(|change| self.change(change, change.from));
        changes.iter().filter(|change| change.to < change.from).for_each(|change| self.change(change, change.from));
    }

    fn change(&mut self, change: &Change, replicas: u32) {
        self.set_replicas(change.configuration as usize, replicas);
    }
}

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
