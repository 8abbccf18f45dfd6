//! The working solution of the construction: loads, slacks and cost, kept up to date by every change.

use super::slot::{ceil, floor, Flow, Slot};
use crate::{Problem, FEASIBILITY_TOLERANCE, NO_POOL};

/// In `slot_of_pair`: the pair is not deployed.
pub(super) const NONE: u32 = u32::MAX;
/// Shares below this are rounding noise.
pub(super) const SHARE_EPSILON: f64 = 1e-9;
/// Sums of what is missing that differ by less are the same.
pub(super) const MISSING_TOLERANCE: f64 = 1e-7;
/// Replicas are counted up only beyond this excess of load.
const REPLICA_EPSILON: f64 = 1e-9;
/// Limits are kept up to this relative rounding noise, far within the feasibility tolerance.
const LIMIT_EPSILON: f64 = 1e-9;

/// Deployments, traffic and what is left of every limit. `clone_from` copies without allocating once it has grown.
#[derive(Debug, Default)]
pub(super) struct ConstructionState {
    pub(super) slots: Vec<Slot>,
    pub(super) slot_of_pair: Vec<u32>,
    pub(super) flows: Vec<Flow>,
    /// Served share per query type.
    pub(super) served: Vec<f64>,
    /// `Σ (e - ε)·x` per query type.
    pub(super) error: Vec<f64>,
    /// `Σ (D - Δ)·x` per query type, seconds.
    pub(super) latency: Vec<f64>,
    /// Budget and storage left beside what the tokens of every query type need that has to be served.
    pub(super) budget_left_usd: f64,
    pub(super) storage_left_gb: f64,
    pub(super) pool_left_gpus: Vec<f64>,
    /// Objective value, with unserved shares at their price.
    pub(super) cost_usd: f64,
    /// Budget, storage and pools do not limit what is added.
    pub(super) relaxed: bool,
}

impl Clone for ConstructionState {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, source: &Self) {
        self.slots.clone_from(&source.slots);
        self.slot_of_pair.clone_from(&source.slot_of_pair);
        self.flows.clone_from(&source.flows);
        self.served.clone_from(&source.served);
        self.error.clone_from(&source.error);
        self.latency.clone_from(&source.latency);
        self.pool_left_gpus.clone_from(&source.pool_left_gpus);
        self.budget_left_usd = source.budget_left_usd;
        self.storage_left_gb = source.storage_left_gb;
        self.cost_usd = source.cost_usd;
        self.relaxed = source.relaxed;
    }
}

impl ConstructionState {
    /// Nothing deployed and nothing served.
    pub(super) fn reset(&mut self, problem: &Problem, relaxed: bool) {
        self.relaxed = relaxed;
        let num_types = problem.num_query_types();
        self.slots.clear();
        self.flows.clear();
        self.slot_of_pair.clear();
        self.slot_of_pair.resize(problem.num_pairs(), NONE);
        for column in [&mut self.served, &mut self.error, &mut self.latency] {
            column.clear();
            column.resize(num_types, 0.0);
        }
        self.budget_left_usd = problem.budget_usd * (1.0 + LIMIT_EPSILON);
        self.storage_left_gb = problem.storage_gb * (1.0 + LIMIT_EPSILON);
        self.pool_left_gpus.clear();
        self.pool_left_gpus.extend(problem.pools.max_gpus.iter().map(|gpus| gpus * (1.0 + LIMIT_EPSILON)));
        self.cost_usd = 0.0;
        for i in 0..num_types {
            self.cost_usd += problem.unmet_usd(i);
            let mandatory = 1.0 - problem.query_types.max_unmet[i];
            self.budget_left_usd -= problem.data_usd(i) * mandatory;
            self.storage_left_gb -= problem.query_types.data_gb[i] * mandatory;
        }
    }

    /// The deployment of the pair of `configuration`, if any.
    #[inline]
    pub(super) fn slot_index(&self, pair: usize) -> Option<usize> {
        let slot = self.slot_of_pair[pair];
        (slot != NONE).then_some(slot as usize)
    }

