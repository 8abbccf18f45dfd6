"""Formats of other projects' results, by samples of the shape that each writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profile_samples import ON_H100, VLLM_BENCH
from servemix._errors import InvalidInputError
from servemix.performance.profile import Assume, Point, Profile, known_formats, read_profile

Read = Callable[..., Profile]


@pytest.fixture(name="read")
def reader(tmp_path: Path) -> Read:
    def read(content: Any, name: str = "run.json", assume: Assume = ON_H100) -> Profile:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return read_profile(path, assume=assume)

    return read


def figures(point: Point) -> tuple[float, ...]:
    return (
        point.concurrency,
        point.prompt_tokens,
        point.output_tokens,
        point.ttft_s,
        point.tpot_s,
        point.latency_s,
        point.requests_per_s,
    )


def metric(value: float, unit: str) -> dict[str, Any]:
    return {"unit": unit, "avg": value, "p50": 0.9 * value, "p99": 2.0 * value}


GENAI: dict[str, Any] = {
    "request_throughput": metric(4.0, "requests/sec"),
    "request_latency": metric(2490.0, "ms"),
    "time_to_first_token": metric(500.0, "ms"),
    "inter_token_latency": metric(10.0, "ms"),
    "output_sequence_length": metric(200.0, "tokens"),
    "input_sequence_length": metric(1000.0, "tokens"),
    "input_config": {
        "model_names": ["meta-llama/Llama-3.1-8B-Instruct"],
        "perf_analyzer": {"stimulus": {"concurrency": 10}},
    },
}
WANTED = (10.0, 1000.0, 200.0, 0.5, 0.01, 2.49, 4.0)


def test_genai_perf_and_aiperf(read: Read) -> None:
    profile = read(GENAI, assume=Assume(gpu="h100", precision="bf16"))
    assert profile.format == "genai-perf"
    assert figures(profile.points[0]) == pytest.approx(WANTED)
    assert profile.points[0].deployment.model == "Llama-3.1-8B"
    config = {"endpoint": {"model_names": ["llama-3.1-8b"]}, "loadgen": {"concurrency": 10}}
    aiperf = {**GENAI, "input_config": config}
    in_us = {**aiperf, "time_to_first_token": metric(500_000.0, "us")}
    for content in (aiperf, in_us, {"records": {**GENAI}, "input_config": config}):
        assert figures(read(content).points[0]) == pytest.approx(WANTED)
    with pytest.raises(InvalidInputError, match=r"time_to_first_token\.unit: 'weeks'"):
        read({**GENAI, "time_to_first_token": metric(1.0, "weeks")})


def test_aiperfs_warm_up_is_not_the_measurement(read: Read) -> None:
    config = {
        "models": {"items": [{"name": "served-as"}]},
        "endpoint": {"urls": ["http://localhost:8000"], "type": "chat", "streaming": True},
        "phases": [
            {"name": "warmup", "exclude_from_results": True, "concurrency": 2},
            {"name": "profiling", "type": "concurrency", "requests": 96, "concurrency": 10},
        ],
        "tokenizer": {"name": "meta-llama/Llama-3.1-8B-Instruct"},
    }
    content = {
        **GENAI,
        "schema_version": "1.3",
        "aiperf_version": "0.10.0",
        "request_count": metric(96.0, "requests"),
        "error_request_count": metric(4.0, "requests"),
        "benchmark_duration": metric(24.0, "sec"),
        "telemetry_data": {"summary": {}, "endpoints": {}},
        "input_config": config,
        "run_info": {"trial": 0},
        "was_cancelled": False,
    }
    profile = read(content, assume=Assume(gpu="h100", precision="bf16"))
    (point,) = profile.points
    assert figures(point) == pytest.approx(WANTED)
    assert point.deployment.model == "Llama-3.1-8B"
    assert "4 requests failed" in profile.warnings[0]
    with pytest.raises(InvalidInputError, match="only measured with --streaming"):
        read({key: value for key, value in content.items() if key != "time_to_first_token"})
    failed = {**content, "request_throughput": metric(0.0, "requests/sec")}
    with pytest.raises(InvalidInputError, match="every request of this run failed"):
        read(failed)


def test_genai_perfs_older_settings_are_flat(read: Read) -> None:
    config = {"model": ["meta-llama/Llama-3.1-8B-Instruct"], "concurrency": 10, "backend": "vllm"}
    profile = read({**GENAI, "input_config": config}, assume=Assume(gpu="h100", precision="bf16"))
    assert figures(profile.points[0]) == pytest.approx(WANTED)


def test_llmperf(read: Read) -> None:
    content = {
        "version": "2023-08-31",
        "name": "m_1000_200_summary",
        "model": "meta-llama/Llama-3.1-8B-Instruct",
        "num_concurrent_requests": 10,
        "results_inter_token_latency_s_mean": 0.01245,
        "results_ttft_s_mean": 0.5,
        "results_end_to_end_latency_s_mean": 2.49,
        "results_number_input_tokens_mean": 1000.0,
        "results_number_output_tokens_mean": 200.0,
        "results_num_requests_started": 120,
        "results_number_errors": 2,
        "results_num_completed_requests": 118,
        "results_num_completed_requests_per_min": 240.0,
    }
    profile = read(content)
    assert profile.format == "llmperf"
    assert figures(profile.points[0]) == pytest.approx(WANTED)
    assert "2 requests failed" in profile.warnings[0]
    with pytest.raises(InvalidInputError, match="every request of this run failed"):
        read({**content, "results_num_completed_requests": 0})


def test_guidellm(read: Read) -> None:
    def of(value: float, count: int = 100) -> dict[str, Any]:
        return {"successful": {"mean": value, "median": value, "count": count}, "errored": {}}

    metrics = {
        "requests_per_second": of(4.0),
        "request_concurrency": of(10.0),
        "request_latency": of(2.49),
        "prompt_token_count": of(1000.0),
        "output_token_count": of(200.0),
        "time_to_first_token_ms": of(500.0),
        "time_per_output_token_ms": of(12.45),
        "inter_token_latency_ms": of(10.0),
    }
    run = {"config": {"backend": {"model": "llama-3.1-8b"}}, "metrics": metrics}
    failed = {**run, "metrics": {**metrics, "request_latency": of(0.0, 0)}}
    profile = read({"metadata": {"version": 2}, "benchmarks": [run, failed]})
    assert profile.format == "guidellm"
    (point,) = profile.points
    assert figures(point) == pytest.approx((9.96, *WANTED[1:]))
    assert profile.left_out == {"every request of this run failed": 1}


def test_inferencex_as_its_client_and_its_tables_have_it(read: Read) -> None:
    run = {
        "model_id": "llama-3.1-8b",
        "max_concurrency": 10,
        "duration": 50.0,
        "completed": 200,
        "total_input_tokens": 200_000,
        "total_output_tokens": 40_000,
        "request_throughput": 4.0,
        "median_ttft": 0.5,
        "median_tpot": 0.01,
        "median_e2el": 2.49,
    }
    profile = read(run)
    assert profile.format == "inferencex"
    assert figures(profile.points[0]) == pytest.approx(WANTED)
    assert "medians stand for means of ttft, tpot, e2el" in profile.warnings[0]
    row = {
        "hw": "h200",
        "framework": "sglang",
        "precision": "fp8",
        "model": "meta-llama/Llama-3.1-70B",
        "conc": 16,
        "isl": 1024,
        "osl": 1024,
        "tp": 4,
        "ep": 1,
        "dp_attention": "false",
        "is_multinode": False,
        "metrics": {
            "tput_per_gpu": 500.0,
            "output_tput_per_gpu": 250.0,
            "mean_ttft": 0.4,
            "mean_tpot": 0.0155,
        },
    }
    several = [row, {**row, "dp_attention": "true"}, {**row, "disagg": True}]
    profile = read(several, assume=Assume())
    (point,) = profile.points
    assert str(point.deployment) == "Llama-3.1-70B fp8 on H200-141GB SXM TP4 PP1"
    assert point.output_tokens == pytest.approx(0.9 * 1024)
    assert point.requests_per_s == pytest.approx(4 * 250.0 / (0.9 * 1024))
    assert sum(profile.left_out.values()) == 2
    flat = {**{k: v for k, v in row.items() if k != "metrics"}, **row["metrics"]}
    assert figures(read(flat, assume=Assume()).points[0]) == figures(point)
    without = {k: v for k, v in row.items() if k not in ("hw", "tp")}
    apart = {"prefill_tp": 4, "decode_tp": 4, "decode_dp_attention": False, "spec_method": "none"}
    for named in ({"device": "h200", "tp": 4}, {"hardware": "h200", **apart}):
        assert figures(read({**without, **named}, assume=Assume()).points[0]) == figures(point)
    drafted = {**row, "spec_decoding": "mtp"}
    with pytest.raises(InvalidInputError, match="speculative decoding"):
        read(drafted, assume=Assume())


REPORT = """\
version: '0.1'
scenario:
  description: two replicas
  host:
    accelerator:
    - {model: H100, memory: 80, count: 2, parallelism: {dp: 1, tp: 2, pp: 1, ep: 1}}
    - {model: H100, memory: 80, count: 2, parallelism: {dp: 1, tp: 2, pp: 1, ep: 1}}
    type: [replica, replica]
  model: {name: meta-llama/Llama-3.1-8B-Instruct}
