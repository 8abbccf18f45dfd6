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
//! window stays open long. The target whose window closes first has the first choice of a step, so that the windows
//! can be gone through by when they close: each takes the first free step after it opens.

use std::sync::PoisonError;

use super::block::{count, sum_up, Steps, Window, Windows, BLOCK, BYTES, FREQUENT};
use super::shares::Shares;
use super::sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering};
use crate::splitmix::random;

/// Requests that are counted by type at a time, so that they stay in the cache.
const COUNTED_AT_ONCE: usize = 8192;
/// With fewer requests per type, a lock for each type does not pay.
const FEWEST_PER_TYPE: usize = 4;
/// What the number of choices taken of a block takes of a word; the rest of it counts the blocks.
const TAKEN: u64 = 0xff;

/// A step, in times of 64 binary places.
const STEP: u128 = 1 << 64;
/// 2⁻²⁰ of a step, and what becomes of rounding within a block.
const SLACK: u128 = (1 << 44) + (1 << 16);
/// What times within a block have of binary places less.
const COARSER: u32 = 8;
/// The binary places of times within a block: they reach to four blocks.
const PLACES: u32 = 64 - COARSER;
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
    frequent: Vec<Frequent>,
    rare: Vec<Target>,
    /// Windows of rare targets that close within the block.
    due: Vec<Window>,
    /// Those that close after it.
    late: Vec<Late>,
}

/// A target, and the window of its next request: it opens and closes with the steps after the whole ones of these, counted
/// from the beginning of the block. Fixed-point numbers with 64 binary places: a stride is short by less than 2⁻⁶⁴, and the
/// end of a window is put off by [`SLACK`], so that for the first 2⁴⁴ requests no window ends too early, nor begins early
/// or ends late by more than a millionth.
#[derive(Debug)]
struct Target {
    closes: u128,
    /// How long the window stays open, and how far it moves from one request to the next.
    length: u128,
    stride: u128,
    target: u32,
}

/// A target whose windows are short and come so often that all that matters in a block are bytes. Length and stride
/// within a block have fewer places and are rounded so that no window opens late.
#[derive(Debug)]
struct Frequent {
    closes: u128,
    stride: u128,
    short_length: u64,
    short_stride: u64,
    /// As many windows as may open by the end of a block, those of before that are open still included.
    most: u32,
    target: u32,
}

