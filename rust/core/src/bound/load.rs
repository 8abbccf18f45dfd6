//! Load cuts: how many whole replicas it takes to serve a query type.
//!
//! With any `θ > 0` the error SLO and the supply of a type say `Σ_a (1 - (e_ia - ε_i)/θ)·x_ia + u_i ≥ 1`, and a replica
//! carries at most the share `1/load` of the type, so that `Σ_a κ_a·r_a + u_i ≥ d` with `κ_a` the product of both. Division
//! by `δ` and mixed-integer rounding make `Σ_a G(κ_a/δ)·r_a + u_i/(δ·f) ≥ ⌈d/δ⌉` with `f = d/δ - ⌊d/δ⌋` and
//! `G(v) = ⌊v⌋ + min(1, (v - ⌊v⌋)/f)`: of replicas that carry 0.98 of a type it takes two.
//!
//! Source: Nemhauser and Wolsey, "A recursive procedure to generate all cuts for 0-1 mixed integer programs", 1990.

use super::rounding::Used;
use super::widened::Widened;
use crate::{Problem, FEASIBILITY_TOLERANCE};

/// Parts `f` outside of this range make cuts that hardly cut, or that rounding could make wrong.
const PART: std::ops::RangeInclusive<f64> = 0.005..=0.9999;
/// A cut is worth its row where it is violated by this share.
const LEAST_VIOLATION: f64 = 0.05;
/// Less than this share of a type is not asked for.
const LEAST_DEMAND: f64 = 0.02;
/// Replicas that one cut asks for.
const MOST_UNITS: f64 = 12.0;
/// The least `θ`: the feasibility tolerance of the SLO, divided by it, is to be small.
const LEAST_SCALE: f64 = 1e-3;
/// What `δ` is in terms of a `κ`.
const MULTIPLES: [f64; 4] = [1.0001, 1.01, 0.50005, 0.3334];
/// Feasibility tolerances of supply and loads, allowed for.
const ALLOWANCE: f64 = 10.0 * FEASIBILITY_TOLERANCE;
/// The most that rows may be widened by for these allowances.
const MOST_WIDENED: f64 = 2.0 * FEASIBILITY_TOLERANCE;

/// What the routes of a problem load, and how wide its rows are.
#[derive(Clone, Copy)]
pub(super) struct Loads<'r> {
    pub(super) problem: &'r Problem,
    /// Replicas of time and of memory that the whole of the type of each route loads.
    pub(super) time: &'r [f64],
    pub(super) memory: &'r [f64],
    pub(super) widened: &'r Widened,
}

impl Loads<'_> {
    /// Replicas that the whole of the type of a route loads.
    fn of(&self, route: usize) -> f64 {
        self.time[route].max(self.memory[route])
    }
}

/// How a cut is made.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Recipe {
    query_type: usize,
    /// `θ`; infinite where the SLO is left out.
    scale: f64,
    divisor: f64,
    /// The type's share that is asked for, and whether what goes unserved counts towards it.
    demand: f64,
    counts_unserved: bool,
}

impl Recipe {
    /// The right-hand side and the part `f`, where the cut is of use.
    fn units(&self) -> Option<(f64, f64)> {
        let demand = self.demand * (1.0 - ALLOWANCE) - 2.0 * FEASIBILITY_TOLERANCE / self.scale;
        let units = demand / self.divisor;
        let part = units - units.floor();
        (PART.contains(&part) && units < MOST_UNITS).then_some((units.ceil(), part))
    }

    /// `κ` of a replica that the whole type would load so much, with so much excess of error.
    fn carried(&self, load: f64, excess: f64) -> f64 {
        let counted = (1.0 - excess / self.scale).max(0.0) * (1.0 + ALLOWANCE);
        // One that carries all is enough.
        (counted / load.max(1.0)).min(self.demand)
    }

    fn of_unserved(&self, part: f64) -> f64 {
        if self.counts_unserved {
            1.0 / (self.divisor * part)
        } else {
            0.0
        }
    }
}

/// `G` of so many units.
fn rounded(units: f64, part: f64) -> f64 {
    let whole = units.floor();
    whole + ((units - whole) / part).min(1.0)
}

/// At least so many replicas, weighted, or the query type unserved.
#[derive(Debug)]
pub(crate) struct LoadCut {
    recipe: Recipe,
    of_replica: Vec<f64>,
    of_unserved: f64,
    pub(super) least: f64,
}

impl PartialEq for LoadCut {
    /// Of one problem.
    fn eq(&self, other: &Self) -> bool {
        self.recipe == other.recipe
    }
}

impl LoadCut {
    fn new(loads: Loads<'_>, recipe: Recipe) -> Option<Self> {
        let (least, part) = recipe.units()?;
        let problem = loads.problem;
        let table = problem.route_table();
        let mut of_replica = vec![0.0; problem.num_configurations()];
        for &route in table.of_query_type(recipe.query_type) {
            let route = route as usize;
            let carried = recipe.carried(loads.of(route), table.error_excess[route]);
            of_replica[table.configuration[route] as usize] = rounded(carried / recipe.divisor, part);
        }
        Some(Self { recipe, of_replica, of_unserved: recipe.of_unserved(part), least })
    }

    /// What a replica of configuration `a` counts.
    pub(super) fn of_replica(&self, a: usize) -> f64 {
        self.of_replica[a]
    }

    /// What query type `i` unserved counts.
    pub(super) fn of_unserved(&self, i: usize) -> f64 {
        if i == self.recipe.query_type {
            self.of_unserved
        } else {
            0.0
        }
    }
}

