//! The relaxation over what the master problem mixes and what runs or ran: what plans are measured by, and where dives begin.

use crate::search::{MasterSolution, ReplicaProgram, SearchState};
use crate::tuning::PlannerTuning;
use crate::{Deployment, Problem, Stop};

/// Values below this, USD, count as this: where nothing is asked for, costs beside the value mean nothing.
const LEAST_USD: f64 = 1e-9;

/// The linear program with its value, kept from call to call.
#[derive(Debug)]
pub(super) struct ReplicaRelaxation {
    pub(super) program: ReplicaProgram,
    tuning: PlannerTuning,
    /// Value at the last solve, USD; always positive.
    value_usd: f64,
    /// That value as a multiple of the master's, now and when the master problem was priced.
    ratio: f64,
    priced_ratio: f64,
}

impl ReplicaRelaxation {
    /// Over nothing, before the first solve.
    pub(super) fn new(problem: &Problem, tuning: PlannerTuning) -> Self {
        let program = ReplicaProgram::new(&SearchState::new(problem, 1), &[]);
        Self { program, tuning, value_usd: 1.0, ratio: 1.0, priced_ratio: 1.0 }
    }

    /// Value at the last solve, USD.
    pub(super) fn value_usd(&self) -> f64 {
        self.value_usd
    }

    /// Brings the program up to date and solves it, keeping its members as far as they are few. Elementary steps that it took.
    pub(super) fn follow(
        &mut self,
        state: &SearchState<'_>,
        master: &MasterSolution,
        kept: &[Deployment],
        stop: &Stop,
    ) -> u64 {
        let program = &mut self.program;
        if kept.iter().all(|entry| program.members().binary_search(&entry.configuration).is_ok()) {
            program.refresh(state);
        } else {
            let most = self.tuning.members + self.tuning.members_per_type * state.problem().num_query_types();
            let old = if program.members().len() < most { program.members().to_vec() } else { Vec::new() };
            *program = over(state, master, kept, &old);
        }
        self.solve(state, master, stop)
    }

    /// Solves with new members, after the master problem was priced again; also returns the factor by which the new members make costs beside the
    /// value higher.
    pub(super) fn renew(
        &mut self,
        state: &SearchState<'_>,
        master: &MasterSolution,
        kept: &[Deployment],
        stop: &Stop,
    ) -> (u64, f64) {
        self.program.refresh(state);
        let work = self.solve(state, master, stop);
        let before_usd = self.value_usd;
        self.program = over(state, master, kept, &[]);
        let work = work + self.solve(state, master, stop);
        self.priced_ratio = self.ratio;
        (work, before_usd / self.value_usd)
    }

    /// Whether the master's prices no longer hold, as far as the values tell.
    pub(super) fn is_mispriced(&self) -> bool {
        (self.ratio / self.priced_ratio - 1.0).abs() > self.tuning.apart
    }

    fn solve(&mut self, state: &SearchState<'_>, master: &MasterSolution, stop: &Stop) -> u64 {
        let before = self.program.work();
        let value_usd = self.program.relax_at_first(state.problem(), stop).unwrap_or(master.value_usd);
        self.value_usd = value_usd.abs().max(LEAST_USD);
        self.ratio = self.value_usd / master.value_usd;
        self.program.work().saturating_sub(before)
    }
}

fn over(state: &SearchState<'_>, master: &MasterSolution, kept: &[Deployment], others: &[u32]) -> ReplicaProgram {
    let mut members: Vec<u32> = master.mixture.iter().map(|entry| entry.0).collect();
    members.extend(kept.iter().map(|entry| entry.configuration));
    members.extend(others);
    members.sort_unstable();
    members.dedup();
    ReplicaProgram::new(state, &members)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{generate, solve, CancelToken, Method, SolveParams};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn no_plan_over_its_members_costs_less_than_the_value(seed in any::<u64>(), factors in prop::collection::vec(0.5..2.0_f64, 3)) {
            let mut problem = generate::small(seed).unwrap();
            let master = MasterSolution::of(&problem, &Stop::never());
            let rates: Vec<f64> = problem.query_types.rate_per_h.iter().zip(&factors).map(|(rate, factor)| rate * factor).collect();
            problem.set_rates(&rates).unwrap();
            let plan = solve(&problem, Method::Agh, &SolveParams::default(), None, &CancelToken::new()).unwrap();
            let Some(usd) = plan.objective_value else { return Ok(()) };
            let mut state = SearchState::new(&problem, plan.deployments.len());
            state.set_deployments(&plan.deployments);
            let mut relaxation = ReplicaRelaxation::new(&problem, PlannerTuning::default());
            relaxation.follow(&state, &master, &plan.deployments, &Stop::never());
            prop_assert!(relaxation.value_usd() <= usd * (1.0 + 1e-6) + 1e-6, "{} {usd}", relaxation.value_usd());
            relaxation.renew(&state, &master, &plan.deployments, &Stop::never());
            prop_assert!(!relaxation.is_mispriced());
        }
    }
}