    /// Share of query type `i` that goes unserved beyond what may.
    #[inline]
    pub(super) fn missing(&self, problem: &Problem, i: usize) -> f64 {
        let missing = 1.0 - self.served[i] - problem.query_types.max_unmet[i];
        if missing > SHARE_EPSILON {
            missing
        } else {
            0.0
        }
    }

    /// How far budget, storage and pools are exceeded, each relative to its limit.
    pub(super) fn violation(&self, problem: &Problem) -> f64 {
        let over = |left: f64, limit: f64| if left < 0.0 { -left / limit.max(f64::MIN_POSITIVE) } else { 0.0 };
        let pools = self.pool_left_gpus.iter().zip(&problem.pools.max_gpus);
        over(self.budget_left_usd, problem.budget_usd)
            + over(self.storage_left_gb, problem.storage_gb)
            + pools.map(|(&left, &limit)| over(left, limit)).sum::<f64>()
    }

    /// Whether the budget, the storage or a pool is exceeded by more than rounding.
    pub(super) fn exceeds_limits(&self, problem: &Problem) -> bool {
        // An infinite limit leaves an infinite rest, which is below nothing.
        let over = |left: f64, limit: f64| left < 0.0 && -left > FEASIBILITY_TOLERANCE * limit.max(f64::EPSILON);
        over(self.budget_left_usd, problem.budget_usd)
            || over(self.storage_left_gb, problem.storage_gb)
            || self.pool_left_gpus.iter().zip(&problem.pools.max_gpus).any(|(&left, &limit)| over(left, limit))
    }

    /// Sum of [`ConstructionState::missing`] over the query types.
    pub(super) fn total_missing(&self, problem: &Problem) -> f64 {
        (0..self.served.len()).map(|i| self.missing(problem, i)).sum()
    }

    /// Whether this state is the better one: less missing, or as much at less cost.
    pub(super) fn is_better_than(&self, problem: &Problem, missing: f64, cost_usd: f64) -> bool {
        let own = self.total_missing(problem);
        if (own - missing).abs() > MISSING_TOLERANCE {
            return own < missing;
        }
        self.cost_usd < cost_usd - 1e-9 * cost_usd.abs()
    }

    /// Whole replicas that loads of `time` and `memory`, in replicas, need.
    #[inline]
    pub(super) fn needed(time: f64, memory: f64) -> f64 {
        ceil(time.max(memory) - REPLICA_EPSILON)
    }

    /// Whole replicas that a deployment of configuration `a` needs: at least its minimum.
    #[inline]
    pub(super) fn needed_of(problem: &Problem, a: usize, time: f64, memory: f64) -> f64 {
        Self::needed(time, memory).max(f64::from(problem.min_replicas(a)))
    }

    /// Most replicas that can be added to configuration `a`, which has `replicas`, within every limit; 0 where a deployment
    /// cannot have as many as it has to.
    #[inline]
    pub(super) fn addable(&self, problem: &Problem, a: usize, replicas: u32) -> f64 {
        let mut most = f64::from(problem.replica_limit(a)) - f64::from(replicas);
        if self.relaxed {
            return most;
        }
        let usd = problem.replica_usd(a);
        let mut budget = self.budget_left_usd;
        if replicas == 0 {
            budget -= problem.weights_usd(a);
            if budget < 0.0 || problem.configurations.weights_gb[a] > self.storage_left_gb {
                return 0.0;
            }
        }
        if usd > 0.0 {
            most = most.min(floor(budget / usd));
        }
        if problem.pool(a) != NO_POOL {
            most = most.min(floor(self.pool_left_gpus[problem.pool(a) as usize] / problem.gpus_per_replica(a)));
        }
        if replicas == 0 && most < f64::from(problem.min_replicas(a)) {
            return 0.0;
        }
        most
    }

    /// Largest further share of type `i` that its stored tokens leave room for, after `spent_usd` of the budget and
    /// `stored_gb` of the storage have been used for something else.
    #[inline]
    pub(super) fn data_room(&self, problem: &Problem, i: usize, spent_usd: f64, stored_gb: f64) -> f64 {
        let gb = problem.query_types.data_gb[i];
        if gb <= 0.0 || self.relaxed {
            return f64::INFINITY;
        }
        let usd = problem.data_usd(i);
        let by_budget = if usd > 0.0 { (self.budget_left_usd - spent_usd) / usd } else { f64::INFINITY };
        let reserved = 1.0 - problem.query_types.max_unmet[i] - self.served[i];
        ((self.storage_left_gb - stored_gb) / gb).min(by_budget).max(0.0) + reserved.max(0.0)
    }

