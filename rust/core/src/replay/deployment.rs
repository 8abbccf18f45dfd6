//! One deployment under its requests: its replicas, and which of them gets each request.

use std::collections::VecDeque;

use super::engine::Engine;
use super::outcome::{DeploymentStats, Record};
use super::requests::Jobs;
use super::settings::{Dispatch, EngineSettings};
use super::StepCurve;
use crate::CancelToken;

/// A deployed configuration, ready to be replayed.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// Index of the configuration in the problem.
    pub configuration: u32,
    /// When each replica begins to take requests and when it stops to take more, s; engines that stop finish what they have.
    pub replicas: Vec<(f64, f64)>,
    /// Engines of a replica that work side by side: its pipeline stages, each with a micro-batch of its own.
    pub lanes: u32,
    /// Service curve of one engine.
    pub curve: StepCurve,
    /// Settings of one engine.
    pub settings: EngineSettings,
}

/// How often the token is asked, in requests.
const CANCEL_INTERVAL: usize = 1024;

/// Engines of one deployment.
struct Fleet<'a> {
    engines: Vec<Engine<'a>>,
    /// When each engine takes requests, s.
    serves: Vec<(f64, f64)>,
    jobs: &'a Jobs<'a>,
    turn: usize,
}

impl Fleet<'_> {
    #[inline]
    fn takes(&self, engine: usize, now_s: f64) -> bool {
        let (from_s, until_s) = self.serves[engine];
        from_s <= now_s && now_s < until_s
    }

    /// The engine that gets the request that arrives at `now_s`; `None` where no engine takes any.
    fn choose(&mut self, dispatch: Dispatch, now_s: f64, record: &mut Record<'_>) -> Option<usize> {
        if dispatch == Dispatch::RoundRobin {
            let count = self.engines.len();
            let chosen = (0..count).map(|n| (self.turn + n) % count).find(|&n| self.takes(n, now_s))?;
            self.turn = (chosen + 1) % count;
            return Some(chosen);
        }
        let mut best: Option<(u64, usize)> = None;
        for n in 0..self.engines.len() {
            if !self.takes(n, now_s) {
                continue;
            }
            let engine = &mut self.engines[n];
            engine.settle(now_s, record);
            let load = match dispatch {
                Dispatch::LeastWork => {
                    engine.run_until(now_s, record);
                    engine.work()
                }
                _ => engine.outstanding() as u64,
            };
            if best.is_none_or(|(least, _)| load < least) {
                best = Some((load, n));
                if load == 0 {
                    break;
                }
            }
        }
        best.map(|(_, n)| n)
    }
}

/// Runs one deployment, what becomes of its requests going into `record`; `None` where it was cancelled. Where more miss than the
/// record allows it ends early.
pub(super) fn run(
    served: &Served,
    jobs: &Jobs<'_>,
    dispatch: Dispatch,
    record: &mut Record<'_>,
    cancel: &CancelToken,
) -> Option<DeploymentStats> {
    let lanes = served.lanes as usize;
    let serves: Vec<(f64, f64)> = served.replicas.iter().flat_map(|&when| std::iter::repeat_n(when, lanes)).collect();
    let engines = serves.iter().map(|_| Engine::new(served.curve, served.settings, jobs)).collect();
    let mut fleet = Fleet { engines, serves, jobs, turn: 0 };
    let mut stats = DeploymentStats {
        configuration: served.configuration,
        replicas: served.replicas.len() as u32,
        requests: jobs.id.len() as u64,
        ..DeploymentStats::default()
    };
    let finished = match dispatch {
        Dispatch::SharedQueue => fleet.share_queue(record, &mut stats, cancel),
        _ => fleet.dispatch_each(dispatch, record, &mut stats, cancel),
    };
    if !finished {
        return None;
    }
    let (mut busy_s, mut sequence_s) = (0.0, 0.0);
    for engine in &fleet.engines {
        busy_s += engine.stats.busy_s;
        sequence_s += engine.stats.sequence_s;
        stats.preemptions += engine.stats.preemptions;
        let peak = engine.stats.kv_peak_tokens as f64 / served.settings.kv_cache_tokens as f64;
        stats.kv_peak = stats.kv_peak.max(peak);
    }
    stats.mean_batch = if busy_s > 0.0 { sequence_s / busy_s } else { 0.0 };
    // Made a share by the caller, who knows how long all of it took.
    stats.busy = busy_s;
    stats.queue = record.outcomes.queue_s.iter().filter(|queue_s| queue_s.is_finite()).sum();
    Some(stats)
}

