//! When a solve must end: the clock, the caller, or the number of iterations.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{SolveParams, StopReason};

/// A flag that ends a solve from any thread. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every solve that polls this token to end with the best plan that it has.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`CancelToken::cancel`] was called.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The limits of one solve, made once when it starts and shared by its parts and threads.
#[derive(Debug, Clone)]
pub struct Stop {
    start: Instant,
    deadline: Option<Instant>,
    max_iterations: u64,
    cancel: CancelToken,
}

impl Stop {
    /// The limits in `params`, the clock starting now.
    pub fn new(params: &SolveParams, cancel: &CancelToken) -> Self {
        Self::started_at(Instant::now(), params, cancel)
    }

    /// As [`Stop::new`] with the clock started at `start`, so that work already done counts.
    pub fn started_at(start: Instant, params: &SolveParams, cancel: &CancelToken) -> Self {
        // A limit too long for the clock is no limit.
        let limit = params.time_limit_s.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        Self {
            start,
            deadline: limit.and_then(|limit| start.checked_add(limit)),
            max_iterations: params.max_iterations.unwrap_or(u64::MAX),
            cancel: cancel.clone(),
        }
    }

    /// A stop that never comes of itself.
    pub fn never() -> Self {
        Self { start: Instant::now(), deadline: None, max_iterations: u64::MAX, cancel: CancelToken::new() }
    }

    /// The same limits, but with at most `share` of the time that is left now, for a part of a solve.
    pub fn with_share(&self, share: f64) -> Self {
        let left = self.remaining_s().filter(|seconds| seconds.is_finite());
        let part = left.and_then(|seconds| Duration::try_from_secs_f64(seconds * share.clamp(0.0, 1.0)).ok());
        Self { deadline: part.and_then(|part| Instant::now().checked_add(part)).or(self.deadline), ..self.clone() }
    }

    /// Whether the time is over or the caller has cancelled. Reads the clock: poll it every few hundred evaluations.
    #[inline]
    pub fn should_stop(&self) -> bool {
        self.cancel.is_cancelled() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Why a method that has done `iterations` must end now; `None` where it may go on.
    pub fn reason(&self, iterations: u64) -> Option<StopReason> {
        if self.cancel.is_cancelled() {
            Some(StopReason::Cancelled)
        } else if iterations >= self.max_iterations {
            Some(StopReason::IterationLimit)
        } else if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Some(StopReason::TimeLimit)
        } else {
            None
        }
    }

    /// The limit on iterations; `u64::MAX` where there is none.
    pub fn max_iterations(&self) -> u64 {
        self.max_iterations
    }

    /// The token that the caller can cancel.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Seconds left until the deadline, 0 when it has passed; `None` without one.
    pub fn remaining_s(&self) -> Option<f64> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).as_secs_f64())
    }

    /// Seconds since the start.
    pub fn elapsed_s(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(time_limit_s: Option<f64>, max_iterations: Option<u64>) -> SolveParams {
        SolveParams { time_limit_s, max_iterations, ..SolveParams::default() }
    }

    #[test]
    fn each_limit_gives_its_reason() {
        let token = CancelToken::new();
        assert_eq!(Stop::new(&params(None, None), &token).reason(u64::MAX - 1), None);
        assert_eq!(Stop::new(&params(Some(0.0), None), &token).reason(0), Some(StopReason::TimeLimit));
        assert_eq!(Stop::new(&params(None, Some(3)), &token).reason(2), None);
        assert_eq!(Stop::new(&params(None, Some(3)), &token).reason(3), Some(StopReason::IterationLimit));
        let stop = Stop::new(&params(None, None), &token);
        assert!(!stop.should_stop());
        token.cancel();
        assert!(stop.should_stop());
        assert_eq!(stop.reason(0), Some(StopReason::Cancelled));
    }

    #[test]
    fn an_endless_time_limit_is_no_limit() {
        for seconds in [f64::INFINITY, 1e300] {
            let stop = Stop::new(&params(Some(seconds), None), &CancelToken::new());
            assert!(!stop.should_stop());
            assert_eq!(stop.remaining_s(), None);
            assert_eq!(stop.with_share(0.5).remaining_s(), None);
        }
    }

    #[test]
    fn a_share_ends_before_the_whole() {
        let stop = Stop::new(&params(Some(1000.0), None), &CancelToken::new());
        assert!(stop.with_share(0.5).remaining_s().is_some_and(|seconds| seconds <= 500.0));
        assert!(stop.with_share(7.0).remaining_s().is_some_and(|seconds| seconds <= 1000.0));
    }
}
