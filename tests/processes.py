"""Real processes on loopback, which tests start and always end."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def free_ports(count: int) -> int:
    """Find a port that is free, with the ones that follow it.

    Below those that systems give to outgoing connections, one of which may take a port meanwhile.
    """
    for _ in range(100):
        first = random.SystemRandom().randrange(12_000, 32_000 - count)
        if all(_is_free(first + n) for n in range(count)):
            return first
    raise OSError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def running(command: Sequence[object], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block runs; what it says goes to a file."""
    with log.open("ab") as file:
        process = subprocess.Popen([str(part) for part in command], stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)


def servemix_command(*arguments: object) -> list[str]:
    program = "import sys; from servemix.cli import main; sys.exit(main())"
    return [sys.executable, "-c", program, *map(str, arguments)]


def wait_until(
    holds: Callable[[], Any], what: str, timeout_s: float = 60.0, log: Path | None = None
) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    said = f"\n{log.read_text()[-4000:]}" if log is not None and log.exists() else ""
    raise AssertionError(f"not within {timeout_s:g} s: {what}{said}")


def ask(
    url: str, body: object = None, headers: dict[str, str] | None = None, timeout_s: float = 20.0
) -> tuple[int, str]:
    """GET, or POST where there is a body; status 0 where nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""