impl Fleet<'_> {
    /// Every request goes to an engine when it arrives.
    fn dispatch_each(
        &mut self,
        dispatch: Dispatch,
        record: &mut Record<'_>,
        stats: &mut DeploymentStats,
        cancel: &CancelToken,
    ) -> bool {
        for job in 0..self.jobs.id.len() {
            if job % CANCEL_INTERVAL == 0 && cancel.is_cancelled() {
                return false;
            }
            if record.is_exceeded() {
                return true;
            }
            let now_s = self.jobs.arrival_s[job];
            let chosen = self.choose(dispatch, now_s, record);
            let Some(n) = chosen.filter(|&n| self.engines[n].can_hold(job as u32)) else {
                stats.refused += 1;
                record.refused(self.jobs, job as u32);
                continue;
            };
            let engine = &mut self.engines[n];
            engine.run_until(now_s, record);
            engine.push(job as u32, now_s);
        }
        for engine in &mut self.engines {
            if cancel.is_cancelled() {
                return false;
            }
            engine.run_until(f64::INFINITY, record);
        }
        true
    }

    /// Requests wait in one queue until an engine has room at the beginning of one of its steps.
    fn share_queue(&mut self, record: &mut Record<'_>, stats: &mut DeploymentStats, cancel: &CancelToken) -> bool {
        let mut queue: VecDeque<u32> = VecDeque::new();
        let arrivals = &self.jobs.arrival_s;
        let mut next = 0;
        let mut rounds = 0_usize;
        loop {
            rounds += 1;
            if rounds % CANCEL_INTERVAL == 0 && cancel.is_cancelled() {
                return false;
            }
            if record.is_exceeded() {
                return true;
            }
            let coming_s = arrivals.get(next).copied().unwrap_or(f64::INFINITY);
            let waits_since_s = queue.front().map_or(coming_s, |&job| arrivals[job as usize]);
            let ready = self.engines.iter().zip(&self.serves).map(|(engine, &(from_s, until_s))| {
                let idle_s = engine.next_s();
                if idle_s < f64::INFINITY {
                    return idle_s;
                }
                let could_s = waits_since_s.max(from_s).max(engine.clock_s);
                if could_s < until_s {
                    could_s
                } else {
                    f64::INFINITY
                }
            });
            let first = ready.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
            let Some((n, now_s)) = first.filter(|&(_, now_s)| now_s < f64::INFINITY) else { break };
            while arrivals.get(next).is_some_and(|&arrival_s| arrival_s <= now_s) {
                queue.push_back(next as u32);
                next += 1;
            }
            let takes = self.takes(n, now_s);
            let engine = &mut self.engines[n];
            engine.arrive_at(now_s, record);
            while takes && engine.room() > 0 {
                let Some(job) = queue.pop_front() else { break };
                if engine.can_hold(job) {
                    engine.push(job, now_s);
                } else {
                    stats.refused += 1;
                    record.refused(self.jobs, job);
                }
            }
            let until_s = if engine.room() > 0 { arrivals.get(next).copied() } else { None };
            engine.step(until_s.unwrap_or(f64::INFINITY), record);
        }
        let rest = queue.into_iter().chain(next as u32..arrivals.len() as u32);
        for job in rest {
            stats.refused += 1;
            record.refused(self.jobs, job);
        }
        true
    }
}
