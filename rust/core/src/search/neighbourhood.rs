//! The elementary changes of a state, and lower bounds on what moves made of them cost.

mod bounds;
mod effect;
mod fit;

use std::ops::Range;

use crate::search::cuts::MAX_CUTS;
use crate::search::{Change, Cuts, Move, SearchState};
use crate::Problem;
use bounds::{add, largest};
use effect::Effect;

const NO_CONFIGURATION: u32 = u32::MAX;
const NO_EFFECT: u32 = u32::MAX;

/// Elementary steps, about, that listing a change, bounding it under one cut, and bounding a move take.
const STEPS_PER_EFFECT: usize = 40;
const STEPS_PER_BOUND: usize = 8;
const STEPS_PER_MOVE: usize = 12;
/// Elementary steps, about, of checking what limits leave.
const STEPS_PER_LIMITED_MOVE: usize = 18;

/// Moves from one state, made again for each.
#[derive(Debug, Clone)]
pub(crate) struct Neighbourhood {
    /// The bounds that put moves in order.
    pub(crate) cuts: Cuts,
    effects: Vec<Effect>,
    closes: Range<usize>,
    shrinks: Range<usize>,
    grows: Range<usize>,
    opens: Range<usize>,
    /// Openings made smaller to fit the limits, which come after all others: the last one of every kernel position, and the
    /// one before each.
    first_fitted: Vec<u32>,
    next_fitted: Vec<u32>,
    base_usd: [f64; MAX_CUTS],
    /// The bounds of the state and of the changes under the state's own cut, which discards most moves at a glance.
    own_base_usd: f64,
    own_usd: Vec<f64>,
    /// The enlargements and openings by rising bound under the state's own cut.
    by_own: Vec<u32>,
    target_usd: f64,
    members: Vec<(usize, usize, u32)>,
    /// Least replicas of a deployment, per kernel position.
    least_replicas: Vec<u32>,
    operator: u8,
    upgrades: bool,
    is_limited: bool,
    left_usd: f64,
    left_gb: f64,
    left_gpus: Vec<f64>,
    pub(super) moves: Vec<Move>,
    /// About how many elementary steps the bounds took.
    pub(super) work: u64,
}

impl Neighbourhood {
    /// An empty neighbourhood.
    pub(crate) fn new(problem: &Problem, cuts: Cuts) -> Self {
        let any_pool = problem.pools.max_gpus.iter().any(|gpus| gpus.is_finite());
        Self {
            least_replicas: cuts.kernel().iter().map(|&a| problem.min_replicas(a as usize)).collect(),
            cuts,
            effects: Vec::new(),
            closes: 0..0,
            shrinks: 0..0,
            grows: 0..0,
            opens: 0..0,
            first_fitted: Vec::new(),
            next_fitted: Vec::new(),
            base_usd: [0.0; MAX_CUTS],
            own_base_usd: f64::NEG_INFINITY,
            own_usd: Vec::new(),
            by_own: Vec::new(),
            target_usd: 0.0,
            members: Vec::new(),
            operator: 0,
            upgrades: true,
            is_limited: problem.budget_usd.is_finite() || problem.storage_gb.is_finite() || any_pool,
            left_usd: 0.0,
            left_gb: 0.0,
            left_gpus: Vec::new(),
            moves: Vec::new(),
            work: 0,
        }
    }

    /// Positions of the changes that close a deployment.
    pub(crate) fn closes(&self) -> Range<usize> {
        self.closes.clone()
    }

    /// Positions of the changes that take some replicas away.
    pub(crate) fn shrinks(&self) -> Range<usize> {
        self.shrinks.clone()
    }

    /// Positions of the changes that add replicas to a deployment.
    pub(crate) fn grows(&self) -> Range<usize> {
        self.grows.clone()
    }

    /// Positions of the changes that open a deployment.
    pub(crate) fn opens(&self) -> Range<usize> {
        self.opens.clone()
    }

