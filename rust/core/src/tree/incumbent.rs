//! The best plan that the search knows.

use super::routing::{deployed_usd, route, Routed, Width};
use super::Evaluator;
use crate::bound::Domain;
use crate::check::gate;
use crate::ledger::{is_one_per_pair, Ledger};
use crate::{relative_gap, Deployment, Plan, Problem, Result, Routing, Stop};

/// What a linear program's optimum may be off by, relative to itself.
const LP_ROUNDING: f64 = 1e-9;
/// What sums over deployments may be off by, relative to a limit.
const LIMIT_ROUNDING: f64 = 1e-12;

/// The best plan so far and how many were tried.
#[derive(Debug)]
pub(crate) struct Incumbent<'p> {
    problem: &'p Problem,
    pub(crate) value: f64,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) routing: Routing,
    pub(crate) unmet: Vec<f64>,
    /// Deployments offered.
    pub(crate) offers: u64,
    last: Option<Vec<Deployment>>,
    /// What a routing may be broken off by; the first plans are routed whatever the time.
    pub(crate) stop: Stop,
    /// Where given, only plans within it are taken.
    pub(crate) domain: Option<Domain>,
}

impl<'p> Incumbent<'p> {
    pub(crate) fn new(problem: &'p Problem) -> Self {
        Self {
            problem,
            value: f64::INFINITY,
            deployments: Vec::new(),
            routing: Routing::default(),
            unmet: Vec::new(),
            offers: 0,
            last: None,
            stop: Stop::never(),
            domain: None,
        }
    }

    /// Takes over a plan that is known to be feasible and routed at the least cost, as it is.
    pub(crate) fn take(&mut self, plan: &Plan) {
        let Some(value) = plan.objective_value.filter(|&value| plan.status.has_plan() && value < self.value) else {
            return;
        };
        self.value = value;
        self.deployments.clone_from(&plan.deployments);
        self.routing.clone_from(&plan.routing);
        self.unmet.clone_from(&plan.unmet);
    }

    /// Whether `bound` proves that no plan is better by more than `rel_gap`, or that there is none.
    pub(crate) fn is_proven_by(&self, bound: f64, rel_gap: f64) -> bool {
        bound == f64::INFINITY
            || (self.value.is_finite() && relative_gap(self.value, bound.min(self.value)) <= rel_gap * (1.0 + 1e-9))
    }

    /// The plan, if there is one.
    pub(crate) fn plan(&self) -> Option<Result<Plan>> {
        let found = self.value.is_finite();
        found.then(|| Plan::from_solution(self.problem, self.deployments.clone(), &self.routing, self.unmet.clone()))
    }

    /// Whether the deployments alone keep within one configuration per pair, replicas, budget, storage and pools.
    fn within_limits(&self, deployments: &[Deployment]) -> bool {
        let problem = self.problem;
        let c = &problem.configurations;
        let is_in_range = |d: &Deployment| {
            let a = d.configuration as usize;
            (c.min_replicas[a]..=c.max_replicas[a]).contains(&d.replicas)
        };
        let in_range = deployments.iter().all(is_in_range);
        let ledger = Ledger::of(problem, deployments);
        is_one_per_pair(problem, deployments)
            && in_range
            && ledger.keeps_budget_and_pools(problem, LIMIT_ROUNDING)
            && ledger.keeps_storage(problem, LIMIT_ROUNDING)
    }

    /// Whether the checker agrees; coefficients many orders of magnitude apart can drown in the linear program.
    fn holds(&self, deployments: &[Deployment], routed: &Routed) -> bool {
        Plan::from_solution(self.problem, deployments.to_vec(), &routed.routing, routed.unmet.clone())
            .is_ok_and(|plan| gate::accepts(self.problem, &plan))
    }

    /// Routes over `deployments` and keeps the plan where it is the best; the replicas that the traffic needs, where
    /// these deployments have a feasible routing.
    fn try_routing(&mut self, deployments: &[Deployment], width: Width) -> Option<Vec<Deployment>> {
        let is_within = self.domain.as_ref().is_none_or(|domain| domain.contains(self.problem, deployments));
        if !is_within || !self.within_limits(deployments) {
            return None;
        }
        let routed = route(self.problem, deployments, width, &self.stop).ok()??;
        let value = routed.usd + deployed_usd(self.problem, deployments);
        if value < self.value {
            if !self.holds(deployments, &routed) {
                return None;
            }
            self.value = value;
            self.deployments = deployments.to_vec();
            self.unmet = routed.unmet;
            self.routing = routed.routing;
        }
        let needed = |(d, load): (&Deployment, &f64)| {
            let needed = (load - 1e-9).ceil().max(0.0) as u32;
            let least = if needed > 0 { self.problem.min_replicas(d.configuration as usize) } else { 0 };
            Deployment { configuration: d.configuration, replicas: needed.max(least).min(d.replicas) }
        };
        Some(deployments.iter().zip(&routed.load).map(needed).filter(|d| d.replicas > 0).collect())
    }
}

impl Evaluator for Incumbent<'_> {
    fn offer(&mut self, deployments: &[Deployment]) -> f64 {
        if self.last.as_deref() != Some(deployments) {
            self.last = Some(deployments.to_vec());
            self.offers += 1;
            let mut next = deployments.to_vec();
            while let Some(needed) = self.try_routing(&next, Width::Stated) {
                if needed == next {
                    break;
                }
                next = needed;
            }
        }
        self.value
    }

    fn offer_within_tolerance(&mut self, deployments: &[Deployment]) -> f64 {
        self.offers += 1;
        for width in [Width::Accepted, Width::Within] {
            let before = self.value;
            self.try_routing(deployments, width);
            if self.value < before {
                break;
            }
        }
        self.value
    }

    fn least_usd(&self, deployments: &[Deployment]) -> Option<f64> {
        if !self.within_limits(deployments) {
            return Some(f64::INFINITY);
        }
        let least = |deployments: &[Deployment]| route(self.problem, deployments, Width::Beyond, &self.stop);
        let routed = least(deployments).and_then(|routed| match routed {
            Some(routed) => Ok(Some(routed)),
            // Coefficients many orders of magnitude apart can drown, and then there seems to be none: by other pivots there may be.
            None => least(&deployments.iter().rev().copied().collect::<Vec<_>>()),
        });
        match routed {
            Ok(Some(routed)) => {
                let usd = routed.usd + deployed_usd(self.problem, deployments);
                Some(usd - LP_ROUNDING * usd.abs())
            }
            Ok(None) => Some(f64::INFINITY),
            Err(_) => None,
        }
    }
}
