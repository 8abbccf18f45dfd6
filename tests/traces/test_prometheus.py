"""Demand from a Prometheus server: a real one on loopback, and ones that misbehave."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

pytest.importorskip("httpx")

from servemix._errors import InvalidInputError
from servemix.traces.prometheus import (
    DemandServerError,
    calibrate_prometheus,
    parse_duration_s,
)

TOKENS = {"llama-8b": (500, 100), "llama-70b": (2000, 300)}
PER_SECOND = {"llama-8b": 20.0, "llama-70b": 5.0}
LATENCY_S = {"llama-8b": 0.8, "llama-70b": 3.0}
BUCKETS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
BUCKETS_TOKENS = (100, 200, 500, 1000, 2000, 5000)


def histogram(name: str, model: str, value: float, count: float, bounds: tuple) -> list[str]:
    """Lines of a histogram in which every request has the same value."""
    label = f'model_name="{model}"'
    lines = [
        f'{name}_bucket{{{label},le="{bound}"}} {count if value <= bound else 0}'
        for bound in bounds
    ]
    lines.append(f'{name}_bucket{{{label},le="+Inf"}} {count}')
    return [*lines, f"{name}_count{{{label}}} {count}", f"{name}_sum{{{label}}} {count * value}"]


def exposition(elapsed_s: float) -> str:
    """What vLLM would expose after serving at constant rates for a time."""
    lines = []
    for model, (prompt, generation) in TOKENS.items():
        count = int(PER_SECOND[model] * elapsed_s)
        label = f'model_name="{model}"'
        for reason, share in (("stop", 0.75), ("length", 0.25)):
            lines.append(
                f'vllm:request_success_total{{{label},finished_reason="{reason}"}} {count * share}'
            )
        lines.append(f"vllm:prompt_tokens_total{{{label}}} {count * prompt}")
        lines.append(f"vllm:generation_tokens_total{{{label}}} {count * generation}")
        for name, value in (
            ("vllm:request_prompt_tokens", prompt),
            ("vllm:request_generation_tokens", generation),
        ):
            lines += histogram(name, model, value, count, BUCKETS_TOKENS)
        for name in ("vllm:e2e_request_latency_seconds", "vllm:time_to_first_token_seconds"):
            lines += histogram(name, model, LATENCY_S[model], count, BUCKETS_S)
    return "\n".join(lines) + "\n"


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[BaseHTTPRequestHandler], None]], str]]:
    """Start servers on loopback that answer every GET by a function; returns their addresses."""
    servers = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def reply(handler: BaseHTTPRequestHandler, body: str, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body.encode())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory) -> Iterator[tuple[str, datetime]]:
    """A real Prometheus that has scraped an exporter for some seconds; its address and the end."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    began = time.monotonic()

    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply(self, exposition(time.monotonic() - began), **{"Content-Type": "text/plain"})

        def log_message(self, *args: object) -> None:
            pass

    exporter = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        "scrape_configs:\n"
        "  - job_name: vllm\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{exporter.server_port}']}}]\n"
    )
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        end = scraped_until(f"http://{address}", process, folder)
        yield f"http://{address}", end
    finally:
        process.terminate()
        process.wait(timeout=20)
        exporter.shutdown()
        exporter.server_close()


def scraped_until(url: str, process: subprocess.Popen, folder) -> datetime:
    """Wait for four seconds of samples; returns the time of the last."""
    query = f"{url}/api/v1/query?query=timestamp(vllm:prompt_tokens_total)"
    count = f"{url}/api/v1/query?query=count_over_time(vllm:prompt_tokens_total[30s])"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.3)
        try:
            answers = [
                json.load(urllib.request.urlopen(address, timeout=5))["data"]["result"]
                for address in (count, query)
            ]
        except OSError:
            continue
        if answers[0] and answers[1] and float(answers[0][0]["value"][1]) >= 20:
            seconds = float(answers[1][0]["value"][1])
            return datetime.fromtimestamp(seconds, timezone.utc)
    pytest.fail(f"prometheus did not scrape: {(folder / 'log').read_text()[-2000:]}")


