"""What a study's figures depend on: settings, versions, machine, date."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servemix._core import __version__

if TYPE_CHECKING:
    from servemix.experiments.study import Study

__all__ = ["record_of"]

#: Libraries whose version can change a figure.
_LIBRARIES = ("servemix", "numpy", "mip", "highsbox", "cbcbox")


def record_of(study: Study, duration_s: float, num_resumed: int) -> dict[str, Any]:
    return {
        "study": study.name,
        "settings": dict(study.settings),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "duration_s": round(duration_s, 3),
        "num_cells": len(study.cells),
        "num_cells_kept_from_before": num_resumed,
        "versions": _versions(),
        "machine": {
            "platform": platform.platform(),
            "processor": _processor(),
            "num_cpus": os.cpu_count(),
        },
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "servemix": __version__}
    for name in _LIBRARIES:
        try:
            versions.setdefault(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            continue
    return versions


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
