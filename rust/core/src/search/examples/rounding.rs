//! A new rounding strategy: every count up.
//!
//! A strategy takes the fractional optimum of a [`ReplicaProgram`] to whole counts. It may [solve](ReplicaProgram::solve) the
//! program, [confine](ReplicaProgram::confine) counts to ranges and solve again, and ends with what to deploy. Callers choose
//! between strategies; [`LocalSearch::round_with`](crate::search::LocalSearch::round_with) goes to what one finds. A strategy
//! that earns its keep goes into `search/rounding/` as a file of its own.

use crate::search::{ReplicaProgram, Rounding};
use crate::{Deployment, Problem, Stop};

/// Rounds every count up at once: expensive, but nothing is short where no limit binds.
struct RoundUp;

impl Rounding for RoundUp {
    fn round(
        &mut self,
        program: &mut ReplicaProgram,
        problem: &Problem,
        stop: &Stop,
        found: &mut Vec<Deployment>,
    ) -> bool {
        let mut is_solved = program.solve(problem, f64::INFINITY, stop);
        // One configuration per (model, tier) is left; the program is solved again without the others.
        while is_solved && program.leave_one_per_pair(problem) {
            is_solved = program.solve(problem, f64::INFINITY, stop);
        }
        found.clear();
        if is_solved {
            for (position, &configuration) in program.members().iter().enumerate() {
                let replicas = (program.replicas(position) - 1e-6).ceil().max(0.0) as u32;
                if replicas > 0 {
                    found.push(Deployment { configuration, replicas });
                }
            }
        }
        is_solved
    }
}

mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::generate;
    use crate::search::SearchState;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// What every strategy owes the search: whole counts within their limits, one configuration per (model, tier).
        #[test]
        fn what_it_finds_can_be_deployed(seed in any::<u64>()) {
            let problem = generate::small(seed).expect("a valid problem");
            let all: Vec<u32> = (0..problem.num_configurations() as u32)
                .filter(|&a| problem.replica_limit(a as usize) > 0)
                .collect();
            let mut program = ReplicaProgram::new(&SearchState::new(&problem, 2), &all);
            let mut found = Vec::new();
            if RoundUp.round(&mut program, &problem, &Stop::never(), &mut found) {
                let mut pairs: Vec<usize> = found.iter().map(|d| problem.pair(d.configuration as usize)).collect();
                pairs.sort_unstable();
                prop_assert!(pairs.windows(2).all(|two| two[0] != two[1]));
                for deployment in &found {
                    prop_assert!(deployment.replicas <= problem.replica_limit(deployment.configuration as usize));
                }
            }
        }
    }
}