    /// Makes `a` a deployment with no replica yet; its pair must be free.
    pub(super) fn open(&mut self, problem: &Problem, a: usize) -> usize {
        self.slot_of_pair[problem.pair(a)] = self.slots.len() as u32;
        self.slots.push(Slot { configuration: a as u32, replicas: 0, time: 0.0, memory: 0.0 });
        self.pay_weights(problem, a, 1.0);
        self.slots.len() - 1
    }

    fn pay_weights(&mut self, problem: &Problem, a: usize, sign: f64) {
        let usd = sign * problem.weights_usd(a);
        self.cost_usd += usd;
        self.budget_left_usd -= usd;
        self.storage_left_gb -= sign * problem.configurations.weights_gb[a];
    }

    /// Sets the replicas of a deployment.
    pub(super) fn set_replicas(&mut self, problem: &Problem, slot: usize, replicas: u32) {
        let deployed = &mut self.slots[slot];
        let a = deployed.configuration as usize;
        let change = f64::from(replicas) - f64::from(deployed.replicas);
        deployed.replicas = replicas;
        let usd = change * problem.replica_usd(a);
        self.cost_usd += usd;
        self.budget_left_usd -= usd;
        if problem.pool(a) != NO_POOL {
            self.pool_left_gpus[problem.pool(a) as usize] -= change * problem.gpus_per_replica(a);
        }
    }

    /// Ends a deployment that carries no traffic.
    pub(super) fn close(&mut self, problem: &Problem, slot: usize) {
        self.set_replicas(problem, slot, 0);
        let a = self.slots[slot].configuration as usize;
        self.pay_weights(problem, a, -1.0);
        self.slot_of_pair[problem.pair(a)] = NONE;
        self.slots.swap_remove(slot);
        if let Some(moved) = self.slots.get(slot) {
            self.slot_of_pair[problem.pair(moved.configuration as usize)] = slot as u32;
        }
    }

    /// Sends the share `fraction` of the route's query type over the route, whose configuration is deployed.
    pub(super) fn send(&mut self, problem: &Problem, route: usize, fraction: f64) {
        let table = problem.route_table();
        let (query_type, configuration) = (table.query_type[route], table.configuration[route]);
        match self.flows.iter_mut().find(|flow| flow.route as usize == route) {
            Some(flow) => flow.fraction += fraction,
            None => self.flows.push(Flow { query_type, configuration, route: route as u32, fraction }),
        }
        self.shift(problem, route, fraction);
    }

    /// Takes the share `fraction` off a flow, and the flow away where nothing is left of it.
    pub(super) fn withdraw(&mut self, problem: &Problem, flow: usize, fraction: f64) {
        let route = self.flows[flow].route as usize;
        let left = self.flows[flow].fraction - fraction;
        if left > SHARE_EPSILON {
            self.flows[flow].fraction = left;
            self.shift(problem, route, -fraction);
        } else {
            let all = self.flows.swap_remove(flow).fraction;
            self.shift(problem, route, -all);
        }
    }

    fn shift(&mut self, problem: &Problem, route: usize, fraction: f64) {
        let table = problem.route_table();
        let (i, a) = (table.query_type[route] as usize, table.configuration[route] as usize);
        if let Some(slot) = self.slot_index(problem.pair(a)) {
            let slot = &mut self.slots[slot];
            slot.time = (slot.time + table.time_replicas[route] * fraction).max(0.0);
            slot.memory = (slot.memory + table.memory_replicas[route] * fraction).max(0.0);
        }
        let stored = |served: f64| served.max(1.0 - problem.query_types.max_unmet[i]);
        let stored_change = stored(self.served[i] + fraction) - stored(self.served[i]);
        self.served[i] += fraction;
        self.error[i] += table.error_excess[route] * fraction;
        self.latency[i] += table.latency_excess[route] * fraction;
        self.cost_usd += (table.latency_usd[route] + problem.data_usd(i) - problem.unmet_usd(i)) * fraction;
        self.budget_left_usd -= problem.data_usd(i) * stored_change;
        self.storage_left_gb -= problem.query_types.data_gb[i] * stored_change;
    }

