//! Properties of states, bounds and moves on random problems.

mod continuous;

use proptest::prelude::*;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::memory::{key_after, key_of};
use super::{Change, ContinuousSearch, CountTree, Cuts, LocalSearch, MasterSolution, MostExpensiveFirst, NearestFirst};
use super::{ReplicaProgram, Rounding, SearchLimits, SearchState};
use crate::tuning::SearchTuning;
use crate::{generate, solve, CancelToken, Deployment, Method, Plan, Problem, SolveParams, Status, Stop, Switches};

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-6 * (1.0 + left.abs().max(right.abs()))
}

/// Whether the total of a state is that of the same deployments from nothing. Where the most expensive shortage has cost millions of
/// times the total, its rounding is what the total can be known to.
fn costs_what_it_costs_from_nothing(state: &SearchState<'_>) -> bool {
    let (here, fresh) = (state.total_usd(), fresh_total_usd(state));
    let highest_usd =
        (0..state.problem().num_query_types()).map(|i| state.program().shortage_usd(i)).fold(0.0, f64::max);
    close(here, fresh) || (here - fresh).abs() <= 16.0 * f64::EPSILON * highest_usd
}

/// A random change that respects the limits, with the free choice among configurations.
fn random_change(state: &SearchState<'_>, rng: &mut Pcg64Mcg) -> Option<Change> {
    let problem = state.problem();
    let a = rng.random_range(0..problem.num_configurations());
    let from = state.replicas(a);
    let occupied = state.configuration_on(problem.pair(a)).is_some_and(|deployed| deployed != a);
    let most = state.most_replicas(a);
    if occupied || (most == 0 && from == 0) {
        return None;
    }
    let to = rng.random_range(0..=most.min(from + 3));
    // A deployment has at least as many as it has to have.
    let to = if to > 0 { to.max(problem.min_replicas(a)) } else { 0 };
    (to != from).then_some(Change { configuration: a as u32, from, to })
}

/// What `cut` says that the deployments of `state` cost at least, USD.
fn bound_usd(cuts: &Cuts, cut: usize, state: &SearchState<'_>) -> f64 {
    let value = |(a, replicas)| cuts.value_usd(cut, cuts.position(a).unwrap(), replicas);
    state.deployment_usd() + cuts.constant_usd(cut) - state.deployments().map(value).sum::<f64>()
}

/// `change` to the least replicas that a deployment has, or to none.
fn one(problem: &Problem, change: Change) -> Change {
    Change { to: if change.to > 0 { problem.min_replicas(change.configuration as usize) } else { 0 }, ..change }
}

/// A random choice of configurations within the limits, counts left open, solved.
fn random_choice<'a>(problem: &'a Problem, rng: &mut Pcg64Mcg) -> SearchState<'a> {
    let mut state = SearchState::continuous(problem, 2);
    for _ in 0..rng.random_range(1..8) {
        if let Some(change) = random_change(&state, rng) {
            state.apply(&[one(problem, change)]);
            state.solve(f64::INFINITY);
        }
    }
    state.solve(f64::INFINITY);
    state
}

/// The total of the same deployments, from nothing.
fn fresh_total_usd(state: &SearchState<'_>) -> f64 {
    let deployments: Vec<Deployment> =
        state.deployments().map(|(a, replicas)| Deployment { configuration: a as u32, replicas }).collect();
    let mut fresh = SearchState::new(state.problem(), 2);
    fresh.price_shortage(|i| state.program().shortage_usd(i));
    fresh.set_deployments(&deployments);
    fresh.total_usd()
}

/// No cut says that the continuous `state` costs more than it does.
fn check_cuts_hold(cuts: &Cuts, state: &SearchState<'_>) -> Result<(), TestCaseError> {
    let total_usd = state.total_usd();
    for cut in 0..cuts.len() {
        let bound_usd = bound_usd(cuts, cut, state);
        prop_assert!(bound_usd <= total_usd + 1e-5 * (1.0 + total_usd.abs()), "{bound_usd} {total_usd}");
    }
    Ok(())
}

fn keeps_to_limits(state: &SearchState<'_>) -> bool {
    let problem = state.problem();
    state.deployment_usd() <= problem.budget_usd * (1.0 + 1e-6)
        && state.ledger().weights_gb <= problem.storage_gb * (1.0 + 1e-6)
        && (0..problem.num_pools()).all(|pool| state.ledger().pool_gpus[pool] <= problem.pools.max_gpus[pool] + 1e-6)
}

/// The most by which the mean error of a query type is above its SLO.
fn error_excess(problem: &Problem, plan: &Plan) -> f64 {
    let routes = &problem.data().routes;
    let mut excess = vec![0.0; problem.num_query_types()];
    let routing = &plan.routing;
    for ((&i, &a), &fraction) in routing.query_type.iter().zip(&routing.configuration).zip(&routing.fraction) {
        let route = (0..routes.error.len()).find(|&r| routes.query_type[r] == i && routes.configuration[r] == a);
        let error = route.map_or(0.0, |r| routes.error[r]);
        excess[i as usize] += fraction * (error - problem.query_types.error_slo[i as usize]);
    }
    excess.into_iter().fold(0.0, f64::max)
}

