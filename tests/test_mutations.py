"""Whatever is in a file, a reader reads it or raises what it documents."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

pytest.importorskip("polars")
pytest.importorskip("httpx")

from mutations import DOCUMENTED, READERS, mutated


@pytest.mark.parametrize("reader", READERS)
def test_every_sample_is_read_by_its_reader(reader: str, tmp_path: Path) -> None:
    ending, contents, read = READERS[reader]
    assert contents
    good = 0
    for content in contents:
        path = tmp_path / f"sample{ending}"
        path.write_bytes(content)
        with contextlib.suppress(*DOCUMENTED):
            read(path)
            good += 1
    assert good


@pytest.mark.parametrize("reader", READERS)
def test_a_broken_file_is_a_documented_error(reader: str, tmp_path: Path) -> None:
    ending, contents, read = READERS[reader]
    for seed in range(60):
        draw = random.Random(f"{reader} {seed}")
        path = tmp_path / f"broken{ending}"
        path.write_bytes(mutated(draw.choice(contents), draw))
        with contextlib.suppress(*DOCUMENTED):
            read(path)