    /// Lists the elementary changes of `state`: those in `banned` are not opened, those in `held` not changed. Its prices become
    /// a cut.
    pub(crate) fn list(&mut self, state: &SearchState<'_>, banned: &[u32], held: &[u32]) {
        let problem = state.problem();
        let own_cut = self.cuts.add_state(state);
        self.effects.clear();
        self.left_usd = state.ledger().left_usd(problem);
        self.left_gb = state.ledger().left_gb(problem);
        self.left_gpus.clear();
        self.left_gpus.extend((0..problem.num_pools()).map(|pool| state.ledger().left_gpus(problem, pool)));
        // A cut that is not there yet bounds nothing.
        self.base_usd = [f64::NEG_INFINITY; MAX_CUTS];
        for cut in 0..self.cuts.len() {
            self.base_usd[cut] = self.base(state, cut);
        }
        let mut members = std::mem::take(&mut self.members);
        members.clear();
        let changeable = state.deployments().filter(|entry| !held.contains(&(entry.0 as u32)));
        members.extend(changeable.filter_map(|(a, replicas)| Some((self.cuts.position(a)?, a, replicas))));
        for &(position, _, replicas) in &members {
            self.push(state, position, replicas, 0);
        }
        self.closes = 0..self.effects.len();
        for &(position, a, replicas) in &members {
            let mut step = 1;
            while step + problem.min_replicas(a) <= replicas {
                self.push(state, position, replicas, replicas - step);
                step *= 2;
            }
        }
        self.shrinks = self.closes.end..self.effects.len();
        for &(position, a, replicas) in &members {
            if state.program().is_continuous() {
                break;
            }
            let most = problem.replica_limit(a);
            let mut step = 1;
            while step <= replicas.max(1) && replicas + step <= most {
                self.push(state, position, replicas, replicas + step);
                step *= 2;
            }
        }
        self.grows = self.shrinks.end..self.effects.len();
        self.members = members;
        for position in 0..self.cuts.kernel().len() {
            let configuration = self.cuts.kernel()[position];
            if state.replicas(configuration as usize) == 0 && !banned.contains(&configuration) {
                self.push_openings(state, position);
            }
        }
        self.opens = self.grows.end..self.effects.len();
        self.own_base_usd = self.base_usd[own_cut];
        self.own_usd.clear();
        self.own_usd.extend(self.effects.iter().map(|effect| effect.bound_usd[own_cut]));
        self.first_fitted.clear();
        self.first_fitted.resize(self.cuts.kernel().len(), NO_EFFECT);
        self.next_fitted.clear();
        self.by_own.clear();
        self.by_own.extend(self.grows.start as u32..self.opens.end as u32);
        let own_usd = &self.own_usd;
        self.by_own.sort_unstable_by(|&left, &right| {
            own_usd[left as usize].total_cmp(&own_usd[right as usize]).then(left.cmp(&right))
        });
        self.work += (self.effects.len() * (STEPS_PER_EFFECT + STEPS_PER_BOUND * self.cuts.len())) as u64;
    }

    /// Forgets the moves and takes new ones with a bound below `target_usd` from now on; with `upgrades`, also those that replace a
    /// configuration by another of its (model, tier).
    pub(super) fn begin_offers(&mut self, target_usd: f64, upgrades: bool) {
        self.upgrades = upgrades;
        self.target_usd = target_usd;
        self.moves.clear();
    }

    /// What is offered next comes from the operator with this number.
    pub(super) fn offers_come_from(&mut self, operator: usize) {
        self.operator = operator as u8;
    }

    /// Keeps the `most` moves of least bound, the least first.
    pub(super) fn end_offers(&mut self, most: usize) {
        let by_bound = |left: &Move, right: &Move| left.bound_usd.total_cmp(&right.bound_usd);
        if self.moves.len() > most {
            self.moves.select_nth_unstable_by(most, by_bound);
            self.moves.truncate(most);
        }
        self.moves.sort_by(by_bound);
    }

    /// Offers the move made of the changes at `positions`.
    pub(crate) fn offer(&mut self, positions: &[usize]) {
        let bound_usd = self.bound_of(positions);
        if bound_usd < self.target_usd && self.fit_together(positions) && self.fit_limits(positions) {
            self.accept(positions, bound_usd);
        }
    }

    fn accept(&mut self, positions: &[usize], bound_usd: f64) {
        let mut changes = [0; 3];
        for (slot, &position) in changes.iter_mut().zip(positions) {
            *slot = position as u16;
        }
        self.moves.push(Move { changes, len: positions.len() as u8, operator: self.operator, bound_usd });
    }

    /// Offers `less` together with each opening and enlargement, made smaller where only that fits the limits.
    pub(crate) fn offer_with_each(&mut self, less: &[usize], more: Range<usize>) {
        let prefix_usd = self.sum_of(less);
        let mut positions = [0; 3];
        let count = less.len();
        positions[..count].copy_from_slice(less);
        let own_usd = self.own_sum_of(less);
        let mut looked_at = 1;
        for index in 0..self.by_own.len() {
            let position = self.by_own[index] as usize;
            if own_usd + self.own_usd[position] >= self.target_usd {
                break;
            }
            if !more.contains(&position) {
                continue;
            }
            looked_at += 1;
            let bound_usd = largest(&add(&prefix_usd, &self.effects[position].bound_usd));
            positions[count] = position;
            if bound_usd >= self.target_usd || !self.fit_together(&positions[..=count]) {
                continue;
            }
            if self.fit_limits(&positions[..=count]) {
                self.accept(&positions[..=count], bound_usd);
            } else if let Some(fitted) = self.fitted(&positions[..=count]) {
                positions[count] = fitted;
                self.offer(&positions[..=count]);
            }
        }
        self.work += (self.steps_per_move() * looked_at) as u64;
    }

    fn steps_per_move(&self) -> usize {
        if self.is_limited {
            STEPS_PER_LIMITED_MOVE
        } else {
            STEPS_PER_MOVE
        }
    }

    /// The changes of a move.
    pub(crate) fn changes(&self, candidate: &Move, changes: &mut Vec<Change>) {
        changes.clear();
        let positions = &candidate.changes[..usize::from(candidate.len)];
        changes.extend(positions.iter().map(|&position| self.effects[usize::from(position)].change));
    }
}
