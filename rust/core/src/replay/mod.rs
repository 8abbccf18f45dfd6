//! Replay: a discrete-event simulation of a plan under requests.
//!
//! A plan is right when the requests that come are answered within their SLOs. [`replay`] sends requests to deployments by the
//! plan's router, and to one of their replicas by a [`Dispatch`] policy; every engine works iteration by iteration as a serving
//! engine with continuous batching does, each step taking what the [`StepCurve`] says. [`summarise`] tells how many requests met
//! their SLOs.
//!
//! Results depend only on the requests, the plan and the seed, not on the number of threads: deployments share nothing and each runs on
//! one thread.

mod attainment;
mod curve;
mod deployment;
mod draws;
mod engine;
mod outcome;
mod plan;
mod prefix;
mod requests;
mod schedule;
mod settings;
mod slos;
mod tally;

pub use attainment::{missed, summarise, Share, Summary, PERCENTILES};
pub use curve::StepCurve;
pub use deployment::Served;
pub use draws::Draws;
pub use outcome::{DeploymentStats, Outcomes};
pub use plan::{replay_plans, Phase, PlanReplay, ReplayParams, Replica};
pub use requests::{Prefixes, Requests, MOST_TOKENS};
pub use settings::{Dispatch, EngineSettings, Passes, Scheduling};
pub use slos::{tpot_s, Slos};
pub use tally::Allowed;

use std::cmp::Reverse;

use crate::threads::for_each;
use crate::{CancelToken, Error, Result, MAX_THREADS, UNSERVED};
use outcome::Record;
use requests::Jobs;

/// Tokens of a block of KV cache.
pub const BLOCK_TOKENS: u32 = 16;

/// The most engines of one deployment.
const MOST_ENGINES: usize = 1 << 20;

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replay {
    /// What became of each request, in the order of the requests.
    pub outcomes: Outcomes,
    /// What each deployment did, in the order in which they were given.
    pub deployments: Vec<DeploymentStats>,
    /// From the first arrival to the last answer, s.
    pub duration_s: f64,
}

/// Replays `requests` on `served`.
///
/// `deployment` says for each request which of `served` gets it, or [`UNSERVED`]; see [`crate::Router::pick_many`], whose
/// configurations are to be replaced by their place in `served`.
///
/// # Errors
/// [`Error::Invalid`] names the first entry that breaks a rule, or `cancel` where the token was cancelled.
pub fn replay(
    requests: &Requests,
    deployment: &[u32],
    served: &[Served],
    dispatch: Dispatch,
    threads: usize,
    cancel: &CancelToken,
) -> Result<Replay> {
    let count = requests.len();
    if deployment.len() != count {
        let message = format!("has {} entries where there are {count} requests", deployment.len());
        return Err(Error::invalid("deployment", message));
    }
    if !(1..=MAX_THREADS).contains(&threads) {
        return Err(Error::invalid("threads", format!("must lie between 1 and {MAX_THREADS}, got {threads}")));
    }
    for (d, one) in served.iter().enumerate() {
        one.validate(&format!("deployments[{d}]"))?;
    }
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); served.len()];
    for (n, &d) in deployment.iter().enumerate() {
        match members.get_mut(d as usize) {
            Some(of) => of.push(n as u32),
            None if d == UNSERVED => {}
            None => {
                return Err(Error::invalid(
                    format!("deployment[{n}]"),
                    format!("is {d}, out of range for {} entries", served.len()),
                ))
            }
        }
    }
    let parts = run_all(requests, members, served, dispatch, threads, cancel)?;
    Ok(gather(requests, parts, served))
}

/// A deployment's requests and what became of them.
type Part = (Vec<u32>, Outcomes, DeploymentStats);

fn run_all(
    requests: &Requests,
    members: Vec<Vec<u32>>,
    served: &[Served],
    dispatch: Dispatch,
    threads: usize,
    cancel: &CancelToken,
) -> Result<Vec<Part>> {
    let one = |members: Vec<u32>, served: &Served| {
        let jobs = Jobs::gather(requests, members);
        let mut record = Record::new(jobs.id.len());
        let stats = deployment::run(served, &jobs, dispatch, &mut record, cancel)?;
        Some((jobs.id, record.outcomes, stats))
    };
    let mut parts: Vec<Option<Part>> = served.iter().map(|_| None).collect();
    let mut work: Vec<_> = members.into_iter().zip(served).zip(&mut parts).collect();
    // The longest first, so that no thread is left with it at the end.
    work.sort_by_key(|((members, _), _)| Reverse(members.len()));
    for_each(work.into_iter(), threads, |((members, served), part)| *part = one(members, served));
    let parts: Option<Vec<Part>> = parts.into_iter().collect();
    parts.ok_or_else(|| Error::invalid("cancel", "the replay was cancelled"))
}

fn gather(requests: &Requests, parts: Vec<Part>, served: &[Served]) -> Replay {
    let mut outcomes = Outcomes::none(requests.len());
    let first_s = requests.arrival_s.first().copied().unwrap_or(0.0);
    let mut last_s = requests.arrival_s.last().copied().unwrap_or(0.0);
    let mut deployments = Vec::with_capacity(parts.len());
    for (id, of, stats) in parts {
        for (k, &n) in id.iter().enumerate() {
            let n = n as usize;
            outcomes.ttft_s[n] = of.ttft_s[k];
            outcomes.latency_s[n] = of.latency_s[k];
            outcomes.queue_s[n] = of.queue_s[k];
            last_s = last_s.max(requests.arrival_s[n] + of.latency_s[k]);
        }
        deployments.push(stats);
    }
    let duration_s = last_s - first_s;
    for (stats, served) in deployments.iter_mut().zip(served) {
        let engines = (served.replicas.len() * served.lanes as usize) as f64;
        stats.busy = if duration_s > 0.0 { stats.busy / (engines * duration_s) } else { 0.0 };
        stats.queue = if duration_s > 0.0 { stats.queue / duration_s } else { 0.0 };
    }
    Replay { outcomes, deployments, duration_s }
}

impl Served {
    fn validate(&self, entry: &str) -> Result<()> {
        self.curve.validate(&format!("{entry}.curve"))?;
        self.settings.validate(&format!("{entry}.settings"))?;
        let engines = self.replicas.len().saturating_mul(self.lanes as usize);
        if self.lanes == 0 || self.replicas.is_empty() || engines > MOST_ENGINES {
            let message = format!(
                "{} replicas of {} engines: there must be between 1 and {MOST_ENGINES}",
                self.replicas.len(),
                self.lanes
            );
            return Err(Error::invalid(format!("{entry}.replicas"), message));
        }
        match self
            .replicas
            .iter()
            .position(|&(from_s, until_s)| !(from_s >= 0.0 && from_s.is_finite() && until_s >= from_s))
        {
            Some(r) => {
                Err(Error::invalid(format!("{entry}.replicas[{r}]"), "must begin at 0 s or later and end after that"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
