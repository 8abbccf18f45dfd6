//! Lower bounds on the cost of any deployments, from prices.
//!
//! Any prices of supply and SLOs bound the routing cost of deployments `r` from below by `constant − Σ_a V_a(r_a)`,
//! where `V_a(r)` is the value of the best traffic for `r` replicas of `a`: a fractional knapsack, concave in `r`. The
//! two rows of a replica, time and memory, are replaced by a weighted sum of both, which can only raise the value.
//!
//! Source: Benders, "Partitioning procedures for solving mixed-variables programming problems", 1962.

use std::cmp::Ordering;

use crate::pricing::{LimitPrices, RoutingPrices};
use crate::search::memory::mixed;
use crate::search::{MasterSolution, SearchState};
use crate::{Problem, FEASIBILITY_TOLERANCE};

/// Cuts that are kept: the first is of the relaxation, the others are replaced in turn.
pub(super) const MAX_CUTS: usize = 8;

/// The traffic of a route that is worth something.
#[derive(Debug, Clone, Copy)]
struct Item {
    /// Replicas that it takes.
    load: f64,
    profit: f64,
    /// Value per replica; known where items are in order.
    ratio: f64,
}

/// A line under every cut; side by side, so that all cuts are looked at in one go.
#[derive(Debug, Clone, Copy)]
struct Lines {
    slope: [f64; MAX_CUTS],
    intercept: [f64; MAX_CUTS],
}

impl Lines {
    /// Of which the least of lines is made by others.
    const NONE: Self = Self { slope: [0.0; MAX_CUTS], intercept: [f64::INFINITY; MAX_CUTS] };

    fn set(&mut self, cut: usize, slope: f64, intercept: f64) {
        self.slope[cut] = slope;
        self.intercept[cut] = intercept;
    }
}

/// Cuts over the configurations of a kernel.
#[derive(Debug, Clone)]
pub(crate) struct Cuts {
    kernel: Vec<u32>,
    kernel_key: u64,
    num_breakpoints: usize,
    /// Number of cuts, and the one that is replaced next.
    len: usize,
    next: usize,
    constant_usd: [f64; MAX_CUTS],
    /// `V`, which is concave, as the least of lines, per kernel position: the first is level, then one per route that is worth
    /// something, the steepest first; and how many of them some cut has.
    lines: Vec<Lines>,
    used: Vec<u32>,
    /// Replicas where each line but the first ends, per cut and kernel position, and how many there are.
    replicas: Vec<f64>,
    count: Vec<u32>,
    prices: RoutingPrices,
    limits: LimitPrices,
    items: Vec<Item>,
}

impl Cuts {
    /// No cut yet, over `kernel`; for continuous states the level line is enough.
    pub(crate) fn new(problem: &Problem, kernel: Vec<u32>, is_continuous: bool) -> Self {
        let num_types = problem.num_query_types();
        let num_breakpoints = if is_continuous { 0 } else { num_types };
        let size = MAX_CUTS * kernel.len();
        Self {
            kernel_key: kernel.iter().fold(0, |key, &a| mixed(key ^ u64::from(a))),
            num_breakpoints,
            len: 0,
            next: 0,
            constant_usd: [0.0; MAX_CUTS],
            lines: vec![Lines::NONE; kernel.len() * (1 + num_breakpoints)],
            used: vec![1; kernel.len()],
            replicas: vec![0.0; size * num_breakpoints],
            count: vec![0; size],
            prices: RoutingPrices::default(),
            limits: LimitPrices::zero(problem),
            items: Vec::with_capacity(num_types),
            kernel,
        }
    }

    /// The configurations, by rising index.
    pub(crate) fn kernel(&self) -> &[u32] {
        &self.kernel
    }

    /// A number that tells the kernel from others.
    pub(crate) fn kernel_key(&self) -> u64 {
        self.kernel_key
    }

    /// Position of `configuration` in the kernel.
    pub(crate) fn position(&self, configuration: usize) -> Option<usize> {
        self.kernel.binary_search(&(configuration as u32)).ok()
    }

    /// Number of cuts.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Forgets all cuts.
    pub(crate) fn clear(&mut self) {
        (self.len, self.next) = (0, 0);
    }

    /// Adds the cut at the prices of the relaxation; meant to be the first. Prices are capped at those of shortage.
    pub(crate) fn add_master(&mut self, state: &SearchState<'_>, master: &MasterSolution) -> usize {
        self.prices.clone_from(&master.routing);
        match state.program().is_continuous() {
            true => self.limits.clone_from(&master.limits),
            false => self.limits = LimitPrices::zero(state.problem()),
        }
        self.limits.storage = 0.0;
        self.add(state, false)
    }

