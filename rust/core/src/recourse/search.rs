//! Local search over what is deployed: replicas more, fewer, or in place of others.

use super::kernel::Kernel;
use super::scenarios::{Change, Scenarios};
use super::{routed, RecourseParams};
use crate::ledger::{is_one_per_pair, Ledger};
use crate::{CancelToken, Deployment, Problem, Result};

/// A move counts where it saves this share of the cost.
const LEAST_SAVING: f64 = 1e-9;
/// What goes beyond the largest unserved share costs so many times as if it were unserved: more than any replica, for a
/// ten-thousandth of a share, too.
const OVER: f64 = 1e6;
/// Once a move saves, so many are costed in a row without a better one until it is taken.
const PATIENCE: usize = 6;

/// A change of what is deployed.
#[derive(Debug, Clone, Copy, Default)]
struct Move {
    changes: [Change; 2],
    count: usize,
    /// The least that it can change the expected cost by, USD.
    least_usd: f64,
}

impl Move {
    fn changes(&self) -> &[Change] {
        &self.changes[..self.count]
    }
}

/// The search, with its state.
pub(super) struct Search<'a> {
    problem: &'a Problem,
    params: &'a RecourseParams,
    kernel: &'a Kernel,
    cancel: &'a CancelToken,
    scenarios: Scenarios,
    /// Replicas by configuration of the kernel.
    deployed: Vec<u32>,
    over_usd: f64,
    evaluations: u64,
    moves: Vec<Move>,
}

impl<'a> Search<'a> {
    /// `None` where it was cancelled before it began.
    pub(super) fn new(
        problem: &'a Problem,
        params: &'a RecourseParams,
        kernel: &'a Kernel,
        cancel: &'a CancelToken,
    ) -> Result<Option<Self>> {
        let Some(scenarios) = Scenarios::new(problem, params, kernel, cancel)? else { return Ok(None) };
        let unserved_usd: f64 = (0..problem.num_query_types()).map(|i| problem.unmet_usd(i)).sum();
        let highest_usd = (0..problem.num_configurations()).map(|a| problem.replica_usd(a)).fold(1.0, f64::max);
        Ok(Some(Self {
            problem,
            params,
            kernel,
            cancel,
            scenarios,
            deployed: vec![0; kernel.configurations.len()],
            over_usd: OVER * (unserved_usd + highest_usd),
            evaluations: 0,
            moves: Vec::new(),
        }))
    }

    /// Starts again at these deployments, all of the kernel; their expected cost, infinite where they break a limit.
    pub(super) fn restart(&mut self, deployments: &[Deployment]) -> Result<f64> {
        self.deployed.fill(0);
        for deployment in deployments {
            if let Ok(at) = self.kernel.configurations.binary_search(&deployment.configuration) {
                self.deployed[at] = deployment.replicas;
            }
        }
        self.scenarios.deploy(&self.deployed)?;
        Ok(if self.keeps_limits(&[]) { self.cost_usd() } else { f64::INFINITY })
    }

    /// Rental, storage of weights and the mean cost of the scenarios, with the price of what goes unserved beyond the cap.
    fn cost_usd(&self) -> f64 {
        let fixed_usd: f64 = (0..self.deployed.len()).map(|at| self.fixed_usd((at, self.deployed[at]))).sum();
        fixed_usd + self.scenarios.mean_usd() + self.over_usd * self.over(0.0)
    }

    /// Unserved share beyond the cap where the mean changes by `more`.
    fn over(&self, more: f64) -> f64 {
        let cap = self.params.max_violation_rate;
        cap.map_or(0.0, |cap| (self.scenarios.mean_unserved() + more - cap).max(0.0))
    }

    /// Rental and storage of a deployment.
    fn fixed_usd(&self, (at, replicas): Change) -> f64 {
        let a = self.kernel.configurations[at] as usize;
        let weights_usd = if replicas > 0 { self.problem.weights_usd(a) } else { 0.0 };
        f64::from(replicas) * self.problem.replica_usd(a) + weights_usd
    }

    /// Takes the best move until none saves. The deployments reached, with their expected cost; `None` where they have no feasible
    /// routing at the figures as given and no further replica gives them one.
    pub(super) fn descend(&mut self) -> Result<Option<(f64, Vec<Deployment>)>> {
        let mut is_routed = self.is_routed(&[])?;
        loop {
            if self.step(is_routed, true)? {
                is_routed = is_routed || self.is_routed(&[])?;
            } else if is_routed {
                return Ok(Some((self.cost_usd(), self.deployments(&[]))));
            } else if !self.step(true, false)? {
                return Ok(None);
            } else {
                is_routed = true;
            }
        }
    }

