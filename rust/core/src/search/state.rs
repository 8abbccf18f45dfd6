//! The working solution: deployments, what they use of the limits, and their best routing.

use crate::ledger::Ledger;
use crate::linear::LinearStatus;
use crate::routing::RoutingProgram;
use crate::search::{Change, IncumbentDeployment};
use crate::{Deployment, Problem, Routing};

const NO_SLOT: u32 = u32::MAX;
/// Loads this little above a whole number of replicas need no further replica.
const LOAD_TOLERANCE: f64 = 1e-9;
/// How many times its first price shortage may come to cost, eight rises by four: much more, and what it has cost hides the
/// rest by rounding.
const MOST_SHORTAGE_RISE: f64 = 65_536.0;

/// Deployments with their best routing. Never exceeds a limit on rental, weights, GPUs or replicas; traffic for which
/// there is no capacity is shortage, priced so highly that search removes it first.
#[derive(Debug)]
pub(crate) struct SearchState<'a> {
    problem: &'a Problem,
    program: RoutingProgram,
    slot_of_pair: Vec<u32>,
    ledger: Ledger,
    running: Option<&'a IncumbentDeployment>,
    starting_usd: f64,
    /// Most that shortage may cost per query type, USD.
    most_shortage_usd: Vec<f64>,
    solved: bool,
}

impl Clone for SearchState<'_> {
    fn clone(&self) -> Self {
        Self {
            problem: self.problem,
            program: self.program.clone(),
            slot_of_pair: self.slot_of_pair.clone(),
            ledger: self.ledger.clone(),
            most_shortage_usd: self.most_shortage_usd.clone(),
            ..*self
        }
    }

    fn clone_from(&mut self, source: &Self) {
        self.problem = source.problem;
        self.program.clone_from(&source.program);
        self.slot_of_pair.clone_from(&source.slot_of_pair);
        self.ledger.copy_from(&source.ledger);
        self.running = source.running;
        self.starting_usd = source.starting_usd;
        self.most_shortage_usd.clone_from(&source.most_shortage_usd);
        self.solved = source.solved;
    }
}

impl<'a> SearchState<'a> {
    /// Nothing deployed, with room for `num_slots` deployments; it grows when more are needed.
    pub(crate) fn new(problem: &'a Problem, num_slots: usize) -> Self {
        Self::with_program(problem, RoutingProgram::lean(problem, num_slots))
    }

    /// A state in which a deployment of one replica stands for as many, not necessarily whole, as its traffic needs.
    pub(crate) fn continuous(problem: &'a Problem, num_slots: usize) -> Self {
        Self::with_program(problem, RoutingProgram::continuous(problem, num_slots))
    }

    /// Nothing deployed, with shortage at the prices of `program`; quicker made than a new one.
    pub(crate) fn like(problem: &'a Problem, program: &RoutingProgram, num_slots: usize) -> Self {
        Self::with_program(problem, program.emptied(problem, num_slots))
    }

    fn with_program(problem: &'a Problem, program: RoutingProgram) -> Self {
        let first_usd = (0..problem.num_query_types()).map(|i| program.shortage_usd(i));
        Self {
            most_shortage_usd: first_usd.map(|usd| MOST_SHORTAGE_RISE * usd).collect(),
            problem,
            program,
            slot_of_pair: vec![NO_SLOT; problem.num_pairs()],
            ledger: Ledger::new(problem),
            running: None,
            starting_usd: 0.0,
            solved: false,
        }
    }