/// A configuration in the mixture that can serve a type.
struct Server {
    replicas: f64,
    load: f64,
    excess: f64,
}

/// Of each query type the cut that the mixture violates most, and by which share.
pub(super) fn violated(loads: Loads<'_>, mixture: &[Used], unserved: impl Fn(usize) -> f64) -> Vec<(f64, LoadCut)> {
    let problem = loads.problem;
    let table = problem.route_table();
    let mut servers: Vec<Vec<Server>> = (0..problem.num_query_types()).map(|_| Vec::new()).collect();
    let mut sorted: Vec<&Used> = mixture.iter().collect();
    sorted.sort_by_key(|used| used.configuration);
    for same in sorted.chunk_by(|a, b| a.configuration == b.configuration) {
        let replicas = same.iter().map(|used| used.replicas).sum();
        for route in table.of_configuration(same[0].configuration) {
            let server = Server { replicas, load: loads.of(route), excess: table.error_excess[route] };
            servers[table.query_type[route] as usize].push(server);
        }
    }
    let mut cuts = Vec::new();
    for (query_type, servers) in servers.iter().enumerate() {
        // Rows that are wider than the allowances would need larger ones.
        let widened = loads.widened;
        if widened.supply[query_type] > MOST_WIDENED || widened.error[query_type] > MOST_WIDENED {
            continue;
        }
        let best = most_violated(query_type, servers, problem.query_types.max_unmet[query_type], unserved(query_type));
        if let Some((violation, recipe)) = best {
            cuts.extend(LoadCut::new(loads, recipe).map(|cut| (violation, cut)));
        }
    }
    cuts
}

fn most_violated(query_type: usize, servers: &[Server], max_unmet: f64, unserved: f64) -> Option<(f64, Recipe)> {
    let mut scales: Vec<f64> = servers.iter().map(|server| server.excess).filter(|&e| e > LEAST_SCALE).collect();
    scales.push(LEAST_SCALE);
    scales.push(f64::INFINITY);
    scales.sort_by(f64::total_cmp);
    scales.dedup();
    let mut best: Option<(f64, Recipe)> = None;
    let mut carried = Vec::with_capacity(servers.len());
    // What goes unserved, up to its limit, either counts or is not asked for.
    let demands = [(1.0, true), (1.0 - max_unmet, false)];
    for (demand, counts_unserved) in demands.into_iter().filter(|&(demand, _)| demand > LEAST_DEMAND) {
        for &scale in &scales {
            let mut recipe = Recipe { query_type, scale, divisor: 1.0, demand, counts_unserved };
            carried.clear();
            carried.extend(servers.iter().map(|server| recipe.carried(server.load, server.excess)));
            let mut sizes: Vec<f64> = carried.iter().copied().filter(|&size| size > 1e-3).collect();
            sizes.sort_by(f64::total_cmp);
            sizes.dedup();
            for divisor in sizes.iter().flat_map(|size| MULTIPLES.map(|multiple| size * multiple)) {
                recipe.divisor = divisor;
                let Some((least, part)) = recipe.units() else { continue };
                let counted = |(server, size): (&Server, &f64)| server.replicas * rounded(size / divisor, part);
                let total: f64 = servers.iter().zip(&carried).map(counted).sum();
                let violation = 1.0 - (total + recipe.of_unserved(part) * unserved) / least;
                if violation > best.map_or(LEAST_VIOLATION, |known| known.0) {
                    best = Some((violation, recipe));
                }
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::separation::tests::check_plans;
    use super::*;
    use crate::generate;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn rounding_keeps_whole_replicas(
            carried in prop::collection::vec((0.0..1.5_f64, 0..4_u32), 1..7),
            divisor in 0.05..2.0_f64,
            unserved in 0.0..1.0_f64,
            share in 0.3..1.0_f64,
        ) {
            // A demand that these replicas meet, wholly or just so.
            let total: f64 = carried.iter().map(|&(size, count)| size * f64::from(count)).sum();
            let demand = share * (total + unserved);
            let units = demand / divisor;
            let part = units - units.floor();
            prop_assume!(PART.contains(&part));
            let counted: f64 = carried.iter().map(|&(size, count)| rounded(size / divisor, part) * f64::from(count)).sum();
            prop_assert!(counted + unserved / (divisor * part) >= units.ceil() - 1e-9);
        }
    }

    #[test]
    fn replicas_that_carry_a_little_less_than_all_are_cut_off() {
        let problem = generate::physical(generate::Size::new(6, 6, 10), 1.0, generate::Family::Plain, 1)
            .expect("a valid problem");
        let relaxation = crate::bound::Relaxation::new(&problem, 1.0);
        let mut count = 0;
        for a in 0..problem.num_configurations() {
            let mixture = [Used { configuration: a, replicas: 1.02, deployments: 1.0 }];
            count += violated(relaxation.loads(), &mixture, |_| 0.0).len();
        }
        assert!(count > 50, "{count}");
    }

    #[test]
    fn no_plan_violates_a_cut_whatever_mixture_it_was_made_for() {
        let mut count = 0;
        for seed in 0..700 {
            count += check_plans(&generate::small(seed).expect("a valid problem"), 3 * seed..3 * seed + 3);
        }
        for (seed, family) in (0..12).zip(generate::Family::ALL.into_iter().cycle()) {
            let problem = generate::physical(generate::Size::new(4, 3, 5), 1.0, family, seed).expect("a valid problem");
            count += check_plans(&problem, 0..40);
        }
        assert!(count > 1000, "{count}");
    }
}
