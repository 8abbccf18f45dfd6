//! Problems that fall apart but for limits: services with models of their own that share pools, a budget or storage.
//!
//! Query types that no configuration connects form a component, which branch and bound solves on its own in a fraction of the
//! time of the whole. Without limits that bind that is all. Else the limits have prices, found by column generation over whole
//! plans of components (Dantzig-Wolfe), which prove a far better bound than prices of the constraints within them; a knapsack
//! chooses among the plans found, and branching on replicas closes what gap is left. A price of a pool is a more expensive GPU, so that
//! a priced component is a problem like any other.
//!
//! Source: Dantzig and Wolfe, "Decomposition principle for linear programs", 1960; Barnhart et al., "Branch-and-price: column
//! generation for solving huge integer programs", 1998.

mod choice;
mod component;
mod fill;
mod linking;
mod master;
#[cfg(test)]
mod tests;
mod tree;

use crate::bound::Domain;
use crate::tree::{Evaluator, Incumbent};
use crate::{Deployment, Problem, Result, Stop};
use component::Component;
use linking::{Column, Link};
use master::Mixture;

/// Weight of the best prices so far where nothing speaks against it.
const SMOOTHING: f64 = 0.5;
/// What the proofs of all components may leave open together, in terms of the gap that is asked for and of that of the moment.
const PROOF_SHARE: f64 = 0.2;
const COARSE_PROOF_SHARE: f64 = 0.05;
/// Relative difference between bound and master program at which they agree, in terms of the gap that is asked for.
const AGREED_SHARE: f64 = 0.3;
/// Evaluations of one run of column generation.
const MOST_EVALUATIONS: usize = 200;
/// Evaluations between two choices among the plans of components.
const CHOICE_INTERVAL: usize = 6;
/// Share of the steps that are left that one proof may take, in terms of an even share of the components.
const PROOF_STEPS: f64 = 0.5;
/// What a sum may lose by rounding, relative to its terms.
const ROUNDING: f64 = 1e-12;

/// How far the search may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Relative gap at which it ends.
    pub(crate) rel_gap: f64,
    /// Elementary steps, of a few nanoseconds, after which it ends.
    pub(crate) max_work: u64,
}

/// What was proven.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// No plan costs less; infinite where there is none.
    pub(crate) bound: f64,
    pub(crate) components: usize,
}

/// Offers plans of a problem that falls apart to `incumbent`, and proves a bound; `None` where it does not fall apart.
///
/// # Errors
/// [`crate::Error::Internal`] where a plan cannot be made.
pub(crate) fn solve<'p>(
    problem: &'p Problem,
    incumbent: &mut Incumbent<'p>,
    limits: Limits,
    stop: &Stop,
) -> Result<Option<Outcome>> {
    let components = component::components(problem);
    if components.is_empty() {
        return Ok(None);
    }
    let count = components.len();
    let mut search = Search::new(problem, components, incumbent, limits, stop);
    let bound = search.run()?;
    Ok(Some(Outcome { bound: bound.max(0.0), components: count }))
}

/// Offers plans to `incumbent` that come of its own where components answer, within `max_work` elementary steps, to what the
/// others leave of the limits. Nothing happens where the problem does not fall apart.
///
/// # Errors
/// As [`solve`].
pub(crate) fn improve<'p>(
    problem: &'p Problem,
    incumbent: &mut Incumbent<'p>,
    max_work: u64,
    stop: &Stop,
) -> Result<()> {
    let components = component::components(problem);
    if components.is_empty() || !incumbent.value.is_finite() {
        return Ok(());
    }
    let deployments = incumbent.deployments.clone();
    let limits = Limits { rel_gap: 0.0, max_work };
    Search::new(problem, components, incumbent, limits, stop).improve(&deployments)
}

/// What is known of a component in one domain at one vector of prices.
#[derive(Debug, Clone)]
struct Known {
    prices: Vec<f64>,
    domain: Domain,
    bound: f64,
    tolerance_usd: f64,
}

/// The Lagrangian function of the limits' prices.
#[derive(Debug, Clone)]
struct Point {
    prices: Vec<f64>,
    value: f64,
}