    /// Moves a flow to another route of its query type on the same pair. The loads of the pair are left to
    /// [`ConstructionState::exchange`].
    pub(super) fn reroute(&mut self, problem: &Problem, flow: usize, route: usize) {
        let table = problem.route_table();
        let Flow { query_type, route: old, fraction, .. } = self.flows[flow];
        let (i, old) = (query_type as usize, old as usize);
        self.error[i] += (table.error_excess[route] - table.error_excess[old]) * fraction;
        self.latency[i] += (table.latency_excess[route] - table.latency_excess[old]) * fraction;
        self.cost_usd += (table.latency_usd[route] - table.latency_usd[old]) * fraction;
        self.flows[flow].route = route as u32;
        self.flows[flow].configuration = table.configuration[route];
    }

    /// Makes a deployment, whose flows have been rerouted, one of configuration `to` without replicas.
    pub(super) fn exchange(&mut self, problem: &Problem, slot: usize, to: usize) {
        self.set_replicas(problem, slot, 0);
        self.pay_weights(problem, self.slots[slot].configuration as usize, -1.0);
        self.pay_weights(problem, to, 1.0);
        let table = problem.route_table();
        let (mut time, mut memory) = (0.0, 0.0);
        for flow in &self.flows {
            if flow.configuration as usize == to {
                let route = flow.route as usize;
                time += table.time_replicas[route] * flow.fraction;
                memory += table.memory_replicas[route] * flow.fraction;
            }
        }
        self.slots[slot] = Slot { configuration: to as u32, replicas: 0, time, memory };
    }

    /// Takes all traffic off a configuration.
    pub(super) fn evict(&mut self, problem: &Problem, configuration: u32) {
        let mut index = 0;
        while index < self.flows.len() {
            let flow = self.flows[index];
            if flow.configuration == configuration {
                self.withdraw(problem, index, flow.fraction);
            } else {
                index += 1;
            }
        }
    }

    /// Takes all traffic of query type `i` off.
    pub(super) fn withdraw_type(&mut self, problem: &Problem, i: u32) {
        let mut index = 0;
        while index < self.flows.len() {
            if self.flows[index].query_type == i {
                let fraction = self.flows[index].fraction;
                self.withdraw(problem, index, fraction);
            } else {
                index += 1;
            }
        }
        // Nothing is left: what rounding left behind goes too.
        let i = i as usize;
        (self.served[i], self.error[i], self.latency[i]) = (0.0, 0.0, 0.0);
    }

    /// Rental of the replicas that the loads do not need, USD.
    pub(super) fn releasable_usd(&self, problem: &Problem) -> f64 {
        let idle_usd = |slot: &Slot| {
            let a = slot.configuration as usize;
            let needed = Self::needed(slot.time, slot.memory).max(0.0);
            let weights_usd = if needed == 0.0 { problem.weights_usd(a) } else { 0.0 };
            let needed = if needed == 0.0 { needed } else { needed.max(f64::from(problem.min_replicas(a))) };
            (f64::from(slot.replicas) - needed) * problem.replica_usd(a) + weights_usd
        };
        self.slots.iter().map(idle_usd).sum()
    }

    /// Releases replicas beyond what the loads need, and deployments without traffic.
    pub(super) fn right_size(&mut self, problem: &Problem) {
        let mut slot = 0;
        while slot < self.slots.len() {
            let Slot { configuration, replicas, time, memory } = self.slots[slot];
            if self.flows.iter().any(|flow| flow.configuration == configuration) {
                let needed = Self::needed_of(problem, configuration as usize, time, memory) as u32;
                if needed < replicas {
                    self.set_replicas(problem, slot, needed);
                }
                slot += 1;
            } else {
                self.close(problem, slot);
            }
        }
    }
}
