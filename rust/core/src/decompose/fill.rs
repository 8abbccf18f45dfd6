//! Plans from a mixture: components take their turns in what others leave of the limits.

use super::linking::{Column, Link};
use super::Search;
use crate::tree::Evaluator;
use crate::{Deployment, Result};

/// Rounds in which each component answers to all the others.
const ROUNDS: usize = 3;
/// Relative gap to which an answer is found.
const ANSWER_GAP: f64 = 2e-5;
/// An answer counts where it saves this share of the whole.
const LEAST_SAVING: f64 = 1e-9;

impl Search<'_, '_> {
    /// Offers a plan that is made of the mixture with `weights` of columns: components that it leaves undecided answer at `prices`
    /// one after the other, and then all of them at none, each within what the others leave.
    pub(super) fn fill(&mut self, weights: &[Vec<f64>], prices: &[f64]) -> Result<()> {
        let largest = |weights: &Vec<f64>| {
            let best = weights.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
            best.map_or((0, 0.0), |(index, weight)| (index, *weight))
        };
        let mut order: Vec<(usize, usize, f64)> = Vec::with_capacity(weights.len());
        for (component, weights) in weights.iter().enumerate() {
            let (index, weight) = largest(weights);
            order.push((component, index, weight));
        }
        order.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
        let mut chosen: Vec<Option<usize>> = vec![None; self.components.len()];
        for (component, index, _) in order {
            let left = self.left_by_others(&chosen, component);
            let fits =
                |column: &Column| column.usage.iter().zip(&left).all(|(usage, left)| *usage <= left * (1.0 + 1e-9));
            chosen[component] = if self.columns[component].get(index).is_some_and(fits) {
                Some(index)
            } else {
                self.answer(component, prices, &left, None)?
            };
            if chosen[component].is_none() {
                return Ok(());
            }
        }
        self.answer_in_turns(chosen)
    }

    /// Offers what comes of `deployments` where components answer to each other.
    pub(super) fn improve(&mut self, deployments: &[Deployment]) -> Result<()> {
        let free = vec![0.0; self.links.len()];
        let mut chosen: Vec<Option<usize>> = Vec::with_capacity(self.components.len());
        for index in 0..self.components.len() {
            let Some(column) = self.components[index].routed(self.problem, deployments, &self.links, &free)? else {
                return Ok(());
            };
            chosen.push(Some(self.add(index, column)));
        }
        self.answer_in_turns(chosen)
    }

    /// Lets components answer to the others until none saves anything, and offers what comes of it.
    pub(super) fn answer_in_turns(&mut self, mut chosen: Vec<Option<usize>>) -> Result<()> {
        let free = vec![0.0; self.links.len()];
        for _ in 0..ROUNDS {
            let mut changed = false;
            for component in 0..chosen.len() {
                let left = self.left_by_others(&chosen, component);
                let Some(before) = chosen[component] else { return Ok(()) };
                if let Some(index) = self.answer(component, &free, &left, Some(before))? {
                    let saved = self.columns[component][before].usd - self.columns[component][index].usd;
                    if saved > LEAST_SAVING * self.columns[component][before].usd {
                        chosen[component] = Some(index);
                        changed = true;
                    }
                }
            }
            if !changed || self.is_spent() {
                break;
            }
        }
        let deployments: Vec<Deployment> = chosen
            .iter()
            .zip(&self.columns)
            .filter_map(|(index, columns)| Some(&columns[(*index)?]))
            .flat_map(|column| column.deployments.iter().copied())
            .collect();
        self.incumbent.offer(&deployments);
        Ok(())
    }

    /// What the chosen columns of all other components leave of each limit.
    fn left_by_others(&self, chosen: &[Option<usize>], component: usize) -> Vec<f64> {
        let mut left = self.capacity.clone();
        for (other, index) in chosen.iter().enumerate().filter(|(other, _)| *other != component) {
            let Some(index) = index else { continue };
            left.iter_mut().zip(&self.columns[other][*index].usage).for_each(|(left, usage)| *left -= usage);
        }
        left
    }

    /// The column of the best plan of `component` at `prices` within `left` of each limit.
    fn answer(
        &mut self,
        component: usize,
        prices: &[f64],
        left: &[f64],
        start: Option<usize>,
    ) -> Result<Option<usize>> {
        if self.is_spent() || !self.components[component].set_prices(&self.links, prices) {
            return Ok(None);
        }
        // A price makes the budget another one: there the choice of what fits is left to what comes later.
        let limited: Vec<(Link, f64)> = self.links.iter().copied().zip(left.iter().copied()).collect();
        if !self.components[component].set_limits(self.problem, &limited) {
            return Ok(None);
        }
        let domain = self.components[component].whole_domain();
        let start = start.map(|index| &self.columns[component][index]);
        let work = self.proof_work();
        let proof = self.components[component].solve(domain, start.into_iter(), ANSWER_GAP, work, self.stop)?;
        self.work += proof.work;
        let plan = proof.plan.as_ref();
        let column = plan.and_then(|p| self.components[component].column(self.problem, p, &self.links, prices));
        self.components[component].lift_limits(self.problem);
        Ok(column.map(|column| self.add(component, column)))
    }
}
