//! The elementary changes of a state, and lower bounds on what moves made of them cost.

use std::ops::Range;

use crate::search::cuts::MAX_CUTS;
use crate::search::operator::OPERATORS;
use crate::search::{Change, Cuts, Move, SearchState};
use crate::{Problem, Switches, FEASIBILITY_TOLERANCE, NO_POOL};

const NO_CONFIGURATION: u32 = u32::MAX;
const NO_EFFECT: u32 = u32::MAX;
/// Sizes considered for one opening: those that the cuts choose, and beside them those of what it would replace.
const MAX_CUT_SIZES: usize = 4;
const MAX_SIZES: usize = MAX_CUT_SIZES + 2;

/// Elementary steps, about, that listing a change, bounding it under one cut, and bounding a move take.
const STEPS_PER_EFFECT: usize = 40;
const STEPS_PER_BOUND: usize = 8;
const STEPS_PER_MOVE: usize = 12;
/// Elementary steps, about, of checking what limits leave.
const STEPS_PER_LIMITED_MOVE: usize = 18;

/// What a change does to cost, limits and bounds.
#[derive(Debug, Clone, Copy)]
struct Effect {
    change: Change,
    position: u32,
    pair: u32,
    /// The other configuration that must leave the pair (model, tier) first.
    occupant: u32,
    pool: u32,
    cost_usd: f64,
    weights_usd: f64,
    weights_gb: f64,
    gpus: f64,
    /// Cost of starting replicas, beside `cost_usd`.
    starting_usd: f64,
    /// Change of the bound under every cut, cost included.
    bound_usd: [f64; MAX_CUTS],
}

