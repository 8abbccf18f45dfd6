//! Every interleaving of threads that share the choices of a query type, by loom:
//! `RUSTFLAGS="--cfg loom" cargo test -p servemix-core --release --lib router::interleavings`.

use loom::sync::Arc;
use loom::thread;

use super::quota::Choices;
use super::shares::Shares;

/// Choices of a block that are used up before the threads begin: these meet at its end.
const USED: usize = 62;

fn choices() -> Choices {
    Choices::new(Shares { targets: vec![0, 1, 2], parts: vec![3, 2, 1], whole: 6 }, 7)
}

/// Threads that take one choice after the other get, all together, what one would get.
fn explore(numbers: &'static [usize], preemptions: usize) {
    let mut model = loom::model::Builder::new();
    model.max_branches = 100_000;
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let alone = choices();
        let mut expected: Vec<u32> = (0..USED + numbers.iter().sum::<usize>()).map(|_| alone.next()).collect();
        let shared = Arc::new(choices());
        let mut found: Vec<u32> = (0..USED).map(|_| shared.next()).collect();
        let threads: Vec<_> = numbers
            .iter()
            .map(|&number| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || (0..number).map(|_| shared.next()).collect::<Vec<u32>>())
            })
            .collect();
        for one in threads {
            found.extend(one.join().expect("no thread panics"));
        }
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    });
}

#[test]
fn two_threads_at_the_end_of_a_block_take_every_choice_once() {
    explore(&[2, 2], 3);
}

#[test]
fn three_threads_at_the_end_of_a_block_take_every_choice_once() {
    explore(&[1, 1, 1], 2);
}
