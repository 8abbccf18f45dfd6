//! The simplex beside a general solver.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Program {
    inequality: Vec<bool>,
    rhs: Vec<f64>,
    columns: Vec<(f64, f64, Vec<f64>)>,
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(1.0), Just(-1.0), -5.0..5.0_f64]
}

/// Costs as they are, and some that a program pays only where it must.
fn cost() -> impl Strategy<Value = f64> {
    prop_oneof![4 => number(), 1 => 1e6..1e7_f64]
}

fn column(rows: usize) -> impl Strategy<Value = (f64, f64, Vec<f64>)> {
    (cost(), prop_oneof![Just(0.0), Just(1.0), 0.1..4.0_f64], prop::collection::vec(number(), rows))
}

fn program() -> impl Strategy<Value = Program> {
    (1..6_usize, 1..10_usize).prop_flat_map(|(rows, columns)| {
        (
            prop::collection::vec(any::<bool>(), rows),
            prop::collection::vec(number(), rows),
            prop::collection::vec(column(rows), columns),
        )
            .prop_map(|(inequality, rhs, columns)| Program { inequality, rhs, columns })
    })
}

fn reference(program: &Program) -> Option<f64> {
    let mut model = microlp::Problem::new(microlp::OptimizationDirection::Minimize);
    let variables: Vec<_> =
        program.columns.iter().map(|(cost, upper, _)| model.add_var(*cost, (0.0, *upper))).collect();
    for (row, &inequality) in program.inequality.iter().enumerate() {
        let terms: Vec<_> = variables.iter().zip(&program.columns).map(|(&v, c)| (v, c.2[row])).collect();
        let operator = if inequality { microlp::ComparisonOp::Le } else { microlp::ComparisonOp::Eq };
        model.add_constraint(terms, operator, program.rhs[row]);
    }
    match model.solve() {
        Ok(microlp::SolveOutcome::Solution(solution)) => Some(solution.objective()),
        _ => None,
    }
}

fn load(simplex: &mut DualSimplex, column: usize, data: &(f64, f64, Vec<f64>)) {
    let entries: Vec<_> = data.2.iter().copied().enumerate().collect();
    simplex.set_column(column, data.0, data.1, &entries);
}

fn build(program: &Program) -> DualSimplex {
    let rows = program.rhs.len();
    let mut simplex = DualSimplex::new(rows, program.columns.len(), rows);
    for row in 0..rows {
        simplex.set_inequality(row, program.inequality[row]);
        simplex.set_rhs(row, program.rhs[row]);
    }
    for (column, data) in program.columns.iter().enumerate() {
        load(&mut simplex, column, data);
    }
    simplex
}

fn assert_same(simplex: &mut DualSimplex, program: &Program) -> std::result::Result<(), TestCaseError> {
    let status = simplex.solve(f64::INFINITY, 10_000);
    assert_optimal(simplex, program, status)
}

/// Whether `status` and the present basis are right for `program`.
fn assert_optimal(
    simplex: &DualSimplex,
    program: &Program,
    status: LinearStatus,
) -> std::result::Result<(), TestCaseError> {
    assert_reaches_optimum(simplex, program, status)?;
    if let Some(optimum) = reference(program) {
        // Strong duality: the duals and reduced costs prove the optimum.
        let bound: f64 = program.rhs.iter().enumerate().map(|(row, b)| simplex.dual(row) * b).sum::<f64>()
            + (0..program.columns.len())
                .map(|j| {
                    let product: f64 =
                        (0..program.rhs.len()).map(|row| simplex.dual(row) * program.columns[j].2[row]).sum();
                    (program.columns[j].0 - product).min(0.0) * program.columns[j].1
                })
                .sum::<f64>();
        prop_assert!((bound - optimum).abs() <= 1e-6 * (1.0 + optimum.abs()));
    }
    Ok(())
}

