//! When a solve must end: the clock, the caller, or the number of iterations.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{SolveParams, StopReason};

/// A flag that ends a solve from any thread. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    flag: AtomicBool,
    parent: Option<CancelToken>,
    poll: Option<Poll>,
}

/// A question that is asked now and then while a solve runs, such as whether the user pressed Ctrl-C.
struct Poll {
    start: Instant,
    interval: Duration,
    /// When it is due next, in nanoseconds since `start`.
    due_ns: AtomicU64,
    ask: Box<dyn Fn() -> bool + Send + Sync>,
}

impl std::fmt::Debug for Poll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poll").field("interval", &self.interval).finish_non_exhaustive()
    }
}

impl CancelToken {
    /// A token that no one has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled with this one, or on its own.
    pub fn child(&self) -> Self {
        Self(Arc::new(Inner { parent: Some(self.clone()), ..Inner::default() }))
    }

    /// A [`CancelToken::child`] that a solve asks at most once per `interval` whether it is to be cancelled, on
    /// whichever thread polls; the first time after one interval, so that a short solve never asks.
    pub fn child_with_poll(&self, interval: Duration, ask: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let due_ns = AtomicU64::new(nanoseconds(interval));
        let poll = Poll { start: Instant::now(), interval, due_ns, ask: Box::new(ask) };
        Self(Arc::new(Inner { flag: AtomicBool::new(false), parent: Some(self.clone()), poll: Some(poll) }))
    }

    /// Asks every solve that polls this token to end with the best plan that it has.
    pub fn cancel(&self) {
        self.0.flag.store(true, Ordering::Relaxed);
    }

    /// Whether [`CancelToken::cancel`] was called, on this token or on one that it is a child of.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.0.flag.load(Ordering::Relaxed) || self.0.parent.as_ref().is_some_and(Self::is_cancelled)
    }

    /// Asks the token's question where it has one and it is due; whether the token is cancelled now.
    pub(crate) fn poll(&self) -> bool {
        if let Some(poll) = &self.0.poll {
            let now_ns = nanoseconds(poll.start.elapsed());
            let due_ns = poll.due_ns.load(Ordering::Relaxed);
            let next_ns = now_ns.saturating_add(nanoseconds(poll.interval));
            // Of several threads that find it due, one asks.
            let take = |due| poll.due_ns.compare_exchange(due, next_ns, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if now_ns >= due_ns && take(due_ns) && (poll.ask)() {
                self.cancel();
            }
        }
        self.is_cancelled()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
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

    /// These limits with at most `share` of the time that is left now, for a part of a solve.
    pub fn with_share(&self, share: f64) -> Self {
        let left = self.remaining_s().filter(|seconds| seconds.is_finite());
        let part = left.and_then(|seconds| Duration::try_from_secs_f64(seconds * share.clamp(0.0, 1.0)).ok());
        Self { deadline: part.and_then(|part| Instant::now().checked_add(part)).or(self.deadline), ..self.clone() }
    }

    /// These limits with at most `iterations`, for a part of a solve that counts its own.
    pub fn with_iterations(&self, iterations: u64) -> Self {
        Self { max_iterations: iterations, ..self.clone() }
    }

    /// These limits with a deadline `seconds` earlier, for a part of a solve after which something is left to do.
    pub fn earlier_by(&self, seconds: f64) -> Self {
        let early = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let deadline = self.deadline.map(|deadline| deadline.checked_sub(early).unwrap_or(deadline));
        Self { deadline, ..self.clone() }
    }

    /// Whether the time is over or the caller has cancelled. Reads the clock: poll it every few hundred evaluations.
    #[inline]
    pub fn should_stop(&self) -> bool {
        self.cancel.is_cancelled() || self.is_late() || self.poll()
    }

    /// Asks the token's question, unless the deadline is so near that an answer that takes its time would pass it.
    fn poll(&self) -> bool {
        const TIME_TO_ANSWER: Duration = Duration::from_millis(20);
        let is_near = |deadline: Instant| deadline.saturating_duration_since(Instant::now()) < TIME_TO_ANSWER;
        !self.deadline.is_some_and(is_near) && self.cancel.poll()
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Why a method that has done `iterations` must end now; `None` where it may go on.
    pub fn reason(&self, iterations: u64) -> Option<StopReason> {
        if self.cancel.is_cancelled() {
            Some(StopReason::Cancelled)
        } else if iterations >= self.max_iterations {
            Some(StopReason::IterationLimit)
        } else if self.is_late() {
            Some(StopReason::TimeLimit)
        } else if self.poll() {
            Some(StopReason::Cancelled)
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
    fn a_stop_that_is_earlier_comes_first() {
        let stop = Stop::new(&params(Some(1000.0), None), &CancelToken::new());
        assert!(stop.earlier_by(1.0).remaining_s() < stop.remaining_s());
        assert!(stop.earlier_by(2000.0).should_stop() && !stop.should_stop());
        assert_eq!(Stop::never().earlier_by(1.0).remaining_s(), Stop::never().remaining_s());
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
    fn a_child_is_cancelled_with_its_parent_but_not_the_other_way_round() {
        let (parent, other) = (CancelToken::new(), CancelToken::new());
        let child = parent.child().child();
        child.cancel();
        assert!(child.is_cancelled() && !parent.is_cancelled());
        let child = other.child_with_poll(Duration::from_secs(1000), || true);
        other.cancel();
        assert!(child.is_cancelled());
    }

    #[test]
    fn a_question_is_asked_once_per_interval_and_not_at_once() {
        let count = Arc::new(AtomicU64::new(0));
        let asked = Arc::clone(&count);
        let ask = move || asked.fetch_add(1, Ordering::Relaxed) == 1;
        let token = CancelToken::new().child_with_poll(Duration::from_millis(20), ask);
        let stop = Stop::new(&params(None, None), &token);
        assert_eq!(stop.reason(0), None);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        while !stop.should_stop() {
            std::thread::yield_now();
        }
        assert!(stop.elapsed_s() >= 0.03);
        assert_eq!(count.load(Ordering::Relaxed), 2);
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