metrics:
  latency:
    request_latency: {mean: 2490.0, units: ms}
    time_per_output_token: {mean: 0.01, units: s/token}
    time_to_first_token: {mean: 500.0, units: ms}
  requests:
    failures: 0
    input_length: {mean: 1000.0, units: count}
    output_length: {mean: 200.0, units: count}
    total: 1500
  throughput: {output_tokens_per_sec: 1600.0, requests_per_sec: 8.0}
  time: {duration: 187.5}
"""


def test_llm_d_benchmarks_report(read: Read) -> None:
    profile = read(REPORT, "benchmark_report.yaml", Assume(precision="bf16"))
    assert profile.format == "llm-d-benchmark"
    (point,) = profile.points
    assert str(point.deployment) == "Llama-3.1-8B bf16 on H100-80GB SXM TP2 PP1"
    assert figures(point) == pytest.approx((9.96, *WANTED[1:]))
    apart = REPORT.replace("[replica, replica]", "[prefill, decode]")
    with pytest.raises(InvalidInputError, match="prefill and decode on replicas of their own"):
        read(apart, "benchmark_report.yaml", Assume(precision="bf16"))


STACK = """\
version: '0.2'
run: {uid: 38b1f1, time: {duration: PT187.5S}}
scenario:
  stack:
  - metadata: {label: vllm-svc-0, cfg_id: cc73}
    standardized:
      kind: inference_engine
      tool: llm-d
      role: decode
      replicas: 2
      model: {name: meta-llama/Llama-3.1-8B-Instruct}
      accelerator:
        model: NVIDIA-H100-80GB-HBM3
        count: 2
        parallelism: {dp: 1, dp_local: 1, workers: 1, ep: 1, pp: 1, tp: 2}
    native: {args: {--tensor-parallel-size: 2}}
  - metadata: {label: epp-0}
    standardized: {kind: generic, tool: llm-d-inference-scheduler}
  load:
    standardized: {tool: inference-perf, stage: 3, rate_qps: 8, concurrency: .inf}
