"""Ask the package aiconfigurator for points, where it is installed.

aiconfigurator (Apache-2.0) ships measured tables of NVIDIA GPUs. It is requested each point by its
own interface, ``aiconfigurator.cli.api.cli_estimate``: milliseconds for a batch on one replica.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from servemix._errors import InvalidInputError, MissingExtraError
from servemix.performance.profile.cells import positive
from servemix.performance.profile.records import Deployment, Place, Point, Profile

#: What aiconfigurator calls the GPUs, precisions and models of the catalog.
SYSTEMS = {
    "A100-80GB SXM": "a100_sxm",
    "H100-80GB SXM": "h100_sxm",
    "H200-141GB SXM": "h200_sxm",
    "B200-180GB SXM": "b200_sxm",
    "L40S": "l40s",
    "L4": "l4",
}
GEMM_MODES = {"bf16": "bfloat16", "fp8": "fp8"}
MODEL_PATHS = {
    "Llama-3.1-8B": "meta-llama/Meta-Llama-3.1-8B",
    "Llama-3.1-70B": "meta-llama/Meta-Llama-3.1-70B",
    "Llama-3.1-405B": "meta-llama/Meta-Llama-3.1-405B",
    "Qwen3-32B": "Qwen/Qwen3-32B",
}
ENGINES = ("vllm", "trtllm", "sglang")


def ask_aiconfigurator(places: Iterable[Place], engine: str = "vllm") -> Profile:
    """Ask for points.

    Parameters
    ----------
    places
        Where each point is to be, a batch of one replica. What aiconfigurator does not know is left
        out, with a warning per deployment.
    engine
        One of :data:`ENGINES`.

    Raises
    ------
    MissingExtraError
        The package is not installed.
    InvalidInputError
        It does not know the engine, or gave a figure that is not above 0.
    """
    estimate = _interface()
    if engine not in ENGINES:
        raise InvalidInputError(
            f"aiconfigurator does not know the engine {engine!r}; it knows {', '.join(ENGINES)}"
        )
    points: list[Point] = []
    unknown: dict[tuple[Deployment, int], str] = {}
    # Left to itself it looks for the newest version again for each point, which takes seconds.
    versions: dict[str, str | None] = {}
    for place in places:
        deployment, batch, prompt_tokens, output_tokens = place
        if (deployment, batch) in unknown:
            continue
        try:
            found = _ask(estimate, engine, place, versions.get(deployment.gpu))
        except _UnknownError as reason:
            unknown[deployment, batch] = str(reason)
            continue
        versions[deployment.gpu] = getattr(found, "backend_version", None)
        where = f"aiconfigurator: {deployment}, batch {batch}"
        points.append(
            Point(
                deployment=deployment,
                concurrency=float(batch),
                prompt_tokens=prompt_tokens,
                output_tokens=output_tokens,
                ttft_s=positive(found.ttft, f"{where}: ttft") * 1e-3,
                tpot_s=positive(found.tpot, f"{where}: tpot") * 1e-3,
                where=where,
            )
        )
    warnings = dict.fromkeys(f"aiconfigurator: {on}: {why}" for (on, _), why in unknown.items())
    return Profile(format="aiconfigurator", points=tuple(points), warnings=tuple(warnings))


class _UnknownError(Exception):
    """aiconfigurator has no figure for a deployment."""


def _interface() -> Any:
    try:
        return importlib.import_module("aiconfigurator.cli.api").cli_estimate
    except ModuleNotFoundError as error:
        if (error.name or "").split(".", maxsplit=1)[0] != "aiconfigurator":
            raise
        raise MissingExtraError(
            "aiconfigurator is not installed, and a profile from it was asked for: "
            "pip install aiconfigurator (Linux x86-64, Python 3.11 to 3.13)",
            name="aiconfigurator",
        ) from None


def _ask(estimate: Any, engine: str, place: Place, version: str | None) -> Any:
    deployment, batch, prompt_tokens, output_tokens = place
    names = (
        (SYSTEMS, deployment.gpu),
        (GEMM_MODES, deployment.precision),
        (MODEL_PATHS, deployment.model),
    )
    for table, name in names:
        if name not in table:
            raise _UnknownError(f"no name for {name} there")
    try:
        return estimate(
            MODEL_PATHS[deployment.model],
            SYSTEMS[deployment.gpu],
            mode="agg",
            backend_name=engine,
            backend_version=version,
            isl=round(prompt_tokens),
            osl=round(output_tokens),
            batch_size=batch,
            tp_size=deployment.tp,
            pp_size=deployment.pp,
            gemm_quant_mode=GEMM_MODES[deployment.precision],
        )
    except Exception as error:
        # Its errors for a missing table are of many kinds, and none is ours to let through.
        raise _UnknownError(f"{type(error).__name__}: {error}") from error
