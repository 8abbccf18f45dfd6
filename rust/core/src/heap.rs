//! Entries of a priority queue: what they hold has no part in their order.

use std::cmp::Ordering;

/// An entry of a [`BinaryHeap`](std::collections::BinaryHeap), which gives the one with the greatest key first.
#[derive(Debug, Clone)]
pub(crate) struct Entry<K, T> {
    pub(crate) key: K,
    pub(crate) item: T,
}

/// A number in the total order of [`f64::total_cmp`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Total(pub(crate) f64);

impl<K: Ord, T> Ord for Entry<K, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl Ord for Total {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

macro_rules! order_by_cmp {
    ($([$($bounds:tt)*] $kind:ty;)*) => {$(
        impl<$($bounds)*> PartialOrd for $kind {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl<$($bounds)*> PartialEq for $kind {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other) == Ordering::Equal
            }
        }

        impl<$($bounds)*> Eq for $kind {}
    )*};
}
order_by_cmp! {
    [K: Ord, T] Entry<K, T>;
    [] Total;
}
