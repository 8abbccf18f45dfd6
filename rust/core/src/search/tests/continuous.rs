//! Properties of choices with open counts, of the counts that are found for them, and of the prices that steer.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_choice_with_open_counts_costs_no_more_than_with_any_whole_ones(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        let continuous = random_choice(&problem, &mut rng);
        prop_assert!(continuous.is_solved() && keeps_to_limits(&continuous));
        let mut fresh = SearchState::continuous(&problem, 2);
        let choice: Vec<Deployment> =
            continuous.deployments().map(|(a, replicas)| Deployment { configuration: a as u32, replicas }).collect();
        fresh.set_deployments(&choice);
        prop_assert!(close(fresh.total_usd(), continuous.total_usd()));
        let mut state = SearchState::new(&problem, 2);
        state.set_deployments(&choice);
        for _ in 0..10 {
            prop_assert!(continuous.total_usd() <= state.total_usd() + 1e-6 * (1.0 + state.total_usd().abs()));
            let Some(change) = random_change(&state, &mut rng) else { continue };
            if change.from > 0 {
                let to = change.to.max(problem.min_replicas(change.configuration as usize));
                state.apply(&[Change { to, ..change }]);
                prop_assert!(state.solve(f64::INFINITY));
            }
        }
    }

    #[test]
    fn a_master_solution_that_is_renewed_begins_with_what_it_mixed(seed in any::<u64>(), family in 0..3_usize) {
        let family = [generate::Family::Plain, generate::Family::Pools, generate::Family::Budget][family];
        let mut problem = generate::physical(generate::Size::new(5, 4, 6), 3.0, family, seed).unwrap();
        let mut master = MasterSolution::of(&problem, &Stop::never());
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        for _ in 0..3 {
            let value_usd = master.value_usd;
            master.renew(&problem, 200, &Stop::never());
            prop_assert!(master.value_usd <= 1.01 * value_usd, "{} {value_usd}", master.value_usd);
            let before = problem.query_types.rate_per_h.clone();
            let now: Vec<f64> = before.iter().map(|rate| rate * rng.random_range(0.5..2.0)).collect();
            problem.set_rates(&now).unwrap();
            master.follow(&before, &now);
            master.renew(&problem, 200, &Stop::never());
            prop_assert!(master.value_usd.is_finite());
        }
    }

    #[test]
    fn cuts_never_exceed_what_any_choice_with_open_counts_costs(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        let mut cuts = Cuts::new(&problem, everything(&problem), true);
        cuts.add_master(&SearchState::continuous(&problem, 2), &MasterSolution::of(&problem, &Stop::never()));
        for _ in 0..6 {
            let mut state = random_choice(&problem, &mut rng);
            if rng.random_bool(0.5) {
                state.solve(0.9 * state.total_usd());
            }
            if state.program().has_prices() {
                cuts.add_state(&state);
            }
            let other = random_choice(&problem, &mut rng);
            check_cuts_hold(&cuts, &other)?;
        }
    }

    #[test]
    fn whole_counts_keep_to_the_limits_and_cost_what_the_tree_says(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        let mut continuous = random_choice(&problem, &mut rng);
        let least_usd = continuous.total_usd();
        let choice: Vec<usize> = continuous.deployments().map(|entry| entry.0).collect();
        let mut tree = CountTree::default();
        let Some(found_usd) = tree.search(&mut continuous, f64::INFINITY, u64::MAX, &Stop::never()) else {
            return Ok(());
        };
        prop_assert!(found_usd >= least_usd - 1e-6 * (1.0 + least_usd.abs()));
        prop_assert!(tree.found.iter().map(|entry| entry.configuration as usize).eq(choice));
        let mut state = SearchState::new(&problem, 2);
        state.set_deployments(&tree.found);
        prop_assert!(state.deployments().map(|entry| entry.1).sum::<u32>() == tree.found.iter().map(|entry| entry.replicas).sum::<u32>());
        prop_assert!(close(state.total_usd(), found_usd), "{} {found_usd}", state.total_usd());
    }

    #[test]
    fn cuts_hold_for_every_choice_beside_a_count_that_is_held(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        let mut state = random_choice(&problem, &mut rng);
        let Some((held, _)) = state.deployments().next() else { return Ok(()) };
        let replicas = rng.random_range(problem.min_replicas(held)..=problem.replica_limit(held));
        state.set_range(held, replicas, replicas);
        if !state.keeps_limits() || !state.solve(f64::INFINITY) {
            return Ok(());
        }
        prop_assert_eq!(state.fixed_replicas(held), Some(replicas));
        let mut cuts = Cuts::new(&problem, everything(&problem), true);
        cuts.add_master(&state, &MasterSolution::of(&problem, &Stop::never()));
        for _ in 0..6 {
            cuts.add_state(&state);
            if let Some(change) = random_change(&state, &mut rng).filter(|change| change.configuration as usize != held) {
                state.apply(&[one(&problem, change)]);
            }
            if !state.solve(f64::INFINITY) {
                break;
            }
            check_cuts_hold(&cuts, &state)?;
        }
    }

    #[test]
    fn counts_made_whole_one_by_one_are_a_plan_within_the_limits(seed in any::<u64>()) {
        let problem = generate::small(seed).unwrap();
        let master = MasterSolution::of(&problem, &Stop::never());
        let mut search = ContinuousSearch::new(&problem, &master, everything(&problem), Switches::default(), &SearchTuning::default());
        let mut rng = Pcg64Mcg::new(u128::from(seed) | 1);
        let choice = random_choice(&problem, &mut rng);
        search.choose(choice.deployments().map(|entry| entry.0));
        let stop = Stop::never();
        let limits = SearchLimits { solves: 500, work: u64::MAX, tries: 4, deep_tries: 0, deep_below_usd: 0.0, again_below_usd: 0.0, stop: &stop };
        search.descend(&master, 4, &limits);
        let cutoff_usd = 2.0 * search.state().total_usd();
        let Some(found) = search.fix_counts(cutoff_usd, &mut rng, &master, &limits).map(<[_]>::to_vec) else { return Ok(()) };
        let mut state = SearchState::new(&problem, 2);
        // Dear enough that leaving traffic unserved never pays.
        state.price_shortage(|i| 30.0 * search.state().program().shortage_usd(i));
        state.set_deployments(&found);
        prop_assert_eq!(state.deployments().count(), found.len());
        prop_assert!(found.iter().all(|entry| state.replicas(entry.configuration as usize) == entry.replicas));
        prop_assert!(keeps_to_limits(&state));
        prop_assert!(state.is_feasible() && state.total_usd() < cutoff_usd * (1.0 + 1e-6));
        // The choice is left with its counts open.
        prop_assert!(search.state().deployments().all(|entry| entry.1 == problem.min_replicas(entry.0)));
    }
}
