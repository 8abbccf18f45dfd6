//! Independent draws in constant time: alias tables (Walker 1977, built as by Vose 1991) over counted random numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use super::shares::Shares;
use crate::splitmix::random;

/// The draws of one query type. A cache line of its own, so that threads that route different types do not slow each
/// other down.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Draws {
    /// Draws so far.
    count: AtomicU64,
    /// Where the stream of random numbers starts.
    start: u64,
    columns: Box<[Column]>,
}

/// One of as many equally likely columns as there are targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    /// The share of the column, in parts of 2⁶⁴, that is `own`'s; the rest is `other`'s.
    pub(super) own_share: u64,
    pub(super) own: u32,
    pub(super) other: u32,
}

impl Draws {
    pub(super) fn new(shares: &Shares, start: u64) -> Self {
        Self { count: AtomicU64::new(0), start, columns: columns(shares).into() }
    }

    /// The target of the next request.
    #[inline]
    pub(super) fn next(&self) -> u32 {
        // No other memory hangs on the count.
        self.at(self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// The target of request number `n`.
    #[inline]
    fn at(&self, n: u64) -> u32 {
        // The product's upper half is a column, its lower half a uniform position within it.
        let product = u128::from(random(self.start, n)) * self.columns.len() as u128;
        let column = &self.columns[(product >> 64) as usize];
        // Not a branch: it could not be predicted.
        [column.other, column.own][usize::from((product as u64) < column.own_share)]
    }
}

/// Draws for many requests, whose types exist. The numbers of a type are taken in one go, not one by one.
pub(super) fn draw_many(types: &[Draws], query_types: &[u32], targets: &mut [u32]) {
    let mut numbers = vec![0_u64; types.len()];
    query_types.iter().for_each(|&i| numbers[i as usize] += 1);
    for (number, draws) in numbers.iter_mut().zip(types).filter(|(number, _)| **number > 0) {
        *number = draws.count.fetch_add(*number, Ordering::Relaxed);
    }
    for (&i, target) in query_types.iter().zip(targets) {
        let number = &mut numbers[i as usize];
        *target = types[i as usize].at(*number);
        *number = number.wrapping_add(1);
    }
}

/// The alias table of shares: every target's parts of the columns sum to its share of them.
pub(super) fn columns(shares: &Shares) -> Vec<Column> {
    let num_targets = shares.targets.len();
    let whole = shares.whole as u128;
    // Scaled so that a column holds `whole` parts.
    let mut left: Vec<u128> = shares.parts.iter().map(|&part| part as u128 * num_targets as u128).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..num_targets).partition(|&n| left[n] < whole);
    let alone = |n: usize| Column { own_share: u64::MAX, own: shares.targets[n], other: shares.targets[n] };
    let mut columns: Vec<Column> = (0..num_targets).map(alone).collect();
    while let (Some(n), Some(&giver)) = (small.pop(), large.last()) {
        let own_share = u64::try_from((left[n] << 64) / whole).unwrap_or(u64::MAX);
        columns[n] = Column { own_share, own: shares.targets[n], other: shares.targets[giver] };
        left[giver] -= whole - left[n];
        if left[giver] < whole {
            large.pop();
            small.push(giver);
        }
    }
    columns
}
