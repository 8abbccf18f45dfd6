//! Which cuts a mixture of patterns violates.

use std::sync::Arc;

use super::cut::Cut;
use super::load;
use super::rounding::{self, Used};
use super::Relaxation;

/// The cuts that a mixture violates: of each limit and of each type's load the one that it violates most, and every cover.
pub(crate) fn violated(relaxation: &Relaxation<'_>, mixture: &[Used], unserved: impl Fn(usize) -> f64) -> Vec<Cut> {
    let problem = relaxation.problem;
    let mut cuts: Vec<Cut> = rounding::violated(problem, mixture).into_iter().map(Cut::Rounding).collect();
    let mut needs: Vec<(f64, Cut)> = Vec::new();
    for cover in &relaxation.covers {
        let deployed: f64 = mixture.iter().map(|used| used.deployments * cover.of_deployment(used.configuration)).sum();
        let idle: f64 = if cover.is_optional { unserved(cover.query_type) } else { 0.0 };
        let missing = cover.least - deployed - idle;
        if missing > relaxation.tuning.least_cover_violation {
            needs.push((missing, Cut::Cover(Arc::clone(cover))));
        }
    }
    let loads = load::violated(relaxation.loads(), mixture, unserved);
    needs.extend(loads.into_iter().map(|(violation, cut)| (violation, Cut::Load(Arc::new(cut)))));
    // The first ones get the rows where there are too few.
    needs.sort_by(|a, b| b.0.total_cmp(&a.0));
    cuts.extend(needs.into_iter().map(|(_, cut)| cut));
    cuts
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bound::{Domain, Evaluation, Prices};
    use crate::{solve, CancelToken, Method, Plan, Problem, SolveParams, Stop};
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;
    use std::ops::Range;

    /// What `cut` has of `plan`.
    fn taken(problem: &Problem, cut: &Cut, plan: &Plan) -> f64 {
        let deployed = plan.deployments.iter().map(|d| {
            let a = d.configuration as usize;
            f64::from(d.replicas) * cut.of_replica(problem, a) + cut.of_deployment(problem, a)
        });
        let unserved = plan.unmet.iter().enumerate().map(|(i, share)| share * cut.of_unserved(i));
        deployed.chain(unserved).sum()
    }

    /// Asserts that the function is below the cost of a plan whatever the cuts are priced at.
    fn assert_bound(relaxation: &Relaxation<'_>, cuts: &[Cut], rng: &mut Pcg64Mcg, usd: f64) {
        let problem = relaxation.problem;
        let mut evaluation = Evaluation::default();
        for share in [0.01, 0.1, 0.5, 2.0] {
            let mut prices = Prices::from_cheapest_routes(problem);
            for price in &mut prices.supply {
                *price *= rng.random_range(0.0..2.0);
            }
            prices.cuts = cuts.iter().map(|cut| (cut.clone(), usd * share * rng.random_range(0.0..1.0))).collect();
            relaxation.evaluate(&prices, &Domain::of(problem), &Stop::never(), &mut evaluation);
            assert!(evaluation.value <= usd * (1.0 + 1e-9), "{}: {} of {usd}", problem.name, evaluation.value);
        }
    }

    /// Asserts that plans of `problem` violate no cut that one of some random mixtures does; how many there were.
    pub(in super::super) fn check_plans(problem: &Problem, seeds: Range<u64>) -> usize {
        let params = SolveParams { seed: seeds.start, max_iterations: Some(2), ..SolveParams::default() };
        let plans = [Method::Gh, Method::Agh]
            .map(|method| solve(problem, method, &params, None, &CancelToken::new()).expect("no internal error"));
        let relaxation = Relaxation::new(problem, 1.0);
        seeds.map(|seed| check_mixture(&relaxation, &plans, seed)).sum()
    }

    fn check_mixture(relaxation: &Relaxation<'_>, plans: &[Plan], seed: u64) -> usize {
        let problem = relaxation.problem;
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let density = rng.random_range(0.05..0.5);
        let mut mixture = Vec::new();
        for a in 0..problem.num_configurations() {
            if rng.random_bool(density) && problem.replica_limit(a) > 0 {
                let deployments = rng.random_range(0.02..1.0);
                mixture.push(Used {
                    configuration: a,
                    replicas: rng.random_range(1.0..2.0) * deployments,
                    deployments,
                });
            }
        }
        let unserved: Vec<f64> =
            (0..problem.num_query_types()).map(|_| rng.random_range(-0.2..0.2_f64).max(0.0)).collect();
        let cuts = violated(relaxation, &mixture, |i| unserved[i]);
        for plan in plans {
            let Some(usd) = plan.objective_value else { continue };
            assert_bound(relaxation, &cuts, &mut rng, usd);
            for cut in &cuts {
                let taken = taken(problem, cut, plan);
                assert!(
                    taken <= cut.most() + 1e-9 * (1.0 + cut.most().abs()),
                    "{}: {taken} of {}: {cut:?}",
                    problem.name,
                    cut.most()
                );
            }
        }
        cuts.len()
    }
}
