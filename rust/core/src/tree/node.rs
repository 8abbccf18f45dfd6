//! Nodes of the search tree: decisions that shrink the domain, and what is inherited from the parent.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::bound::{Decision, Domain, Prices};
use crate::heap::{Entry, Total};
use crate::Problem;

/// What reduced costs took out of the domain of a node: its children need not find that out again.
#[derive(Debug)]
pub(crate) struct Narrowing {
    /// Configurations and the ranges of replicas that were left.
    ranges: Vec<(u32, u32, u32)>,
    /// Pairs that every better plan uses.
    forced: Vec<u32>,
}

impl Narrowing {
    /// What `after` leaves out of `before`.
    pub(crate) fn between(before: &Domain, after: &Domain) -> Arc<Self> {
        let changed = |&a: &usize| (before.min[a], before.max[a]) != (after.min[a], after.max[a]);
        let ranges = (0..after.max.len()).filter(changed).map(|a| (a as u32, after.min[a], after.max[a])).collect();
        let forced = (0..after.forced.len()).filter(|&pair| after.forced[pair] && !before.forced[pair]);
        Arc::new(Self { ranges, forced: forced.map(|pair| pair as u32).collect() })
    }

    fn apply(&self, domain: &mut Domain) {
        for &(a, min, max) in &self.ranges {
            let a = a as usize;
            domain.min[a] = domain.min[a].max(min);
            domain.max[a] = domain.max[a].min(max);
        }
        for &pair in &self.forced {
            domain.forced[pair as usize] = true;
        }
    }
}

/// A chain of decisions that ends at the root, each with what was narrowed where it was made.
#[derive(Debug)]
pub(crate) struct Path {
    decision: Decision,
    narrowing: Arc<Narrowing>,
    parent: Option<Arc<Path>>,
}

impl Path {
    pub(crate) fn after(parent: Option<Arc<Self>>, narrowing: Arc<Narrowing>, decision: Decision) -> Arc<Self> {
        Arc::new(Self { decision, narrowing, parent })
    }

    /// The last decision.
    pub(crate) fn decision(&self) -> Decision {
        self.decision
    }

    /// Shrinks `domain` by every decision and narrowing on the way.
    pub(crate) fn apply(path: Option<&Arc<Self>>, problem: &Problem, domain: &mut Domain) {
        let mut next = path;
        while let Some(step) = next {
            step.narrowing.apply(domain);
            step.decision.apply(problem, domain);
            next = step.parent.as_ref();
        }
    }
}

impl Drop for Path {
    /// Unlinks a long chain step by step, not by recursion.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut path) = next.and_then(Arc::into_inner) {
            next = path.parent.take();
        }
    }
}

/// An open node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) bound: f64,
    pub(crate) id: u64,
    pub(crate) path: Option<Arc<Path>>,
    pub(crate) prices: Arc<Prices>,
    /// Bound of the parent, and the cost that the last decision moves, USD.
    pub(crate) parent_bound: f64,
    pub(crate) moved_usd: f64,
}

/// An open node in the queue: the one with the smallest bound comes first, of equal ones the newest.
pub(crate) type Open = Entry<(Reverse<Total>, u64), Node>;

impl Node {
    /// The node in its place of the queue.
    pub(crate) fn open(self) -> Open {
        Entry { key: (Reverse(Total(self.bound)), self.id), item: self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_path_leads_to_the_domain_that_decisions_and_narrowings_left(
            seed in any::<u64>(),
            steps in prop::collection::vec((any::<u32>(), 0..4_u8, prop::collection::vec(any::<u32>(), 0..4)), 0..6),
        ) {
            let problem = generate::small(seed).expect("a valid problem");
            let root = Domain::of(&problem);
            let (mut domain, mut path) = (root.clone(), None);
            for (draw, kind, narrowed) in steps {
                let before = domain.clone();
                for draw in narrowed {
                    let a = draw as usize % problem.num_configurations();
                    domain.max[a] = domain.max[a].min(draw / 7 % 4);
                    domain.min[a] = domain.min[a].max(draw / 31 % 3);
                    domain.forced[problem.pair(a)] |= draw % 5 == 0;
                }
                let a = draw % problem.num_configurations() as u32;
                let pair = problem.pair(a as usize) as u32;
                let decision = match kind {
                    0 => Decision::AtMost(a, draw / 7 % 3),
                    1 => Decision::AtLeast(a, 1 + draw / 7 % 3),
                    2 => Decision::Closed(pair),
                    _ => Decision::Forced(pair),
                };
                path = Some(Path::after(path, Narrowing::between(&before, &domain), decision));
                decision.apply(&problem, &mut domain);
            }
            let mut reached = root;
            Path::apply(path.as_ref(), &problem, &mut reached);
            prop_assert_eq!(reached, domain);
        }
    }
}