    /// The problem that is searched.
    pub(crate) fn problem(&self) -> &'a Problem {
        self.problem
    }

    /// Counts what starting replicas beyond those that run costs. To be called before anything is deployed.
    pub(crate) fn set_incumbent(&mut self, running: &'a IncumbentDeployment) {
        self.running = Some(running);
    }

    /// Cost of starting `to` replicas of a configuration less that of starting `from`, USD.
    #[inline]
    pub(crate) fn starting_change_usd(&self, configuration: usize, from: u32, to: u32) -> f64 {
        self.running
            .map_or(0.0, |running| running.starting_usd(configuration, to) - running.starting_usd(configuration, from))
    }

    /// The routing program of the deployments, for good.
    pub(crate) fn into_program(self) -> RoutingProgram {
        self.program
    }

    /// The routing program of the deployments.
    pub(crate) fn program(&self) -> &RoutingProgram {
        &self.program
    }

    /// Takes every deployment away.
    pub(crate) fn clear(&mut self) {
        for slot in 0..self.program.num_slots() {
            if let Some(configuration) = self.program.configuration(slot) {
                self.set_replicas(configuration, 0);
            }
        }
    }

    /// Deploys `deployments` as far as limits allow: later ones give way. Each has at least the replicas that it has to have.
    pub(crate) fn set_deployments(&mut self, deployments: &[Deployment]) {
        self.put_deployments(deployments);
        self.solve(f64::INFINITY);
    }

    /// Deploys `deployments` as [`Self::set_deployments`] does, starting from a `program` solved for about these.
    pub(crate) fn set_deployments_of(&mut self, deployments: &[Deployment], program: &RoutingProgram) {
        self.put_deployments(deployments);
        self.program.begin_from(program);
        self.solve(f64::INFINITY);
    }

    fn put_deployments(&mut self, deployments: &[Deployment]) {
        self.clear();
        for deployment in deployments {
            let configuration = deployment.configuration as usize;
            if self.slot_of_pair[self.problem.pair(configuration)] == NO_SLOT {
                let wanted = deployment.replicas.max(self.problem.min_replicas(configuration));
                let replicas = wanted.min(self.most_replicas(configuration));
                self.set_replicas(configuration, replicas);
            }
        }
    }

    /// Replicas of `configuration`.
    pub(crate) fn replicas(&self, configuration: usize) -> u32 {
        match self.slot_of_pair[self.problem.pair(configuration)] {
            NO_SLOT => 0,
            slot if self.program.configuration(slot as usize) == Some(configuration) => {
                self.program.replicas(slot as usize)
            }
            _ => 0,
        }
    }

    /// The configuration that is deployed on a pair (model, tier).
    pub(crate) fn configuration_on(&self, pair: usize) -> Option<usize> {
        match self.slot_of_pair[pair] {
            NO_SLOT => None,
            slot => self.program.configuration(slot as usize),
        }
    }

    /// The deployments as (configuration, replicas), in the order of slots.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        (0..self.program.num_slots())
            .filter_map(|slot| Some((self.program.configuration(slot)?, self.program.replicas(slot))))
    }

    /// What the deployments use of the limits.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Most replicas of `configuration` that its own limit and what is left of pools, budget and storage allow; 0 where these
    /// are fewer than it has to have.
    pub(crate) fn most_replicas(&self, configuration: usize) -> u32 {
        self.ledger.most_replicas(self.problem, configuration, self.replicas(configuration))
    }

    /// Whether the replicas set so far keep within budget and pools.
    pub(crate) fn keeps_limits(&self) -> bool {
        self.ledger.keeps_budget_and_pools(self.problem, 0.0)
    }

    /// Rental and storage of weights, USD.
    pub(crate) fn deployment_usd(&self) -> f64 {
        self.ledger.deployment_usd()
    }

    /// Sets the replicas of `configuration` without solving. The pair must be free or hold this configuration, and
    /// `replicas` be at most [`SearchState::most_replicas`].
    pub(crate) fn set_replicas(&mut self, configuration: usize, replicas: u32) {
        let problem = self.problem;
        let pair = problem.pair(configuration);
        let before = self.replicas(configuration);
        if before == replicas {
            return;
        }
        let slot = match self.slot_of_pair[pair] {
            NO_SLOT => self.take_slot(configuration),
            slot => slot as usize,
        };
        self.program.set_replicas(problem, slot, configuration, replicas);
        self.slot_of_pair[pair] = if replicas == 0 { NO_SLOT } else { slot as u32 };
        self.ledger.change(problem, configuration, before, replicas);
        self.starting_usd += self.starting_change_usd(configuration, before, replicas);
        self.solved = false;
    }

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

    /// Lets a continuous deployment have between `lowest` and `highest` replicas. Solve afterwards.
    pub(crate) fn set_range(&mut self, configuration: usize, lowest: u32, highest: u32) {
        self.set_replicas(configuration, lowest);
        let slot = self.slot_of_pair[self.problem.pair(configuration)];
        if slot != NO_SLOT {
            self.program.set_most_replicas(slot as usize, highest);
            self.solved = false;
        }
    }

    /// The replicas of a continuous deployment that may have no others.
    pub(crate) fn fixed_replicas(&self, configuration: usize) -> Option<u32> {
        let slot = self.slot_of_pair[self.problem.pair(configuration)];
        let replicas = self.replicas(configuration);
        (replicas > 0 && self.program.is_fixed(slot as usize)).then_some(replicas)
    }

    /// Replicas of a continuous deployment, not whole. Needs a solve.
    pub(crate) fn continuous_replicas(&self, configuration: usize) -> f64 {
        match self.slot_of_pair[self.problem.pair(configuration)] {
            NO_SLOT => 0.0,
            slot => self.program.continuous_replicas(slot as usize),
        }
    }

    fn take_slot(&mut self, configuration: usize) -> usize {
        if let Some(slot) = self.program.free_slot(self.problem, configuration) {
            return slot;
        }
        let used = self.deployments().count();
        let num_slots = (used + 4).max(self.program.num_slots());
        self.program = self.program.rebuilt(self.problem, num_slots, configuration);
        for slot in 0..self.program.num_slots() {
            if let Some(deployed) = self.program.configuration(slot) {
                self.slot_of_pair[self.problem.pair(deployed)] = slot as u32;
            }
        }
        used
    }

    /// Solves the routing. False where the optimum is at least `cutoff_usd` (total cost) or the solve failed.
    pub(crate) fn solve(&mut self, cutoff_usd: f64) -> bool {
        let status = self.program.solve(cutoff_usd - self.deployment_usd() - self.starting_usd);
        self.solved = status == LinearStatus::Optimal;
        self.solved
    }

    /// Share of the time row in what the capacity of a deployment is worth; `None` where it is not deployed, or free.
    pub(crate) fn time_weight(&self, configuration: usize) -> Option<f64> {
        match self.slot_of_pair[self.problem.pair(configuration)] {
            NO_SLOT => None,
            slot if self.program.configuration(slot as usize) != Some(configuration) => None,
            slot => self.program.time_weight(slot as usize),
        }
    }

    /// Whether the routing is optimal for the deployments.
    pub(crate) fn is_solved(&self) -> bool {
        self.solved
    }

    /// Cost of starting what does not run yet, USD.
    pub(crate) fn starting_usd(&self) -> f64 {
        self.starting_usd
    }

    /// Cost of the state, shortage and starts included, USD. Needs a solve.
    pub(crate) fn total_usd(&self) -> f64 {
        self.deployment_usd() + self.starting_usd + self.program.objective()
    }

    /// Whether every query type has the capacity that it needs. Needs a solve.
    pub(crate) fn is_feasible(&self) -> bool {
        self.program.is_feasible()
    }

    /// Whether the state is a plan: solved, and without shortage.
    pub(crate) fn is_sound(&self) -> bool {
        self.is_solved() && self.is_feasible()
    }

    /// Gives back the replicas that no traffic needs, recording each change. Keeps the routing optimal.
    pub(crate) fn trim(&mut self, changes: &mut Vec<Change>) {
        let mut trimmed = false;
        for slot in 0..self.program.num_slots() {
            let Some(configuration) = self.program.configuration(slot) else { continue };
            let from = self.program.replicas(slot);
            let load = self.program.load(slot);
            let needed = (load - LOAD_TOLERANCE * (1.0 + load)).ceil().max(0.0) as u32;
            let to = if needed == 0 { 0 } else { needed.max(self.problem.min_replicas(configuration)) };
            // Where counts are open, only what is not needed at all goes.
            if to < from && (to == 0 || !self.program.is_continuous()) {
                self.set_replicas(configuration, to);
                changes.push(Change { configuration: configuration as u32, from, to });
                trimmed = true;
            }
        }
        if trimmed {
            self.solve(f64::INFINITY);
        }
    }

    /// Makes the shortage that there is more expensive, keeping the deployments. False where it is as expensive as it may be.
    pub(crate) fn raise_shortage_prices(&mut self, factor: f64) -> bool {
        let most_usd = &self.most_shortage_usd;
        let rises = self.program.raise_shortage_prices(self.problem, factor, |i| most_usd[i]);
        self.solve(f64::INFINITY);
        rises
    }

    /// Prices shortage at no less than `least_usd(i)` for the whole of query type `i`. Solve afterwards.
    pub(crate) fn price_shortage(&mut self, least_usd: impl Fn(usize) -> f64) {
        for (i, most_usd) in self.most_shortage_usd.iter_mut().enumerate() {
            *most_usd = most_usd.max(MOST_SHORTAGE_RISE * least_usd(i));
        }
        self.program.price_shortage(self.problem, least_usd);
        self.solved = false;
    }

    /// The deployments, routing and unmet shares as a plan has them.
    pub(crate) fn solution(&self) -> (Vec<Deployment>, Routing, Vec<f64>) {
        let problem = self.problem;
        let deployments = self
            .deployments()
            .map(|(configuration, replicas)| Deployment { configuration: configuration as u32, replicas })
            .collect();
        let (routing, served) = self.program.traffic(problem);
        // What rounding leaves between the served share and one goes to the share unserved, where that is allowed.
        let unmet =
            served.iter().zip(&problem.query_types.max_unmet).map(|(s, most)| (1.0 - s).clamp(0.0, *most)).collect();
        (deployments, routing, unmet)
    }
}