    /// Takes the best of the moves, one that has a routing at the figures as given where it `must_route`, and one that saves where
    /// it `must_save`; whether there is one.
    fn step(&mut self, must_route: bool, must_save: bool) -> Result<bool> {
        self.list_moves();
        let mut moves = std::mem::take(&mut self.moves);
        moves.sort_by(|x, y| x.least_usd.total_cmp(&y.least_usd));
        let over_usd = if self.over(0.0) > 0.0 { self.over_usd } else { 0.0 };
        let is_bounded = self.params.max_violation_rate.is_none();
        let mut bar_usd = if must_save { -LEAST_SAVING * self.cost_usd().abs() } else { f64::INFINITY };
        let mut best: Option<Move> = None;
        let mut patience = PATIENCE;
        for one in &moves {
            // With a cap the prices of the scenarios are no bound.
            let is_hopeless = is_bounded && one.least_usd >= bar_usd;
            let is_spent = self.evaluations >= self.params.max_evaluations || self.cancel.poll();
            if is_hopeless || patience == 0 || is_spent {
                break;
            }
            if !self.keeps_limits(one.changes()) {
                continue;
            }
            patience -= usize::from(best.is_some());
            self.evaluations += 1;
            let fixed_usd =
                |change: Change| self.fixed_usd(change) - self.fixed_usd((change.0, self.deployed[change.0]));
            let fixed_usd: f64 = one.changes().iter().map(|&change| fixed_usd(change)).sum();
            let least_usd = fixed_usd - bar_usd;
            let Some((usd, more)) = self.scenarios.change(one.changes(), least_usd, over_usd) else { continue };
            let change_usd = fixed_usd + usd + self.over_usd * (self.over(more) - self.over(0.0));
            if change_usd < bar_usd && (!must_route || self.is_routed(one.changes())?) {
                (bar_usd, best, patience) = (change_usd, Some(*one), PATIENCE);
            }
        }
        self.moves = moves;
        let Some(best) = best else { return Ok(false) };
        for &(at, replicas) in best.changes() {
            self.deployed[at] = replicas;
        }
        self.scenarios.apply(best.changes())?;
        Ok(true)
    }

    /// Lists the moves, each with the least that it can cost.
    fn list_moves(&mut self) {
        let mut moves = std::mem::take(&mut self.moves);
        moves.clear();
        let single = |change: Change, least_usd: f64| Move { changes: [change, (0, 0)], count: 1, least_usd };
        let mut additions: Vec<Move> = Vec::new();
        for at in 0..self.deployed.len() {
            let a = self.kernel.configurations[at] as usize;
            let (before, enough) = (self.deployed[at], self.kernel.enough[at]);
            let mut last = 0;
            for more in [1, enough] {
                let to = before.saturating_add(more).max(self.problem.min_replicas(a));
                if to == last || to > self.problem.replica_limit(a) {
                    continue;
                }
                last = to;
                let fixed_usd = self.fixed_usd((at, to)) - self.fixed_usd((at, before));
                let least_usd = fixed_usd - self.scenarios.most_saved_usd(at, to - before);
                additions.push(single((at, to), least_usd));
            }
        }
        moves.extend(&additions);
        for at in 0..self.deployed.len() {
            if self.deployed[at] == 0 {
                continue;
            }
            let a = self.kernel.configurations[at] as usize;
            let before = self.deployed[at];
            let left = before - (before / 8).max(1);
            let left = if left < self.problem.min_replicas(a) { 0 } else { left };
            let lost_usd = self.scenarios.least_lost_usd(at);
            let gone = |to: u32| {
                let fixed_usd = self.fixed_usd((at, to)) - self.fixed_usd((at, before));
                single((at, to), fixed_usd + f64::from(before - to) * lost_usd)
            };
            let (fewer, none) = (gone(left), if left > 0 { gone(0) } else { gone(left) });
            moves.push(fewer);
            let pair = self.problem.pair(a);
            for added in additions.iter().filter(|added| added.changes[0].0 != at) {
                // Of a pair only one configuration is deployed: all of the other has to go.
                let other = self.kernel.configurations[added.changes[0].0] as usize;
                let gone = if self.problem.pair(other) == pair { &none } else { &fewer };
                moves.push(Move {
                    changes: [gone.changes[0], added.changes[0]],
                    count: 2,
                    least_usd: added.least_usd + gone.least_usd,
                });
            }
        }
        self.moves = moves;
    }

    /// Whether what is deployed after `changes` keeps every limit.
    fn keeps_limits(&self, changes: &[Change]) -> bool {
        let problem = self.problem;
        let deployments = self.deployments(changes);
        let is_in_range = |entry: &Deployment| {
            let a = entry.configuration as usize;
            (problem.min_replicas(a)..=problem.replica_limit(a)).contains(&entry.replicas)
        };
        let ledger = Ledger::of(problem, &deployments);
        deployments.iter().all(is_in_range)
            && is_one_per_pair(problem, &deployments)
            && ledger.keeps_budget_and_pools(problem, 0.0)
            && ledger.keeps_storage(problem, 0.0)
    }

    fn deployments(&self, changes: &[Change]) -> Vec<Deployment> {
        let replicas =
            |at: usize| changes.iter().find(|change| change.0 == at).map_or(self.deployed[at], |change| change.1);
        (0..self.deployed.len())
            .map(|at| Deployment { configuration: self.kernel.configurations[at], replicas: replicas(at) })
            .filter(|deployment| deployment.replicas > 0)
            .collect()
    }

    /// Whether what is deployed after `changes` has a feasible routing at the figures as given.
    fn is_routed(&self, changes: &[Change]) -> Result<bool> {
        Ok(routed(self.problem, &self.deployments(changes))?.is_some())
    }
}