/// Whether `status` and the values of the present basis are right for `program`.
fn assert_reaches_optimum(
    simplex: &DualSimplex,
    program: &Program,
    status: LinearStatus,
) -> std::result::Result<(), TestCaseError> {
    match reference(program) {
        Some(optimum) => {
            prop_assert_eq!(status, LinearStatus::Optimal);
            prop_assert!((simplex.objective() - optimum).abs() <= 1e-6 * (1.0 + optimum.abs()));
            for (row, &inequality) in program.inequality.iter().enumerate() {
                let activity: f64 = program.columns.iter().enumerate().map(|(j, c)| c.2[row] * simplex.value(j)).sum();
                let slack = program.rhs[row] - activity;
                prop_assert!(slack >= -1e-6 && (inequality || slack <= 1e-6));
            }
            for (column, data) in program.columns.iter().enumerate() {
                prop_assert!(simplex.value(column) >= -1e-7 && simplex.value(column) <= data.1 + 1e-7);
            }
        }
        None => prop_assert_eq!(status, LinearStatus::Infeasible),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn finds_the_same_in_other_units(program in program(), exponents in prop::collection::vec(-20..20_i32, 16)) {
        // As the general solver wants it, and with rows and columns far apart.
        let mut simplex = build(&program);
        let status = simplex.solve_equilibrated(f64::INFINITY, 10_000);
        assert_reaches_optimum(&simplex, &program, status)?;
        // The next solve goes on from there.
        assert_same(&mut simplex, &program)?;
        let rows = program.rhs.len();
        let unit = |index: usize| 2.0_f64.powi(exponents[index % exponents.len()]);
        let mut far = program.clone();
        far.rhs.iter_mut().enumerate().for_each(|(row, rhs)| *rhs *= unit(row));
        for (column, (cost, upper, entries)) in far.columns.iter_mut().enumerate() {
            let own = unit(rows + column);
            (*cost, *upper) = (*cost * own, *upper / own);
            entries.iter_mut().enumerate().for_each(|(row, entry)| *entry *= unit(row) * own);
        }
        let mut simplex = build(&far);
        let status = simplex.solve_equilibrated(f64::INFINITY, 10_000);
        match reference(&program) {
            Some(optimum) => {
                prop_assert_eq!(status, LinearStatus::Optimal);
                prop_assert!((simplex.objective() - optimum).abs() <= 1e-6 * (1.0 + optimum.abs()));
            }
            None => prop_assert_eq!(status, LinearStatus::Infeasible),
        }
    }

    #[test]
    fn finds_the_optimum_from_any_columns_that_it_begins_with(
        program in program(), mut basic in prop::collection::vec(0..20_usize, 0..20), solved_before: bool,
    ) {
        let mut simplex = build(&program);
        if solved_before {
            assert_same(&mut simplex, &program)?;
        }
        basic.retain(|&column| column < program.columns.len() + program.rhs.len());
        basic.sort_unstable();
        basic.dedup();
        simplex.begin_with(&basic);
        assert_same(&mut simplex, &program)?;
    }

    #[test]
    fn agrees_with_a_general_solver_from_a_cold_and_from_a_warm_start(
        program in program(),
        changes in prop::collection::vec((0..10_usize, 0..10_usize, 0..4_u8, number(), 0.1..4.0_f64), 1..8),
    ) {
        let mut program = program;
        let mut simplex = build(&program);
        assert_same(&mut simplex, &program)?;
        for (row, column, kind, value, upper) in changes {
            let row = row % program.rhs.len();
            let column = column % program.columns.len();
            match kind {
                0 => {
                    program.rhs[row] = value;
                    simplex.set_rhs(row, value);
                }
                1 => {
                    program.columns[column].1 = 0.0;
                    simplex.set_upper(column, 0.0);
                }
                2 => {
                    program.columns[column].1 = upper;
                    simplex.set_upper(column, upper);
                }
                _ => {
                    if !simplex.is_basic(column) {
                        program.columns[column].0 = value;
                        program.columns[column].1 = upper;
                        program.columns[column].2[row] = value;
                        load(&mut simplex, column, &program.columns[column].clone());
                    }
                }
            }
            let mut copy = DualSimplex::default();
            copy.clone_from(&simplex);
            let status = copy.solve_after_adding(10_000, &|| false);
            assert_optimal(&copy, &program, status)?;
            assert_same(&mut simplex, &program)?;
        }
    }

    #[test]
    fn follows_rows_that_are_scaled_and_columns_that_are_not_quite(
        program in program(),
        rounds in prop::collection::vec((prop::collection::vec(prop_oneof![Just(1.0), 0.01..100.0_f64], 6), number(), 0..20_usize), 1..4),
    ) {
        let mut program = program;
        let mut simplex = build(&program);
        assert_same(&mut simplex, &program)?;
        for (factors, cost, changed) in rounds {
            let factors = &factors[..program.rhs.len()];
            simplex.scale_rows(factors);
            for (column, data) in program.columns.iter_mut().enumerate() {
                let first = data.2.iter().position(|&entry| entry != 0.0).map_or(1.0, |row| factors[row]);
                data.2.iter_mut().zip(factors).for_each(|(entry, factor)| *entry *= factor / first);
                data.0 /= first;
                // The rest stays what it is, or has nothing to do with what it was.
                if column % 20 == changed {
                    (data.0, data.2[0]) = (cost, cost);
                }
                let entries: Vec<_> = data.2.iter().copied().enumerate().collect();
                simplex.renew_column(column, data.0, data.1, &entries);
            }
            assert_same(&mut simplex, &program)?;
        }
    }

    #[test]
    fn goes_on_with_equations_that_are_added(program in program(), rhs in prop::collection::vec(number(), 1..3)) {
        let mut program = program;
        let mut simplex = DualSimplex::new(program.rhs.len(), program.columns.len(), program.rhs.len() + rhs.len());
        for row in 0..program.rhs.len() {
            simplex.set_inequality(row, program.inequality[row]);
            simplex.set_rhs(row, program.rhs[row]);
        }
        for (column, data) in program.columns.iter().enumerate() {
            load(&mut simplex, column, data);
        }
        assert_same(&mut simplex, &program)?;
        for value in rhs {
            let row = simplex.add_equation();
            prop_assert_eq!(row, program.rhs.len());
            simplex.set_rhs(row, value);
            program.inequality.push(false);
            program.rhs.push(value);
            for (column, data) in program.columns.iter_mut().enumerate() {
                data.2.push(f64::from((row + column) as u8 % 3));
                let entries: Vec<_> = data.2.iter().copied().enumerate().collect();
                simplex.replace_column(column, data.0, data.1, &entries);
            }
            assert_same(&mut simplex, &program)?;
        }
    }

    #[test]
    fn a_cutoff_is_never_reached_below_the_optimum(program in program(), share in 0.5..1.5_f64) {
        if let Some(optimum) = reference(&program) {
            let cutoff = optimum * share;
            let mut simplex = build(&program);
            if simplex.solve(cutoff, 10_000) == LinearStatus::Cutoff {
                prop_assert!(optimum >= cutoff - 1e-6 * (1.0 + cutoff.abs()));
            }
        }
    }
}
