//! The Lagrangian function: for any prices a lower bound, found pair by pair.
//!
//! With the coupling rows priced, `L(y) = constant(y) + Σ_i min(0, unserved_i(y))·ū_i - Σ_pairs max profit(y)`, the
//! profit of a pair being that of its best configuration, replica count and traffic. A weight of 0 on the objective
//! turns the same function into a test of feasibility: `L > 0` proves that no plan exists.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use super::cover::Cover;
use super::domain::Domain;
use super::knapsack::{BestFill, BindingRow, Knapsack};
use super::load::Loads;
use super::prices::Prices;
use super::widened::Widened;
use crate::threads::for_each;
use crate::tuning::BoundTuning;
use crate::{LatencyScope, Problem, SolveParams, Stop};

/// Allowance for rounding per term, relative to the sum of the magnitudes of all terms: many times what the fill of
/// one knapsack can lose.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// Pairs between two questions whether to stop: some tens of microseconds.
const PAIRS_PER_QUESTION: usize = 8;

/// Evaluations with fewer routes take less time than threads to start.
const LEAST_PARALLEL_ROUTES: usize = 20_000;
/// Parts of the pairs that each thread works on: some take much longer than others.
const CHUNKS_PER_THREAD: usize = 4;

/// A way to use a (model, tier).
#[derive(Debug, Clone, Default)]
pub(crate) struct Pattern {
    pub(crate) configuration: u32,
    /// 0 where there is none.
    pub(crate) replicas: u32,
    /// Positions in the route table and the share of each query type.
    pub(crate) routes: Vec<(u32, f64)>,
}

/// The Lagrangian function at some prices.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evaluation {
    /// The lower bound, rounding allowed for; infinite where the domain is empty.
    pub(crate) value: f64,
    /// Profit of each pair: at least 0 unless the pair is forced.
    pub(crate) profit: Vec<f64>,
    /// The pattern of each pair; no replicas where none pays.
    pub(crate) patterns: Vec<Pattern>,
}

/// The problem as the relaxation sees it: loads in replicas, and which row can bind.
#[derive(Debug)]
pub(crate) struct Relaxation<'p> {
    pub(crate) problem: &'p Problem,
    pub(crate) time: Vec<f64>,
    pub(crate) memory: Vec<f64>,
    binding: Vec<BindingRow>,
    /// Largest `|e - ε|` and `|D - Δ|` of each query type.
    pub(crate) error_scale: Vec<f64>,
    pub(crate) latency_scale: Vec<f64>,
    /// By how much rows are wider than the formulation's.
    pub(crate) widened: Widened,
    /// What whole deployments there must be; not looked for in the feasibility test.
    pub(super) covers: Vec<Arc<Cover>>,
    /// What steers the search for bounds.
    pub(crate) tuning: BoundTuning,
    /// Threads of an evaluation; the result does not depend on them.
    pub(crate) threads: usize,
    /// Share of the objective: 1, or 0 for the feasibility test.
    pub(crate) weight: f64,
}

impl<'p> Relaxation<'p> {
    pub(crate) fn new(problem: &'p Problem, weight: f64) -> Self {
        Self::with_rows(problem, weight, Widened::of(problem))
    }

    /// The relaxation with rows as wide as `widened`.
    pub(crate) fn with_rows(problem: &'p Problem, weight: f64, widened: Widened) -> Self {
        let table = problem.route_table();
        let covers = if weight > 0.0 { Cover::all(problem, &widened) } else { Vec::new() };
        let mut relaxation = Self {
            problem,
            widened,
            time: table.time_replicas.clone(),
            memory: Vec::with_capacity(table.len()),
            binding: Vec::with_capacity(problem.num_configurations()),
            error_scale: vec![0.0; problem.num_query_types()],
            latency_scale: vec![0.0; problem.num_query_types()],
            covers: covers.into_iter().map(Arc::new).collect(),
            tuning: BoundTuning::default(),
            threads: 1,
            weight,
        };
        for a in 0..problem.num_configurations() {
            let range = table.of_configuration(a);
            let capacity = problem.configurations.kv_cache_gb[a];
            relaxation.memory.extend(table.memory[range.clone()].iter().map(|memory| memory / capacity));
            let pairs = || relaxation.time[range.clone()].iter().zip(&relaxation.memory[range.clone()]);
            relaxation.binding.push(if pairs().all(|(time, memory)| time >= memory) {
                BindingRow::Time
            } else if pairs().all(|(time, memory)| time <= memory) {
                BindingRow::Memory
            } else {
                BindingRow::Either
            });
        }
        for route in 0..table.len() {
            let i = table.query_type[route] as usize;
            relaxation.error_scale[i] = relaxation.error_scale[i].max(table.error_excess[route].abs());
            relaxation.latency_scale[i] = relaxation.latency_scale[i].max(table.latency_excess[route].abs());
        }
        if problem.latency_scope == LatencyScope::Route {
            relaxation.latency_scale.fill(0.0);
        }
        relaxation
    }

    /// This relaxation, whose bounds are found as `params` say.
    pub(crate) fn tuned(self, params: &SolveParams) -> Self {
        Self { tuning: params.tuning.bound, threads: params.threads, ..self }
    }

