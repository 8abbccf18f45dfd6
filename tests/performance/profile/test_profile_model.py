"""A measurement counts where there is one, the roofline elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from profile_samples import INFERNO_MODELS, INFERNO_SYSTEM, PLANNER
from servemix._errors import InvalidInputError, MissingExtraError
from servemix.performance import build_problem
from servemix.performance.configurations import Configurations, enumerate_configurations
from servemix.performance.profile import Deployment
from servemix.performance.profile.aiconfigurator import ask_aiconfigurator
from servemix.performance.profile.candidates import limited
from servemix.performance.profile.model import service_curves, with_profiles
from servemix.performance.roofline import RooflineOptions, configuration_curve
from servemix.performance.service_curve import ServiceCurve
from servemix.scenario import Scenario, resolve, scenario_from_data
from small_scenarios import scenario

HEADER = "model,gpu,precision,tp,pp,concurrency,prompt_tokens,output_tokens,ttft_s,tpot_s\n"


def grid(ttft_s: float = 0.08, tpot_s: float = 0.012, prompts: Sequence[int] = (500, 4000)) -> str:
    """Return points of one deployment, all alike, at both batch limits of the small scenario."""
    return HEADER + "".join(
        f"llama-3.1-8b,h100,bf16,1,1,{batch},{prompt},{output},{ttft_s},{tpot_s}\n"
        for batch in (8, 32)
        for prompt in prompts
        for output in (20, 400)
    )


def small(path: Path, text: str, **options: Any) -> Scenario:
    path.write_text(text)
    section = {"model": "profile", "options": {"files": [{"path": str(path)}], **options}}
    return scenario(performance=section)


def curves(written: Scenario) -> tuple[Configurations, tuple[ServiceCurve, ...]]:
    resolved = resolve(written)
    configurations, _ = enumerate_configurations(resolved)
    return configurations, service_curves(resolved, configurations)


def test_measured_figures_replace_the_models_and_nothing_else(tmp_path: Path) -> None:
    c, (chat, _) = curves(small(tmp_path / "p.csv", grid()))
    plain = configuration_curve(c, RooflineOptions())
    measured = (c.model == 0) & (c.tier == 0) & (c.tp == 1) & (c.pp == 1)
    assert measured.sum() == 2
    assert chat.ttft_s(800, 200)[measured] == pytest.approx(0.08)
    assert chat.tpot_s(800, 200)[measured] == pytest.approx(0.012)
    latency_s = 0.08 + 199 * 0.012
    assert chat.latency_s(800, 200)[measured] == pytest.approx(latency_s)
    batch = c.max_num_seqs[measured]
    assert chat.busy_s(800, 200)[measured] == pytest.approx(latency_s / batch)
    assert chat.kv_gb_s(800, 200)[measured] == pytest.approx(
        latency_s * 900 * c.kv_gb_per_token[measured]
    )
    for name in ("ttft_s", "tpot_s", "latency_s", "busy_s", "kv_gb_s"):
        ours, theirs = (getattr(curve, name)(800, 200)[~measured] for curve in (chat, plain))
        assert np.array_equal(ours, theirs)


def test_a_query_type_outside_the_points_is_left_to_the_model_and_named(tmp_path: Path) -> None:
    written = small(tmp_path / "p.csv", grid(prompts=(1000, 4000)))
    c, measured = curves(written)
    plain = configuration_curve(c, RooflineOptions())
    chat, code = measured
    on = (c.model == 0) & (c.tier == 0) & (c.tp == 1) & (c.pp == 1)
    assert np.array_equal(chat.tpot_s(800, 200), plain.tpot_s(800, 200))
    assert code.tpot_s(2000, 40)[on] == pytest.approx(0.012)
    _, screening = build_problem(written)
    (warning, *_) = [text for text in screening.warnings if "'chat'" in text]
    assert "800 prompt tokens lie outside the measured 1000 to 4000" in warning
    assert "left to the performance model" in warning
    _, (chat, _) = curves(small(tmp_path / "p.csv", grid(prompts=(1000, 4000)), extrapolate=True))
    assert chat.tpot_s(800, 200)[on] == pytest.approx(0.012)


def test_a_measured_throughput_is_the_busy_time(tmp_path: Path) -> None:
    table = """{"gpu_info": {"h100": {"cost": 2.0, "tputs": [[20, 4], [10, 2]]}}}"""
    assume = {
        "model": "llama-3.1-8b",
        "precision": "bf16",
        "prompt_sizes": [800, 2000],
        "output_sizes": [40, 200],
    }
    path = tmp_path / "melange.json"
    path.write_text(table)
    files = [{"path": str(path), "assume": assume}]
    written = scenario(performance={"model": "profile", "options": {"files": files}})
    c, (chat, code) = curves(written)
    measured = (c.model == 0) & (c.tier == 0) & (c.tp == 1) & (c.pp == 1)
    assert chat.busy_s(800, 200)[measured] == pytest.approx(1 / 4)
    assert code.busy_s(2000, 40)[measured] == pytest.approx(1 / 10)
    assert (
        chat.tpot_s(800, 200) == configuration_curve(c, RooflineOptions()).tpot_s(800, 200)
    ).all()


def test_coefficients_of_a_file_become_the_curve(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text(
        """{"models": [{"name": "llama-3.1-8b", "acc": "h100", "accCount": 2, "maxBatchSize": 16,
        "perfParms": {"alpha": 5.0, "beta": 0.1, "gamma": 0.0001}}]}"""
    )
    files = [{"path": str(path), "assume": {"precision": "bf16"}}]
    written = scenario(performance={"model": "profile", "options": {"files": files}})
    resolved = resolve(written)
    all_of, _ = enumerate_configurations(resolved)
    c = limited(resolved, all_of)
    chat, _ = service_curves(resolved, c)
    on = (c.model == 0) & (c.tier == 0) & (c.tp == 2) & (c.pp == 1)
    assert c.max_num_seqs[on].tolist() == [8, 16], "32 is capped at the file's largest batch"
    rest = (all_of.tp != 2) | (all_of.pp != 1) | (all_of.model != 0) | (all_of.tier != 0)
    assert c.max_num_seqs[~on].tolist() == all_of.max_num_seqs[rest].tolist()
    for batch in (8, 16):
        at = on & (c.max_num_seqs == batch)
        step_s = (5.0 + 0.1 * batch + 0.0001 * batch * 900) / 1e3
        assert chat.tpot_s(800, 200)[at] == pytest.approx(step_s)
        assert chat.prefill_s(800)[at] == pytest.approx((5.0 + 0.1001 * 800) / 1e3)


def test_a_scenario_builds_from_a_profile(tmp_path: Path) -> None:
    problem, _ = build_problem(small(tmp_path / "p.csv", grid()))
    assert problem.num_routes > 0


def test_what_a_profile_warns_of_reaches_the_screening(tmp_path: Path) -> None:
    path = tmp_path / "planner.json"
    row = {**PLANNER["benchmarks"][0], "responses_per_second": 3.2, "prompt_tokens": 800}
    row["output_tokens"] = 200
    path.write_text(json.dumps({**PLANNER, "benchmarks": [row]}))
    files = [{"path": str(path), "assume": {"precision": "int4"}}]
    written = scenario(performance={"model": "profile", "options": {"files": files}})
    _, screening = build_problem(written)
    assert screening.measured is not None
    assert any("not all measured" in warning for warning in screening.warnings)


def test_a_profile_is_put_before_the_roofline_and_before_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(grid())
    plain = scenario(performance={"model": "roofline", "options": {"engine": "trtllm"}})
    both = with_profiles(plain, [str(path)])
    c, (chat, _) = curves(both)
    rest = c.tp == 4
    trtllm = configuration_curve(c, RooflineOptions(engine="trtllm"))
    assert np.array_equal(chat.tpot_s(800, 200)[rest], trtllm.tpot_s(800, 200)[rest])
    assert len(with_profiles(both, [str(path)]).performance.options["files"]) == 2
    with pytest.raises(InvalidInputError, match="cannot be combined with 'capability'"):
        with_profiles(scenario(), [str(path)])


ON = Deployment(model="Llama-3.1-8B", gpu="H100-80GB SXM", precision="fp8", tp=2)
ELSEWHERE = Deployment(model="Llama-3.1-8B", gpu="RTX 4090", precision="fp8")


def test_without_the_package_its_points_cannot_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "aiconfigurator", None)
    with pytest.raises(MissingExtraError, match="pip install aiconfigurator"):
        ask_aiconfigurator([(ON, 8, 1000.0, 100.0)])


def stand_in(monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Any]) -> None:
    """Put a function in place of the package's own."""
    api = ModuleType("aiconfigurator.cli.api")
    api.cli_estimate = answer  # type: ignore[attr-defined]
    for name in ("aiconfigurator", "aiconfigurator.cli"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "aiconfigurator.cli.api", api)


