"""The loop behind LiteLLM's proxy: engines are counted by deployment, and the proxy is replaced.

LiteLLM needs hundreds of megabytes and versions of its own, so ``.ci/peers`` installs it in an
environment of its own; any ``litellm`` on the path will do.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from processes import ask, free_ports, running, servemix_command, wait_until
from running_service import SCENARIO, Load, Service, prometheus_command

START_S = 3.0
KEY = {"authorization": "Bearer sk-test", "content-type": "application/json"}


def config(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "run" / "litellm" / "config.yaml").read_text())


def engines(folder: Path) -> set[str]:
    rows = config(folder)["model_list"]
    return {row["litellm_params"]["api_base"].split("/")[2] for row in rows}


@contextmanager
def proxy(litellm: str, folder: Path, port: int) -> Iterator[str]:
    """LiteLLM's proxy with the config as it is now."""
    path = folder / f"config-{port}.yaml"
    shutil.copy(folder / "run" / "litellm" / "config.yaml", path)
    log = folder / f"litellm-{port}.log"
    told = {"LITELLM_MASTER_KEY": "sk-test", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with log.open("ab") as file:
        process = subprocess.Popen(
            [litellm, "--config", str(path), "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, **told},
            stdout=file,
            stderr=file,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(
            lambda: ask(f"{url}/health/liveliness")[0] == 200 or process.poll() is not None,
            "the proxy is there",
            180.0,
            log,
        )
        assert process.poll() is None, log.read_text()[-4000:]
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def counted(addresses: set[str]) -> Counter[str]:
    """Requests that each engine has answered."""
    found: Counter[str] = Counter()
    for address in addresses:
        _, text = ask(f"http://{address}/metrics")
        values = re.findall(r"^vllm:request_success_total\{.*\} (\S+)$", text, re.MULTILINE)
        found[address] = int(sum(map(float, values)))
    return found


def send(url: str, name: str, requests: int) -> Counter[int]:
    """Send short requests; what statuses they get."""
    body = {"prompt": "word", "max_tokens": 1, "model": name}
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda _: ask(f"{url}/v1/completions", body, KEY)[0], range(requests))
        return Counter(answers)


def assert_weights_are_kept(folder: Path, url: str, requests: int) -> None:
    rows = [row for row in config(folder)["model_list"] if row["model_name"] == "chat"]
    weights = {
        row["litellm_params"]["api_base"].split("/")[2]: row["litellm_params"]["weight"]
        for row in rows
    }
    before = counted(engines(folder))
    assert send(url, "chat", requests) == {200: requests}
    seen = counted(engines(folder)) - before
    for address in engines(folder):
        planned = weights.get(address, 0.0) / sum(weights.values())
        # Four standard errors of a random choice.
        assert seen[address] / requests == pytest.approx(
            planned, abs=4.0 * (0.25 / requests) ** 0.5
        )


@pytest.mark.slow
@pytest.mark.nightly
def test_litellm_follows_the_plan(tmp_path: Path) -> None:
    litellm, prometheus = shutil.which("litellm"), shutil.which("prometheus")
    if litellm is None or prometheus is None:
        pytest.skip('litellm or prometheus is not installed (pip install "litellm[proxy]")')
    folder = tmp_path
    ports = free_ports(24)
    prometheus_port, loop_port = ports, ports + 1
    (folder / "scenario.yaml").write_text(SCENARIO)
    service = Service(folder, "")
    log = folder / "run.log"
    run = servemix_command(
        *("run", folder / "scenario.yaml", "-o", folder / "run", "--no-hold", "--to", "litellm"),
        *("--prometheus", f"http://127.0.0.1:{prometheus_port}"),
        *("--first-port", ports + 4, "--listen", f"127.0.0.1:{loop_port}"),
        *("--every", 1, "--replan-every", 4, "--window", 8),
        # LiteLLM sheds nothing.
        *("--counted-at", "gateway"),
        *("--forecast", "maximum", "--windows", 2, "--start", START_S, "--payback", 0.05),
    )
    follow = servemix_command("emulate", "--follow", folder / "run", "--start", START_S)

    def settled() -> bool:
        ready = {address for address, state in service.states().items() if state == "ready"}
        return engines(folder) == ready and len(ready) == sum(service.target().values())

    with running([*run, "--once"], folder / "once.log") as once:
        assert once.wait(timeout=60) == 0, (folder / "once.log").read_text()
    # Nothing is ready yet, so nothing may be asked.
    assert engines(folder) == set()
    with (
        running(follow, folder / "emulate.log"),
        running(
            prometheus_command(prometheus, folder, prometheus_port, loop_port),
            folder / "prometheus.log",
        ),
    ):
        with running(run, log) as loop:
            wait_until(settled, "the first engines are in the config", log=log)
            small = engines(folder)
            load = Load("", headers=KEY)
            with proxy(litellm, folder, ports + 2) as url:
                load.url = url
                generator = threading.Thread(target=load.run)
                generator.start()
                try:
                    time.sleep(10.0)
                    doubled_s, load.factor = time.time(), 2.0
                    wait_until(
                        lambda: len(engines(folder)) > len(small) and settled(),
                        "the plan grows",
                        120.0,
                        log,
                    )
                    # Now, as the proxy does not know what the loop does from here on.
                    loop.send_signal(signal.SIGTERM)
                    assert loop.wait(timeout=30) == 0
                finally:
                    load.end()
                    generator.join()
        grown = engines(folder)
        # What comes after waits for engines that this proxy does not know.
        before = Counter(status for sent, _, status, _ in load.done if sent < doubled_s - 2.0)
        print(f"{len(small)} to {len(grown)} engines, {len(load.done)} requests, first {before}")
        assert before[200] >= 0.95 * sum(before.values()) > 0, before
        # Engines count by deployment, which is as good a name as that of a query type.
        assert "no query type" not in log.read_text()
        assert len(grown) > len(small)
        with proxy(litellm, folder, ports + 3) as url:
            assert_weights_are_kept(folder, url, 1000)
            # An engine is lost: LiteLLM tries others until the loop's next config leaves it out.
            lost = min(grown)
            assert ask(f"http://{lost}/emulate/lose", {})[0] == 200
            assert send(url, "chat", 30) == {200: 30}
    said = "".join(path.read_text() for path in folder.glob("*.log") if "litellm" not in path.name)
    assert "Traceback" not in said
