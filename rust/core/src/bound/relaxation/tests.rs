use super::*;
use crate::generate::{physical, Family, Size};

#[test]
fn an_evaluation_is_the_same_on_any_number_of_threads() {
    let problem = physical(Size::new(20, 10, 14), 10.0, Family::Pools, 1).expect("a valid problem");
    assert!(problem.route_table().len() >= LEAST_PARALLEL_ROUTES);
    let prices = Prices::from_single_types(&problem);
    let evaluate = |threads: usize| {
        let mut relaxation = Relaxation::new(&problem, 1.0);
        relaxation.threads = threads;
        let mut evaluation = Evaluation::default();
        assert!(relaxation.evaluate(&prices, &Domain::of(&problem), &Stop::never(), &mut evaluation));
        (evaluation.value, evaluation.profit)
    };
    let alone = evaluate(1);
    assert!(alone.0 > 0.0);
    for threads in [2, 3, 7] {
        assert_eq!(evaluate(threads), alone);
    }
}
