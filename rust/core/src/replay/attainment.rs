//! How many requests met their SLOs, and percentiles: [`summarise`].

use super::outcome::Outcomes;
use super::requests::Requests;
use super::slos::{meets, tpot_s, Slos};
use crate::{Error, Result};

/// A share with its Wilson score interval at 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The share; 1 where there were no requests.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Share {
    /// `met` of `count`. Source: Wilson, JASA 22, 1927.
    pub fn new(met: u64, count: u64) -> Self {
        if count == 0 {
            return Self { value: 1.0, low: 0.0, high: 1.0 };
        }
        /// Two-sided 95 % quantile of the normal distribution.
        const Z: f64 = 1.959_963_984_540_054;
        let n = count as f64;
        let share = met as f64 / n;
        let scale = 1.0 / (1.0 + Z * Z / n);
        let centre = (share + Z * Z / (2.0 * n)) * scale;
        let half = Z * scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        Self { value: share, low: (centre - half).clamp(0.0, share), high: (centre + half).clamp(share, 1.0) }
    }
}

/// Percentiles that are reported.
pub const PERCENTILES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

/// Requests of one query type, or all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Requests that arrived.
    pub requests: u64,
    /// Those that got an answer.
    pub served: u64,
    /// Share that met every SLO that their type states; a request without an answer met none.
    pub joint: Share,
    /// Share that met the SLO of TTFT.
    pub ttft: Share,
    /// Share that met the SLO of TPOT.
    pub tpot: Share,
    /// Share that met the SLO of the end-to-end latency.
    pub latency: Share,
    /// TTFT at each of [`PERCENTILES`], of the requests served, s; NaN where there are none.
    pub ttft_s: [f64; 4],
    /// TPOT likewise, of the requests with more than one token, s.
    pub tpot_s: [f64; 4],
    /// End-to-end latency likewise, s.
    pub latency_s: [f64; 4],
    /// Time until the first pass likewise, s.
    pub queue_s: [f64; 4],
}

/// Attainment and percentiles of each query type, and of all requests in the last entry.
///
/// # Errors
/// [`Error::Invalid`] where columns of `slos` differ in length from the query types, or of `outcomes` from the requests.
pub fn summarise(requests: &Requests, outcomes: &Outcomes, slos: &Slos) -> Result<Vec<Summary>> {
    let num_types = validate(requests, outcomes, slos)?;
    let mut of_type: Vec<Vec<u32>> = vec![Vec::new(); num_types];
    for (n, &i) in requests.query_type.iter().enumerate() {
        of_type[i as usize].push(n as u32);
    }
    let mut summaries: Vec<Summary> = of_type.iter().map(|members| one(requests, outcomes, slos, members)).collect();
    let all: Vec<u32> = (0..requests.len() as u32).collect();
    summaries.push(one(requests, outcomes, slos, &all));
    Ok(summaries)
}

/// Requests of each query type that miss an SLO that it states, those without an answer included: what [`summarise`] leaves of
/// `joint`, without the rest.
///
/// # Errors
/// As [`summarise`].
pub fn missed(requests: &Requests, outcomes: &Outcomes, slos: &Slos) -> Result<Vec<u64>> {
    let mut missed = vec![0; validate(requests, outcomes, slos)?];
    for (n, &i) in requests.query_type.iter().enumerate() {
        let met = met(requests, outcomes, slos, n).is_some_and(|good| good.iter().all(|&one| one));
        missed[i as usize] += u64::from(!met);
    }
    Ok(missed)
}

/// The number of query types, where all columns fit each other.
fn validate(requests: &Requests, outcomes: &Outcomes, slos: &Slos) -> Result<usize> {
    let num_types = slos.num_types()?;
    let columns = [&outcomes.ttft_s, &outcomes.latency_s, &outcomes.queue_s];
    if columns.iter().any(|column| column.len() != requests.len()) {
        return Err(Error::invalid("outcomes", "columns of different lengths"));
    }
    requests.validate(num_types)?;
    Ok(num_types)
}

/// Whether request `n` meets each of its SLOs; `None` where it has no answer.
#[inline]
fn met(requests: &Requests, outcomes: &Outcomes, slos: &Slos, n: usize) -> Option<[bool; 3]> {
    let (ttft_s, latency_s) = (outcomes.ttft_s[n], outcomes.latency_s[n]);
    let i = requests.query_type[n] as usize;
    (!latency_s.is_nan()).then(|| meets(slos, i, ttft_s, latency_s, requests.output_tokens[n]))
}

fn one(requests: &Requests, outcomes: &Outcomes, slos: &Slos, members: &[u32]) -> Summary {
    let (mut served, mut joint, mut meeting) = (0, 0, [0_u64; 3]);
    let mut columns: [Vec<f64>; 4] = std::array::from_fn(|_| Vec::with_capacity(members.len()));
    for &n in members {
        let n = n as usize;
        let Some(good) = met(requests, outcomes, slos, n) else { continue };
        let (ttft, latency) = (outcomes.ttft_s[n], outcomes.latency_s[n]);
        let tpot = tpot_s(ttft, latency, requests.output_tokens[n]);
        served += 1;
        joint += u64::from(good.iter().all(|&one| one));
        for (count, &one) in meeting.iter_mut().zip(&good) {
            *count += u64::from(one);
        }
        columns[0].push(ttft);
        if !tpot.is_nan() {
            columns[1].push(tpot);
        }
        columns[2].push(latency);
        columns[3].push(outcomes.queue_s[n]);
    }
    let count = members.len() as u64;
    let [ttft_s, tpot_s, latency_s, queue_s] = columns.map(percentiles);
    Summary {
        requests: count,
        served,
        joint: Share::new(joint, count),
        ttft: Share::new(meeting[0], count),
        tpot: Share::new(meeting[1], count),
        latency: Share::new(meeting[2], count),
        ttft_s,
        tpot_s,
        latency_s,
        queue_s,
    }
}

/// The smallest value that at least that share does not exceed, for each of [`PERCENTILES`].
fn percentiles(mut values: Vec<f64>) -> [f64; 4] {
    let count = values.len();
    if count == 0 {
        return [f64::NAN; 4];
    }
    let mut from = 0;
    PERCENTILES.map(|share| {
        let rank = ((share * count as f64).ceil() as usize).clamp(1, count) - 1;
        let rest = &mut values[from..];
        let (_, &mut value, _) = rest.select_nth_unstable_by(rank - from, f64::total_cmp);
        from = rank;
        value
    })
}
