//! Configurations that full re-planning moves within.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use crate::search::{siblings, MasterSolution, Ranking};
use crate::splitmix::stream;
use crate::tuning::PlannerKernelSizes;
use crate::{Deployment, Problem};

/// The configurations that the prices favour, those that ran, and others that may be worth a look.
///
/// What the relaxation does not mix may yet be good where counts are whole: a single replica of something small in the place of
/// a second one that would be mostly idle. No price tells, so others are drawn at random, and stay for a while where they
/// became part of a plan.
#[derive(Debug)]
pub(super) struct Kernel {
    sizes: PlannerKernelSizes,
    favoured: Vec<u32>,
    others: Vec<u32>,
    drawn: Vec<u32>,
    /// Those that ran last come first.
    kept: Vec<u32>,
    rng: Pcg64Mcg,
}

impl Kernel {
    /// Nothing yet; draws depend on `seed`.
    pub(super) fn new(seed: u64, sizes: PlannerKernelSizes) -> Self {
        let rng = Pcg64Mcg::new(stream(seed, 0));
        Self { sizes, favoured: Vec::new(), others: Vec::new(), drawn: Vec::new(), kept: Vec::new(), rng }
    }

    /// Chooses again by the prices of `master`.
    pub(super) fn price(&mut self, problem: &Problem, master: &MasterSolution) {
        let num_types = problem.num_query_types();
        let sizes = &self.sizes;
        let size = sizes.base + sizes.per_type * num_types;
        let num_others = sizes.others + sizes.others_per_type * num_types;
        let ranking = Ranking::new(problem, master);
        let mixed = master.mixture.iter().map(|entry| entry.0);
        self.favoured = ranking.kernel(size, size / 2);
        self.favoured.extend(mixed.clone());
        self.favoured.sort_unstable();
        self.favoured.dedup();
        self.others = ranking.kernel(num_others, num_others / 2);
        self.others.extend(mixed.flat_map(|a| siblings(problem, a, sizes.sibling_ratio)));
        self.others.sort_unstable();
        self.others.dedup();
        let favoured = &self.favoured;
        self.others.retain(|a| favoured.binary_search(a).is_err());
        self.draw(problem);
    }

    /// Draws other configurations for the next call that intensifies.
    pub(super) fn draw(&mut self, problem: &Problem) {
        let size = self.sizes.drawn + self.sizes.drawn_per_type * problem.num_query_types();
        self.drawn.clone_from(&self.others);
        while self.drawn.len() > size {
            let position = self.rng.random_range(0..self.drawn.len());
            self.drawn.swap_remove(position);
        }
    }

    /// Keeps what is deployed for a while.
    pub(super) fn keep(&mut self, deployments: &[Deployment]) {
        for entry in deployments {
            let a = entry.configuration;
            if self.favoured.binary_search(&a).is_err() {
                self.kept.retain(|&other| other != a);
                self.kept.insert(0, a);
            }
        }
        self.kept.truncate(self.sizes.kept);
    }

    /// What the prices favour, what ran, and the configurations of `entries`, by rising index.
    pub(super) fn with<'d>(&self, entries: impl Iterator<Item = &'d Deployment>) -> Vec<u32> {
        let all = self.favoured.iter().chain(&self.kept).copied();
        sorted(all.chain(entries.map(|entry| entry.configuration)))
    }

    /// `kernel` and those that were drawn, by rising index.
    pub(super) fn widened(&self, kernel: &[u32]) -> Vec<u32> {
        sorted(kernel.iter().chain(&self.drawn).copied())
    }
}

fn sorted(configurations: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut sorted: Vec<u32> = configurations.collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::generate::{physical, Family, Size};
    use crate::Stop;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn in_time_every_other_configuration_is_drawn_and_none_that_is_favoured(seed in any::<u64>()) {
            let problem = physical(Size::new(3, 3, 4), 10.0, Family::Plain, seed).unwrap();
            let master = MasterSolution::of(&problem, &Stop::never());
            let mut kernel = Kernel::new(seed, PlannerKernelSizes::default());
            kernel.price(&problem, &master);
            let mut seen = kernel.drawn.clone();
            for _ in 0..200 {
                kernel.draw(&problem);
                prop_assert!(kernel.drawn.iter().all(|a| !kernel.favoured.contains(a)));
                prop_assert!(kernel.drawn.len() <= kernel.sizes.drawn + 3 * kernel.sizes.drawn_per_type);
                seen.extend(&kernel.drawn);
            }
            prop_assert_eq!(sorted(seen.into_iter()), kernel.others.clone());
        }

        #[test]
        fn what_ran_last_stays_in_the_kernel(ran in prop::collection::vec(0_u32..200, 1..30)) {
            let mut kernel = Kernel::new(0, PlannerKernelSizes::default());
            for &configuration in &ran {
                kernel.keep(&[Deployment { configuration, replicas: 1 }]);
                prop_assert!(kernel.kept.len() <= kernel.sizes.kept);
                prop_assert!(kernel.with(std::iter::empty()).contains(&configuration));
            }
        }
    }
}
