//! Rounding cuts: what budget, storage and pools allow of whole deployments, where the relaxation would use fractions.
//!
//! Of a limit `Σ_a c_a·r_a ≤ b` over whole numbers, division by `d` and mixed-integer rounding make
//! `Σ_a F(c_a/d)·r_a ≤ ⌊b/d⌋` with `F(v) = ⌊v⌋ + max(0, v - ⌊v⌋ - f)/(1 - f)`, `f = b/d - ⌊b/d⌋`: a budget of 4.9 replicas
//! of the cheapest tier buys 4. The numbers are replicas under budget and pools, deployments under storage, so that a
//! cut is priced by the replica or by the deployment as its limit is.
//!
//! Source: Nemhauser and Wolsey, "A recursive procedure to generate all cuts for 0-1 mixed integer programs", 1990;
//! Marchand and Wolsey, "Aggregation and mixed integer rounding to solve MIPs", 2001, for the choice of divisors.

use super::propagation::Room;
use crate::{Problem, NO_POOL};

/// Parts `f` outside of this range make cuts that hardly cut, or that rounding could make wrong.
const PART: std::ops::RangeInclusive<f64> = 0.05..=0.99;
/// Limits of more units than this are hardly fractional.
const MOST_UNITS: f64 = 100.0;
/// Each limit and what uses it are taken for this much larger, so that a quotient just below a whole number is one.
const UP: f64 = 1.0 + 1e-9;
/// A cut is worth its row where it is violated by this share.
const LEAST_VIOLATION: f64 = 0.005;
const MULTIPLES: [f64; 5] = [1.0, 2.0, 3.0, 0.5, 1.0 / 3.0];

/// The limit that a cut is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limited {
    Budget,
    Storage,
    Pool(u32),
}

impl Limited {
    /// How much of the limit a replica (budget, pools) or a deployment (storage) of configuration `a` takes.
    fn used(self, problem: &Problem, a: usize) -> f64 {
        match self {
            Self::Budget => problem.replica_usd(a),
            Self::Storage => problem.configurations.weights_gb[a],
            Self::Pool(pool) if problem.pool(a) == pool => problem.gpus_per_replica(a),
            Self::Pool(_) => 0.0,
        }
    }
}

/// A valid inequality over the replicas or deployments of all configurations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RoundingCut {
    limited: Limited,
    divisor: f64,
    part: f64,
    /// The right-hand side.
    pub(crate) most: f64,
}

impl RoundingCut {
    fn new(limited: Limited, room: f64, divisor: f64) -> Option<Self> {
        let units = room * UP / divisor;
        let most = units.floor();
        let part = units - most;
        // A limit of less than one unit closes configurations, which is not left to a cut.
        let is_useful = (1.0..=MOST_UNITS).contains(&most) && PART.contains(&part);
        is_useful.then_some(Self { limited, divisor, part, most })
    }

    /// `F` of what a replica or deployment of configuration `a` uses.
    fn coefficient(&self, problem: &Problem, a: usize) -> f64 {
        let units = self.limited.used(problem, a) * UP / self.divisor;
        let whole = units.floor();
        whole + (units - whole - self.part).max(0.0) / (1.0 - self.part)
    }

    /// Coefficient of a replica of configuration `a`.
    pub(crate) fn of_replica(&self, problem: &Problem, a: usize) -> f64 {
        match self.limited {
            Limited::Storage => 0.0,
            Limited::Budget | Limited::Pool(_) => self.coefficient(problem, a),
        }
    }

    /// Coefficient of a deployment of configuration `a`, whatever its replicas.
    pub(crate) fn of_deployment(&self, problem: &Problem, a: usize) -> f64 {
        match self.limited {
            Limited::Storage => self.coefficient(problem, a),
            Limited::Budget | Limited::Pool(_) => 0.0,
        }
    }
}

/// What a mixture of patterns has of one configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) configuration: usize,
    pub(crate) replicas: f64,
    pub(crate) deployments: f64,
}