def test_a_real_server_gives_rates_tokens_and_latencies(prometheus):
    url, end = prometheus
    found = calibrate_prometheus(url, range_s=3.0, step_s=1.0, end=end, timeout_s=12.5)
    assert [kind.name for kind in found.types] == ["llama-70b", "llama-8b"]
    for kind in found.types:
        prompt, generation = TOKENS[kind.name]
        # Scrapes come a little late and counts are whole, so a rate is told to some percent.
        assert kind.rate_per_h == pytest.approx(PER_SECOND[kind.name] * 3600, rel=0.1)
        assert kind.input_tokens == pytest.approx(prompt, rel=0.02)
        assert kind.output_tokens == pytest.approx(generation, rel=0.02)
        # A histogram tells a value to its bucket.
        low, high = bucket(prompt, BUCKETS_TOKENS)
        assert low < kind.input_tokens_high <= high
        low, high = bucket(LATENCY_S[kind.name], BUCKETS_S)
        assert low < kind.latency_s["e2e_p95"] <= high
        assert low < kind.latency_s["ttft_p50"] <= high
        assert "tpot_p50" not in kind.latency_s
    assert found.series.num_steps == 3
    assert found.series.start == end - timedelta(seconds=3)
    assert sum(kind.share for kind in found.types) == pytest.approx(1.0)


def bucket(value: float, bounds: tuple) -> tuple[float, float]:
    """The bucket that a value falls into."""
    at = int(np.searchsorted(bounds, value))
    return (bounds[at - 1] if at else 0.0), bounds[at]


def test_a_real_server_is_read_by_the_command(prometheus, tmp_path, capsys):
    pytest.importorskip("typer")
    from servemix.cli import main

    url, _ = prometheus
    output = tmp_path / "types.json"
    options = ["--range", "4s", "--step", "2s", "-o", str(output)]
    assert main(["calibrate", "prometheus", url, *options]) == 0
    assert "llama-8b" in capsys.readouterr().out
    names = [kind["name"] for kind in json.loads(output.read_text())["query_types"]]
    assert names == ["llama-70b", "llama-8b"]


def test_a_selector_narrows_the_models(prometheus):
    url, end = prometheus
    found = calibrate_prometheus(
        url, range_s=4.0, step_s=2.0, end=end, selector='model_name=~".*70b"'
    )
    assert [kind.name for kind in found.types] == ["llama-70b"]


def test_a_range_without_samples_is_told_from_a_missing_metric(prometheus, monkeypatch):
    url, end = prometheus
    with pytest.raises(DemandServerError, match="empty range: vllm:request_success_total"):
        calibrate_prometheus(url, range_s=600.0, end=end - timedelta(hours=5))
    monkeypatch.setattr("servemix.traces.prometheus._PROMPT_TOKENS", ("vllm:nothing",))
    with pytest.raises(DemandServerError, match="missing metric: vllm:nothing; of vLLM it has"):
        calibrate_prometheus(url, range_s=4.0, step_s=2.0, end=end)


def test_a_bad_selector_is_refused_by_the_server(prometheus):
    url, end = prometheus
    with pytest.raises(DemandServerError, match=r"refuses query_range: .*parse error"):
        calibrate_prometheus(url, range_s=4.0, step_s=2.0, end=end, selector="namespace=")


def test_a_silent_server_is_a_time_out(serve):
    url = serve(lambda handler: time.sleep(2))
    began = time.monotonic()
    with pytest.raises(DemandServerError, match=r"does not answer within 0.2 s"):
        calibrate_prometheus(url, timeout_s=0.2)
    assert time.monotonic() - began < 1.5


