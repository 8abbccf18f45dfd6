//! SplitMix64: random numbers that take no state, and keys.
//!
//! Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.

/// Step between states of the generator. Of the generators in common use it is the one whose *n*-th number takes no state
/// but *n*: an atomic counter makes it safe for threads.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Number `n` of the stream that starts at `start`.
#[inline]
pub(crate) fn random(start: u64, n: u64) -> u64 {
    spread(start.wrapping_add(n.wrapping_add(1).wrapping_mul(STEP)))
}

/// `number` with every bit made to depend on all of its bits; 0 stays 0.
#[inline]
pub(crate) fn spread(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The seed of stream `index`, which differs in many bits from those of its neighbours.
pub(crate) fn stream(seed: u64, index: u64) -> u128 {
    let first = random(seed, index);
    (u128::from(first) << 64) | u128::from(spread(first ^ index)) | 1
}
