//! Seeded problems for tests, benchmarks and scaling studies.
//!
//! Every generator is a function of its arguments alone: the same arguments give the same problem, on another platform
//! up to the last digit of its mathematical functions.
//!
//! ```
//! use servemix_core::generate::{physical, Family, Size};
//!
//! let problem = physical(Size { query_types: 6, models: 6, tiers: 10 }, 1.0, Family::Budget, 7)?;
//! assert_eq!(problem.num_query_types(), 6);
//! assert!(problem.budget_usd.is_finite());
//! # Ok::<(), servemix_core::Error>(())
//! ```

mod degenerate;
mod gpus;
mod limits;
mod physical;
mod random;

pub use degenerate::degenerate;
pub use physical::{physical, separable};
pub use random::{small, wild};

/// Number of query types I, models J and tiers K.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Query types.
    pub query_types: usize,
    /// Models.
    pub models: usize,
    /// Tiers.
    pub tiers: usize,
}

impl Size {
    /// `query_types` × `models` × `tiers`.
    pub const fn new(query_types: usize, models: usize, tiers: usize) -> Self {
        Self { query_types, models, tiers }
    }
}

/// What limits a generated problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Nothing but the SLOs, 5 % unmet at most and ample storage.
    Plain,
    /// A budget below what a simple plan rents; everything may go unserved at a price.
    Budget,
    /// Fewer GPUs in each pool than a simple plan uses; everything may go unserved at a price.
    Pools,
    /// Less storage than the weights of a simple plan; everything may go unserved at a price.
    Storage,
    /// As plain, the latency SLO on the mean over the served queries.
    Average,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Budget, Self::Pools, Self::Storage, Self::Average];

    /// The name in the names of problems.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Budget => "budget",
            Self::Pools => "pools",
            Self::Storage => "storage",
            Self::Average => "average",
        }
    }

    /// The inverse of [`Family::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Problem, NO_POOL};

    const SIZE: Size = Size::new(6, 6, 10);

    #[test]
    fn the_same_arguments_give_the_same_problem_and_another_seed_another() {
        for family in Family::ALL {
            let build = |seed| physical(SIZE, 10.0, family, seed).unwrap();
            assert_eq!(build(3), build(3));
            assert_ne!(build(3).routes, build(4).routes);
        }
        assert_eq!(wild(5).unwrap(), wild(5).unwrap());
        assert_ne!(wild(5).unwrap().routes, wild(6).unwrap().routes);
        assert_eq!(small(5).unwrap(), small(5).unwrap());
    }

    #[test]
    fn physical_problems_keep_the_ranges_of_the_paper() {
        for seed in 0..20 {
            let problem = physical(SIZE, 1.0, Family::Plain, seed).unwrap();
            let q = &problem.query_types;
            assert!(q.rate_per_h.iter().all(|rate| (1_000.0..=25_000.0).contains(rate)));
            assert!(q.latency_slo_s.iter().all(|slo| (1.5..=25.0).contains(slo)));
            assert!(q.error_slo.iter().all(|slo| (0.02..=0.08).contains(slo)));
            assert!(problem.tiers.gpu_usd_per_h.iter().all(|usd| (0.35..=2.5).contains(usd)));
            let c = &problem.configurations;
            assert!(c.tp.iter().all(|tp| [1, 2, 4, 8].contains(tp)));
            assert!(c.pp.iter().all(|pp| [1, 2, 4].contains(pp)));
        }
    }

    #[test]
    fn every_query_type_of_a_physical_problem_has_a_route_within_its_slos() {
        for seed in 0..50 {
            for family in [Family::Plain, Family::Average] {
                let problem = physical(SIZE, 1.0, family, seed).unwrap();
                for i in 0..problem.num_query_types() {
                    let table = problem.route_table();
                    let meets = |&&route: &&u32| {
                        table.error_excess[route as usize] <= 0.0 && table.latency_excess[route as usize] <= 0.0
                    };
                    assert!(table.of_query_type(i).iter().any(|route| meets(&route)), "seed {seed}, type {i}");
                }
            }
        }
    }

    #[test]
    fn each_family_has_its_own_limit_and_the_physics_of_the_plain_one() {
        let plain = physical(SIZE, 10.0, Family::Plain, 1).unwrap();
        for family in Family::ALL {
            let problem = physical(SIZE, 10.0, family, 1).unwrap();
            assert_eq!(problem.routes, plain.routes);
            assert_eq!(problem.budget_usd.is_finite(), family == Family::Budget);
            assert_eq!(problem.storage_gb < plain.storage_gb, family == Family::Storage);
            assert_eq!(problem.tiers.pool.iter().any(|&pool| pool != NO_POOL), family == Family::Pools);
            assert_eq!(problem.latency_scope != plain.latency_scope, family == Family::Average);
        }
    }

    #[test]
    fn separable_problems_share_nothing_but_limits_between_groups() {
        for family in Family::ALL {
            let problem = separable(SIZE, 3, 10.0, family, 2).unwrap();
            let r = &problem.routes;
            let model = |route: usize| problem.configurations.model[r.configuration[route] as usize] as usize;
            assert!((0..problem.num_routes()).all(|route| model(route) % 3 == r.query_type[route] as usize % 3));
            assert!((0..problem.num_query_types()).all(|i| !problem.route_table().of_query_type(i).is_empty()));
        }
        assert!(separable(SIZE, 0, 10.0, Family::Plain, 2).is_err());
    }

    #[test]
    fn the_twenty_cubed_size_is_as_large_as_the_paper_says() {
        let problem = physical(Size::new(20, 20, 20), 10.0, Family::Plain, 0).unwrap();
        assert!((45_000..=96_000).contains(&problem.num_routes()), "{}", problem.num_routes());
    }

    #[test]
    fn small_problems_can_be_enumerated_and_together_have_every_kind_of_constraint() {
        let problems: Vec<Problem> = (0..400).map(|seed| small(seed).unwrap()).collect();
        for problem in &problems {
            let combinations: u64 =
                (0..problem.num_configurations()).map(|a| u64::from(problem.replica_limit(a)) + 1).product();
            assert!(combinations <= 5_000, "{}: {combinations}", problem.name);
            assert!(problem.num_query_types() <= 3 && problem.num_configurations() <= 6);
        }
        let count = |holds: &dyn Fn(&Problem) -> bool| problems.iter().filter(|&problem| holds(problem)).count();
        assert!(count(&|p| p.budget_usd.is_finite()) > 50);
        assert!(count(&|p| p.storage_gb.is_finite()) > 50);
        assert!(count(&|p| p.pools.max_gpus.iter().any(|gpus| gpus.is_finite())) > 50);
        assert!(count(&|p| p.latency_scope == crate::LatencyScope::Average) > 50);
        assert!(count(&|p| p.query_types.max_unmet.contains(&0.0)) > 50);
        assert!(count(&|p| (0..p.num_pairs()).any(|pair| p.pair_configurations(pair).len() > 1)) > 50);
    }
}