    /// Adds the cut at the prices of a state's routing program, which must be valid. Returns its index.
    pub(crate) fn add_state(&mut self, state: &SearchState<'_>) -> usize {
        state.program().read_prices(&mut self.prices);
        state.program().read_limit_prices(state.problem(), &mut self.limits);
        self.add(state, true)
    }

    /// The part of the bound that does not depend on what is deployed; prices beyond that of shortage are cut down.
    fn constant_of_prices(&mut self, state: &SearchState<'_>) -> f64 {
        let problem = state.problem();
        let mut constant_usd = 0.0;
        for (i, supply_usd) in self.prices.supply.iter_mut().enumerate() {
            let data_usd = (1.0 + self.limits.budget) * problem.data_usd(i);
            *supply_usd = supply_usd.min(state.program().shortage_usd(i) - data_usd);
            let unmet_usd = problem.unmet_usd(i) - data_usd - *supply_usd;
            constant_usd += *supply_usd + data_usd + problem.query_types.max_unmet[i] * unmet_usd.min(0.0);
        }
        if self.limits.budget > 0.0 {
            constant_usd -= self.limits.budget * problem.budget_usd * (1.0 + FEASIBILITY_TOLERANCE);
        }
        for (&price, &gpus) in self.limits.pool.iter().zip(&problem.pools.max_gpus) {
            if price > 0.0 {
                constant_usd -= price * gpus;
            }
        }
        constant_usd
    }

    fn add(&mut self, state: &SearchState<'_>, is_own: bool) -> usize {
        let problem = state.problem();
        let cut = self.next;
        self.len = self.len.max(cut + 1);
        self.next = if cut + 1 == MAX_CUTS { 1 } else { cut + 1 };
        self.constant_usd[cut] = self.constant_of_prices(state);
        for position in 0..self.kernel.len() {
            let a = self.kernel[position] as usize;
            self.list_items(problem, a, state.time_weight(a).filter(|_| is_own));
            if state.program().is_continuous() {
                let value_usd = match state.fixed_replicas(a) {
                    None => continuous_value_usd(problem, &self.limits, a, &mut self.items),
                    Some(replicas) => fixed_value_usd(problem, &self.limits, a, replicas, &mut self.items),
                };
                self.lines[position].set(cut, 0.0, value_usd);
                continue;
            }
            sort_by_ratio(&mut self.items);
            let row = cut * self.kernel.len() + position;
            let ends = &mut self.replicas[row * self.num_breakpoints..][..self.items.len()];
            self.count[row] = self.items.len() as u32;
            let start = position * (1 + self.num_breakpoints);
            let used = &mut self.used[position];
            *used = (*used).max(1 + self.items.len() as u32);
            let (first, lines) = self.lines[start..start + *used as usize].split_at_mut(1);
            let (lines, others) = lines.split_at_mut(self.items.len());
            let (mut replicas, mut value_usd) = (0.0, 0.0);
            for ((line, end), item) in lines.iter_mut().zip(ends).zip(&self.items) {
                line.set(cut, item.ratio, value_usd - item.ratio * replicas);
                replicas += item.load;
                value_usd += item.profit;
                *end = replicas;
            }
            first[0].set(cut, 0.0, value_usd);
            others.iter_mut().for_each(|line| line.set(cut, 0.0, f64::INFINITY));
        }
        cut
    }

    /// Lists the routes of `a` that are worth something. The two rows of a replica become one with the weight `time_weight` for
    /// time; where no deployment tells it, with one by what the routes need.
    fn list_items(&mut self, problem: &Problem, a: usize, time_weight: Option<f64>) {
        let table = problem.route_table();
        self.items.clear();
        let (mut more_time, mut more_memory) = (0.0, 0.0);
        for (route, profit) in self.prices.profits(table, a) {
            if profit > 0.0 {
                let (time, memory) = (table.time_replicas[route], table.memory_replicas[route]);
                more_time += (time - memory).max(0.0);
                more_memory += (memory - time).max(0.0);
                self.items.push(Item { load: time, ratio: memory, profit });
            }
        }
        let natural = if more_time + more_memory > 0.0 { more_time / (more_time + more_memory) } else { 0.5 };
        let weight = time_weight.unwrap_or(natural);
        for item in &mut self.items {
            item.load = (weight * item.load + (1.0 - weight) * item.ratio).max(1e-12);
        }
    }