/// The cut of each limit that a mixture violates most.
pub(crate) fn violated(problem: &Problem, mixture: &[Used]) -> Vec<RoundingCut> {
    let room = Room::of(problem);
    let mut cuts = Vec::new();
    let mut look = |limited: Limited, room: f64| {
        if !room.is_finite() || room <= 0.0 {
            return;
        }
        let mut units: Vec<f64> = mixture.iter().map(|used| limited.used(problem, used.configuration)).collect();
        units.retain(|&unit| unit > 0.0);
        units.sort_by(f64::total_cmp);
        units.dedup();
        let mut best: Option<(f64, RoundingCut)> = None;
        for divisor in units.iter().flat_map(|unit| MULTIPLES.map(|multiple| unit * UP * multiple)) {
            let Some(cut) = RoundingCut::new(limited, room, divisor) else { continue };
            let taken = |used: &Used| {
                let a = used.configuration;
                used.replicas * cut.of_replica(problem, a) + used.deployments * cut.of_deployment(problem, a)
            };
            let violation = mixture.iter().map(taken).sum::<f64>() / cut.most - 1.0;
            if violation > best.map_or(LEAST_VIOLATION, |known| known.0) {
                best = Some((violation, cut));
            }
        }
        cuts.extend(best.map(|(_, cut)| cut));
    };
    look(Limited::Budget, room.usd);
    look(Limited::Storage, room.gb);
    for (pool, &gpus) in room.gpus.iter().enumerate() {
        if problem.tiers.pool.iter().any(|&of_tier| of_tier != NO_POOL && of_tier as usize == pool) {
            look(Limited::Pool(pool as u32), gpus);
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::super::propagation::tests::fits;
    use super::*;
    use crate::bound::Domain;
    use crate::generate;
    use proptest::prelude::*;

    /// Replicas of each configuration in `draws`, one configuration per pair at most.
    fn replicas(problem: &Problem, draws: &[u32]) -> Vec<u32> {
        let mut replicas = vec![0; problem.num_configurations()];
        for (pair, draw) in (0..problem.num_pairs()).zip(draws) {
            let members = problem.pair_configurations(pair);
            let a = members[*draw as usize % members.len()] as usize;
            replicas[a] = draw / 7 % (problem.replica_limit(a) + 1);
            if replicas[a] < problem.min_replicas(a) {
                replicas[a] = 0;
            }
        }
        replicas
    }

    fn all_of(problem: &Problem, replicas: &[u32]) -> Vec<Used> {
        let used = |a: usize| Used {
            configuration: a,
            replicas: f64::from(replicas[a]),
            deployments: f64::from(u8::from(replicas[a] > 0)),
        };
        (0..problem.num_configurations()).map(used).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn no_plan_within_the_limits_violates_a_cut(
            seed in any::<u64>(),
            draws in prop::collection::vec(any::<u32>(), 9),
            fractional in prop::collection::vec(any::<u32>(), 9),
            weight in 0.1..1.0_f64,
        ) {
            let problem = generate::small(seed).expect("a valid problem");
            let plan = replicas(&problem, &draws);
            prop_assume!(fits(&problem, &plan));
            // Cuts that some mixture violates, and those that the plan itself seems to.
            let mut mixture = all_of(&problem, &replicas(&problem, &fractional));
            for used in &mut mixture {
                used.replicas *= weight;
                used.deployments *= weight;
            }
            for cut in violated(&problem, &mixture) {
                let taken: f64 = all_of(&problem, &plan).iter().map(|used| {
                    let a = used.configuration;
                    used.replicas * cut.of_replica(&problem, a) + used.deployments * cut.of_deployment(&problem, a)
                }).sum();
                prop_assert!(taken <= cut.most * (1.0 + 1e-9), "{cut:?}: {taken}");
            }
            prop_assert!(violated(&problem, &all_of(&problem, &plan)).is_empty());
        }
    }

    #[test]
    fn a_mixture_that_spreads_over_a_limit_is_cut_off() {
        let mut count = 0;
        for seed in 0..300 {
            let problem = generate::small(seed).expect("a valid problem");
            let domain = Domain::of(&problem);
            let whole: Vec<u32> = domain.max.clone();
            let mut mixture = all_of(&problem, &whole);
            for used in &mut mixture {
                used.replicas *= 0.6;
                used.deployments *= 0.6;
            }
            count += usize::from(!violated(&problem, &mixture).is_empty());
        }
        assert!(count > 50, "{count}");
    }
}