results:
  request_performance:
    aggregate:
      requests:
        total: 1500
        failures: 0
        input_length: {units: count, mean: 1000.0, p50: 1000.0}
        output_length: {units: count, mean: 200.0, p50: 200.0}
      throughput:
        output_token_rate: {units: tokens/s, mean: 1600.0}
        request_rate: {units: queries/s, mean: 8.0}
      latency:
        time_to_first_token: {units: ms, mean: 500.0, p99: 900.0}
        time_per_output_token: {units: s/token, mean: 0.01}
        normalized_time_per_output_token: {units: s/token, mean: 0.01245}
        request_latency: {units: s, mean: 2.49}
    time_series: {latency: {time_to_first_token: {units: ms, series: []}}}
  observability: {components: []}
"""


def test_llm_d_benchmarks_report_of_a_stack(read: Read) -> None:
    def of(text: str) -> Profile:
        return read(text, "report.yaml", Assume(precision="bf16"))

    (point,) = of(STACK).points
    assert str(point.deployment) == "Llama-3.1-8B bf16 on H100-80GB SXM TP2 PP1"
    assert figures(point) == pytest.approx((9.96, *WANTED[1:]))
    in_flight = of(STACK.replace("concurrency: .inf", "concurrency: 20"))
    assert in_flight.points[0].concurrency == 10.0
    for old, new, reason in (
        ("role: decode", "role: prefill", "prefill and decode on replicas of their own"),
        ("dp: 1,", "dp: 2,", "data parallelism"),
        ("failures: 0", "failures: 1500", "every request of this run failed"),
    ):
        with pytest.raises(InvalidInputError, match=reason):
            of(STACK.replace(old, new))


TABLE = """\
Namespace(backend='vllm', model='meta-llama/Llama-3.1-8B-Instruct', max_concurrency=10)
100%|██████████| 200/200 [00:50<00:00,  4.00it/s]
============ Serving Benchmark Result ============
Successful requests:                     200
Maximum request concurrency:             10
Benchmark duration (s):                  50.00
Total input tokens:                      200000
Total generated tokens:                  40000
Request throughput (req/s):              4.00
Output token throughput (tok/s):         800.00
Total Token throughput (tok/s):          4800.00
---------------Time to First Token----------------
Mean TTFT (ms):                          500.00
Median TTFT (ms):                        490.00
P99 TTFT (ms):                           900.00
-----Time per Output Token (excl. 1st token)------
Mean TPOT (ms):                          10.00
Median TPOT (ms):                        10.00
P99 TPOT (ms):                           11.00
---------------Inter-token Latency----------------
Mean ITL (ms):                           10.00
==================================================
"""


def test_the_printed_table(read: Read) -> None:
    profile = read(TABLE, "log.txt", Assume(gpu="h100", precision="bf16"))
    assert profile.format == "printed-table"
    assert figures(profile.points[0]) == pytest.approx(WANTED)
    assert profile.points[0].deployment.model == "Llama-3.1-8B"
    commented = "".join(f"# {line}\n" for line in TABLE.splitlines())
    failed = TABLE.replace("requests:                     200", "requests:                     0")
    both = read(commented + failed, "log.txt")
    assert figures(both.points[0]) == pytest.approx(WANTED)
    assert both.left_out == {"every request of this run failed": 1}


def test_skypilots_prices_are_of_one_gpu(read: Read) -> None:
    info = "\"{{'Gpus': [{{'Name': '{}', 'MemoryInfo': {{'SizeInMiB': {}}}}}]}}\""
    text = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,"
    text += "SpotPrice\n"
    text += f"8x_h100,H100,8.0,208.0,1800.0,24.0,us-east-1,{info.format('H100', 81920)},8.0\n"
    text += f"1x_h100,H100,1.0,26.0,225.0,3.5,us-west-1,{info.format('H100', 81920)},\n"
    text += f"1x_a100,A100,1.0,30.0,200.0,1.3,us-west-1,{info.format('A100', 40960)},\n"
    text += "cpu,,,4.0,16.0,0.2,us-west-1,,\n1x_b200,B200,1.0,8.0,80.0,,us-west-1,,\n"
    profile = read(text, "vms.csv", Assume())
    assert profile.format == "skypilot-catalog"
    prices = [(price.gpu, price.usd_per_gpu_h, price.place) for price in profile.prices]
    assert prices == [
        ("A100-40GB SXM", pytest.approx(1.3), "us-west-1"),
        ("H100-80GB SXM", pytest.approx(3.0), "us-east-1"),
        ("H100-80GB SXM", pytest.approx(3.5), "us-west-1"),
    ]
    assert profile.prices[1].spot_usd_per_h == 8.0
    assert sum(profile.left_out.values()) == 2


def test_resources_of_the_variant_autoscaler(shared: Path) -> None:
    folder = shared / "cases/files/15-sglang"
    assume = Assume(precision="bf16", models={"default/default": "llama-3.1-8b"})
    profile = read_profile(folder / "va.yaml", assume=assume)
    (row,) = profile.coefficients
    assert (row.max_batch_size, row.step_fixed_s) == (4, pytest.approx(0.02058))
    prices = {price.gpu: price.usd_per_gpu_h for price in read_profile(folder / "cm.yaml").prices}
    assert prices["A100-80GB SXM"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("file", "format"),
    [
        ("genai.json", "genai-perf"),
        ("llmperf.json", "llmperf"),
        ("inferencex.json", "inferencex"),
        ("guidellm_v2.json", "guidellm"),
        ("online.jsonl", "sglang-bench"),
        ("two.jsonl", "sglang-bench"),
    ],
)
def test_public_files_are_read(shared: Path, file: str, format: str) -> None:
    profile = read_profile(shared / "cases/files/15-sglang" / file, assume=ON_H100)
    assert profile.format == format
    assert profile.points


def test_an_unfinished_table_is_named(shared: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"bench\.txt\.total_input_tokens: missing"):
        read_profile(shared / "cases/files/15-sglang/bench.txt", assume=ON_H100)


def test_an_unknown_file_is_told_by_its_keys_and_the_known_formats(read: Read) -> None:
    for content, name, seen in (
        ({"colour": 1, "shape": 2}, "x.json", "keys seen: colour, shape"),
        ("a;b;c\n1;2;3\n", "x.csv", "columns seen: a;b;c"),
        ("colour: red\n", "x.yaml", "keys seen: colour"),
    ):
        with pytest.raises(InvalidInputError) as error:
            read(content, name)
        assert f"unknown format; {seen}" in str(error.value)
        for known in known_formats():
            assert known in str(error.value)


def test_one_file_may_hold_runs_of_several_formats(read: Read) -> None:
    profile = read([VLLM_BENCH, GENAI])
    assert profile.format == "vllm-bench, genai-perf"
    assert len(profile.points) == 2


def test_a_table_of_results_is_read_row_by_row(read: Read) -> None:
    columns = [key for key, value in VLLM_BENCH.items() if not isinstance(value, dict)]
    second = {**VLLM_BENCH, "max_concurrency": None, "request_throughput": 20.0}
    lines = [",".join(["", *columns])]
    for n, row in enumerate((VLLM_BENCH, second)):
        cells = ["" if row[key] is None else str(row[key]) for key in columns]
        lines.append(",".join([str(n), *cells]))
    profile = read("\n".join(lines) + "\n", "summary.csv")
    assert profile.format == "vllm-bench"
    alone = [read(row).points[0] for row in (VLLM_BENCH, second)]
    assert [figures(point) for point in profile.points] == [figures(point) for point in alone]


def test_lines_may_have_a_rate_without_limit(read: Read) -> None:
    line = json.dumps({**VLLM_BENCH, "request_rate": float("inf")})
    assert "Infinity" in line
    assert len(read(f"{line}\n{line}\n", "runs.jsonl").points) == 2


def test_our_own_columns_go_by_any_capitals_and_times_by_ms(read: Read) -> None:
    text = (
        "Model, GPU, Precision, Concurrency, Prompt_Tokens, Output_Tokens, TTFT_ms, tpot_ms, Who\n"
    )
    text += "llama-3.1-8b, h100, bf16, 10, 1000, 200, 500, 10, me\n"
    profile = read(text, "points.csv", Assume())
    (point,) = profile.points
    assert (point.concurrency, point.ttft_s, point.tpot_s) == pytest.approx((10.0, 0.5, 0.01))
    assert profile.warnings[0].endswith("columns that are not read: who")


def test_what_people_note_beside_a_run_is_read(read: Read) -> None:
    noted = {**VLLM_BENCH, "tensor_parallel_size": "2", "gpu_type": "NVIDIA H100 80GB HBM3"}
    (point,) = read(noted, assume=Assume(precision="bf16")).points
    assert str(point.deployment) == "Llama-3.1-8B bf16 on H100-80GB SXM TP2 PP1"
    with pytest.raises(InvalidInputError, match="data parallelism"):
        read({**noted, "dp_size": 2}, assume=Assume(precision="bf16"))


@pytest.mark.parametrize("key", ["results", "benchmarks", "runs"])
def test_a_list_of_runs_may_stand_in_an_object(read: Read, key: str) -> None:
    profile = read({"made_by": "us", key: [VLLM_BENCH, VLLM_BENCH]})
    assert (profile.format, len(profile.points)) == ("vllm-bench", 2)


def test_runners_of_inferencex_are_no_other_gpus(read: Read) -> None:
    row = {
        "hw": "h200-trt",
        "precision": "fp8",
        "model": "llama-3.1-70b",
        "conc": 16,
        "isl": 1024,
        "osl": 1024,
        "tp": 4,
        "spec_decoding": "none",
        "output_tput_per_gpu": 250.0,
        "mean_ttft": 0.4,
        "mean_tpot": 0.0155,
    }
    assert read(row, assume=Assume()).points[0].deployment.gpu == "H200-141GB SXM"


def test_everything_that_a_file_leaves_out_is_asked_for_at_once(read: Read) -> None:
    run = {key: value for key, value in VLLM_BENCH.items() if key != "model_id"}
    with pytest.raises(InvalidInputError) as error:
        read(run, assume=Assume(tp=1))
    assert "model, gpu, precision: the file does not say" in str(error.value)
    assert "--assume gpu=…" in str(error.value)


def test_speculative_decoding_is_said(read: Read) -> None:
    run = {**VLLM_BENCH, "mean_e2e_latency_ms": 1517.0, "accept_length": 2.9}
    assert "speculative decoding (2.9" in read(run).warnings[0]
