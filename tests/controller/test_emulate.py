"""``servemix emulate`` serves a plan on loopback as vLLM would."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from processes import ask, free_ports, running, servemix_command, wait_until
from servemix.export import read_plan_file

PLAN = read_plan_file("examples/plans/azure-2023.json")
SMALL = PLAN.deployments[0]
START_S = 0.7


@pytest.fixture(scope="module")
def emulated(tmp_path_factory) -> Iterator[str]:
    """Address of two replicas (the second at the next port) that have just begun to start."""
    folder = tmp_path_factory.mktemp("emulated")
    two = msgspec.structs.replace(PLAN.deployments[0], replicas=2, max_num_seqs=4)
    plan = msgspec.structs.replace(PLAN, deployments=(two, *PLAN.deployments[1:]))
    (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
    port = free_ports(sum(row.replicas for row in plan.deployments))
    command = servemix_command(
        "emulate", folder / "plan.json", "--port", port, "--start", START_S, "--speed", 2
    )
    with running(command, folder / "log") as process:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: ask(f"{url}/health")[0] > 0, "it listens", log=folder / "log")
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        assert "Traceback" not in (folder / "log").read_text()


def complete(url: str, **body: object) -> tuple[int, dict]:
    status, text = ask(f"{url}/v1/completions", {"prompt": "a b c", "max_tokens": 4, **body})
    return status, json.loads(text)


def ready(url: str) -> str:
    wait_until(lambda: ask(f"{url}/health")[0] == 200, "it is ready")
    return url


def test_nothing_is_served_before_it_is_ready(emulated: str) -> None:
    answers = [complete(emulated)[0], ask(f"{emulated}/metrics")[0]]
    # Not ready afterwards: it was not ready before either, however slow the machine.
    if ask(f"{emulated}/health")[0] == 503:
        assert answers == [503, 503]
    ready(emulated)
    assert complete(emulated)[0] == 200


def test_an_answer_has_the_tokens_asked_for(emulated: str) -> None:
    status, answer = complete(ready(emulated), max_tokens=7)
    assert status == 200
    assert answer["choices"][0]["text"].split() == ["token"] * 7
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10}


def test_tokens_stream_as_they_come(emulated: str) -> None:
    body = {
        "messages": [{"role": "user", "content": "one two"}],
        "max_tokens": 30,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    status, text = ask(f"{ready(emulated)}/v1/chat/completions", body)
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line]
    events = [json.loads(line) for line in lines[:-1]]
    deltas = [e["choices"][0]["delta"]["content"] for e in events if e["choices"]]
    assert status == 200
    assert lines[-1] == "[DONE]"
    assert len(deltas) > 5
    assert "".join(deltas).split() == ["token"] * 30
    assert events[-1]["usage"]["completion_tokens"] == 30


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"model": "gpt-4"}, 404, "does not exist"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 900_000}, 429, "longer than the KV cache"),
    ],
)
def test_bad_requests_are_named(emulated: str, body: dict, status: int, message: str) -> None:
    found, answer = complete(ready(emulated), **body)
    assert found == status
    assert message in answer["error"]["message"]


def test_a_full_engine_refuses(emulated: str) -> None:
    url = emulated.rpartition(":")
    second = ready(f"{url[0]}:{int(url[2]) + 1}")
    statuses: list[int] = []

    def one() -> None:
        statuses.append(complete(second, max_tokens=40)[0])

    threads = [threading.Thread(target=one) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200, 429}


def test_an_answer_takes_the_time_of_the_curve(emulated: str) -> None:
    curve = SMALL.curve
    ready(emulated)
    tokens = 150
    expected_s = tokens * (curve.weights_s + curve.step_fixed_s) / 2.0
    took = []
    for _ in range(3):
        began = time.monotonic()
        complete(emulated, max_tokens=tokens)
        took.append(time.monotonic() - began)
    # Never faster; how much slower depends on the machine, so the best of three is bounded loosely.
    assert min(took) > 0.95 * expected_s
    assert min(took) < 2.0 * expected_s + 0.2


def test_metrics_have_the_names_of_vllm(emulated: str) -> None:
    headers = {"x-servemix-query-type": "code-short"}
    body = {"prompt": "a", "max_tokens": 3}
    assert ask(f"{ready(emulated)}/v1/completions", body, headers)[0] == 200
    text = ask(f"{emulated}/metrics")[1]
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:kv_cache_usage_perc",
        "vllm:request_success",
        "vllm:prompt_tokens",
        "vllm:generation_tokens",
        "vllm:time_to_first_token_seconds",
        "vllm:request_time_per_output_token_seconds",
        "vllm:e2e_request_latency_seconds",
        "vllm:request_prompt_tokens",
        "vllm:request_generation_tokens",
    } <= families.keys()
    [sample] = [s for s in families["vllm:request_success"].samples if s.name.endswith("_total")]
    assert sample.value >= 1
    assert sample.labels["model_name"].startswith("llama-3-")
    by_type = families["servemix_requests"].samples
    assert any(s.labels["query_type"] == "code-short" and s.value >= 1 for s in by_type)


def test_a_port_that_is_taken_is_one_line(emulated: str, tmp_path: Path) -> None:
    port = emulated.rpartition(":")[2]
    plan = "examples/plans/azure-2023.json"
    with running(servemix_command("emulate", plan, "--port", port), tmp_path / "log") as process:
        assert process.wait(timeout=20) == 2
    assert f"127.0.0.1:{port} is not available" in (tmp_path / "log").read_text()
