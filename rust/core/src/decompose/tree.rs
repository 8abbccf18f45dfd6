//! Branching on replicas where components' prices leave a gap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Point, Search};
use crate::bound::{Domain, Mixture};
use crate::heap::{Entry, Total};
use crate::tree::candidates;
use crate::Result;

/// Nodes between two plans that are made of mixtures.
const FILL_INTERVAL: u64 = 10;

/// A part of the problem and the prices that prove its bound.
struct PricedNode {
    point: Point,
    domain: Domain,
}

/// A node in the queue: the one with the smallest bound comes first, of equal ones the newest.
type Open = Entry<(Reverse<Total>, u64), PricedNode>;

impl PricedNode {
    /// The node in its place of the queue, `id`th of all.
    fn open(self, id: u64) -> Open {
        Entry { key: (Reverse(Total(self.point.value)), id), item: self }
    }
}

impl Search<'_, '_> {
    /// Searches until the gap is closed or the limits are reached; the bound.
    pub(super) fn run(&mut self) -> Result<f64> {
        let root = Domain::of(self.problem);
        let free = vec![0.0; self.links.len()];
        let Some(first) = self.evaluate(&free, &root, f64::MAX)? else { return Ok(0.0) };
        if first.value == f64::INFINITY {
            return Ok(first.value);
        }
        let tolerance_usd = 0.2 * self.limits.rel_gap * first.value.abs();
        let Some(first) = self.evaluate(&free, &root, tolerance_usd)? else { return Ok(first.value) };
        if first.value == f64::INFINITY {
            return Ok(first.value);
        }
        self.choose(&free);
        let mut open = BinaryHeap::from([PricedNode { point: first, domain: root }.open(0)]);
        let (mut closed, mut nodes) = (f64::INFINITY, 0);
        while let Some(Open { key: (_, id), item: node }) = open.pop() {
            let value = node.point.value;
            if value >= self.cutoff() || self.is_spent() || self.stop.reason(nodes).is_some() {
                open.push(node.open(id));
                break;
            }
            nodes += 1;
            let Some((point, mixture)) = self.generate(node.point.clone(), &node.domain)? else {
                open.push(node.open(id));
                break;
            };
            let value = point.value.max(value);
            let Some(mixture) = mixture.filter(|_| value < self.cutoff()) else {
                closed = closed.min(value.min(self.cutoff()));
                continue;
            };
            if nodes == 1 || nodes % FILL_INTERVAL == 0 {
                self.fill(&mixture.weights, &point.prices)?;
            }
            self.choose(&point.prices);
            let mut deployed = Mixture::default();
            for (columns, weights) in self.columns.iter().zip(&mixture.weights) {
                for (column, &weight) in columns.iter().zip(weights).filter(|(_, weight)| **weight > 1e-9) {
                    column
                        .deployments
                        .iter()
                        .for_each(|d| deployed.add(d.configuration, weight, f64::from(d.replicas)));
                }
            }
            let Some(candidate) = candidates(self.problem, &node.domain, &deployed).into_iter().next() else {
                // The mixture is whole: the plan is known, and what is left of the gap is the tolerance of proofs.
                closed = closed.min(value);
                continue;
            };
            for decision in [candidate.down, candidate.up] {
                let mut domain = node.domain.clone();
                decision.apply(self.problem, &mut domain);
                domain.propagate(self.problem);
                let tolerance_usd = self.tolerance_usd(value, mixture.usd);
                let Some(mut side) = self.evaluate(&point.prices, &domain, tolerance_usd)? else {
                    closed = closed.min(value);
                    continue;
                };
                side.value = side.value.max(value);
                if side.value >= self.cutoff() {
                    closed = closed.min(side.value.min(self.cutoff()));
                    continue;
                }
                open.push(PricedNode { point: side, domain }.open(nodes));
            }
        }
        let bound = open.peek().map_or(closed, |node| node.item.point.value.min(closed));
        Ok(bound)
    }
}
