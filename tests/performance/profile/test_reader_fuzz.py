"""Whatever a file holds, a reader answers with a profile or an InvalidInputError."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import profile_samples as samples
from servemix._errors import InvalidInputError
from servemix.performance.measurements import parse_rows
from servemix.performance.profile import Assume, Profile, known_formats, read_profile

ASSUME = Assume(
    model="llama-3.1-8b",
    gpu="h100",
    precision="bf16",
    prompt_sizes=(25.0, 250.0, 2000.0),
    output_sizes=(50.0, 500.0),
)
#: One file is written anew by every example.
FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CONTENTS = [
    samples.VLLM_BENCH,
    samples.MELANGE,
    samples.AIBRIX,
    samples.INFERNO_SYSTEM,
    samples.PLANNER,
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**12),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
)
WILD = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


def read(folder: Path, text: str, format: str | None) -> Profile | None:
    path = folder / "fuzz"
    path.write_text(text, encoding="utf-8")
    try:
        return read_profile(path, format, ASSUME)
    except InvalidInputError as error:
        # what is wrong is told with the file's name
        if "fuzz" not in str(error):
            raise AssertionError(f"no file in: {error}") from error
        return None


def places(content: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a nested structure."""
    found = [at] if at else []
    if isinstance(content, dict):
        found += [p for key, value in content.items() for p in places(value, (*at, key))]
    elif isinstance(content, list):
        found += [p for i, value in enumerate(content) for p in places(value, (*at, i))]
    return found


@settings(FUZZ, max_examples=300)
@given(st.data())
def test_one_entry_changed(tmp_path: Path, data: st.DataObject) -> None:
    content = copy.deepcopy(data.draw(st.sampled_from(CONTENTS)))
    path = data.draw(st.sampled_from(places(content)))
    at = content
    for key in path[:-1]:
        at = at[key]
    if data.draw(st.booleans()):
        at[path[-1]] = data.draw(WILD)
    else:
        del at[path[-1]]
    profile = read(tmp_path, json.dumps(content), None)
    for point in profile.points if profile else ():
        figures = (point.ttft_s, point.tpot_s, point.latency_s, point.requests_per_s)
        assert all(math.isfinite(figure) and figure >= 0.0 for figure in figures)
        assert (max(figures) > 0.0) is not point.no_rate
        assert point.prompt_tokens > 0.0


@settings(FUZZ, max_examples=150)
@given(WILD, st.sampled_from([None, *known_formats()]))
def test_anything_at_all(tmp_path: Path, content: Any, format: str | None) -> None:
    read(tmp_path, json.dumps(content), format)


@settings(FUZZ, max_examples=200)
@given(st.data())
def test_csv_with_characters_changed(tmp_path: Path, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([samples.OWN, samples.AICONFIGURATOR]))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 12, len(text))))
    alphabet = st.characters(codec="utf-8")
    new = data.draw(st.text(alphabet, max_size=6))
    read(tmp_path, text[:start] + new + text[end:], None)


@given(st.dictionaries(st.sampled_from(["kind", "model", "gpu", "isl", "tp", "config", "x"]), WILD))
def test_rows_of_measurements(row: dict[str, Any]) -> None:
    good = {
        "model": "llama-3.1-8b",
        "gpu": "h100",
        "engine": "vllm",
        "precision": "bf16",
        "concurrency": 1,
        "isl": 100,
        "tpot_ms": 5.0,
    }
    try:
        found = parse_rows([{**good, **row}])
    except InvalidInputError:
        return
    assert len(found.rows) == 1
