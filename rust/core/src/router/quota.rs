//! Choices whose counts never stray from the shares by one or more: Tijdeman's chairman assignment (Discrete
//! Mathematics 32, 1980, 323–330), as a schedule of jobs.
//!
//! A target's deficit is its share of the requests so far less the requests that it got. With `k` targets, Tijdeman
//! shows that every deficit can be kept between `1/(2k - 2) - 1` and `1 - 1/(2k - 2)`. That gives the target's next
//! request a window: it may not come before the deficit, itself included, reaches `1/(2k - 2)`, and not after the
//! first at which the deficit would else exceed `1 - 1/(2k - 2)`. To take, of the targets whose window is open, the one
//! whose window closes first keeps every window wherever any schedule does, since requests take one step each.
//! To choose the largest deficit instead, as smooth weighted round robin does, has no such bound.

//! Choices are made some requests ahead, so that most requests take one of them with a single atomic exchange; only one
//! in eight takes the lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::random;
use super::shares::Shares;

/// Requests that are sorted by type at a time, so that they stay in the cache.
const SORTED_AT_ONCE: usize = 4096;
/// Choices made ahead, a byte each: the next one lowest, this where there is none.
const NONE_AHEAD: u64 = u64::MAX;
const NONE: u64 = 0xff;
const BITS: u32 = 8;

/// 2⁻²⁰ of a step.
const SLACK: u128 = 1 << 44;

/// The choices of one query type. A cache line of its own, so that threads that route different types do not slow each
/// other down.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Choices {
    /// The choices ahead, as positions in `targets`.
    ahead: AtomicU64,
    targets: Box<[u32]>,
    quota: Mutex<Quota>,
}

/// Where the targets of one query type stand.
#[derive(Debug)]
struct Quota {
    /// Requests so far.
    step: u64,
    windows: Vec<Window>,
}

/// The window of a target's next request: it opens and closes with the steps after the whole ones of these. Fixed-point
/// numbers with 64 binary places: a stride is short by less than 2⁻⁶⁴, and the end of a window is put off by [`SLACK`], so
/// that for the first 2⁴⁴ requests no window ends too early, nor begins early or ends late by more than a millionth.
#[derive(Debug)]
struct Window {
    opens: u128,
    /// How long the window stays open, and how far it moves from one request to the next.
    length: u128,
    stride: u128,
}

impl Choices {
    /// `start` begins a stream of random numbers that puts the targets into the order in which ties are broken.
    pub(super) fn new(shares: Shares, start: u64) -> Self {
        let Shares { mut targets, mut parts, whole } = shares;
        for n in (1..targets.len()).rev() {
            let other = ((u128::from(random(start, n as u64)) * (n as u128 + 1)) >> 64) as usize;
            targets.swap(n, other);
            parts.swap(n, other);
        }
        let quota = Quota::new(&parts, whole);
        Self { ahead: AtomicU64::new(NONE_AHEAD), targets: targets.into(), quota: Mutex::new(quota) }
    }

    /// The target of the next request.
    #[inline]
    pub(super) fn next(&self) -> u32 {
        match self.take_ahead() {
            Some(position) => self.targets[position],
            None => self.next_and_more(),
        }
    }

    /// Takes the next of the choices ahead, where there is one.
    #[inline]
    fn take_ahead(&self) -> Option<usize> {
        // What an exchange finds is all that counts: no other memory hangs on it.
        let mut ahead = self.ahead.load(Ordering::Relaxed);
        while ahead & NONE != NONE {
            let rest = (ahead >> BITS) | (NONE << (u64::BITS - BITS));
            match self.ahead.compare_exchange_weak(ahead, rest, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some((ahead & NONE) as usize),
                Err(other) => ahead = other,
            }
        }
        None
    }

    #[cold]
    fn next_and_more(&self) -> u32 {
        let mut quota = self.lock();
        // Another thread may have been here first.
        if let Some(position) = self.take_ahead() {
            return self.targets[position];
        }
        let next = quota.next();
        if self.targets.len() < NONE as usize {
            let mut ahead = NONE_AHEAD;
            for _ in 1..u64::BITS / BITS {
                ahead = (ahead >> BITS) | ((quota.next() as u64) << (u64::BITS - BITS));
            }
            // The last byte stays free, to tell where the choices end.
            self.ahead.store((ahead >> BITS) | (NONE << (u64::BITS - BITS)), Ordering::Relaxed);
        }
        self.targets[next]
    }

    /// Serves the requests at `positions` with one lock.
    fn serve(&self, positions: &[u32], targets: &mut [u32]) {
        let mut quota = self.lock();
        for &position in positions {
            let chosen = self.take_ahead().unwrap_or_else(|| quota.next());
            targets[position as usize] = self.targets[chosen];
        }
    }

    /// A quota is valid between any two steps of a choice, so that a thread that died in one spoils nothing.
    fn lock(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quota {
    fn new(parts: &[u64], whole: u64) -> Self {
        // An amount of share in terms of that of the target, in steps.
        let steps = |amount: u64, part: u64| {
            let (whole, rest) = (amount / part, amount % part);
            (u128::from(whole) << 64) | ((u128::from(rest) << 64) / u128::from(part))
        };
        let least = whole / (2 * parts.len() as u64).saturating_sub(2).max(1);
        let window = |&part: &u64| {
            // Rounded up: the first step by which the deficit has reached the one threshold.
            let opens = steps(least + part - 1, part);
            // Rounded down, and one more: the first after the last at which it has not exceeded the other.
            let closes = steps(whole - least, part) + (1 << 64) + SLACK;
            Window { opens, length: closes.saturating_sub(opens), stride: steps(whole, part) }
        };
        Self { step: 0, windows: parts.iter().map(window).collect() }
    }

    /// The position of the target of the next request.
    #[inline]
    fn next(&mut self) -> usize {
        if self.windows.len() == 1 {
            return 0;
        }
        self.step += 1;
        // The deficits sum to one request, so that at least one of them has reached 1/k: some window is open.
        let (mut chosen, mut closes_first) = (0, u64::MAX);
        for (n, window) in self.windows.iter().enumerate() {
            let closes = ((window.opens + window.length) >> 64) as u64;
            let closes = if (window.opens >> 64) as u64 <= self.step { closes } else { u64::MAX };
            if closes < closes_first {
                (chosen, closes_first) = (n, closes);
            }
        }
        self.windows[chosen].opens += self.windows[chosen].stride;
        chosen
    }
}

/// The targets of many requests, whose types exist. Types do not depend on each other: the requests of one are served
/// together, with one lock, and the processor can predict what it has seen a moment ago.
pub(super) fn next_many(types: &[Choices], query_types: &[u32], targets: &mut [u32]) {
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
        for (choices, &end) in types.iter().zip(&ends).filter(|(_, &end)| end > 0) {
            let of_type = &positions[start..end as usize];
            start = end as usize;
            if !of_type.is_empty() {
                choices.serve(of_type, targets);
            }
        }
    }
}