/// Moves from one state, made anew for each.
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
        self.left_usd = problem.budget_usd * (1.0 + 0.5 * FEASIBILITY_TOLERANCE) - state.deployment_usd();
        self.left_gb = problem.storage_gb * (1.0 + 0.5 * FEASIBILITY_TOLERANCE) - state.weights_gb();
        self.left_gpus.clear();
        self.left_gpus
            .extend((0..problem.num_pools()).map(|pool| problem.pools.max_gpus[pool] - state.pool_gpus(pool)));
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
            if state.program().is_elastic() {
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

    /// Lists an opening in the sizes that the cuts would choose, and with as many GPUs as its (model, tier) has already: cuts
    /// price what is short, and say little about how much of its own kind a change of TP/PP has to replace.
    fn push_openings(&mut self, state: &SearchState<'_>, position: usize) {
        let problem = state.problem();
        let a = self.cuts.kernel()[position] as usize;
        let (least, most) = (problem.min_replicas(a), problem.replica_limit(a));
        if most == 0 {
            return;
        }
        if state.program().is_elastic() {
            self.push(state, position, 0, least);
            return;
        }
        let mut sizes = [0_u32; MAX_SIZES];
        let mut count = 0;
        let mut add = |replicas: f64, max_count: usize| {
            for size in [replicas.ceil(), replicas.floor()] {
                let size = (size as u32).clamp(least, most);
                if count < max_count && !sizes[..count].contains(&size) {
                    sizes[count] = size;
                    count += 1;
                }
            }
            count
        };
        let occupant = state.configuration_on(problem.pair(a));
        let max_count = MAX_CUT_SIZES
            + occupant.map_or(0, |occupant| {
                let gpus = f64::from(state.replicas(occupant)) * problem.gpus_per_replica(occupant);
                add(gpus / problem.gpus_per_replica(a), MAX_SIZES)
            });
        // The latest cuts know the present state best.
        for cut in (0..self.cuts.len()).rev() {
            if add(self.cuts.worthwhile(cut, position, problem.replica_usd(a)), max_count) == max_count {
                break;
            }
        }
        for &size in &sizes[..count] {
            self.push(state, position, 0, size);
        }
    }

    fn push(&mut self, state: &SearchState<'_>, position: usize, from: u32, to: u32) {
        let problem = state.problem();
        let configuration = self.cuts.kernel()[position];
        let a = configuration as usize;
        let replicas = f64::from(to) - f64::from(from);
        let opened = f64::from(u8::from(to > 0)) - f64::from(u8::from(from > 0));
        let cost_usd = replicas * problem.replica_usd(a) + opened * problem.weights_usd(a);
        let occupant = match state.configuration_on(problem.pair(a)) {
            Some(deployed) if deployed != a => deployed as u32,
            _ => NO_CONFIGURATION,
        };
        let mut effect = Effect {
            change: Change { configuration, from, to },
            position: position as u32,
            pair: problem.pair(a) as u32,
            occupant,
            pool: problem.pool(a),
            cost_usd,
            weights_usd: opened * problem.weights_usd(a),
            weights_gb: opened * problem.configurations.weights_gb[a],
            gpus: replicas * problem.gpus_per_replica(a),
            starting_usd: state.starting_change_usd(a, from, to),
            bound_usd: [0.0; MAX_CUTS],
        };
        self.set_bounds(&mut effect);
        self.effects.push(effect);
    }

    fn set_bounds(&self, effect: &mut Effect) {
        let Change { from, to, .. } = effect.change;
        let position = effect.position as usize;
        let (lost_usd, won_usd) = (self.cuts.values_usd(position, from), self.cuts.values_usd(position, to));
        let cost_usd = effect.starting_usd + effect.cost_usd;
        effect.bound_usd = std::array::from_fn(|cut| cost_usd + lost_usd[cut] - won_usd[cut]);
    }

    /// Lists the moves of the operators with a bound below `target_usd`, best first.
    pub(crate) fn propose(&mut self, target_usd: f64, deep: bool, most: usize, switches: Switches) {
        self.upgrades = switches.tp_upgrade;
        self.target_usd = target_usd;
        self.moves.clear();
        for (index, operator) in OPERATORS.iter().enumerate() {
            if operator.is_deep() == deep && (switches.consolidation || !operator.consolidates()) {
                self.operator = index as u8;
                operator.propose(self);
            }
        }
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

    /// The change of the last of `positions` made as large as the limits allow beside the others.
    fn fitted(&mut self, positions: &[usize]) -> Option<usize> {
        let (&more, less) = positions.split_last()?;
        let effect = self.effects[more];
        let others = || less.iter().map(|&position| &self.effects[position]);
        let added = f64::from(effect.change.to) - f64::from(effect.change.from);
        let replica_usd = (effect.cost_usd - effect.weights_usd) / added;
        let mut most = added - 1.0;
        if replica_usd > 0.0 {
            let left_usd = self.left_usd.max(0.0) - others().map(|other| other.cost_usd).sum::<f64>();
            most = most.min(((left_usd - effect.weights_usd) / replica_usd).floor());
        }
        if effect.pool != NO_POOL {
            let same = others().filter(|other| other.pool == effect.pool);
            let left = self.left_gpus[effect.pool as usize].max(0.0) - same.map(|other| other.gpus).sum::<f64>();
            most = most.min((left * added / effect.gpus + 1e-9).floor());
        }
        let kernel_position = effect.position as usize;
        if most < 1.0 {
            return None;
        }
        let to = effect.change.from + most as u32;
        if to < self.least_replicas[kernel_position] {
            return None;
        }
        let mut known = self.first_fitted[kernel_position];
        while known != NO_EFFECT {
            if self.effects[known as usize].change.to == to {
                return Some(known as usize);
            }
            known = self.next_fitted[known as usize - self.opens.end];
        }
        if self.effects.len() >= usize::from(u16::MAX) {
            return None;
        }
        let mut smaller = effect;
        smaller.change.to = to;
        smaller.cost_usd = most * replica_usd + effect.weights_usd;
        smaller.gpus = effect.gpus * most / added;
        // At most this, since those that run already come first.
        smaller.starting_usd = effect.starting_usd * most / added;
        self.set_bounds(&mut smaller);
        self.next_fitted.push(self.first_fitted[kernel_position]);
        self.first_fitted[kernel_position] = self.effects.len() as u32;
        self.effects.push(smaller);
        Some(self.effects.len() - 1)
    }

    /// The largest lower bound that a cut gives for a move, USD.
    fn bound_of(&self, positions: &[usize]) -> f64 {
        largest(&self.sum_of(positions))
    }

    fn steps_per_move(&self) -> usize {
        if self.is_limited {
            STEPS_PER_LIMITED_MOVE
        } else {
            STEPS_PER_MOVE
        }
    }

    /// The bound of a move under the state's own cut.
    fn own_sum_of(&self, positions: &[usize]) -> f64 {
        positions.iter().fold(self.own_base_usd, |sum, &position| sum + self.own_usd[position])
    }

    /// The bound of a move under every cut.
    #[inline]
    fn sum_of(&self, positions: &[usize]) -> [f64; MAX_CUTS] {
        positions.iter().fold(self.base_usd, |sum, &position| add(&sum, &self.effects[position].bound_usd))
    }

    /// Whether the changes leave one configuration on each (model, tier).
    fn fit_together(&self, positions: &[usize]) -> bool {
        let effects = || positions.iter().map(|&position| &self.effects[position]);
        for (index, effect) in effects().enumerate() {
            let leaves = |other: &Effect| other.change.configuration == effect.occupant && other.change.to == 0;
            if effect.occupant != NO_CONFIGURATION && (!self.upgrades || !effects().any(leaves)) {
                return false;
            }
            let clashes = |other: &Effect| {
                let both_stay = other.change.to > 0 && effect.change.to > 0;
                other.pair == effect.pair && (other.change.configuration == effect.change.configuration || both_stay)
            };
            if effects().take(index).any(clashes) {
                return false;
            }
        }
        true
    }

    /// Whether the changes stay within budget, storage and pools.
    fn fit_limits(&self, positions: &[usize]) -> bool {
        if !self.is_limited {
            return true;
        }
        let effects = || positions.iter().map(|&position| &self.effects[position]);
        let sum = |value: fn(&Effect) -> f64| effects().map(value).sum::<f64>();
        if sum(|effect| effect.cost_usd) > self.left_usd.max(0.0)
            || sum(|effect| effect.weights_gb) > self.left_gb.max(0.0)
        {
            return false;
        }
        effects().all(|effect| {
            effect.pool == NO_POOL || {
                let same = effects().filter(|other| other.pool == effect.pool);
                same.map(|other| other.gpus).sum::<f64>() <= self.left_gpus[effect.pool as usize].max(0.0) + 1e-9
            }
        })
    }

    /// The changes of a move.
    pub(crate) fn changes(&self, candidate: &Move, changes: &mut Vec<Change>) {
        changes.clear();
        let positions = &candidate.changes[..usize::from(candidate.len)];
        changes.extend(positions.iter().map(|&position| self.effects[usize::from(position)].change));
    }

    /// The bound of a move under the present cuts, which may be more than when it was listed.
    pub(crate) fn renewed_bound_usd(&self, candidate: &Move) -> f64 {
        let mut positions = [0; 3];
        let count = usize::from(candidate.len);
        for (slot, &position) in positions.iter_mut().zip(&candidate.changes) {
            *slot = usize::from(position);
        }
        self.bound_of(&positions[..count])
    }

    /// Adds the cut at the prices of `trial` to the bounds of the moves from `state`.
    pub(crate) fn learn(&mut self, state: &SearchState<'_>, trial: &SearchState<'_>) {
        let cut = self.cuts.add_state(trial);
        self.work += (STEPS_PER_BOUND * self.effects.len()) as u64;
        self.base_usd[cut] = self.base(state, cut);
        for effect in &mut self.effects {
            let Change { from, to, .. } = effect.change;
            let position = effect.position as usize;
            effect.bound_usd[cut] = effect.starting_usd + effect.cost_usd + self.cuts.value_usd(cut, position, from)
                - self.cuts.value_usd(cut, position, to);
        }
    }

    /// The bound that `cut` gives for `state` itself.
    fn base(&self, state: &SearchState<'_>, cut: usize) -> f64 {
        let value = |(a, replicas)| self.cuts.position(a).map_or(0.0, |at| self.cuts.value_usd(cut, at, replicas));
        state.deployment_usd() + state.starting_usd() + self.cuts.constant_usd(cut)
            - state.deployments().map(value).sum::<f64>()
    }
}

#[inline]
fn add(left: &[f64; MAX_CUTS], right: &[f64; MAX_CUTS]) -> [f64; MAX_CUTS] {
    std::array::from_fn(|cut| left[cut] + right[cut])
}

#[inline]
fn largest(values: &[f64; MAX_CUTS]) -> f64 {
    // Four independent chains, which the compiler turns into vector instructions.
    let mut best = [f64::NEG_INFINITY; 4];
    for chunk in values.chunks_exact(4) {
        for (best, &value) in best.iter_mut().zip(chunk) {
            *best = if value > *best { value } else { *best };
        }
    }
    best.iter().copied().fold(f64::NEG_INFINITY, |best, value| if value > best { value } else { best })
}