struct Search<'s, 'p> {
    problem: &'p Problem,
    components: Vec<Component>,
    links: Vec<Link>,
    capacity: Vec<f64>,
    /// Whether a component takes of a limit.
    takes: Vec<Vec<bool>>,
    columns: Vec<Vec<Column>>,
    known: Vec<Option<Known>>,
    incumbent: &'s mut Incumbent<'p>,
    limits: Limits,
    work: u64,
    stop: &'s Stop,
}

impl<'s, 'p> Search<'s, 'p> {
    fn new(
        problem: &'p Problem,
        components: Vec<Component>,
        incumbent: &'s mut Incumbent<'p>,
        limits: Limits,
        stop: &'s Stop,
    ) -> Self {
        let all = Link::all(problem).into_iter();
        let is_shared =
            |link: &Link| components.iter().filter(|component| component.takes_of(problem, *link)).count() > 1;
        let links: Vec<Link> = all.filter(is_shared).collect();
        incumbent.stop = stop.clone();
        Self {
            problem,
            capacity: links.iter().map(|link| link.capacity(problem)).collect(),
            takes: components.iter().map(|c| links.iter().map(|&link| c.takes_of(problem, link)).collect()).collect(),
            columns: vec![Vec::new(); components.len()],
            known: vec![None; components.len()],
            links,
            components,
            incumbent,
            limits,
            work: 0,
            stop,
        }
    }

    fn cutoff(&self) -> f64 {
        self.incumbent.value * (1.0 - self.limits.rel_gap)
    }

    fn is_spent(&self) -> bool {
        self.work >= self.limits.max_work || self.stop.should_stop()
    }

    /// The Lagrangian function at `prices` within `domain`, every component proven to a share of `tolerance_usd`; `None` where the
    /// search has to end.
    fn evaluate(&mut self, prices: &[f64], domain: &Domain, tolerance_usd: f64) -> Result<Option<Point>> {
        let share_usd = tolerance_usd / self.components.len() as f64;
        let of_limits: f64 = self.capacity.iter().zip(prices).map(|(most, price)| most * price).sum();
        let (mut value, mut size) = (-of_limits, of_limits);
        for index in 0..self.components.len() {
            let Some(bound) = self.prove(index, prices, domain, share_usd)? else { return Ok(None) };
            value += bound;
            size += bound;
            if value == f64::INFINITY {
                break;
            }
        }
        let value = if value.is_finite() { value - ROUNDING * size } else { value };
        Ok(Some(Point { prices: prices.to_vec(), value }))
    }

    /// What every plan of component `index` costs at least, and a new column where its best plan is one.
    fn prove(&mut self, index: usize, prices: &[f64], domain: &Domain, tolerance_usd: f64) -> Result<Option<f64>> {
        if self.is_spent() {
            return Ok(None);
        }
        let own_prices: Vec<f64> =
            prices.iter().zip(&self.takes[index]).map(|(price, takes)| if *takes { *price } else { 0.0 }).collect();
        let domain = self.components[index].domain(self.problem, domain);
        if let Some(known) = &self.known[index] {
            if known.prices == own_prices && known.tolerance_usd <= 2.0 * tolerance_usd && known.domain == domain {
                return Ok(Some(known.bound));
            }
        }
        if !self.components[index].set_prices(&self.links, &own_prices) {
            return Ok(None);
        }
        if self.columns[index].is_empty() {
            let greedy = self.components[index].greedy(self.problem, &self.links, &own_prices, self.stop)?;
            self.columns[index].extend(greedy);
        }
        let usd = |column: &&Column| column.priced_usd(&own_prices);
        let allowed = |column: &&Column| self.components[index].allows(&domain, column);
        let start = self.columns[index].iter().filter(allowed).min_by(|a, b| usd(a).total_cmp(&usd(b)));
        let scale = start.map_or(f64::INFINITY, |column| usd(&column)).max(f64::MIN_POSITIVE);
        let rel_gap = (tolerance_usd / scale).clamp(1e-9, 1e-2);
        let left = self.proof_work();
        let proof = self.components[index].solve(domain.clone(), start.into_iter(), rel_gap, left, self.stop)?;
        self.work += proof.work;
        let plan = proof.plan.as_ref();
        let column = plan.and_then(|plan| self.components[index].column(self.problem, plan, &self.links, &own_prices));
        if let Some(column) = column {
            self.add(index, column);
        }
        self.known[index] = Some(Known { prices: own_prices, domain, bound: proof.bound, tolerance_usd });
        Ok(Some(proof.bound))
    }

