//! Prices near those of the linear relaxation, and which configurations they favour.
//!
//! Column generation: a column is one replica (or a part of one) of a configuration with the traffic that fills it
//! best at the present prices; the master program mixes columns under supply, SLOs, budget, storage and pools. Columns
//! charge a whole replica for a query type that they serve wholly, which keeps `x ≤ w ≤ r`. One configuration per
//! (model, tier) is not asked for, and the run stops early: prices that steer need not be optimal. A master that follows
//! changing rates begins its next run with the columns that were mixed: then a few rounds suffice where many do from nothing.
//!
//! Source: Gilmore and Gomory, "A linear programming approach to the cutting stock problem", 1961; Desrosiers and
//! Lübbecke, "A primer in column generation", 2005.

use super::pricing::Pricing;
use super::restricted_master::{cheapest_usd, RestrictedMaster, FIRST_SHORTAGE};
use crate::bound::Prices;
use crate::linear::LinearStatus;
use crate::pricing::{LimitPrices, RoutingPrices};
use crate::search::MasterSolution;
use crate::{Problem, Stop};

/// Rounds of column generation; each adds many columns.
const MAX_ROUNDS: usize = 200;
/// Columns added per round and query type.
const COLUMNS_PER_TYPE: usize = 2;
/// A round that improves the master program by less than this, relatively, counts as stalled.
const STALL: f64 = 2e-4;
/// Share of the old prices that a round keeps, against swings.
const SMOOTHING: f64 = 0.5;
/// First price of serving where routes are many, in terms of those of each query type served on its own.
const FIRST_PRICE_OF_MANY: f64 = 1.05;
const MAX_PIVOTS: u64 = 5_000;
/// Elementary steps of the master program after which the run ends: about a second.
const MAX_WORK: u64 = 150_000_000;

impl MasterSolution {
    /// Column generation until it stalls or `stop` says so.
    pub(crate) fn of(problem: &Problem, stop: &Stop) -> Self {
        let mut solution = Self {
            routing: first_prices(problem),
            limits: LimitPrices::zero(problem),
            mixture: Vec::new(),
            value_usd: f64::INFINITY,
            columns: Vec::new(),
        };
        solution.renew(problem, MAX_ROUNDS, stop);
        solution
    }

    /// Column generation from the present prices and what was mixed before, for at most `rounds`.
    pub(crate) fn renew(&mut self, problem: &Problem, rounds: usize, stop: &Stop) {
        let mut master = RestrictedMaster::new(problem, self);
        let num_types = problem.num_query_types();
        let mut proposed = self.clone();
        let mut pricing = Pricing::new();
        let most = COLUMNS_PER_TYPE * num_types + 10;
        let mut stalled = 0;
        self.value_usd = f64::INFINITY;
        let is_solved = master.simplex.solve(f64::INFINITY, MAX_PIVOTS) == LinearStatus::Optimal;
        if is_solved && !self.columns.is_empty() {
            // It may be that nothing has to be added.
            master.read(&mut proposed);
            self.value_usd = master.value_usd();
        }
        for _ in 0..rounds {
            pricing.price(problem, self, most);
            if pricing.is_empty() {
                self.blend(&proposed, 0.0);
                pricing.price(problem, self, most);
            }
            pricing.for_each_fill(problem, self, |configuration, items| master.add(configuration, items));
            let is_done = pricing.is_empty() || stalled == 3;
            if master.simplex.work() > MAX_WORK || (is_done && !master.raise_shortage()) {
                break;
            }
            if master.simplex.solve_after_adding(MAX_PIVOTS, &|| stop.should_stop()) != LinearStatus::Optimal
                || stop.should_stop()
            {
                break;
            }
            master.read(&mut proposed);
            let value_usd = master.value_usd();
            stalled = if (value_usd / self.value_usd - 1.0).abs() < STALL { stalled + 1 } else { 0 };
            self.value_usd = value_usd;
            self.blend(&proposed, SMOOTHING);
        }
        master.read_mixture(&mut self.mixture, &mut self.columns);
    }
}

/// Prices that column generation begins with.
fn first_prices(problem: &Problem) -> RoutingPrices {
    if !problem.has_many_routes() {
        let none = vec![0.0; problem.num_query_types()];
        let supply = cheapest_usd(problem).into_iter().map(|usd| FIRST_SHORTAGE * usd).collect();
        return RoutingPrices { supply, error: none.clone(), latency: none };
    }
    let single = Prices::from_single_types(problem);
    let raised = |prices: Vec<f64>| prices.into_iter().map(|usd| FIRST_PRICE_OF_MANY * usd).collect();
    RoutingPrices { supply: raised(single.supply), error: raised(single.error), latency: raised(single.latency) }
}
