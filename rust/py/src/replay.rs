//! Replays of plans under requests, and what of them met the SLOs.

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use servemix_core::replay::{
    replay as core_replay, summarise, Allowed, Dispatch, Draws, EngineSettings, Outcomes, Passes, Prefixes, Requests,
    Scheduling, Served, Share, Slos, StepCurve, Summary, PERCENTILES,
};
use servemix_core::{Error, UNSERVED};

use crate::convert::{floats, unsigned, Section};
use crate::entry;
use crate::error::to_py;
use crate::solve::PyCancelToken;

/// Requests from a mapping of columns.
fn requests(columns: &Bound<'_, PyAny>) -> PyResult<Requests> {
    let required = ["arrival_s", "input_tokens", "output_tokens", "query_type"];
    let given =
        Section::new("requests", columns, &required, &["prefix_offset", "prefix_hashes", "prefix_block_tokens"])?;
    let prefixes = match columns.get_item("prefix_hashes") {
        Ok(hashes) => {
            let hashes: PyReadonlyArray1<'_, u64> = hashes.extract()?;
            let offset: PyReadonlyArray1<'_, u64> = columns.get_item("prefix_offset")?.extract()?;
            Some(Prefixes {
                block_tokens: columns.get_item("prefix_block_tokens")?.extract()?,
                offset: offset.to_vec()?,
                hashes: hashes.to_vec()?,
            })
        }
        Err(_) => None,
    };
    Ok(Requests {
        arrival_s: given.floats("arrival_s")?,
        input_tokens: given.integers("input_tokens")?,
        output_tokens: given.integers("output_tokens")?,
        query_type: given.integers("query_type")?,
        prefixes,
    })
}

const CURVE: [&str; 10] = [
    "prefill_fixed_s",
    "prefill_per_token_s",
    "prefill_per_token2_s",
    "weights_s",
    "per_context_token_s",
    "per_sequence_s",
    "step_fixed_s",
    "step_sequence_s",
    "experts_s",
    "expert_share",
];

/// Deployments from a mapping of columns; replicas are counted by `replica_offset`, as there are several of each.
fn deployments(columns: &Bound<'_, PyAny>, engine: EngineSettings) -> PyResult<Vec<Served>> {
    let py = columns.py();
    let counts = ["configuration", "lanes", "max_num_seqs", "max_num_batched_tokens", "replica_offset"];
    let required: Vec<&str> =
        CURVE.into_iter().chain(counts).chain(["kv_cache_tokens", "replica_from_s", "replica_until_s"]).collect();
    let given = Section::new("deployments", columns, &required, &[])?;
    let [configuration, lanes, seqs, batched, offset] = counts.map(|key| given.integers(key));
    let (configuration, lanes, seqs, batched, offset) = (configuration?, lanes?, seqs?, batched?, offset?);
    let (kv, from_s, until_s) =
        (given.floats("kv_cache_tokens")?, given.floats("replica_from_s")?, given.limits("replica_until_s")?);
    let curves = CURVE.iter().map(|key| given.floats(key)).collect::<PyResult<Vec<_>>>()?;
    let count = configuration.len();
    let same =
        curves.iter().map(Vec::len).chain([lanes.len(), seqs.len(), batched.len(), kv.len()]).all(|n| n == count);
    let rises = offset.windows(2).all(|pair| pair[0] <= pair[1]);
    let ends = offset.len() == count + 1 && offset.last().is_some_and(|&end| end as usize == from_s.len());
    if !(same && rises && ends && until_s.len() == from_s.len()) {
        return Err(to_py(py, &Error::invalid("deployments", "columns of different lengths")));
    }
    let served = (0..count).map(|d| {
        let when = offset[d] as usize..offset[d + 1] as usize;
        Served {
            configuration: configuration[d],
            replicas: when.map(|r| (from_s[r], until_s[r])).collect(),
            lanes: lanes[d],
            curve: StepCurve {
                prefill_fixed_s: curves[0][d],
                prefill_per_token_s: curves[1][d],
                prefill_per_token2_s: curves[2][d],
                weights_s: curves[3][d],
                per_context_token_s: curves[4][d],
                per_sequence_s: curves[5][d],
                step_fixed_s: curves[6][d],
                step_sequence_s: curves[7][d],
                experts_s: curves[8][d],
                expert_share: curves[9][d],
            },
            // Truncated: a part of a token is not stored.
            settings: EngineSettings {
                max_num_seqs: seqs[d],
                max_num_batched_tokens: batched[d],
                kv_cache_tokens: kv[d] as u64,
                ..engine
            },
        }
    });
    Ok(served.collect())
}