    /// Steps that one proof may take.
    fn proof_work(&self) -> u64 {
        let left = self.limits.max_work.saturating_sub(self.work) as f64;
        (PROOF_STEPS * left / self.components.len() as f64) as u64 + 1
    }

    /// The place of `column` among those of component `index`.
    fn add(&mut self, index: usize, column: Column) -> usize {
        let columns = &mut self.columns[index];
        columns.iter().position(|known| known.deployments == column.deployments).unwrap_or_else(|| {
            columns.push(column);
            columns.len() - 1
        })
    }

    /// Offers the cheapest choice among the columns.
    fn choose(&mut self, prices: &[f64]) {
        let below_usd = if self.incumbent.value.is_finite() { self.incumbent.value } else { f64::MAX };
        if let Some(chosen) = choice::choose(&self.columns, &self.capacity, prices, below_usd) {
            let deployments: Vec<Deployment> = chosen
                .iter()
                .zip(&self.columns)
                .flat_map(|(&index, columns)| columns[index].deployments.iter().copied())
                .collect();
            self.incumbent.offer(&deployments);
        }
    }

    /// Tolerance of the proofs, together, where the bound is `value` and cannot rise above `most`, USD.
    fn tolerance_usd(&self, value: f64, most: f64) -> f64 {
        let most = most.min(self.incumbent.value);
        let coarse = if most.is_finite() { most - value } else { value.abs() };
        (PROOF_SHARE * self.limits.rel_gap * value.abs()).max(COARSE_PROOF_SHARE * coarse)
    }

    /// Column generation within `domain` from `start`; the best point, and the mixture where that is not above the cutoff.
    fn generate(&mut self, start: Point, domain: &Domain) -> Result<Option<(Point, Option<Mixture>)>> {
        let mut best = start;
        let mut smoothing = SMOOTHING;
        let mut mixture: Option<Mixture> = None;
        for round in 0..MOST_EVALUATIONS {
            if best.value >= self.cutoff() {
                return Ok(Some((best, None)));
            }
            let domains: Vec<Domain> =
                self.components.iter().map(|component| component.domain(self.problem, domain)).collect();
            let is_open = |index: usize, column: &Column| self.components[index].allows(&domains[index], column);
            let Some(mixed) = master::mix(&self.columns, &self.capacity, &is_open, self.stop) else { break };
            let agreed = AGREED_SHARE * self.limits.rel_gap * mixed.usd.abs();
            let is_done = mixed.usd - best.value <= agreed;
            let (proposed, mixed_usd) = (mixed.prices.clone(), mixed.usd);
            mixture = Some(mixed);
            if is_done {
                break;
            }
            let point: Vec<f64> =
                proposed.iter().zip(&best.prices).map(|(new, old)| new + smoothing * (old - new)).collect();
            let before = self.columns.iter().map(Vec::len).sum::<usize>();
            let tolerance_usd = self.tolerance_usd(best.value, mixed_usd);
            let Some(found) = self.evaluate(&point, domain, tolerance_usd)? else { return Ok(None) };
            let is_new = self.columns.iter().map(Vec::len).sum::<usize>() > before;
            let improves = found.value > best.value;
            if improves {
                best = found;
            }
            if round % CHOICE_INTERVAL == CHOICE_INTERVAL - 1 {
                self.choose(&best.prices.clone());
            }
            if is_new {
                smoothing = SMOOTHING;
            } else if smoothing == 0.0 && !improves {
                break;
            } else {
                smoothing = if smoothing > 0.2 { 0.5 * smoothing } else { 0.0 };
            }
        }
        Ok(Some((best, mixture)))
    }
}
