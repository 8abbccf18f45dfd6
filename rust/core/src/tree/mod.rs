//! The search tree: branch and bound over the Lagrangian relaxation, of a problem or of a part of it.
//!
//! Each node narrows the ranges of replicas; its bound is found by column generation from the parent's prices, with
//! the patterns of all nodes shared. Reduced costs against the best plan narrow the domain further. The node with the
//! smallest bound comes first, so that the smallest of the open ones rises as fast as it can.

mod branching;
mod dive;
mod division;
#[cfg(test)]
mod example;
mod incumbent;
mod node;
mod part;
mod pseudo_costs;
mod routing;
mod watch;

use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

pub(crate) use branching::candidates;
pub(crate) use incumbent::Incumbent;
pub(crate) use part::{Proof, Task};

use crate::bound::{
    prove_infeasible, Domain, Ending, Evaluation, Generator, Knapsack, Limits, Master, Prices, Relaxation, LEAST_GAP,
};
use crate::tuning::TreeTuning;
use crate::{relative_gap, Deployment, Stop};
use branching::any_candidate;
use node::{Node, Open, Path};
use pseudo_costs::PseudoCosts;
use watch::Watched;

/// Says what deployments cost: the value of their best routing where they have one.
pub(crate) trait Evaluator {
    /// Offers deployments; the value of the best plan known afterwards, infinite without one.
    fn offer(&mut self, deployments: &[Deployment]) -> f64;

    /// Offers deployments of which only a routing within the feasibility tolerance may be good enough.
    fn offer_within_tolerance(&mut self, deployments: &[Deployment]) -> f64;

    /// What every plan that the checker accepts costs at least where it deploys these; infinite where there is none, and `None`
    /// where that could not be found out.
    fn least_usd(&self, deployments: &[Deployment]) -> Option<f64>;
}

/// How far a search got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every plan is known to cost at least the bound, which is within the gap of the best one.
    Closed,
    /// Time or iterations ran out.
    Stopped,
    /// Neither bound nor best plan have moved for long, and no one has set a limit: rounding keeps them apart.
    Stalled,
}

pub(crate) struct Tree<'r, 'p> {
    relaxation: &'r Relaxation<'p>,
    tuning: TreeTuning,
    generator: Generator<'r, 'p>,
    root: Domain,
    domain: Domain,
    /// Domain that the present node began with.
    before: Domain,
    open: BinaryHeap<Open>,
    knapsack: Knapsack,
    /// Master programs that open nodes, by their number, start with.
    masters: BTreeMap<u64, Arc<Master>>,
    pseudo_costs: PseudoCosts,
    /// Smallest bound of the nodes that are done with.
    closed_bound: f64,
    upper: f64,
    rel_gap: f64,
    /// A node could be neither divided nor decided.
    pub(crate) unresolved: bool,
    pub(crate) nodes: u64,
    next_id: u64,
    /// Best prices at the root before cuts.
    uncut_prices: Prices,
    /// Best prices at the root, the best plan's value when they were last used to narrow it, and the number of
    /// configurations that the master program was built for.
    root_prices: Prices,
    root_upper: f64,
    built_for: usize,
    /// A plan that debug builds see is never cut off.
    watched: Option<Watched>,
}

impl<'r, 'p> Tree<'r, 'p> {
    pub(crate) fn new(relaxation: &'r Relaxation<'p>, root: Domain, guess: Prices, upper: f64, rel_gap: f64) -> Self {
        let tuning = relaxation.tuning.tree;
        let generator = Generator::new(relaxation, &root, guess.clone());
        let built_for = root.num_open();
        let prices = Arc::new(guess.clone());
        let first = Node { bound: 0.0, id: 0, path: None, prices, parent_bound: 0.0, moved_usd: 0.0 };
        Self {
            relaxation,
            tuning,
            generator,
            domain: root.clone(),
            before: root.clone(),
            root,
            open: BinaryHeap::from([first.open()]),
            knapsack: Knapsack::default(),
            masters: BTreeMap::new(),
            pseudo_costs: PseudoCosts::new(tuning.reliable),
            closed_bound: f64::INFINITY,
            upper,
            rel_gap,
            unresolved: false,
            nodes: 0,
            next_id: 1,
            uncut_prices: guess.clone(),
            root_prices: guess,
            root_upper: f64::INFINITY,
            built_for,
            watched: None,
        }
    }

    /// Lets the search end once it has taken about so many elementary steps.
    pub(crate) fn limit_work(&mut self, max_work: u64) {
        self.generator.max_work = max_work;
    }

    /// About how many elementary steps the search has taken.
    pub(crate) fn work(&self) -> u64 {
        self.generator.work
    }

    fn must_end(&self, stop: &Stop) -> bool {
        self.generator.is_spent() || stop.should_stop()
    }

    /// A valid lower bound on the value of every plan; infinite where there is none.
    pub(crate) fn bound(&self) -> f64 {
        self.open.peek().map_or(self.closed_bound, |node| node.item.bound.min(self.closed_bound))
    }

