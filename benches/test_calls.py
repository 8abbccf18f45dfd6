"""What a call from Python costs beyond the work in Rust.

Run: pytest benches/test_calls.py --benchmark-only
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

import pytest

import servemix
from servemix import Problem

sys.path.insert(0, "tests")
from helpers import arrays, feasible_plan, hard, two_types

if servemix._core._DEBUG:
    pytest.skip("a debug build says nothing of speed", allow_module_level=True)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return two_types()


def test_solve_beyond_rust(problem: Problem, benchmark: Any) -> None:
    """The smallest solve; `extra_info` holds what is not the solve itself, µs."""
    beyond_us = []
    for _ in range(5000):
        start = time.perf_counter()
        plan = servemix.solve(problem, "gh")
        beyond_us.append(1e6 * (time.perf_counter() - start - plan.runtime_s))
    benchmark.extra_info["beyond_rust_us_median"] = statistics.median(beyond_us)
    benchmark.extra_info["beyond_rust_us_p99"] = statistics.quantiles(beyond_us, n=100)[98]
    benchmark(servemix.solve, problem, "gh")


def test_check(problem: Problem, benchmark: Any) -> None:
    plan = feasible_plan(problem)
    assert benchmark(servemix.check, problem, plan).feasible


def test_problem_from_lists(benchmark: Any) -> None:
    given = arrays()
    benchmark(lambda: Problem.from_arrays(**given))


def test_problem_from_arrays_of_14400_routes(benchmark: Any) -> None:
    _, (given,) = hard().__reduce__()
    benchmark(lambda: Problem.from_arrays(**given))


def test_problem_of_14400_routes_to_json_and_back(benchmark: Any) -> None:
    large = hard()
    benchmark(lambda: servemix._core._problem_from_json(large.to_json().encode()))


def test_import_beyond_numpy(benchmark: Any) -> None:
    """`extra_info` holds the time of `import servemix` after `import numpy`, ms."""
    clock = "time.perf_counter()"
    code = f"import numpy, time; t = {clock}; import servemix; print({clock} - t)"

    def import_s() -> float:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, text=True
        )
        return float(done.stdout)

    benchmark.extra_info["beyond_numpy_ms_min"] = 1e3 * min(import_s() for _ in range(10))
    benchmark.pedantic(import_s, rounds=3)
