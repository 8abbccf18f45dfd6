//! Choices whose counts never stray from the shares by one or more: Tijdeman's chairman assignment (Discrete
//! Mathematics 32, 1980, 323–330), as a schedule of jobs.
//!
//! A target's deficit is its share of the requests so far less the requests that it got. With `k` targets, Tijdeman
//! shows that every deficit can be kept between `1/(2k - 2) - 1` and `1 - 1/(2k - 2)`. That gives the target's next
//! request a window: it may not come before the deficit, itself included, reaches `1/(2k - 2)`, and not after the
//! first at which the deficit would else exceed `1 - 1/(2k - 2)`. To take, of the targets whose window is open, the one
//! whose window closes first keeps every window wherever any schedule does, since requests take one step each.
//! To choose the largest deficit instead, as smooth weighted round robin does, has no such bound.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::random;
use super::shares::Shares;

/// Requests that are sorted by type at a time, so that they stay in the cache.
const SORTED_AT_ONCE: usize = 4096;

/// Where the targets of one query type stand.
#[derive(Debug)]
pub(super) struct Quota {
    /// Requests so far.
    step: u64,
    targets: Vec<Target>,
}

/// A target and the window of its next request. Whole numbers, hence exact however many requests there were.
#[derive(Debug)]
struct Target {
    /// First and last step of the window.
    opens: Steps,
    closes: Steps,
    /// How far the window moves from one request to the next.
    stride: Steps,
    share: u64,
    target: u32,
}

/// A number of steps, `whole + rest / share`.
#[derive(Debug, Clone, Copy)]
struct Steps {
    whole: u64,
    rest: u64,
}

impl Steps {
    /// `amount / share`.
    fn of(amount: u64, share: u64) -> Self {
        Self { whole: amount / share, rest: amount % share }
    }

    #[inline]
    fn add(&mut self, other: Self, share: u64) {
        let rest = self.rest + other.rest;
        let carry = rest >= share;
        self.rest = if carry { rest - share } else { rest };
        self.whole += other.whole + u64::from(carry);
    }
}

impl Quota {
    /// `start` begins a stream of random numbers that puts the targets into the order in which ties are broken.
    pub(super) fn new(shares: Shares, start: u64) -> Self {
        let Shares { targets, parts, whole } = shares;
        let least = whole / (2 * targets.len() as u64).saturating_sub(2).max(1);
        let mut targets: Vec<Target> = targets
            .into_iter()
            .zip(parts)
            .map(|(target, share)| {
                // Rounded up and down: the first step by which the deficit has reached the one, and the first after the
                // last at which it has not exceeded the other.
                let opens = Steps::of(least + share - 1, share);
                let mut closes = Steps::of(whole - least, share);
                closes.whole += 1;
                Target { opens, closes, stride: Steps::of(whole, share), share, target }
            })
            .collect();
        for n in (1..targets.len()).rev() {
            let other = (u128::from(random(start, n as u64)) * (n as u128 + 1)) >> 64;
            targets.swap(n, other as usize);
        }
        Self { step: 0, targets }
    }

    /// The target of the next request.
    #[inline]
    pub(super) fn next(&mut self) -> u32 {
        if let [only] = self.targets.as_slice() {
            return only.target;
        }
        self.step += 1;
        // The deficits sum to one request, so that at least one of them has reached 1/k: some window is open.
        let (mut chosen, mut closes_first) = (0, u64::MAX);
        for (n, target) in self.targets.iter().enumerate() {
            let closes = if target.opens.whole <= self.step { target.closes.whole } else { u64::MAX };
            if closes < closes_first {
                (chosen, closes_first) = (n, closes);
            }
        }
        let chosen = &mut self.targets[chosen];
        chosen.opens.add(chosen.stride, chosen.share);
        chosen.closes.add(chosen.stride, chosen.share);
        chosen.target
    }
}

/// A quota is valid between any two steps of a choice, so that a thread that died in one spoils nothing.
pub(super) fn lock(quota: &Mutex<Quota>) -> MutexGuard<'_, Quota> {
    quota.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The targets of many requests, whose types exist. Types do not depend on each other: the requests of one are served
/// together, with one lock, and the processor can predict what it has seen a moment ago.
pub(super) fn next_many(types: &[Mutex<Quota>], query_types: &[u32], targets: &mut [u32]) {
    let mut ends = vec![0_u32; types.len()];
    let mut positions = vec![0_u32; query_types.len().min(SORTED_AT_ONCE)];
    for (query_types, targets) in query_types.chunks(SORTED_AT_ONCE).zip(targets.chunks_mut(SORTED_AT_ONCE)) {
        // Counting sort: `ends` is the number of each type, then where it starts, then where it ends.
        ends.fill(0);
        query_types.iter().for_each(|&i| ends[i as usize] += 1);
        let mut total = 0;
        for end in &mut ends {
            total += std::mem::replace(end, total);
        }
        for (position, &i) in query_types.iter().enumerate() {
            let end = &mut ends[i as usize];
            positions[*end as usize] = position as u32;
            *end += 1;
        }
        let mut start = 0;
        for (quota, &end) in types.iter().zip(&ends).filter(|(_, &end)| end > 0) {
            let of_type = &positions[start..end as usize];
            start = end as usize;
            if !of_type.is_empty() {
                let mut quota = lock(quota);
                of_type.iter().for_each(|&position| targets[position as usize] = quota.next());
            }
        }
    }
}