def test_the_package_is_asked_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def cli_estimate(model_path: str, system_name: str, **words: Any) -> SimpleNamespace:
        if words["tp_size"] == 4:
            raise RuntimeError("no data")
        asked.append({"model_path": model_path, "system_name": system_name, **words})
        return SimpleNamespace(ttft=50.0, tpot=8.0, backend_version="0.20")

    stand_in(monkeypatch, cli_estimate)
    too_wide = Deployment(model="Llama-3.1-8B", gpu="H100-80GB SXM", precision="fp8", tp=4)
    places = [(on, 8, 1000.0, 100.0) for on in (ON, ELSEWHERE, too_wide)]
    profile = ask_aiconfigurator(places, "trtllm")
    (point,) = profile.points
    assert (point.deployment, point.concurrency) == (ON, 8.0)
    assert (point.ttft_s, point.tpot_s) == (pytest.approx(0.05), pytest.approx(0.008))
    assert asked[0]["model_path"] == "meta-llama/Meta-Llama-3.1-8B"
    assert asked[0]["system_name"] == "h100_sxm"
    assert (asked[0]["isl"], asked[0]["osl"], asked[0]["batch_size"]) == (1000, 100, 8)
    assert (asked[0]["tp_size"], asked[0]["gemm_quant_mode"]) == (2, "fp8")
    assert len(profile.warnings) == 2
    ask_aiconfigurator([(ON, batch, 1000.0, 100.0) for batch in (8, 16, 32)], "trtllm")
    assert [words["backend_version"] for words in asked[1:]] == [None, "0.20", "0.20"]
    with pytest.raises(InvalidInputError, match="does not know the engine 'mlc'"):
        ask_aiconfigurator(places, "mlc")


