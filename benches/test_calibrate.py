"""Speed of reading and calibrating a trace of one million requests.

Run with ``pytest benches/test_calibrate.py``; docs/traces.md has the figures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("polars")
pytest.importorskip("pytest_benchmark")

from servemix.traces import calibrate, read_trace

NUM_REQUESTS = 1_000_000


@pytest.fixture(scope="module")
def azure_trace(tmp_path_factory) -> Path:
    """A trace in the Azure columns: about 28 h, three kinds of request with wide spreads."""
    rng = np.random.default_rng(0)
    micros = np.cumsum(rng.exponential(1e5, NUM_REQUESTS)).astype("timedelta64[us]")
    times = np.datetime_as_string(np.datetime64("2024-05-10T00:00:00", "us") + micros)
    kind = rng.choice(3, NUM_REQUESTS, p=[0.5, 0.3, 0.2])
    inputs = rng.lognormal(np.array([5.5, 7.0, 8.0])[kind], 0.8).astype(np.int64) + 1
    outputs = rng.lognormal(np.array([4.5, 6.0, 3.0])[kind], 0.8).astype(np.int64) + 1
    path = tmp_path_factory.mktemp("trace") / "trace.csv"
    with path.open("w") as file:
        file.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for time, prompt, answer in zip(times, inputs, outputs, strict=True):
            file.write(f"{time.replace('T', ' ')}+00:00,{prompt},{answer}\n")
    return path


def test_read_a_million_requests(benchmark, azure_trace):
    trace = benchmark.pedantic(read_trace, [azure_trace], rounds=5, warmup_rounds=1)
    assert trace.num_requests == NUM_REQUESTS


def test_calibrate_a_million_requests(benchmark, azure_trace):
    trace = read_trace(azure_trace)
    found = benchmark.pedantic(calibrate, [trace], rounds=5, warmup_rounds=1)
    assert found.rate_per_h == pytest.approx(trace.rate_per_h)


def test_read_and_calibrate_a_million_requests(benchmark, azure_trace):
    found = benchmark.pedantic(
        lambda: calibrate(read_trace(azure_trace)), rounds=5, warmup_rounds=1
    )
    assert len(found.types) > 1
