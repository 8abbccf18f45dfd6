//! Misses of replays that run side by side, and how many there may be: [`Tally`].

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How many requests of all draws together may miss an SLO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Of each query type.
    pub types: Vec<u64>,
    /// Of all.
    pub total: u64,
}

/// Counts misses of replays that run side by side, until there are more than may be.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    allowed: &'a Allowed,
    types: Vec<AtomicU64>,
    total: AtomicU64,
    exceeded: AtomicBool,
}

impl<'a> Tally<'a> {
    pub(super) fn new(allowed: &'a Allowed) -> Self {
        let types = allowed.types.iter().map(|_| AtomicU64::new(0)).collect();
        Self { allowed, types, total: AtomicU64::new(0), exceeded: AtomicBool::new(false) }
    }

    /// Whether more have missed than may.
    #[inline]
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Relaxed)
    }

    /// Counts a request of query type `i`.
    pub(super) fn miss(&self, i: usize) {
        let of_type = self.types[i].fetch_add(1, Ordering::Relaxed) + 1;
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        if of_type > self.allowed.types[i] || total > self.allowed.total {
            self.exceeded.store(true, Ordering::Relaxed);
        }
    }
}
