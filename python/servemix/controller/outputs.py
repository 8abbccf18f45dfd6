"""What the loop writes: plans, replicas, the files of gateways, and its own state."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from servemix._errors import InvalidInputError
from servemix._files import write_whole
from servemix.controller.engines import Replica
from servemix.export.folder import left_over, write_files
from servemix.export.manifests import ExportOptions
from servemix.export.named import NamedPlan
from servemix.export.registry import render_function

__all__ = ["State", "Writer", "only_loop", "read_replicas", "read_state"]

_COMMAND_S = 60.0
STATE_FILE = "state.json"
REPLICAS_FILE = "replicas.json"
LOCK_FILE = ".lock"


class _Replicas(msgspec.Struct):
    replicas: list[Replica]


class State(msgspec.Struct):
    """What a restart resumes from.

    Attributes
    ----------
    format, problem
        Version of the file, and name of the problem.
    target
        The plan to move to, a servemix-plan/2 file.
    demand
        As of `DemandWindow.to_data`.
    planned_s
        Unix time at which deployments were chosen last.
    configurations
        Index of the configuration of each deployment that was ever wanted.
    replicas
        As of `Engines`.
    """

    format: str
    problem: str
    target: msgspec.Raw
    demand: dict[str, Any]
    planned_s: float
    configurations: dict[str, int]
    replicas: list[Replica]


@contextmanager
def only_loop(folder: Path | None) -> Iterator[None]:
    """Keep other loops out of a folder; None, and a system without such locks, keep nobody out.

    Raises
    ------
    InvalidInputError
        Another loop has it.
    """
    try:
        import fcntl
    except ImportError:
        folder = None
    if folder is None:
        yield
        return
    with (folder / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInputError(
                f"{folder}: another servemix run works in this folder; give each one its own"
            ) from None
        yield


def read_state(folder: Path, problem: str) -> State | None:
    """Read the state of before a restart; None if there is none.

    Raises
    ------
    InvalidInputError
        The file is not one of these, or of another problem.
    """
    path = folder / STATE_FILE
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidInputError(f"{path}: {error}; delete it to start afresh") from None
    if state.format != "servemix-run/1" or state.problem != problem:
        raise InvalidInputError(
            f"{path}: is the state of {state.problem!r} ({state.format}); use another folder, or "
            "delete it to start afresh"
        )
    return state


def read_replicas(folder: Path) -> list[Replica]:
    """Read the replicas that a loop wants.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidInputError
        It is not one of these.
    """
    path = folder / REPLICAS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Replicas).replicas
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidInputError(f"{path}: {error}") from None


@dataclass(frozen=True)
class Writer:
    """Writes into one folder, each file whole or not at all.

    Attributes
    ----------
    folder
        The folder; None writes nothing.
    targets
        Export targets, each in a folder of its own.
    options
        Options of the exports.
    command
        What is run when the files have changed; None for nothing.
    """

    folder: Path | None
    targets: Sequence[str] = ()
    options: ExportOptions = field(default_factory=ExportOptions)
    command: str | None = None

    def state(self, state: State) -> None:
        """Write the state."""
        if self.folder is not None:
            write_whole(self.folder / STATE_FILE, msgspec.json.encode(state))

    def plans(
        self,
        in_force: NamedPlan,
        texts: Mapping[str, Callable[[], str]],
        replicas: Sequence[Replica],
        addresses: Mapping[str, Sequence[str]] | None,
    ) -> None:
        """Write the plan in force, other files by name, the replicas, and the exports."""
        if self.folder is None:
            return
        for name, text in texts.items():
            write_whole(self.folder / name, text())
        rows = msgspec.json.encode(_Replicas(list(replicas)))
        write_whole(self.folder / REPLICAS_FILE, msgspec.json.format(rows, indent=2))
        # What Prometheus reads to find the engines (file_sd_configs).
        served = [
            {"targets": [row.address], "labels": {"deployment": row.deployment}} for row in replicas
        ]
        write_whole(self.folder / "prometheus-targets.json", msgspec.json.encode(served))
        options = replace(self.options, engine_addresses=addresses)
        for target in self.targets:
            made = render_function(target)(in_force, options)
            write_files(made, self.folder / target)
            for path in left_over(made, self.folder / target):
                path.unlink(missing_ok=True)

    def run_command(self) -> str | None:
        """Run the command; returns what went wrong, or None."""
        if self.command is None or self.folder is None:
            return None
        try:
            done = subprocess.run(
                shlex.split(self.command),
                capture_output=True,
                text=True,
                timeout=_COMMAND_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode == 0:
            return None
        return f"ends with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}"