def test_a_server_that_dribbles_is_a_time_out(serve):
    def dribble(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(40):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    with pytest.raises(DemandServerError, match=r"does not answer within 0.3 s"):
        calibrate_prometheus(serve(dribble), timeout_s=0.3)


def test_no_server_at_all_is_told():
    with pytest.raises(DemandServerError, match="cannot be reached"):
        calibrate_prometheus(f"http://127.0.0.1:{free_port()}", timeout_s=2)


def test_a_redirect_is_not_followed(serve):
    asked = []
    goal = serve(lambda handler: asked.append(handler.path))
    url = serve(lambda handler: reply(handler, "", 302, Location=goal + "/x"))
    with pytest.raises(DemandServerError, match=f"redirects to {goal}"):
        calibrate_prometheus(url, headers={"Authorization": "Bearer secret"})
    assert asked == []


def test_headers_are_sent(serve):
    seen = []

    def answer(handler):
        seen.append(handler.headers["Authorization"])
        reply(handler, '{"status": "error", "error": "who are you"}', 401)

    with pytest.raises(DemandServerError, match="refuses query_range: who are you"):
        calibrate_prometheus(serve(answer), headers={"Authorization": "Bearer secret"})
    assert seen == ["Bearer secret"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<html>hello</html>", "no JSON of Prometheus: '<html>"),
        ("", "no JSON of Prometheus"),
        ("[]", "no JSON of Prometheus"),
        ('{"status": "success"}', "no matrix"),
        ('{"status": "success", "data": {"resultType": "vector", "result": []}}', "a 'vector'"),
        (
            '{"status": "success", "data": {"resultType": "matrix", "result": [{"values": 1}]}}',
            "no matrix",
        ),
        (
            '{"status": "success", "data": {"resultType": "matrix", "result": '
            '[{"metric": {}, "values": [[0, "many"]]}]}}',
            "no matrix",
        ),
        (
            '{"status": "success", "data": {"resultType": "matrix", "result": []}}',
            "missing metric: vllm:request_success_total .* it has no metric of vLLM",
        ),
    ],
)
def test_answers_that_are_none_are_refused(serve, body, message):
    url = serve(lambda handler: reply(handler, body))
    with pytest.raises(DemandServerError, match=message):
        calibrate_prometheus(url, timeout_s=5)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"range_s": 0.0}, "range_s: 0.0"),
        ({"range_s": float("nan")}, "range_s: nan"),
        ({"step_s": float("inf")}, "step_s: inf"),
        ({"timeout_s": -1.0}, "timeout_s: -1.0"),
        ({"range_s": 60.0, "step_s": 300.0}, "are 0.2 steps"),
        ({"range_s": 1e9, "step_s": 1.0}, r"are 1e\+09 steps"),
        ({"label": "a b"}, "label: 'a b'"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(InvalidInputError, match=message):
        calibrate_prometheus("http://127.0.0.1:9", **setting)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "localhost:9090", "http://", "http://a:b", ""]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InvalidInputError, match="url: "):
        calibrate_prometheus(url)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(InvalidInputError, match="send credentials as a header") as caught:
        calibrate_prometheus("http://me:hunter2@127.0.0.1:9090")
    assert "hunter2" not in str(caught.value)


def test_durations_are_those_of_prometheus():
    durations = {
        "24h": 86_400,
        "90s": 90,
        "1h30m": 5_400,
        "7d": 604_800,
        "250ms": 0.25,
        "1w": 604_800,
    }
    assert {text: parse_duration_s(text) for text in durations} == durations
    for text in ("", "24", "h", "1h 30m", "-1h", "0s", "1y"):
        with pytest.raises(InvalidInputError):
            parse_duration_s(text)


@pytest.mark.parametrize(
    ("begin", "drip"),
    [
        (b"HTTP/1.1 200 O", b"K"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1", b";"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
    ],
)
def test_the_deadline_is_of_the_whole_exchange(begin, drip):
    import socket
    import threading
    import time

    server = socket.create_server(("127.0.0.1", 0))
    end = threading.Event()

    def serve():
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(begin)
            while not end.wait(0.05):
                connection.sendall(drip)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    before = time.monotonic()
    try:
        with pytest.raises(DemandServerError, match="does not answer within"):
            calibrate_prometheus(f"http://127.0.0.1:{server.getsockname()[1]}", timeout_s=0.4)
        assert time.monotonic() - before < 10.0
        # The connection is cut, not left to a thread that reads for ever.
        thread.join(10.0)
        assert not thread.is_alive()
    finally:
        end.set()
        server.close()
