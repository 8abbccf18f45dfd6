//! The routing programs of all scenarios, with what is deployed now.

use super::kernel::Kernel;
use super::RecourseParams;
use crate::linear::LinearStatus;
use crate::pricing::RoutingPrices;
use crate::routing::RoutingProgram;
use crate::stress::Part;
use crate::{CancelToken, Deployment, Error, Problem, Result};

/// Slots that are kept free for what moves add.
const SPARE_SLOTS: usize = 3;
/// Scenarios after which a move is judged by those so far.
const FIRST_LOOK: usize = 8;
/// Standard errors by which it must fall short to be given up.
const SURE: f64 = 2.5;

/// Replicas of a configuration of the kernel.
pub(super) type Change = (usize, u32);

/// One scenario: its problem, whose configurations are those of the kernel, and its routing program.
#[derive(Debug)]
struct Scenario {
    problem: Problem,
    program: RoutingProgram,
    /// Of the present deployments: routing cost, with the price of what goes unserved beyond the cap.
    usd: f64,
    /// Unserved share of all queries.
    unserved: f64,
    prices: RoutingPrices,
}

/// All scenarios.
#[derive(Debug)]
pub(super) struct Scenarios {
    all: Vec<Scenario>,
    scratch: RoutingProgram,
    /// What a move changes in each scenario; working memory.
    changes_usd: Vec<f64>,
    unserved: Vec<f64>,
}

impl Scenarios {
    /// `None` where it was cancelled.
    pub(super) fn new(
        problem: &Problem,
        params: &RecourseParams,
        kernel: &Kernel,
        cancel: &CancelToken,
    ) -> Result<Option<Self>> {
        let kept: Vec<Deployment> = kernel
            .configurations
            .iter()
            .map(|&configuration| Deployment { configuration, replicas: problem.replica_limit(configuration as usize) })
            .collect();
        let part = Part::new(problem, &kept, true);
        let mut all = Vec::with_capacity(params.scenarios as usize);
        for number in 0..params.scenarios {
            if cancel.poll() {
                return Ok(None);
            }
            let problem = Problem::new(part.inflated(params.inflation, params.seed, number))?;
            let program = RoutingProgram::lean(&problem, SPARE_SLOTS);
            all.push(Scenario { problem, program, usd: 0.0, unserved: 0.0, prices: RoutingPrices::default() });
        }
        Ok(Some(Self { all, scratch: RoutingProgram::default(), changes_usd: Vec::new(), unserved: Vec::new() }))
    }

    /// Deploys `deployed`, replicas by configuration of the kernel, and nothing else.
    pub(super) fn deploy(&mut self, deployed: &[u32]) -> Result<()> {
        for scenario in &mut self.all {
            let Scenario { problem, program, .. } = scenario;
            let slots = deployed.iter().filter(|&&replicas| replicas > 0).count() + SPARE_SLOTS;
            *program = program.emptied(problem, slots);
            for (a, &replicas) in deployed.iter().enumerate() {
                if replicas > 0 {
                    set_replicas(program, problem, (a, replicas));
                }
            }
            scenario.resolve()?;
        }
        Ok(())
    }