def test_the_roofline_stands_in_where_the_package_does_not_know(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[Any, ...]] = []

    def cli_estimate(model: str, system: str, **words: Any) -> SimpleNamespace:
        asked.append((model, system, *words.values()))
        if words["batch_size"] > 8:
            raise RuntimeError("out of memory")
        return SimpleNamespace(ttft=50.0, tpot=8.0)

    stand_in(monkeypatch, cli_estimate)
    (tmp_path / "p.csv").write_text(grid())
    written = with_profiles(
        scenario(performance={"model": "roofline"}), [str(tmp_path / "p.csv"), "aiconfigurator"]
    )
    c, (chat, _) = curves(written)
    plain = configuration_curve(c, RooflineOptions())
    on_h100 = (c.model == 0) & (c.tier == 0) & (c.pp == 1) & (c.tp == 2)
    known, unknown = on_h100 & (c.max_num_seqs == 8), on_h100 & (c.max_num_seqs == 32)
    assert chat.tpot_s(800, 200)[known] == pytest.approx(0.008)
    assert chat.tpot_s(800, 200)[unknown] == plain.tpot_s(800, 200)[unknown]
    assert len(asked) == len(set(asked)), "no point is asked for twice"
    path = "meta-llama/Meta-Llama-3.1-8B"
    in_the_file = {"tp_size": 1, "pp_size": 1, "gemm_quant_mode": "bfloat16"}.values()
    of_file = [place for place in asked if place[:2] == (path, "h100_sxm")]
    assert of_file
    assert not any(place[-3:] == tuple(in_the_file) for place in of_file)


def test_where_no_rate_meets_the_slo_there_is_no_route_and_the_file_is_named(
    tmp_path: Path,
) -> None:
    path = tmp_path / "melange.json"
    path.write_text('{"gpu_info": {"h100": {"cost": 2.0, "tputs": [[20, 0], [10, 5]]}}}')
    assume = {
        "model": "llama-3.1-8b",
        "precision": "bf16",
        "tp": 1,
        "prompt_sizes": [250, 2000],
        "output_sizes": [40, 250],
    }
    files = [{"path": str(path), "assume": assume}]
    written = scenario(
        gpus=["h100"],
        models=["llama-3.1-8b"],
        parallelism={"tp": [1], "max_num_seqs": [32]},
        performance={"model": "profile", "options": {"files": files}},
    )
    problem, screening = build_problem(written)
    assert screening.without_route() == ("chat",)
    assert problem.num_routes == 1
    entry = screening.entry("chat", "llama-3.1-8b", "h100-bf16")
    assert entry is not None
    assert entry.reason.name == "EXCLUDED"
    assert "no rate meets its SLO" in entry.message
    assert any("tputs[0][1]" in warning for warning in screening.warnings)


def test_a_scenario_without_query_types_takes_the_files_demand(tmp_path: Path) -> None:
    path = tmp_path / "system.json"
    path.write_text(json.dumps(INFERNO_SYSTEM))
    assume = {"precision": "bf16", "models": {"llama_70b": "llama-2-70b"}}
    files = [{"path": str(path), "assume": assume}]
    data = {
        "name": "inferno",
        "gpus": ["a100", "h100"],
        "models": ["llama-2-70b"],
        "parallelism": {"tp": [4]},
        "performance": {"model": "profile", "options": {"files": files}},
    }
    found = scenario_from_data(data)
    (entry,) = found.query_types
    assert (entry.rate_per_h, entry.input_tokens, entry.output_tokens) == (3600.0, 128.0, 1024.0)
    assert (entry.ttft_slo_s, entry.tpot_slo_s) == (1.0, pytest.approx(0.04))
    _, screening = build_problem(found)
    assert not any("carries demand" in warning for warning in screening.warnings)
    assert any("a100: 0.4 USD/h from" in warning for warning in screening.warnings)


def test_two_rows_of_coefficients_for_one_deployment_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    row = INFERNO_MODELS["models"][0]
    path.write_text(json.dumps({"models": [row, {**row, "maxBatchSize": 20}]}))
    assume = {"precision": "bf16", "models": {"llama_70b": "llama-3.1-70b"}}
    files = [{"path": str(path), "assume": assume}]
    written = scenario(gpus=["a100"], performance={"model": "profile", "options": {"files": files}})
    with pytest.raises(InvalidInputError, match=r"models\[1\]: .* is described twice"):
        build_problem(written)