fn everything(problem: &Problem) -> Vec<u32> {
    (0..problem.num_configurations() as u32).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_state_reached_by_changes_costs_what_the_same_state_costs_from_nothing(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        let mut state = SearchState::new(&problem, 2);
        state.solve(f64::INFINITY);
        for _ in 0..12 {
            let Some(change) = random_change(&state, &mut rng) else { continue };
            let before = state.total_usd();
            state.apply(&[change]);
            prop_assert!(state.solve(f64::INFINITY));
            let delta = state.total_usd() - before;
            prop_assert!(close(before + delta, fresh_total_usd(&state)));
            state.undo(&[change]);
            prop_assert!(state.solve(f64::INFINITY));
            prop_assert!(close(state.total_usd(), before));
            state.apply(&[change]);
            prop_assert!(state.solve(f64::INFINITY));
        }
    }

    #[test]
    fn the_key_of_a_state_follows_its_changes_and_tells_nothing_else(seed in any::<u64>(), is_continuous in any::<bool>()) {
        let problem = generate::small(seed).unwrap();
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        let mut state = if is_continuous { SearchState::continuous(&problem, 2) } else { SearchState::new(&problem, 2) };
        let nothing = key_of(&state);
        for _ in 0..12 {
            let Some(change) = random_change(&state, &mut rng) else { continue };
            let change = if is_continuous { one(&problem, change) } else { change };
            let key = key_of(&state);
            state.apply(&[change]);
            prop_assert_eq!(key_of(&state), key_after(key, &[change]));
            prop_assert_eq!(key_of(&state) == key, change.from == change.to);
        }
        // The order in which deployments came does not matter, the price of shortage does.
        let mut deployments: Vec<Deployment> =
            state.deployments().map(|(a, replicas)| Deployment { configuration: a as u32, replicas }).collect();
        deployments.reverse();
        let mut again = if is_continuous { SearchState::continuous(&problem, 2) } else { SearchState::new(&problem, 2) };
        again.set_deployments(&deployments);
        prop_assert_eq!(key_of(&again), key_of(&state));
        again.clear();
        prop_assert_eq!(key_of(&again), nothing);
        again.price_shortage(|i| 2.0 * state.program().shortage_usd(i));
        prop_assert_ne!(key_of(&again), nothing);
    }

    #[test]
    fn a_descent_from_where_one_ended_ends_there(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let master = MasterSolution::of(&problem, &Stop::never());
        let mut search = LocalSearch::new(&problem, &master, everything(&problem), Switches::default(), &SearchTuning::default());
        let stop = Stop::never();
        let limits = SearchLimits {
            solves: u64::MAX,
            work: u64::MAX,
            tries: 8,
            deep_tries: 4,
            deep_below_usd: f64::INFINITY,
            again_below_usd: f64::NEG_INFINITY,
            stop: &stop,
        };
        // One that was broken off does not count.
        let nothing_may_be_tried = SearchLimits { solves: 0, ..limits.clone() };
        search.descend(&nothing_may_be_tried);
        prop_assert!(search.descend(&limits));
        let (solves, total_usd) = (search.solves, search.state.total_usd());
        prop_assert!(search.descend(&limits));
        prop_assert!(search.is_visited());
        prop_assert_eq!((search.solves, search.state.total_usd()), (solves, total_usd));
    }

    #[test]
    fn cuts_never_exceed_what_any_deployments_cost(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        let mut state = SearchState::new(&problem, 2);
        let mut cuts = Cuts::new(&problem, everything(&problem), false);
        cuts.add_master(&state, &MasterSolution::of(&problem, &Stop::never()));
        for _ in 0..10 {
            // Half of the solves end at a cutoff, whose prices must be as good.
            let cutoff_usd = if rng.random_bool(0.5) { f64::INFINITY } else { rng.random_range(0.0..200.0) };
            state.solve(cutoff_usd);
            if state.program().has_prices() {
                cuts.add_state(&state);
            }
            if let Some(change) = random_change(&state, &mut rng) {
                state.apply(&[change]);
            }
            state.solve(f64::INFINITY);
            let routing_usd = state.program().objective();
            for cut in 0..cuts.len() {
                let value = |(a, replicas)| cuts.value_usd(cut, cuts.position(a).unwrap(), replicas);
                let bound_usd = cuts.constant_usd(cut) - state.deployments().map(value).sum::<f64>();
                prop_assert!(bound_usd <= routing_usd + 1e-6 * (1.0 + routing_usd.abs()), "{bound_usd} {routing_usd}");
            }
        }
    }

    #[test]
    fn a_cut_is_the_same_whatever_was_in_its_place_before(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        let mut state = SearchState::new(&problem, 2);
        let kernel = everything(&problem);
        let mut cuts = Cuts::new(&problem, kernel.clone(), false);
        for _ in 0..20 {
            if let Some(change) = random_change(&state, &mut rng) {
                state.apply(&[change]);
            }
            if !state.solve(f64::INFINITY) {
                continue;
            }
            let cut = cuts.add_state(&state);
            let mut alone = Cuts::new(&problem, kernel.clone(), false);
            let only = alone.add_state(&state);
            prop_assert_eq!(cuts.constant_usd(cut), alone.constant_usd(only));
            for position in 0..kernel.len() {
                for replicas in 0..5 {
                    let usd = alone.value_usd(only, position, replicas);
                    prop_assert_eq!(cuts.value_usd(cut, position, replicas), usd);
                    prop_assert_eq!(cuts.values_usd(position, replicas)[cut], usd);
                }
                prop_assert_eq!(cuts.worthwhile(cut, position, 1.0), alone.worthwhile(only, position, 1.0));
            }
        }
    }

    #[test]
    fn a_descent_never_raises_the_cost_and_keeps_to_the_limits(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let master = MasterSolution::of(&problem, &Stop::never());
        let mut search = LocalSearch::new(&problem, &master, everything(&problem), Switches::default(), &SearchTuning::default());
        let before = search.state.total_usd();
        let stop = Stop::never();
        let limits = SearchLimits { solves: 500, work: u64::MAX, tries: 8, deep_tries: 4, deep_below_usd: f64::INFINITY, again_below_usd: f64::INFINITY, stop: &stop };
        search.descend(&limits);
        prop_assert!(search.state.total_usd() <= before + 1e-9);
        prop_assert!(close(search.state.total_usd(), fresh_total_usd(&search.state)));
        prop_assert!(keeps_to_limits(&search.state));
    }

    #[test]
    fn perturbations_keep_to_the_limits_and_leave_a_solved_state(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let master = MasterSolution::of(&problem, &Stop::never());
        let mut search = LocalSearch::new(&problem, &master, everything(&problem), Switches::default(), &SearchTuning::default());
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        search.adopt(&master.rounded(&problem, 0.1));
        for _ in 0..10 {
            search.perturb(&mut rng, &Stop::never());
            prop_assert!(keeps_to_limits(&search.state));
            prop_assert!(search.state.is_solved());
            prop_assert!(costs_what_it_costs_from_nothing(&search.state));
        }
    }

    #[test]
    fn the_program_with_fractional_replicas_is_a_relaxation_and_its_dives_end_in_whole_ones(
        seed in any::<u64>(),
        by_cost in any::<bool>(),
    ) {
        let problem = generate::small(seed).unwrap();
        let state = SearchState::new(&problem, 2);
        let mut program = ReplicaProgram::new(&state, &everything(&problem));
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        let mut found = Vec::new();
        let stop = Stop::never();
        let optimum = solve(&problem, Method::Bnb, &SolveParams::default(), None, &CancelToken::new()).unwrap();
        if let (Status::Optimal, Some(optimum_usd)) = (optimum.status, optimum.objective_value) {
            // The optimum may lean on the feasibility tolerance, which the program does not have.
            if error_excess(&problem, &optimum) <= 1e-12 {
                let value_usd = program.relax(&problem, &stop);
                prop_assert!(value_usd.is_some_and(|value| value <= optimum_usd + 1e-5 * (1.0 + optimum_usd.abs())));
            }
        }
        program.begin_again();
        let root_usd = program.relax(&problem, &stop);
        program.begin_again();
        let is_found = match by_cost {
            true => MostExpensiveFirst { cutoff_usd: f64::INFINITY, max_work: u64::MAX, rng: &mut rng }
                .round(&mut program, &problem, &stop, &mut found),
            false => NearestFirst { cutoff_usd: f64::INFINITY, max_work: u64::MAX, rng: Some(&mut rng) }
                .round(&mut program, &problem, &stop, &mut found),
        };
        if is_found {
            let mut state = SearchState::new(&problem, 2);
            state.set_deployments(&found);
            let kept: Vec<(usize, u32)> = state.deployments().collect();
            for deployment in &found {
                // The weights of one more model are all that the relaxation may have overlooked.
                let a = deployment.configuration as usize;
                prop_assert!(kept.contains(&(a, deployment.replicas)) || problem.storage_gb.is_finite()
                    || problem.budget_usd.is_finite(), "{found:?} {kept:?}");
            }
        }
        // Wherever a dive ended, the next one begins as if there had been none.
        for refreshes in [false, true] {
            program.begin_again();
            if refreshes {
                program.refresh(&state);
            }
            let again_usd = program.relax(&problem, &stop);
            prop_assert_eq!(root_usd.is_some(), again_usd.is_some());
            if let (Some(root_usd), Some(again_usd)) = (root_usd, again_usd) {
                prop_assert!((root_usd - again_usd).abs() <= 1e-6 * (1.0 + root_usd.abs()), "{root_usd} {again_usd}");
            }
        }
    }
}
