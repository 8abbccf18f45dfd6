"""Batch limits are read from what other rows of a run measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from servemix.performance.batch_limits import batch_limits
from servemix.performance.measurements import Measurement


def row(running: float, *, clients: int = 512, tpot_s: float = 0.01, **changes: Any) -> Measurement:
    """A closed loop in which some of the clients decode at any time."""
    decoding_s = 999 * tpot_s
    settings: dict[str, Any] = {
        "kind": "serving", "model": "gpt-oss-120b", "gpu": "H100-80GB SXM", "precision": "mxfp4",
        "engine": "vllm", "concurrency": clients, "prompt_tokens": 1000.0, "output_tokens": 1000.0,
        "ttft_s": decoding_s * (clients / running - 1.0), "tpot_s": tpot_s,
    }  # fmt: skip
    return Measurement(**settings | changes)


def limits(rows: Sequence[Measurement]) -> list[float]:
    return batch_limits(rows).tolist()


def test_a_run_in_which_most_clients_wait_everywhere_has_a_limit() -> None:
    found = limits([row(90), row(100, tp=4), row(110, tp=8)])
    assert found == pytest.approx([105, 100, 95])


def test_a_row_says_nothing_of_its_own_limit() -> None:
    rows = [row(90), row(100), row(110)]
    assert limits(rows)[0] == limits([row(10), *rows[1:]])[0]


def test_one_row_without_a_queue_shows_that_the_engine_takes_more() -> None:
    assert np.isinf(limits([row(90), row(100), row(110), row(500)])[:3]).all()


def test_few_rows_and_other_runs_show_nothing() -> None:
    assert np.isinf(limits([row(90), row(100)])).all()
    assert np.isinf(limits([row(90), row(30, clients=64), row(20, clients=32)])).all()


def whole_answer(output_tokens: float, *, clients: int = 8, **changes: Any) -> Measurement:
    """One of the clients waits for the whole answer of another before it gets its own."""
    decoding_s = (output_tokens - 1.0) * 0.01
    settings: dict[str, Any] = {
        "ttft_s": 0.1 + decoding_s / (clients - 1),
        "output_tokens": output_tokens, "clients": clients,
    }  # fmt: skip
    return row(clients, **settings | changes)


def test_a_wait_that_grows_with_the_answer_shows_a_missing_slot() -> None:
    rows = [whole_answer(f, tp=tp) for tp in (1, 2, 4) for f in (100.0, 200.0, 400.0)]
    assert limits(rows) == pytest.approx([7.0] * 9)
    odd = [whole_answer(100.0, ttft_s=99.0), *rows[1:]]
    assert limits(odd)[0] == pytest.approx(7.0)


def test_waits_that_do_not_grow_or_in_few_rows_show_nothing() -> None:
    flat = [whole_answer(f, tp=tp, ttft_s=0.5) for tp in (1, 2, 4) for f in (100.0, 200.0, 400.0)]
    assert np.isinf(limits(flat)).all()
    assert np.isinf(limits([whole_answer(f) for f in (100.0, 200.0, 400.0)])).all()