    /// The best prices at the root without cuts, or those that prove that there is no plan at all.
    pub(crate) fn into_root_prices(self) -> Prices {
        self.uncut_prices
    }

    /// Times that the Lagrangian function was evaluated.
    pub(crate) fn evaluations(&self) -> u64 {
        self.generator.evaluations
    }

    fn cutoff(&self) -> f64 {
        if self.upper.is_finite() {
            self.upper - self.rel_gap * self.upper.abs()
        } else {
            f64::INFINITY
        }
    }

    /// Searches until the gap is closed or `stop` says so.
    pub(crate) fn run(&mut self, evaluator: &mut impl Evaluator, stop: &Stop) -> Outcome {
        let is_patient = stop.remaining_s().is_some() || stop.max_iterations() < u64::MAX;
        let (mut looked_at, mut gap_then) = (self.nodes, f64::INFINITY);
        loop {
            let cutoff = self.cutoff();
            if !is_patient && self.upper.is_infinite() && self.nodes >= self.tuning.max_nodes_without_plan {
                return Outcome::Stalled;
            }
            if !is_patient && self.nodes - looked_at >= self.tuning.patience_nodes {
                // Without a plan what is left to do is to show that the bound has no end.
                let bound = self.bound();
                let gap = if self.upper.is_finite() { self.upper - bound } else { 1.0 / (1.0 + bound.max(0.0)) };
                if gap > gap_then * (1.0 - self.tuning.least_progress) {
                    return Outcome::Stalled;
                }
                (looked_at, gap_then) = (self.nodes, gap);
            }
            match self.open.peek().map(|open| open.item.bound) {
                None => return Outcome::Closed,
                Some(bound) if bound >= cutoff => {
                    self.close(bound);
                    self.open.clear();
                    return Outcome::Closed;
                }
                Some(_) if self.generator.is_spent() || stop.reason(self.nodes).is_some() => return Outcome::Stopped,
                Some(_) => {}
            }
            let Some(Open { item: mut node, .. }) = self.open.pop() else { return Outcome::Closed };
            if !self.process(&mut node, evaluator, stop) {
                self.open.push(node.open());
                return Outcome::Stopped;
            }
            self.nodes += 1;
            if self.upper < self.root_upper {
                self.narrow_root(stop);
            }
            debug_assert!(self.keeps_watched(), "{}: a better plan was cut off", self.relaxation.problem.name);
        }
    }

    /// Narrows the whole search by the root's reduced costs against a new best plan.
    fn narrow_root(&mut self, stop: &Stop) {
        self.root_upper = self.upper;
        let mut evaluation = Evaluation::default();
        if !self.relaxation.evaluate(&self.root_prices, &self.root, stop, &mut evaluation) {
            return;
        }
        let cutoff = self.cutoff();
        self.relaxation.tighten(&self.root_prices, &evaluation, cutoff, &mut self.root, &mut self.knapsack, stop);
        let num_open = self.root.num_open();
        if num_open * 10 < self.built_for * 8 {
            self.built_for = num_open;
            self.generator.rebuild(&self.root);
        }
    }

    fn limits(&self, max_evaluations: u64) -> Limits {
        // While the gap is wide, the last digits of a node's bound are not worth their time.
        let gap = if self.upper.is_finite() { relative_gap(self.upper, self.bound()) } else { 0.0 };
        let TreeTuning { gap_share, least_tolerance, most_tolerance, .. } = self.tuning;
        let tolerance = (gap_share * gap).clamp(least_tolerance, most_tolerance);
        Limits { cutoff: self.cutoff(), tolerance, max_evaluations }
    }

    /// Solves, closes or divides a node; false where `stop` came first.
    fn process(&mut self, node: &mut Node, evaluator: &mut impl Evaluator, stop: &Stop) -> bool {
        let problem = self.relaxation.problem;
        let mut domain = std::mem::replace(&mut self.domain, Domain { min: vec![], max: vec![], forced: vec![] });
        domain.clone_from(&self.root);
        Path::apply(node.path.as_ref(), problem, &mut domain);
        domain.propagate(problem);
        self.before.clone_from(&domain);
        let done = self.process_domain(node, &mut domain, evaluator, stop);
        self.domain = domain;
        done
    }