/// Places in the deployments, where -1 stands for a request that goes to none.
fn places(values: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    let py = values.py();
    let given: PyReadonlyArray1<'_, i64> = values.extract()?;
    let place = |(n, &place): (usize, &i64)| match u32::try_from(place) {
        Ok(place) => Ok(place),
        Err(_) if place == -1 => Ok(UNSERVED),
        Err(_) => Err(to_py(py, &Error::invalid(format!("deployment[{n}]"), format!("is {place}, out of range")))),
    };
    given.as_array().iter().enumerate().map(place).collect()
}

/// Replay requests on deployments; see `servemix.replay.replay`.
#[pyfunction]
#[pyo3(signature = (columns, deployment, served, *, dispatch, chunked_prefill, fused, prefix_caching, leap, threads, cancel=None))]
#[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools)]
pub(crate) fn _replay<'py>(
    columns: &Bound<'py, PyAny>,
    deployment: &Bound<'py, PyAny>,
    served: &Bound<'py, PyAny>,
    dispatch: &str,
    chunked_prefill: bool,
    fused: bool,
    prefix_caching: bool,
    leap: bool,
    threads: &Bound<'py, PyAny>,
    cancel: Option<&Bound<'py, PyCancelToken>>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = columns.py();
    let engine = engine(chunked_prefill, fused, prefix_caching, leap);
    let dispatch = Dispatch::parse(dispatch).map_err(|error| to_py(py, &error))?;
    let requests = requests(columns)?;
    let served = deployments(served, engine)?;
    let deployment = places(deployment)?;
    let threads = usize::try_from(unsigned(threads, "threads")?).unwrap_or(usize::MAX);
    let cancel = cancel.map(|token| &token.get().inner);
    let found = entry::call_with_token(py, cancel, threads, |token| {
        requests.validate(u32::MAX as usize)?;
        core_replay(&requests, &deployment, &served, dispatch, threads, token)
    })?;
    let result = PyDict::new(py);
    result.set_item("ttft_s", PyArray1::from_vec(py, found.outcomes.ttft_s))?;
    result.set_item("latency_s", PyArray1::from_vec(py, found.outcomes.latency_s))?;
    result.set_item("queue_s", PyArray1::from_vec(py, found.outcomes.queue_s))?;
    result.set_item("duration_s", found.duration_s)?;
    let column = |name: &str, of: &dyn Fn(&servemix_core::replay::DeploymentStats) -> f64| {
        result.set_item(name, PyArray1::from_iter(py, found.deployments.iter().map(of)))
    };
    column("requests", &|stats| stats.requests as f64)?;
    column("refused", &|stats| stats.refused as f64)?;
    column("mean_batch", &|stats| stats.mean_batch)?;
    column("busy", &|stats| stats.busy)?;
    column("queue", &|stats| stats.queue)?;
    column("kv_peak", &|stats| stats.kv_peak)?;
    column("preemptions", &|stats| stats.preemptions as f64)?;
    Ok(result)
}

/// Attainment and percentiles per query type, and of all requests in the last row; see `servemix.replay.Replay`.
#[pyfunction]
#[pyo3(signature = (columns, outcomes, slos))]
pub(crate) fn _summarise<'py>(
    columns: &Bound<'py, PyAny>,
    outcomes: &Bound<'py, PyAny>,
    slos: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = columns.py();
    let (requests, outcomes, slos) = replayed(columns, outcomes, slos)?;
    let rows = entry::call(py, || summarise(&requests, &outcomes, &slos))?;
    let result = PyDict::new(py);
    let count = |of: &dyn Fn(&Summary) -> u64| PyArray1::from_iter(py, rows.iter().map(|row| of(row) as i64));
    result.set_item("requests", count(&|row| row.requests))?;
    result.set_item("served", count(&|row| row.served))?;
    for (name, of) in [
        ("joint", (|row| row.joint) as fn(&Summary) -> Share),
        ("ttft", |row| row.ttft),
        ("tpot", |row| row.tpot),
        ("latency", |row| row.latency),
    ] {
        let values: Vec<f64> = rows.iter().map(of).flat_map(|share| [share.value, share.low, share.high]).collect();
        result.set_item(name, PyArray1::from_vec(py, values).reshape([rows.len(), 3])?)?;
    }
    for (name, of) in [
        ("ttft_s", (|row| row.ttft_s) as fn(&Summary) -> [f64; 4]),
        ("tpot_s", |row| row.tpot_s),
        ("latency_s", |row| row.latency_s),
        ("queue_s", |row| row.queue_s),
    ] {
        let values: Vec<f64> = rows.iter().flat_map(of).collect();
        result.set_item(name, PyArray1::from_vec(py, values).reshape([rows.len(), PERCENTILES.len()])?)?;
    }
    Ok(result)
}