    /// `V` of the configuration at `position` with `replicas` replicas under every cut, USD.
    #[inline]
    pub(crate) fn values_usd(&self, position: usize, replicas: u32) -> [f64; MAX_CUTS] {
        if replicas == 0 {
            return [0.0; MAX_CUTS];
        }
        let replicas = f64::from(replicas);
        let mut least = [f64::INFINITY; MAX_CUTS];
        for lines in self.lines_of(position) {
            for ((least, slope), intercept) in least.iter_mut().zip(&lines.slope).zip(&lines.intercept) {
                let value_usd = intercept + slope * replicas;
                *least = if value_usd < *least { value_usd } else { *least };
            }
        }
        least
    }

    /// Value under one cut, USD.
    #[inline]
    pub(crate) fn value_usd(&self, cut: usize, position: usize, replicas: u32) -> f64 {
        if replicas == 0 {
            return 0.0;
        }
        let replicas = f64::from(replicas);
        let mut least = f64::INFINITY;
        for lines in self.lines_of(position) {
            let value_usd = lines.intercept[cut] + lines.slope[cut] * replicas;
            least = if value_usd < least { value_usd } else { least };
        }
        least
    }

    fn lines_of(&self, position: usize) -> &[Lines] {
        &self.lines[position * (1 + self.num_breakpoints)..][..self.used[position] as usize]
    }

    /// Replicas, not whole, up to which each earns more than `replica_usd` under `cut`.
    pub(crate) fn worthwhile(&self, cut: usize, position: usize, replica_usd: f64) -> f64 {
        let row = cut * self.kernel.len() + position;
        let ends = &self.replicas[row * self.num_breakpoints..][..self.count[row] as usize];
        let lines = &self.lines_of(position)[1..];
        let paying = lines.iter().zip(ends).take_while(|(line, _)| line.slope[cut] > replica_usd);
        paying.last().map_or(0.0, |(_, &end)| end)
    }

    /// Constant of `cut`, USD.
    #[inline]
    pub(crate) fn constant_usd(&self, cut: usize) -> f64 {
        self.constant_usd[cut]
    }
}

/// Puts items in order, the most per replica first.
fn sort_by_ratio(items: &mut [Item]) {
    items.iter_mut().for_each(|item| item.ratio = item.profit / item.load);
    // None is NaN; comparing so is faster than a total order.
    items.sort_unstable_by(|left, right| right.ratio.partial_cmp(&left.ratio).unwrap_or(Ordering::Equal));
}

/// Value of the traffic in `items` for the best number of replicas of `a`, not whole and at least as many as it has to have, less
/// the cost of those beyond these and of what all of them take of the limits.
fn continuous_value_usd(problem: &Problem, limits: &LimitPrices, a: usize, items: &mut [Item]) -> f64 {
    let priced_usd = limits.replica_usd(problem, a);
    let replica_usd = problem.replica_usd(a) + priced_usd;
    let least = f64::from(problem.min_replicas(a));
    let limits_usd = least * priced_usd + limits.weights_usd(problem, a);
    let most = f64::from(problem.replica_limit(a));
    let (mut load, mut usd, mut paying_load, mut paying_usd) = (0.0, 0.0, 0.0, 0.0);
    for item in items.iter() {
        load += item.load;
        usd += item.profit;
        let more_usd = item.profit - item.load * replica_usd;
        if more_usd > 0.0 {
            paying_load += item.load;
            paying_usd += more_usd;
        }
    }
    // In most cases the order of the traffic does not matter.
    if load <= least {
        return usd - limits_usd;
    }
    if (least..=most).contains(&paying_load) {
        return paying_usd + least * replica_usd - limits_usd;
    }
    sort_by_ratio(items);
    let (mut replicas, mut value_usd) = (0.0, 0.0);
    for item in items.iter() {
        let fits = item.load.min(most - replicas);
        let free = (least - replicas).clamp(0.0, fits);
        value_usd += free * item.ratio + (fits - free) * (item.ratio - replica_usd).max(0.0);
        replicas += fits;
    }
    value_usd - limits_usd
}

/// Value of the traffic in `items` for `replicas` replicas of `a`, no more and no fewer, less what they take of the limits.
fn fixed_value_usd(problem: &Problem, limits: &LimitPrices, a: usize, replicas: u32, items: &mut [Item]) -> f64 {
    sort_by_ratio(items);
    let mut room = f64::from(replicas);
    let mut value_usd = 0.0;
    for item in items.iter() {
        let taken = item.load.min(room);
        value_usd += taken * item.ratio;
        room -= taken;
    }
    value_usd - f64::from(replicas) * limits.replica_usd(problem, a) - limits.weights_usd(problem, a)
}