    /// What load cuts are made of.
    pub(super) fn loads(&self) -> Loads<'_> {
        Loads { problem: self.problem, time: &self.time, memory: &self.memory, widened: &self.widened }
    }

    /// Priced cost of one replica.
    fn replica_cost(&self, a: usize, prices: &Prices) -> f64 {
        let problem = self.problem;
        problem.replica_usd(a) * (self.weight + prices.budget)
            + problem.gpus_per_replica(a) * prices.of_pool(problem, a)
            + prices.of_replica(problem, a)
    }

    /// Priced cost of the weights.
    fn fixed_cost(&self, a: usize, prices: &Prices) -> f64 {
        let problem = self.problem;
        problem.weights_usd(a) * (self.weight + prices.budget)
            + problem.configurations.weights_gb[a] * prices.storage
            + prices.of_deployment(problem, a)
    }

    /// Puts the paying routes of configuration `a` into `knapsack`; an upper bound on its profit.
    fn load_paying(&self, a: usize, prices: &Prices, knapsack: &mut Knapsack) -> f64 {
        let table = self.problem.route_table();
        let cost = self.replica_cost(a, prices);
        let (mut by_time, mut by_memory) = (0.0, 0.0);
        knapsack.clear();
        let average = self.problem.latency_scope == LatencyScope::Average;
        for route in table.of_configuration(a) {
            let i = table.query_type[route] as usize;
            let mut profit =
                prices.supply[i] - self.weight * table.latency_usd[route] - prices.error[i] * table.error_excess[route];
            if average {
                profit -= prices.latency[i] * table.latency_excess[route];
            }
            if profit > 0.0 {
                // Traffic and capacity grow alike in the widened problem.
                profit *= self.widened.more;
                let (time, memory) = (self.time[route], self.memory[route]);
                by_time += (profit - cost * time).max(0.0);
                by_memory += (profit - cost * memory).max(0.0);
                knapsack.push(route, profit, time, memory);
            }
        }
        if cost < 0.0 {
            // Cuts pay for replicas without traffic as well.
            return f64::INFINITY;
        }
        f64::min(by_time, by_memory) - self.fixed_cost(a, prices)
    }

    /// Upper bound on the profit of configuration `a` in `domain`, where it exceeds `floor`.
    fn profit_above(
        &self,
        a: usize,
        prices: &Prices,
        domain: &Domain,
        floor: f64,
        knapsack: &mut Knapsack,
    ) -> Option<BestFill> {
        if !domain.is_open(a) || self.load_paying(a, prices, knapsack) <= floor {
            return None;
        }
        let mut best =
            knapsack.best(self.replica_cost(a, prices), domain.min[a].max(1), domain.max[a], self.binding[a]);
        best.value -= self.fixed_cost(a, prices);
        (best.value > floor).then_some(best)
    }

    /// The best pattern of a pair and its profit; minus infinity where a forced pair has none.
    fn best_of_pair(
        &self,
        pair: usize,
        prices: &Prices,
        domain: &Domain,
        knapsack: &mut Knapsack,
        pattern: &mut Pattern,
    ) -> f64 {
        let mut profit = if domain.forced[pair] { f64::NEG_INFINITY } else { 0.0 };
        pattern.replicas = 0;
        pattern.routes.clear();
        for &a in self.problem.pair_configurations(pair) {
            if let Some(best) = self.profit_above(a as usize, prices, domain, profit, knapsack) {
                profit = best.value;
                pattern.configuration = a;
                pattern.replicas = best.replicas;
                pattern.routes.clear();
                let items = knapsack.route.iter().zip(&knapsack.fraction);
                pattern.routes.extend(items.filter(|item| *item.1 > 0.0).map(|(&route, &share)| (route, share)));
            }
        }
        profit
    }

    /// Evaluates the Lagrangian function, on several threads where that pays; `into` is reused. False where `stop` came
    /// first: `into` then holds no bound, and its patterns are of no use.
    pub(crate) fn evaluate(&self, prices: &Prices, domain: &Domain, stop: &Stop, into: &mut Evaluation) -> bool {
        let num_pairs = self.problem.num_pairs();
        into.profit.resize(num_pairs, 0.0);
        into.patterns.resize_with(num_pairs, Pattern::default);
        let was_stopped = AtomicBool::new(false);
        let run = |first: usize, profits: &mut [f64], patterns: &mut [Pattern]| {
            let mut knapsack = Knapsack::default();
            for (offset, (profit, pattern)) in profits.iter_mut().zip(patterns).enumerate() {
                if offset % PAIRS_PER_QUESTION == 0 && stop.should_stop() {
                    was_stopped.store(true, Ordering::Relaxed);
                    return;
                }
                *profit = self.best_of_pair(first + offset, prices, domain, &mut knapsack, pattern);
            }
        };
        let threads = if self.problem.route_table().len() < LEAST_PARALLEL_ROUTES { 1 } else { self.threads };
        let chunk = if threads > 1 { num_pairs.div_ceil(CHUNKS_PER_THREAD * threads).max(1) } else { num_pairs.max(1) };
        let parts = into.profit.chunks_mut(chunk).zip(into.patterns.chunks_mut(chunk)).enumerate();
        for_each(parts, threads, |(index, (profits, patterns))| run(index * chunk, profits, patterns));
        if was_stopped.into_inner() {
            into.value = f64::NEG_INFINITY;
            return false;
        }
        let (constant, magnitude) = self.constant(prices);
        let mut value = constant;
        let mut size = magnitude;
        for &profit in &into.profit {
            value -= profit;
            size += profit.abs();
        }
        let num_terms = num_pairs + 4 * self.problem.num_query_types() + 8;
        into.value = value - ROUNDING * num_terms as f64 * size;
        if into.profit.contains(&f64::NEG_INFINITY) {
            into.value = f64::INFINITY;
        } else if into.value.is_nan() {
            into.value = f64::NEG_INFINITY;
        }
        true
    }

    /// The part of the Lagrangian function that no pair changes, and the sum of the magnitudes of its terms.
    pub(crate) fn constant(&self, prices: &Prices) -> (f64, f64) {
        let problem = self.problem;
        let mut value = 0.0;
        let mut size = 0.0;
        let mut add = |term: f64| {
            value += term;
            size += term.abs();
        };
        for i in 0..problem.num_query_types() {
            add(prices.supply[i] * (1.0 - self.widened.supply[i]));
            add(-prices.error[i] * self.widened.error[i]);
            add(-prices.latency[i] * self.widened.latency_s[i]);
            add(problem.data_usd(i) * (self.weight + prices.budget));
            add(problem.query_types.data_gb[i] * prices.storage);
            add((self.widened.max_unmet(problem, i) * self.unserved_cost(i, prices)).min(0.0));
        }
        if prices.budget > 0.0 {
            add(-prices.budget * problem.budget_usd * self.widened.more);
        }
        if prices.storage > 0.0 {
            add(-prices.storage * problem.storage_gb * self.widened.more);
        }
        for (price, gpus) in prices.pool.iter().zip(&problem.pools.max_gpus) {
            if *price > 0.0 {
                add(-price * gpus * self.widened.more);
            }
        }
        for (cut, price) in &prices.cuts {
            add(-price * cut.most());
        }
        for i in 0..problem.num_query_types() {
            size += prices.error[i] * self.error_scale[i] + prices.latency[i] * self.latency_scale[i];
        }
        (value, size)
    }

    /// Priced cost of leaving all of query type `i` unserved.
    pub(crate) fn unserved_cost(&self, i: usize, prices: &Prices) -> f64 {
        let problem = self.problem;
        self.weight * problem.unmet_usd(i)
            - problem.data_usd(i) * (self.weight + prices.budget)
            - problem.query_types.data_gb[i] * prices.storage
            - prices.supply[i]
            + prices.of_unserved(i)
    }

    /// The ranges of replicas that can be part of a plan that costs less than `upper`, given the function's `value`
    /// and pair profits at `prices`. Returns the least value of a plan that deploys each configuration. Where `stop` comes
    /// first, pairs are left as they are.
    pub(crate) fn tighten(
        &self,
        prices: &Prices,
        evaluation: &Evaluation,
        upper: f64,
        domain: &mut Domain,
        knapsack: &mut Knapsack,
        stop: &Stop,
    ) -> Vec<f64> {
        let mut open_value = vec![f64::INFINITY; self.problem.num_configurations()];
        for pair in 0..self.problem.num_pairs() {
            if pair % PAIRS_PER_QUESTION == 0 && stop.should_stop() {
                break;
            }
            // A configuration may lose this much against its pair's best before it costs too much.
            let profit = evaluation.profit[pair];
            let floor = evaluation.value + profit - upper;
            for &a in self.problem.pair_configurations(pair) {
                let a = a as usize;
                if !domain.is_open(a) {
                    continue;
                }
                let Some(best) = self.profit_above(a, prices, domain, f64::NEG_INFINITY, knapsack) else { continue };
                open_value[a] = evaluation.value + profit - best.value;
                if best.value <= floor {
                    domain.max[a] = 0;
                    continue;
                }
                let (cost, fixed) = (self.replica_cost(a, prices), self.fixed_cost(a, prices));
                let binding = self.binding[a];
                let mut pays = |r: u32| knapsack.value_at(r, binding) - cost * f64::from(r) - fixed > floor;
                domain.max[a] = last_that(best.replicas, domain.max[a], &mut pays);
                domain.min[a] = first_that(domain.min[a].max(1), best.replicas, &mut pays);
            }
        }
        open_value
    }
}

/// Largest `r` in `from..=to` that pays, where `from` pays and paying ends once.
fn last_that(from: u32, to: u32, pays: &mut impl FnMut(u32) -> bool) -> u32 {
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if pays(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// Smallest `r` in `from..=to` that pays, where `to` pays and paying begins once.
fn first_that(from: u32, to: u32, pays: &mut impl FnMut(u32) -> bool) -> u32 {
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low) / 2;
        if pays(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests;