/// A window of a rare target that closes after the block: when, whose, and the step of the block from which it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Late {
    closes: u64,
    position: u32,
    opens: u8,
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
            // Released, so that no one writes over the choice before it has been read.
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
        self.fill(&mut target, &mut Windows::default());
        target[0]
    }

    /// The targets of as many requests as there are `targets`, with one lock.
    pub(super) fn fill(&self, targets: &mut [u32], windows: &mut Windows) {
        let mut quota = self.lock();
        // Another thread may have made a block meanwhile.
        let number = self.take(targets);
        let mut blocks = targets[number..].chunks_exact_mut(BLOCK);
        // What is all taken need not be seen by others.
        blocks.by_ref().filter_map(|block| block.try_into().ok()).for_each(|block| quota.fill(block, windows));
        let targets = blocks.into_remainder();
        if !targets.is_empty() {
            let mut choices = [0; BLOCK];
            quota.fill(&mut choices, windows);
            let (taken, left) = choices.split_at(targets.len());
            targets.copy_from_slice(taken);
            self.block[taken.len()..].iter().zip(left).for_each(|(to, &choice)| to.store(choice, Ordering::Relaxed));
            // Nobody else writes this while the block is used up and the lock is held.
            let before = self.taken.load(Ordering::Relaxed);
            self.taken.store((before | TAKEN) + 1 + taken.len() as u64, Ordering::Release);
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
        let mut quota = Self { frequent: Vec::new(), rare: Vec::new(), due: Vec::new(), late: Vec::new() };
        for (&target, &part) in targets.iter().zip(parts) {
            // Rounded up: the first step by which the deficit has reached the one threshold.
            let opens = steps(least + part - 1, part);
            // Rounded down, and one more: the first after the last at which it has not exceeded the other.
            let closes = steps(whole - least, part) + STEP + SLACK;
            let length = closes.saturating_sub(opens);
            // The first step has number 1.
            let target = Target { closes: closes - STEP, length, stride: steps(whole, part), target };
            match target.frequent() {
                Some(frequent) => quota.frequent.push(frequent),
                None => quota.rare.push(target),
            }
        }
        quota
    }

    /// The choices for the next requests.
    fn fill(&mut self, choices: &mut [u32; BLOCK], windows: &mut Windows) {
        if let ([only], []) = (self.frequent.as_slice(), self.rare.as_slice()) {
            choices.fill(only.target);
            return;
        }
        // The number of windows that close at each step, then where those are put.
        let mut starts = [0_u8; BYTES];
        for target in &self.frequent {
            target.windows(|_, closes| count(&mut starts[usize::from(closes)]));
        }
        self.meet_rare(&mut starts);
        let (num_due, num_near) = sum_up(&mut starts);
        let mut put = |window: Window| {
            let place = &mut starts[usize::from(window.closes())];
            windows.0[usize::from(*place)] = window;
            count(place);
        };
        for (position, target) in self.frequent.iter_mut().enumerate() {
            let of_target = Window::new(target.target, position);
            let mut due = 0;
            target.windows(|opens, closes| {
                put(of_target.at(opens, closes));
                due += u32::from(usize::from(closes) < BLOCK);
            });
            // All of these get a choice.
            target.closes = (target.closes + target.stride * u128::from(due)).saturating_sub(BLOCK as u128 * STEP);
        }
        self.due.iter().for_each(|&window| put(window));
        let mut steps = Steps { choices, taken: 0 };
        let (due, near) = windows.0[..num_near].split_at(num_due.min(num_near));
        due.iter().for_each(|window| steps.take_due(window.opens(), window.target()));
        if steps.taken != u64::MAX {
            self.take_late(near, &mut steps);
        }
    }

    /// Counts and lists the windows of rare targets.
    fn meet_rare(&mut self, starts: &mut [u8; BYTES]) {
        self.due.clear();
        self.late.clear();
        for (position, target) in self.rare.iter_mut().enumerate() {
            while let Some(closes) = step(target.closes) {
                let opens = step(target.closes.saturating_sub(target.length)).unwrap_or(0);
                self.due.push(Window::new(target.target, 0).at(opens, closes));
                count(&mut starts[usize::from(closes)]);
                target.closes += target.stride;
            }
            let mut closes = target.closes;
            while let Some(opens) = step(closes.saturating_sub(target.length)) {
                self.late.push(Late { closes: (closes >> 64) as u64, position: position as u32, opens });
                closes += target.stride;
            }
            target.closes = target.closes.saturating_sub(BLOCK as u128 * STEP);
        }
    }

    /// Gives what is left of the block to windows that close later, the earliest first.
    fn take_late(&mut self, near: &[Window], steps: &mut Steps<'_>) {
        let mut near = near.iter().filter(|window| usize::from(window.opens()) < BLOCK).peekable();
        self.late.sort_unstable();
        let mut late = self.late.iter().peekable();
        while steps.taken != u64::MAX {
            let closes = late.peek().map(|late| late.closes);
            if let Some(window) =
                near.next_if(|window| closes.is_none_or(|closes| u64::from(window.closes()) <= closes))
            {
                if let Some(target) = self.frequent.get_mut(window.position()) {
                    if steps.take(window.opens(), target.target) {
                        target.closes += target.stride;
                    }
                }
            } else if let Some(window) = late.next() {
                let target = &mut self.rare[window.position as usize];
                if steps.take(window.opens, target.target) {
                    target.closes += target.stride;
                }
            } else {
                break;
            }
        }
    }
}

impl Target {
    /// This target as a frequent one; `None` if it is not frequent.
    fn frequent(&self) -> Option<Frequent> {
        let most = u128::from(FREQUENT) * STEP;
        if self.length >= most || self.stride >= most {
            return None;
        }
        let coarse = |time: u128| (time >> COARSER) as u64;
        let (short_length, short_stride) = (coarse(self.length) + 1, coarse(self.stride));
        let longest = ((BLOCK as u64) << PLACES) + short_length;
        let most = longest.div_ceil(short_stride) as u32;
        Some(Frequent {
            closes: self.closes,
            stride: self.stride,
            short_length,
            short_stride,
            most,
            target: self.target,
        })
    }
}

impl Frequent {
    /// Visits the windows that open within the block, and a few that do not, with the steps at which they open and close.
    #[inline]
    fn windows(&self, mut visit: impl FnMut(u8, u8)) {
        let mut closes = (self.closes >> COARSER) as u64;
        // As many as always: it does not pay to find out how many, since that is often guessed wrong.
        for _ in 0..self.most {
            visit((closes.saturating_sub(self.short_length) >> PLACES) as u8, (closes >> PLACES) as u8);
            closes = closes.wrapping_add(self.short_stride);
        }
    }
}

/// The step of the block at a time, if that is within it.
fn step(time: u128) -> Option<u8> {
    (time < BLOCK as u128 * STEP).then_some((time >> 64) as u8)
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
    let mut windows = Windows::default();
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
                of_type.fill(&mut choices[*next as usize..total as usize], &mut windows);
            }
        }
        for (&i, target) in query_types.iter().zip(targets) {
            let next = &mut nexts[i as usize];
            *target = choices[*next as usize];
            *next += 1;
        }
    }
}
