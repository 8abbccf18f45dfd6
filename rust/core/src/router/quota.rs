//! Choices whose counts never stray from the shares by one or more: Tijdeman's algorithm for the chairman assignment
//! problem (Discrete Mathematics 32, 1980, 323–330).
//!
//! A target's deficit is its share of the requests so far less the requests that it got. Of the `k` targets whose
//! deficit, the next request included, is at least `1/(2k - 2)`, the one is chosen whose deficit would be the first to
//! exceed `1 - 1/(2k - 2)`. Then no deficit ever does, above or below zero. To choose the largest deficit instead,
//! as smooth weighted round robin does, has no such bound.

use super::random;
use super::shares::Shares;

/// Where the targets of one query type stand.
#[derive(Debug)]
pub(super) struct Quota {
    targets: Vec<Target>,
    whole: i64,
    /// Least deficit of a target that may be chosen, `1/(2k - 2)`.
    least: i64,
}

/// Amounts are in the parts of [`Shares`]; whole numbers, hence exact however many requests there were.
#[derive(Debug)]
struct Target {
    share: i64,
    deficit: i64,
    target: u32,
}

impl Quota {
    /// `start` begins a stream of random numbers that puts the targets into the order in which ties are broken.
    pub(super) fn new(shares: Shares, start: u64) -> Self {
        let Shares { targets, parts, whole } = shares;
        let least = whole / (2 * targets.len() as i64 - 2).max(1);
        let mut targets: Vec<Target> =
            targets.into_iter().zip(parts).map(|(target, share)| Target { share, deficit: 0, target }).collect();
        for n in (1..targets.len()).rev() {
            let other = (u128::from(random(start, n as u64)) * (n as u128 + 1)) >> 64;
            targets.swap(n, other as usize);
        }
        Self { targets, whole, least }
    }

    /// The target of the next request.
    pub(super) fn next(&mut self) -> u32 {
        if let [only] = self.targets.as_slice() {
            return only.target;
        }
        let most = self.whole - self.least;
        // The target that may be chosen and has the least time left: how much its deficit may grow, and how fast it does.
        let (mut chosen, mut due) = (0, None);
        for (n, target) in self.targets.iter_mut().enumerate() {
            target.deficit += target.share;
            if target.deficit < self.least {
                continue;
            }
            // Numbers of 62 bits, so that products fit.
            let (room, speed) = (i128::from(most - target.deficit), i128::from(target.share));
            if due.is_none_or(|(least_room, its_speed)| room * its_speed < least_room * speed) {
                (chosen, due) = (n, Some((room, speed)));
            }
        }
        // The deficits sum to one request, so that at least one of them reached 1/k.
        let chosen = &mut self.targets[chosen];
        chosen.deficit -= self.whole;
        chosen.target
    }
}
