"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No deadlines: how long an example takes says more about the machine. `--hypothesis-profile=fixed`:
# the same examples in every run.
settings.register_profile("drawn", deadline=None)
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("drawn")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the shared data, beside the checkout or where SERVEMIX_SHARED says."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("SERVEMIX_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set SERVEMIX_SHARED")
    return folder