    /// Makes changes to what is deployed.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Result<()> {
        for scenario in &mut self.all {
            for &change in changes {
                set_replicas(&mut scenario.program, &scenario.problem, change);
            }
            scenario.resolve()?;
        }
        Ok(())
    }

    /// Mean routing cost of what is deployed, USD.
    pub(super) fn mean_usd(&self) -> f64 {
        self.all.iter().map(|scenario| scenario.usd).sum::<f64>() / self.all.len() as f64
    }

    /// Mean share of all queries that goes unserved.
    pub(super) fn mean_unserved(&self) -> f64 {
        self.all.iter().map(|scenario| scenario.unserved).sum::<f64>() / self.all.len() as f64
    }

    /// By how much `changes` change the mean routing cost and the mean unserved share; `None` where the cost with `over_usd` per unserved
    /// share falls by less than `least_usd`, as far as the scenarios looked at tell.
    pub(super) fn change(&mut self, changes: &[Change], least_usd: f64, over_usd: f64) -> Option<(f64, f64)> {
        let Self { all, scratch, changes_usd, unserved } = self;
        changes_usd.clear();
        unserved.clear();
        let mut next_look = FIRST_LOOK;
        for scenario in all.iter() {
            scratch.clone_from(&scenario.program);
            for &change in changes {
                set_replicas(scratch, &scenario.problem, change);
            }
            if scratch.solve(f64::INFINITY) != LinearStatus::Optimal {
                return None;
            }
            let more = unserved_share(&scenario.problem, scratch) - scenario.unserved;
            changes_usd.push(scratch.objective() - scenario.usd + over_usd * more);
            unserved.push(more);
            if changes_usd.len() == next_look {
                next_look *= 2;
                let (mean, error) = mean_and_error(changes_usd);
                if mean - SURE * error > -least_usd {
                    return None;
                }
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let more = mean(unserved);
        Some((mean(changes_usd) - over_usd * more, more))
    }

    /// The most that `replicas` more of configuration `a` can save on average, by the prices of every scenario.
    pub(super) fn most_saved_usd(&self, a: usize, replicas: u32) -> f64 {
        let replicas = f64::from(replicas);
        let saved = |scenario: &Scenario| {
            let table = scenario.problem.route_table();
            let (mut by_time, mut by_memory, mut by_type) = (0.0_f64, 0.0_f64, 0.0);
            for (route, profit_usd) in scenario.prices.profits(table, a).filter(|&(_, profit_usd)| profit_usd > 0.0) {
                let (time, memory) = (table.time_replicas[route], table.memory_replicas[route]);
                by_time = by_time.max(profit_usd / time);
                by_memory = by_memory.max(profit_usd / memory);
                by_type += profit_usd * (replicas / time.max(memory)).min(1.0);
            }
            (replicas * by_time.min(by_memory)).min(by_type)
        };
        self.all.iter().map(saved).sum::<f64>() / self.all.len() as f64
    }

    /// What one replica fewer of configuration `a`, which is deployed, costs at least on average.
    pub(super) fn least_lost_usd(&self, a: usize) -> f64 {
        let lost = |scenario: &Scenario| {
            let program = &scenario.program;
            slot_of(program, a).map_or(0.0, |slot| program.replica_value_usd(slot))
        };
        self.all.iter().map(lost).sum::<f64>() / self.all.len() as f64
    }
}

impl Scenario {
    /// Solves for what is deployed, and keeps what comes of it.
    fn resolve(&mut self) -> Result<()> {
        match self.program.solve(f64::INFINITY) {
            LinearStatus::Optimal => {}
            status => return Err(Error::Internal(format!("the routing program of a scenario ended as {status:?}"))),
        }
        self.usd = self.program.objective();
        self.unserved = unserved_share(&self.problem, &self.program);
        self.program.read_prices(&mut self.prices);
        Ok(())
    }
}

fn slot_of(program: &RoutingProgram, a: usize) -> Option<usize> {
    (0..program.num_slots()).find(|&slot| program.configuration(slot) == Some(a))
}

fn set_replicas(program: &mut RoutingProgram, problem: &Problem, (a, replicas): Change) {
    let slot = slot_of(program, a).or_else(|| if replicas > 0 { program.free_slot(problem, a) } else { None });
    match slot {
        Some(slot) => program.set_replicas(problem, slot, a, replicas),
        None if replicas == 0 => {}
        None => {
            let used = (0..program.num_slots()).filter(|&slot| program.replicas(slot) > 0).count();
            *program = program.rebuilt(problem, used + SPARE_SLOTS, a);
            program.set_replicas(problem, used, a, replicas);
        }
    }
}

fn unserved_share(problem: &Problem, program: &RoutingProgram) -> f64 {
    let rates = &problem.query_types.rate_per_h;
    let total: f64 = rates.iter().sum();
    let unserved: f64 = rates.iter().enumerate().map(|(i, rate)| rate * program.unmet(i)).sum();
    if total > 0.0 {
        unserved / total
    } else {
        0.0
    }
}

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}
