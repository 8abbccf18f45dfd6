//! Choices whose counts never stray from the shares by one or more: Tijdeman's chairman assignment (Discrete
//! Mathematics 32, 1980, 323–330), as a schedule of jobs.
//!
//! A target's deficit is its share of the requests so far less the requests that it got. With `k` targets, Tijdeman
//! shows that every deficit can be kept between `1/(2k - 2) - 1` and `1 - 1/(2k - 2)`. That gives the target's next
//! request a window: it may not come before the deficit, itself included, reaches `1/(2k - 2)`, and not after the
//! first at which the deficit would else exceed `1 - 1/(2k - 2)`. To take, of the targets whose window is open, the one
//! whose window closes first keeps every window wherever any schedule does, since requests take one step each.
//! To choose the largest deficit instead, as smooth weighted round robin does, has no such bound.
//!
//! Choices are made a block ahead, in constant time each whatever the number of targets, but for sorting the few whose
//! window closes after the block. The target whose window closes first has the first choice of a step, so that the windows
//! can be gone through by when they close: each takes the first free step after it opens.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::shares::Shares;
use crate::splitmix::random;

/// Requests that are counted by type at a time, so that they stay in the cache.
const COUNTED_AT_ONCE: usize = 4096;
/// With fewer requests per type, a lock for each type does not pay.
const FEWEST_PER_TYPE: usize = 4;
/// Choices made at a time, as many as a word has bits.
const BLOCK: usize = 64;
/// What the number of choices taken of a block takes of a word; the rest of it counts the blocks.
const TAKEN: u64 = 0xff;

/// 2⁻²⁰ of a step.
const SLACK: u128 = 1 << 44;

/// The choices of one query type. Cache lines of its own, so that threads that route different types do not slow each
/// other down.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Choices {
    /// How many choices of the block are taken, and the number of the block: whoever raises this has read a choice that
    /// was not written over meanwhile. With the block all taken, what holds the lock may make the next.
    taken: AtomicU64,
    quota: Mutex<Quota>,
    block: [AtomicU32; BLOCK],
}

/// Where the targets of one query type stand.
#[derive(Debug)]
struct Quota {
    /// Requests that choices were made for.
    step: u64,
    targets: Vec<Target>,
    /// Windows that close after the block.
    late: Vec<Late>,
}

/// A target, and the window of its next request: it opens and closes with the steps after the whole ones of these.
/// Fixed-point numbers with 64 binary places: a stride is short by less than 2⁻⁶⁴, and the end of a window is put off by
/// [`SLACK`], so that for the first 2⁴⁴ requests no window ends too early, nor begins early or ends late by more than a
/// millionth.
#[derive(Debug)]
struct Target {
    opens: u128,
    /// How long the window stays open, and how far it moves from one request to the next.
    length: u128,
    stride: u128,
    target: u32,
}

/// A window that closes after the block: when, whose, and the step of the block from which it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Late {
    closes: u64,
    position: u32,
    opens: u8,
}

