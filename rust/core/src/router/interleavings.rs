//! Every interleaving of threads that share the choices of a query type, by loom:
//! `RUSTFLAGS="--cfg loom" cargo test -p servemix-core --release --lib router::interleavings`.

use loom::sync::Arc;
use loom::thread;

use super::block::Windows;
use super::quota::Choices;
use super::shares::Shares;

/// Choices of a block that are used up before the threads begin: these meet at its end.
const USED: usize = 62;

fn choices() -> Choices {
    Choices::new(Shares { targets: vec![0, 1, 2], parts: vec![3, 2, 1], whole: 6 }, 7)
}

/// The next `number` choices, with one lock: loom stops at every atomic operation, and here there is nothing to be found.
fn together(of: &Choices, number: usize) -> Vec<u32> {
    let mut targets = vec![0; number];
    of.fill(&mut targets, &mut Windows::default());
    targets
}

/// How a thread asks for its choices.
#[derive(Clone, Copy)]
enum Ask {
    /// One after the other.
    Each(usize),
    /// All with one lock, as of many requests at once.
    Together(usize),
}

impl Ask {
    fn number(self) -> usize {
        match self {
            Self::Each(number) | Self::Together(number) => number,
        }
    }

    fn of(self, shared: &Choices) -> Vec<u32> {
        match self {
            Self::Each(number) => (0..number).map(|_| shared.next()).collect(),
            Self::Together(number) => together(shared, number),
        }
    }
}

/// Threads that share the choices get, all together, what one would get.
fn explore(asks: &'static [Ask], preemptions: usize) {
    let mut model = loom::model::Builder::new();
    model.max_branches = 100_000;
    // LOOM_MAX_PREEMPTIONS, where that is set.
    model.preemption_bound = model.preemption_bound.or(Some(preemptions));
    model.check(move || {
        let mut expected = together(&choices(), USED + asks.iter().map(|ask| ask.number()).sum::<usize>());
        let shared = Arc::new(choices());
        let mut found = together(&shared, USED);
        let threads: Vec<_> = asks
            .iter()
            .map(|&ask| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || ask.of(&shared))
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
    explore(&[Ask::Each(2), Ask::Each(2)], 4);
}

#[test]
fn three_threads_at_the_end_of_a_block_take_every_choice_once() {
    explore(&[Ask::Each(1), Ask::Each(1), Ask::Each(1)], 3);
}

#[test]
fn many_requests_at_once_beside_single_ones_take_every_choice_once() {
    explore(&[Ask::Together(4), Ask::Each(3)], 3);
}