/// Requests, what became of them, and the SLOs of their query types.
fn replayed(
    columns: &Bound<'_, PyAny>,
    outcomes: &Bound<'_, PyAny>,
    slos: &Bound<'_, PyAny>,
) -> PyResult<(Requests, Outcomes, Slos)> {
    let requests = requests(columns)?;
    let given = |key: &str| floats(&outcomes.get_item(key)?, key);
    let outcomes = Outcomes { ttft_s: given("ttft_s")?, latency_s: given("latency_s")?, queue_s: given("queue_s")? };
    let slos = limits(slos)?;
    Ok((requests, outcomes, slos))
}

/// Draws of requests and the SLOs of their query types; see `servemix.replay.misses`.
#[pyclass(name = "_Draws", module = "servemix._core", frozen)]
pub(crate) struct PyDraws {
    inner: Draws,
}

#[pymethods]
impl PyDraws {
    #[new]
    fn new(py: Python<'_>, draws: Vec<Bound<'_, PyAny>>, slos: &Bound<'_, PyAny>) -> PyResult<Self> {
        let draws = draws.iter().map(requests).collect::<PyResult<Vec<_>>>()?;
        let slos = limits(slos)?;
        entry::call(py, || Draws::new(draws, slos)).map(|inner| Self { inner })
    }

    /// Indices of the requests of each draw that miss an SLO, where one deployment gets those chosen; None where more do than
    /// are allowed.
    #[pyo3(signature = (
        chosen, served, allowed, *, dispatch, chunked_prefill, fused, prefix_caching, threads=1, cancel=None
    ))]
    #[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools)]
    fn missed<'py>(
        &self,
        chosen: Vec<PyReadonlyArray1<'py, u32>>,
        served: &Bound<'py, PyAny>,
        allowed: (Vec<u64>, u64),
        dispatch: &str,
        chunked_prefill: bool,
        fused: bool,
        prefix_caching: bool,
        threads: usize,
        cancel: Option<&Bound<'py, PyCancelToken>>,
    ) -> PyResult<Option<Vec<Bound<'py, PyArray1<u32>>>>> {
        let py = served.py();
        let dispatch = Dispatch::parse(dispatch).map_err(|error| to_py(py, &error))?;
        let served = deployments(served, engine(chunked_prefill, fused, prefix_caching, true))?;
        let [served] = served.as_slice() else {
            return Err(to_py(py, &Error::invalid("deployments", "must be one")));
        };
        let chosen = chosen.iter().map(|one| one.to_vec()).collect::<Result<Vec<_>, _>>()?;
        let allowed = Allowed { types: allowed.0, total: allowed.1 };
        let cancel = cancel.map(|token| &token.get().inner);
        let found = entry::call_with_token(py, cancel, threads, |token| {
            self.inner.missed(&chosen, served, dispatch, &allowed, threads, token)
        })?;
        Ok(found.map(|draws| draws.into_iter().map(|missed| PyArray1::from_vec(py, missed)).collect()))
    }
}

fn engine(chunked_prefill: bool, fused: bool, prefix_caching: bool, leap: bool) -> EngineSettings {
    EngineSettings {
        scheduling: if chunked_prefill { Scheduling::ChunkedPrefill } else { Scheduling::PrefillFirst },
        passes: if fused { Passes::Fused } else { Passes::Additive },
        prefix_caching,
        leap,
        ..EngineSettings::default()
    }
}

fn limits(slos: &Bound<'_, PyAny>) -> PyResult<Slos> {
    let limits = Section::new("slos", slos, &["ttft_s", "tpot_s", "latency_s"], &[])?;
    Ok(Slos {
        ttft_s: limits.limits("ttft_s")?,
        tpot_s: limits.limits("tpot_s")?,
        latency_s: limits.limits("latency_s")?,
    })
}
