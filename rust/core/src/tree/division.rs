//! Which decision divides a node, found by trials and by experience.

use std::sync::Arc;

use super::branching::Candidate;
use super::node::{Narrowing, Node, Path};
use super::Tree;
use crate::bound::{Decision, Domain, Ending, Master, Pattern, Prices};
use crate::Stop;

/// A side of a decision: its bound and the prices that prove it, what its bound will likely be once solved, and the cost
/// that it moves, USD.
struct Side {
    decision: Decision,
    bound: f64,
    forecast: f64,
    prices: Arc<Prices>,
    moved_usd: f64,
    /// The master program as a trial left it.
    master: Option<Master>,
}

/// What trials of the sides of a node start from: its bound and domain, and the prices and master program that it was
/// solved with.
struct Parent<'a> {
    bound: f64,
    domain: &'a Domain,
    prices: &'a Arc<Prices>,
    solved: &'a Master,
}

impl Tree<'_, '_> {
    /// Branches on the candidate that raises both sides' bounds the most, by forecast where there is experience with it and
    /// else by trial.
    pub(super) fn divide(
        &mut self,
        node: &Node,
        bound: f64,
        domain: &Domain,
        prices: &Arc<Prices>,
        options: &[Candidate],
        stop: &Stop,
    ) -> bool {
        let room = self.cutoff() - bound;
        let mut ranked: Vec<(f64, bool, &Candidate)> = options
            .iter()
            .map(|candidate| {
                let (down, down_known) = self.pseudo_costs.forecast(candidate.down, candidate.down_usd);
                let (up, up_known) = self.pseudo_costs.forecast(candidate.up, candidate.up_usd);
                (score([down, up], bound, room), down_known && up_known, candidate)
            })
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut best: Option<(f64, [Side; 2])> = None;
        let mut best_patterns: Vec<Pattern> = Vec::new();
        // Every trial starts from the master program as the node left it: from there a few pivots do, where those to undo
        // another trial take longer than the trial.
        let mut solved: Option<Master> = None;
        let mut tried = 0;
        for &(forecast, is_known, candidate) in &ranked {
            let mut patterns = Vec::new();
            let (value, sides) = if is_known {
                let side = |decision, moved_usd| Side {
                    decision,
                    bound,
                    forecast: bound,
                    prices: Arc::clone(prices),
                    moved_usd,
                    master: None,
                };
                let sides = [side(candidate.down, candidate.down_usd), side(candidate.up, candidate.up_usd)];
                (forecast, sides)
            } else if tried < self.tuning.max_tried {
                tried += 1;
                let solved = solved.get_or_insert_with(|| self.generator.master.clone());
                let parent = Parent { bound, domain, prices, solved };
                self.generator.noted = Some(Vec::new());
                let down = self.try_side(candidate.down, candidate.down_usd, &parent, stop);
                let up = self.try_side(candidate.up, candidate.up_usd, &parent, stop);
                patterns = self.generator.noted.take().unwrap_or_default();
                let (Some(down), Some(up)) = (down, up) else { return false };
                (score([down.forecast - bound, up.forecast - bound], bound, room), [down, up])
            } else {
                continue;
            };
            if best.as_ref().is_none_or(|known| value > known.0) {
                best = Some((value, sides));
                best_patterns = patterns;
            }
        }
        for pattern in &best_patterns {
            self.generator.master.add(self.relaxation, pattern, true);
        }
        let mut shared: Option<Arc<Master>> = None;
        let narrowing = Narrowing::between(&self.before, domain);
        for side in best.into_iter().flat_map(|(_, sides)| sides) {
            if side.bound >= self.cutoff() {
                self.close(side.bound);
                continue;
            }
            let node = Node {
                bound: side.bound,
                id: self.next_id,
                path: Some(Path::after(node.path.clone(), Arc::clone(&narrowing), side.decision)),
                prices: side.prices,
                parent_bound: bound,
                moved_usd: side.moved_usd,
            };
            self.open.push(node.open());
            let master = match side.master {
                Some(master) => Arc::new(master),
                None => Arc::clone(shared.get_or_insert_with(|| Arc::new(self.generator.master.clone()))),
            };
            self.keep_master(self.next_id, master);
            self.next_id += 1;
        }
        true
    }

    /// A few evaluations of one side of a decision; `None` where `stop` came first.
    fn try_side(&mut self, decision: Decision, moved_usd: f64, parent: &Parent<'_>, stop: &Stop) -> Option<Side> {
        let bound = parent.bound;
        let mut narrowed = parent.domain.clone();
        decision.apply(self.relaxation.problem, &mut narrowed);
        narrowed.propagate(self.relaxation.problem);
        self.generator.best_prices.clone_from(parent.prices);
        let ending = self.generator.run(&narrowed, self.limits(self.tuning.trial_evaluations), stop);
        if ending == Ending::Stopped && self.must_end(stop) {
            return None;
        }
        let value = self.generator.best.value.max(bound);
        // Bound and master program would meet somewhere between them.
        let above = self.generator.master_value.min(self.cutoff()).max(value);
        let master = Some(std::mem::replace(&mut self.generator.master, parent.solved.clone()));
        let forecast = if value >= self.cutoff() || !above.is_finite() { value } else { 0.5 * (value + above) };
        self.pseudo_costs.note(decision, moved_usd, forecast.min(self.cutoff()) - bound);
        let prices = Arc::new(self.generator.best_prices.clone());
        Some(Side { decision, bound: value, forecast, prices, moved_usd, master })
    }
}

/// How good a division is whose sides raise the bound by `gains` of the `room` that there is up to the cutoff.
fn score(gains: [f64; 2], bound: f64, room: f64) -> f64 {
    let least = 1e-9 * bound.abs();
    // Infinite gains, of sides without a plan, are worth all the room; without a plan yet that has no end either.
    let most = if room.is_finite() { room.max(least) } else { 1e150 };
    gains.iter().map(|gain| gain.clamp(least, most)).product()
}