    fn process_domain(
        &mut self,
        node: &mut Node,
        domain: &mut Domain,
        evaluator: &mut impl Evaluator,
        stop: &Stop,
    ) -> bool {
        let problem = self.relaxation.problem;
        self.generator.best_prices.clone_from(&node.prices);
        match self.masters.remove(&node.id).map(Arc::try_unwrap) {
            Some(Ok(master)) => self.generator.master = master,
            Some(Err(shared)) => self.generator.master.clone_from(&shared),
            None => {}
        }
        loop {
            let limits = self.limits(u64::MAX);
            let ending = match node.path {
                None => self.generator.run_narrowing(domain, limits, stop),
                Some(_) => self.generator.run(domain, limits, stop),
            };
            node.bound = node.bound.max(self.generator.best.value);
            if node.path.is_none() {
                self.root_prices.clone_from(&self.generator.best_prices);
                self.root.clone_from(domain);
                self.built_for = domain.num_open();
            }
            let bound = node.bound;
            if let Some(path) = &node.path {
                let gain_usd = bound.min(self.cutoff()) - node.parent_bound;
                self.pseudo_costs.note(path.decision(), node.moved_usd, gain_usd);
            }
            match ending {
                Ending::Stopped if self.must_end(stop) => return false,
                Ending::Cutoff => return self.close(bound),
                Ending::Artificial => {
                    if let Some(proof) = self.prove_infeasible(domain, stop) {
                        if node.path.is_none() {
                            self.uncut_prices = proof;
                        }
                        return self.close(f64::INFINITY);
                    }
                }
                Ending::Converged | Ending::Stopped => {}
            }
            if !self.generator.cuts {
                // First without, for what a unit of each limit is worth.
                self.generator.cuts = true;
                self.uncut_prices.clone_from(&self.root_prices);
                continue;
            }
            if self.upper.is_infinite() || self.tighten(domain, stop) == 0 {
                break;
            }
            if node.path.is_some() && self.generator.mixture_is_within(domain) {
                // What is left out was not in use.
                break;
            }
        }
        let prices = Arc::new(self.generator.best_prices.clone());
        let mixture = self.generator.mixture();
        let TreeTuning { dive_interval, early_dive_interval, .. } = self.tuning;
        let interval = if self.nodes < dive_interval { early_dive_interval } else { dive_interval };
        if self.nodes % interval == 0 {
            // Trials start where the node was solved, not where the dive ended.
            let solved = self.generator.master.clone();
            if !self.dive(domain, mixture.clone(), evaluator, stop) {
                return false;
            }
            self.generator.master = solved;
        }
        let bound = node.bound;
        if bound >= self.cutoff() {
            return self.close(bound);
        }
        let mut options = candidates(problem, domain, &mixture);
        if options.is_empty() {
            self.upper = self.upper.min(evaluator.offer(&mixture.rounded(problem, f64::round)));
            if bound >= self.cutoff() {
                return self.close(bound);
            }
            // The mixture is whole but not the plan that it should be, or there is none: decide what is left.
            let Some(candidate) = any_candidate(problem, domain, &mixture) else {
                return self.close_last(domain, bound, evaluator);
            };
            options.push(candidate);
        }
        self.divide(node, bound, domain, &prices, &options, stop)
    }

    /// Keeps the master program that node `id` starts with, and lets that of the oldest node go where there are too many.
    fn keep_master(&mut self, id: u64, master: Arc<Master>) {
        self.masters.insert(id, master);
        if self.masters.len() > self.tuning.max_masters {
            self.masters.pop_first();
        }
    }

    fn close(&mut self, bound: f64) -> bool {
        // What reduced costs left out costs at least the cutoff of its time, which was no lower than today's.
        self.closed_bound = self.closed_bound.min(bound.min(self.cutoff()));
        true
    }

    /// Closes a node of which everything is decided, by solving its routing.
    fn close_last(&mut self, domain: &Domain, bound: f64, evaluator: &mut impl Evaluator) -> bool {
        let only: Vec<Deployment> = (0..domain.max.len() as u32)
            .filter(|&a| domain.is_open(a as usize))
            .map(|configuration| Deployment { configuration, replicas: domain.min[configuration as usize] })
            .collect();
        self.upper = self.upper.min(evaluator.offer(&only));
        let least_usd = evaluator.least_usd(&only);
        let enough_usd = self.upper - self.rel_gap.max(0.9 * LEAST_GAP) * self.upper.abs();
        if self.upper.is_infinite() || least_usd.is_none_or(|usd| usd < enough_usd) {
            self.upper = self.upper.min(evaluator.offer_within_tolerance(&only));
        }
        match least_usd {
            Some(usd) => self.close(usd.max(bound)),
            None => {
                self.unresolved = true;
                self.close(bound)
            }
        }
    }

    fn prove_infeasible(&mut self, domain: &Domain, stop: &Stop) -> Option<Prices> {
        let mut evaluations = 0;
        prove_infeasible(self.relaxation.problem, domain, self.relaxation.threads, stop, &mut evaluations)
    }

    /// Narrows `domain` by reduced costs; the number of configurations closed.
    fn tighten(&mut self, domain: &mut Domain, stop: &Stop) -> usize {
        let before = domain.num_open();
        let cutoff = self.cutoff();
        let generator = &self.generator;
        self.relaxation.tighten(&generator.best_prices, &generator.best, cutoff, domain, &mut self.knapsack, stop);
        before - domain.num_open()
    }
}
