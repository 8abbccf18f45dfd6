//! What became of the requests, and what the engines did: [`Outcomes`], [`DeploymentStats`], and [`Record`], which takes it down.

use super::requests::Jobs;
use super::slos::{meets, Slos};
use super::tally::Tally;

/// Per request, in columns; NaN where it was not served.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcomes {
    /// From arrival to the first token, s.
    pub ttft_s: Vec<f64>,
    /// From arrival to the last token, s.
    pub latency_s: Vec<f64>,
    /// From arrival to the first pass that computes of its prompt, s.
    pub queue_s: Vec<f64>,
}

impl Outcomes {
    /// Nothing served yet.
    pub(super) fn none(count: usize) -> Self {
        Self { ttft_s: vec![f64::NAN; count], latency_s: vec![f64::NAN; count], queue_s: vec![f64::NAN; count] }
    }
}

/// Takes down what becomes of the requests of one deployment, and how many miss their SLOs where that is asked.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) outcomes: Outcomes,
    watch: Option<Watch<'a>>,
}

/// Requests that missed an SLO.
#[derive(Debug)]
struct Watch<'a> {
    slos: &'a Slos,
    tally: &'a Tally<'a>,
    missed: Vec<u32>,
}

impl<'a> Record<'a> {
    /// Nothing served yet.
    pub(super) fn new(count: usize) -> Self {
        Self { outcomes: Outcomes::none(count), watch: None }
    }

    /// Takes down misses; more than `tally` allows end the replay.
    pub(super) fn watching(count: usize, slos: &'a Slos, tally: &'a Tally<'a>) -> Self {
        let watch = Watch { slos, tally, missed: Vec::new() };
        Self { outcomes: Outcomes::none(count), watch: Some(watch) }
    }

    /// Whether more have missed than may.
    #[inline]
    pub(super) fn is_exceeded(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.tally.is_exceeded())
    }

    /// The requests that missed an SLO, in the order in which they were known to.
    pub(super) fn into_missed(self) -> Vec<u32> {
        self.watch.map(|watch| watch.missed).unwrap_or_default()
    }

    /// The request has its last token at `now_s`.
    #[inline]
    pub(super) fn completed(&mut self, jobs: &Jobs<'_>, request: u32, now_s: f64) {
        let n = request as usize;
        self.outcomes.latency_s[n] = now_s - jobs.arrival_s[n];
        if let Some(watch) = &mut self.watch {
            let i = jobs.query_type(request);
            let (ttft_s, latency_s) = (self.outcomes.ttft_s[n], self.outcomes.latency_s[n]);
            if meets(watch.slos, i, ttft_s, latency_s, jobs.output_tokens[n]).contains(&false) {
                watch.miss(jobs, request);
            }
        }
    }

    /// The request gets no answer.
    pub(super) fn refused(&mut self, jobs: &Jobs<'_>, request: u32) {
        if let Some(watch) = &mut self.watch {
            watch.miss(jobs, request);
        }
    }
}

impl Watch<'_> {
    fn miss(&mut self, jobs: &Jobs<'_>, request: u32) {
        self.missed.push(jobs.id[request as usize]);
        self.tally.miss(jobs.query_type(request));
    }
}

/// What one engine did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EngineStats {
    pub(super) busy_s: f64,
    pub(super) sequence_s: f64,
    pub(super) kv_peak_tokens: u64,
    pub(super) preemptions: u64,
}

/// What one deployment did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeploymentStats {
    /// Index of the configuration in the problem.
    pub configuration: u32,
    /// Replicas.
    pub replicas: u32,
    /// Requests that were sent to it.
    pub requests: u64,
    /// Requests that fit in none of its engines' KV caches.
    pub refused: u64,
    /// Mean number of running sequences of an engine while it is busy.
    pub mean_batch: f64,
    /// Share of its engines' time, from the first arrival to the last answer of all, that they were busy.
    pub busy: f64,
    /// Mean number of requests waiting for their first pass, over the same time.
    pub queue: f64,
    /// The largest share of an engine's KV cache that was ever in use.
    pub kv_peak: f64,
    /// Sequences that lost their KV cache to others and were recomputed.
    pub preemptions: u64,
}
