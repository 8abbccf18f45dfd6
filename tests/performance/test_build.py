"""The problem built from a scenario is the one that the equations describe."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import servemix
from servemix._errors import InvalidInputError
from servemix.performance import build_arrays, build_problem
from servemix.performance.build import MAX_REPLICA_LIMIT, MIN_REPLICA_LIMIT, configuration_curves
from servemix.performance.configurations import enumerate_configurations
from servemix.performance.routes import curve_of
from servemix.scenario import builtin_scenarios, load_scenario, resolve
from small_scenarios import options, scenario

positive = st.floats(0.01, 100.0)


def routes(arrays: dict[str, Any]) -> dict[tuple[int, ...], dict[str, float]]:
    """Index the routes by (query type, model, tier, tp, pp, max_num_seqs)."""
    c, r = arrays["configurations"], arrays["routes"]
    a = r["configuration"]
    keys = (r["query_type"], *(c[key][a] for key in ("model", "tier", "tp", "pp", "max_num_seqs")))
    figures = ("latency_s", "busy_s", "kv_gb_s", "error")
    return {
        tuple(int(part) for part in key): {name: float(r[name][row]) for name in figures}
        for row, key in enumerate(zip(*keys, strict=True))
    }


def test_every_route_has_the_figures_of_the_equations() -> None:
    """The equations are written out here once more, one route at a time."""
    written = scenario()
    resolved = resolve(written)
    configurations, _ = enumerate_configurations(resolved)
    curves = configuration_curves(resolved, configurations)
    found = routes(build_arrays(written)[0])
    expected = {}
    for i, entry in enumerate(written.query_types):
        h, f = entry.input_tokens, entry.output_tokens
        curve = curve_of(curves, i)
        for a in range(len(configurations)):
            largest, pp = int(configurations.max_num_seqs[a]), int(configurations.pp[a])
            per_token = configurations.kv_gb_per_token[a]
            held = configurations.kv_cache_gb[a] / ((h + f) * per_token * pp)
            batch = max(min(largest, held, 8192 * (f - 1) / (h + f - 1)), 1)
            memory_s = curve.weights_s[a] + curve.per_context_token_s[a] * batch * (h + f / 2)
            compute_s = curve.per_sequence_s[a] * batch
            step_s = max(memory_s, compute_s) + curve.step_fixed_s[a]
            step_s += curve.step_sequence_s[a] * batch
            prefill_s = (
                curve.prefill_fixed_s[a]
                + curve.prefill_per_token_s[a] * h
                + curve.prefill_per_token2_s[a] * h * h
            )
            latency_s = prefill_s + f * step_s
            misses = (
                held < 1,
                entry.ttft_slo_s is not None and prefill_s + step_s > entry.ttft_slo_s,
                entry.tpot_slo_s is not None and step_s > entry.tpot_slo_s,
            )
            if any(misses):
                continue
            columns = (configurations.model, configurations.tier, configurations.tp)
            key = (i, *(int(column[a]) for column in columns), pp, largest)
            expected[key] = {
                "latency_s": latency_s,
                "busy_s": prefill_s / pp + f * step_s / (batch * pp),
                "kv_gb_s": latency_s * (h + f / 2) * per_token,
                "error": 0.0,
            }
    assert found.keys() == expected.keys()
    for key, figures in expected.items():
        assert found[key] == pytest.approx(figures, rel=1e-12), key


@pytest.mark.parametrize("name", builtin_scenarios())
def test_built_ins_become_problems(name: str) -> None:
    written = load_scenario(name)
    problem, screening = build_problem(written)
    assert problem.name == name
    assert problem.num_query_types == len(written.query_types)
    assert problem.num_routes == len(screening.ttft_s) == len(screening.tpot_s)
    assert screening.without_route() == ()


def test_limits_prices_and_pools_reach_the_problem() -> None:
    problem, _ = build_problem(
        scenario(
            gpus=[{"name": "h100", "precisions": ["fp16", "int4"], "max_gpus": 8}, "l40s"],
            budget_usd=50,
            horizon_h=12,
            storage_usd_per_gb_h=0.001,
            max_utilization=0.8,
            latency_scope="average",
            query_type={"max_unmet": 0.1, "unmet_usd_per_query": 0.5, "data_gb": 2},
        )
    )
    assert (problem.budget_usd, problem.horizon_h, problem.max_utilization) == (50, 12, 0.8)
    assert problem.storage_gb == np.inf
    assert problem.latency_scope == "average"
    assert problem.pools["name"] == ["h100"]
    assert problem.pools["max_gpus"].tolist() == [8]
    assert problem.tiers["name"] == ["h100-fp16", "h100-int4", "l40s-bf16"]
    assert problem.tiers["gpu_usd_per_h"].tolist() == [1.8214, 1.8214, 0.88]
    assert problem.tiers["pool"].tolist()[:2] == [0, 0]
    assert problem.tiers["pool"].tolist()[2] not in (0, 1, 2)
    assert problem.query_types["max_unmet"].tolist() == [0.1, 0.1]
    assert problem.query_types["unmet_usd_per_query"].tolist() == [0.5, 0.5]
    assert problem.query_types["data_gb"].tolist() == [2, 2]
    assert problem.query_types["error_slo"].tolist() == [1, 1]


def test_without_a_latency_slo_the_limits_of_ttft_and_tpot_imply_it() -> None:
    written = scenario(query_type={"latency_slo_s": None, "ttft_slo_s": 1.5, "tpot_slo_s": 0.05})
    arrays, screening = build_arrays(written)
    slo = np.array(arrays["query_types"]["latency_slo_s"])
    assert slo == pytest.approx([1.5 + 199 * 0.05, 1.5 + 39 * 0.05])
    assert (arrays["routes"]["latency_s"] <= slo[arrays["routes"]["query_type"]]).all()
    assert screening.ttft_s.max() <= 1.5
    assert screening.tpot_s.max() <= 0.05


def test_routes_that_miss_only_their_latency_slo_stay_in_the_problem() -> None:
    long, _ = build_arrays(scenario())
    short, screening = build_arrays(scenario(query_type={"latency_slo_s": 0.001}))
    assert len(short["routes"]["busy_s"]) == len(long["routes"]["busy_s"])
    assert screening.without_route() == ("chat", "code")


def test_replica_limits_are_the_scenarios_or_none_that_a_plan_could_feel() -> None:
    arrays, _ = build_arrays(scenario(parallelism={"max_replicas": 7}))
    assert set(arrays["configurations"]["max_replicas"].tolist()) == {7}
    arrays, _ = build_arrays(scenario())
    assert set(arrays["configurations"]["max_replicas"].tolist()) == {MIN_REPLICA_LIMIT}
    arrays, _ = build_arrays(scenario(query_type={"rate_per_h": 1e9}))
    c, r = arrays["configurations"], arrays["routes"]
    load = np.zeros((2, len(c["tp"])))
    for row, key in enumerate(("busy_s", "kv_gb_s")):
        np.add.at(load[row], r["configuration"], 1e9 / 3600 * r[key])
    # A problem may hold no more of one configuration than the second figure.
    needed = np.maximum(load[0] / arrays["max_utilization"], load[1] / c["kv_cache_gb"])
    assert (c["max_replicas"] >= np.minimum(needed, MAX_REPLICA_LIMIT)).all()


def test_the_arrays_cross_into_rust_once(monkeypatch: pytest.MonkeyPatch) -> None:
    crossings = []

    class Counted:
        @staticmethod
        def from_arrays(**arrays: Any) -> servemix.Problem:
            crossings.append(arrays)
            return original.from_arrays(**arrays)

    original = servemix.Problem
    monkeypatch.setattr(servemix, "Problem", Counted)
    problem, _ = build_problem(scenario())
    assert len(crossings) == 1
    assert problem.num_routes == len(crossings[0]["routes"]["busy_s"])


def test_a_scenario_put_together_by_a_program_is_checked_too() -> None:
    written = scenario()
    broken = msgspec.structs.replace(written.query_types[0], output_tokens=float("nan"))
    with pytest.raises(
        InvalidInputError, match=r"query_types\[0\]\.output_tokens: must be a finite"
    ):
        build_problem(msgspec.structs.replace(written, query_types=(broken,)))
    odd = msgspec.structs.replace(written, horizon_h=1j)
    with pytest.raises(InvalidInputError, match="horizon_h"):
        build_problem(odd)


def test_an_unknown_performance_model_is_named() -> None:
    written = scenario(performance={"model": "rooflin"})
    with pytest.raises(InvalidInputError, match=r"unknown performance model 'rooflin'; .*roofline"):
        build_problem(written)


@given(factor=positive)
@settings(max_examples=20, deadline=None)
def test_rates_prices_and_budget_change_no_route(factor: float) -> None:
    plain, _ = build_arrays(scenario())
    other, _ = build_arrays(
        scenario(
            query_type={"rate_per_h": 3000 * factor, "latency_usd_per_s": factor},
            gpus=[
                {"name": "h100", "precisions": ["fp16", "int4"], "usd_per_h": factor},
                {"name": "l40s", "max_gpus": 3},
            ],
            budget_usd=factor,
        )
    )
    assert routes(plain) == routes(other)


@given(factor=st.floats(0.1, 10.0))
@settings(max_examples=20, deadline=None)
def test_a_clock_that_runs_slower_changes_only_the_unit_of_time(factor: float) -> None:
    slos = {"latency_slo_s": 5.0, "ttft_slo_s": 1.1, "tpot_slo_s": 0.031}
    # away from equality of a figure with its limit, where rounding would decide
    plain, _ = build_arrays(scenario(query_type=slos, **options(hop_s=0.0013)))
    scaled, _ = build_arrays(
        scenario(
            query_type={key: value * factor for key, value in slos.items()},
            **options(
                hop_s=0.0013 * factor,
                base_s_per_token={"chat": 0.02 * factor, "code": 0.03 * factor},
            ),
        )
    )
    before, after = routes(plain), routes(scaled)
    assert before.keys() == after.keys()
    for key, figures in before.items():
        for name in ("latency_s", "busy_s", "kv_gb_s"):
            assert after[key][name] == pytest.approx(factor * figures[name], rel=1e-9)


@given(h=st.floats(1, 5000), f=st.floats(1, 1000), more=st.floats(0, 5000), longer=st.booleans())
@settings(max_examples=40, deadline=None)
def test_longer_prompts_and_answers_never_make_a_route_faster_or_add_one(
    h: float, f: float, more: float, longer: bool
) -> None:
    sizes = {"input_tokens": h, "output_tokens": f}
    larger = {"input_tokens": h + more} if longer else {"output_tokens": f + more}
    before = routes(build_arrays(scenario(query_type=sizes))[0])
    after = routes(build_arrays(scenario(query_type={**sizes, **larger}))[0])
    assert after.keys() <= before.keys()
    for key, figures in after.items():
        for name in ("latency_s", "busy_s", "kv_gb_s"):
            assert figures[name] >= before[key][name] * (1 - 1e-12)


@given(order=st.permutations(range(2)), tiers=st.permutations(range(2)))
@settings(max_examples=8, deadline=None)
def test_the_order_of_entries_only_relabels(order: list[int], tiers: list[int]) -> None:
    from small_scenarios import DATA

    written = scenario(
        models=[DATA["models"][j] for j in order], gpus=[DATA["gpus"][g] for g in tiers]
    )
    plain, other = build_arrays(scenario())[0], build_arrays(written)[0]

    def by_name(arrays: dict[str, Any]) -> dict[tuple[Any, ...], dict[str, float]]:
        models, names = arrays["models"]["name"], arrays["tiers"]["name"]
        return {
            (key[0], models[key[1]], names[key[2]], *key[3:]): figures
            for key, figures in routes(arrays).items()
        }

    assert by_name(plain) == by_name(other)


HUGE = st.sampled_from([1e-300, 1e-6, 1.0, 1e6, 1e150, 1e300])


@given(
    tokens=st.tuples(HUGE, HUGE),
    rate=HUGE,
    base_s=HUGE,
    memory_gb=HUGE,
    params_b=HUGE,
)
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("error")
def test_absurd_numbers_give_a_problem_or_an_input_error(
    tokens: tuple[float, float], rate: float, base_s: float, memory_gb: float, params_b: float
) -> None:
    with contextlib.suppress(InvalidInputError):
        problem, screening = build_problem(
            scenario(
                query_type={
                    "input_tokens": tokens[0],
                    "output_tokens": max(tokens[1], 1.0),
                    "rate_per_h": rate,
                    "latency_slo_s": None if base_s < 1 else 1e300,
                },
                gpus=[{"name": "h100", "spec": {"memory_gb": memory_gb}}],
                models=[{"name": "llama-3.1-8b", "spec": {"params_b": params_b}}],
                **options(base_s_per_token={"chat": base_s, "code": base_s}),
            )
        )
        assert problem.num_routes == len(screening.ttft_s)
        assert all(entry.message for entry in screening.screened())