/// A window that closes within the block: its target, and the steps of the block at which it opens and closes.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    target: u32,
    opens: u8,
    closes: u8,
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
        let quota = Mutex::new(Quota::new(&targets, &parts, whole));
        // The first request finds a block that is used up.
        Self { taken: AtomicU64::new(BLOCK as u64), quota, block: std::array::from_fn(|_| AtomicU32::new(0)) }
    }

    /// The target of the next request.
    #[inline]
    pub(super) fn next(&self) -> u32 {
        let mut taken = self.taken.load(Ordering::Acquire);
        while let Some(choice) = self.block.get((taken & TAKEN) as usize) {
            let target = choice.load(Ordering::Relaxed);
            // Released, so that nobody writes over the choice before it has been read.
            match self.taken.compare_exchange_weak(taken, taken + 1, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return target,
                Err(other) => taken = other,
            }
        }
        self.next_of_new_block()
    }

    /// Takes as many of the choices that are left of the block as `targets` has room for; how many.
    #[inline]
    fn take(&self, targets: &mut [u32]) -> usize {
        let mut taken = self.taken.load(Ordering::Acquire);
        loop {
            let left = &self.block[BLOCK.min((taken & TAKEN) as usize)..];
            let number = left.len().min(targets.len());
            if number == 0 {
                return 0;
            }
            targets.iter_mut().zip(left).for_each(|(target, choice)| *target = choice.load(Ordering::Relaxed));
            let next = taken + number as u64;
            match self.taken.compare_exchange_weak(taken, next, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return number,
                Err(other) => taken = other,
            }
        }
    }

    #[cold]
    fn next_of_new_block(&self) -> u32 {
        let mut target = [0];
        self.fill(&mut target);
        target[0]
    }

    /// The targets of as many requests as there are `targets`, with one lock.
    fn fill(&self, targets: &mut [u32]) {
        let mut quota = self.lock();
        // Another thread may have made a block meanwhile.
        let number = self.take(targets);
        for targets in targets[number..].chunks_mut(BLOCK) {
            quota.fill(&self.block);
            targets.iter_mut().zip(&self.block).for_each(|(target, choice)| *target = choice.load(Ordering::Relaxed));
            // Nobody else writes this while the block is used up and the lock is held.
            let before = self.taken.load(Ordering::Relaxed);
            self.taken.store((before | TAKEN) + 1 + targets.len() as u64, Ordering::Release);
        }
    }

    /// A quota is valid before and after a block, which takes no panic, so that a thread that died spoils nothing.
    fn lock(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quota {
    fn new(targets: &[u32], parts: &[u64], whole: u64) -> Self {
        // An amount of share in terms of that of the target, in steps.
        let steps = |amount: u64, part: u64| {
            let (whole, rest) = (amount / part, amount % part);
            (u128::from(whole) << 64) | ((u128::from(rest) << 64) / u128::from(part))
        };
        let least = whole / (2 * parts.len() as u64).saturating_sub(2).max(1);
        let target = |(&target, &part): (&u32, &u64)| {
            // Rounded up: the first step by which the deficit has reached the one threshold.
            let opens = steps(least + part - 1, part);
            // Rounded down, and one more: the first after the last at which it has not exceeded the other.
            let closes = steps(whole - least, part) + (1 << 64) + SLACK;
            Target { opens, length: closes.saturating_sub(opens), stride: steps(whole, part), target }
        };
        Self { step: 0, targets: targets.iter().zip(parts).map(target).collect(), late: Vec::new() }
    }

    /// The choices for the next requests.
    fn fill(&mut self, block: &[AtomicU32; BLOCK]) {
        if let [only] = self.targets.as_slice() {
            block.iter().for_each(|choice| choice.store(only.target, Ordering::Relaxed));
            return;
        }
        let first = self.step + 1;
        self.step += BLOCK as u64;
        let last = self.step;
        // Windows by target, and how many of them close at each step of the block.
        let (mut due, mut num_due) = ([Window::default(); BLOCK], 0);
        let mut starts = [0_u8; BLOCK];
        self.late.clear();
        for (position, target) in self.targets.iter_mut().enumerate() {
            let mut closes = target.opens + target.length;
            while (closes >> 64) as u64 <= last && num_due < BLOCK {
                let window =
                    Window { target: target.target, opens: step(target.opens, first), closes: step(closes, first) };
                due[num_due] = window;
                num_due += 1;
                starts[window.closes as usize % BLOCK] += 1;
                // All of these get a choice.
                target.opens += target.stride;
                closes += target.stride;
            }
            let mut opens = target.opens;
            while (opens >> 64) as u64 <= last {
                let late = Late { closes: (closes >> 64) as u64, position: position as u32, opens: step(opens, first) };
                self.late.push(late);
                opens += target.stride;
                closes += target.stride;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += std::mem::replace(start, total);
        }
        let mut sorted = [Window::default(); BLOCK];
        for window in &due[..num_due] {
            let place = &mut starts[window.closes as usize % BLOCK];
            sorted[*place as usize % BLOCK] = *window;
            *place += 1;
        }
        // Steps without a choice, a bit each.
        let mut free = u64::MAX;
        let mut take = |opens: u8, target: u32| {
            let open = free & (u64::MAX << (opens % BLOCK as u8));
            let chosen = open & open.wrapping_neg();
            free ^= chosen;
            if chosen != 0 {
                block[chosen.trailing_zeros() as usize % BLOCK].store(target, Ordering::Relaxed);
            }
            chosen != 0
        };
        for window in &sorted[..num_due] {
            take(window.opens, window.target);
        }
        self.late.sort_unstable();
        for late in &self.late {
            let target = &mut self.targets[late.position as usize];
            if take(late.opens, target.target) {
                target.opens += target.stride;
            }
        }
    }
}

/// The step of a block that begins with step `first`, or its first where `time` is before.
#[inline]
fn step(time: u128, first: u64) -> u8 {
    ((time >> 64) as u64).saturating_sub(first) as u8
}

/// The targets of many requests, whose types exist. Types do not depend on each other: the choices for those of one are
/// taken together, with one lock.
pub(super) fn next_many(types: &[Choices], query_types: &[u32], targets: &mut [u32]) {
    if query_types.len() < FEWEST_PER_TYPE * types.len() {
        for (&i, target) in query_types.iter().zip(targets) {
            *target = types[i as usize].next();
        }
        return;
    }
    let mut nexts = vec![0_u32; types.len()];
    let mut choices = vec![0_u32; query_types.len().min(COUNTED_AT_ONCE)];
    for (query_types, targets) in query_types.chunks(COUNTED_AT_ONCE).zip(targets.chunks_mut(COUNTED_AT_ONCE)) {
        // The number of each type, then where its choices start.
        nexts.fill(0);
        query_types.iter().for_each(|&i| nexts[i as usize] += 1);
        let mut total = 0;
        for (next, of_type) in nexts.iter_mut().zip(types) {
            let number = std::mem::replace(next, total);
            total += number;
            if number > 0 {
                of_type.fill(&mut choices[*next as usize..total as usize]);
            }
        }
        for (&i, target) in query_types.iter().zip(targets) {
            let next = &mut nexts[i as usize];
            *target = choices[*next as usize];
            *next += 1;
        }
    }
}
