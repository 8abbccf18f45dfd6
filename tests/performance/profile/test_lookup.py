"""Inside the measured points a figure is interpolated, outside it is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemix._errors import InvalidInputError
from servemix.performance.profile import Deployment, Point, ProfileTable

ON = Deployment(model="Llama-3.1-8B", gpu="H100-80GB SXM", precision="bf16")
OTHER = Deployment(model="Llama-3.1-8B", gpu="H100-80GB SXM", precision="bf16", tp=2)
PLACES = [(b, h, f) for b in (1.0, 8.0, 64.0) for h in (128.0, 1024.0) for f in (16.0, 256.0)]


def power_law(concurrency: float, prompt: float, output: float) -> float:
    return 0.01 * concurrency**0.3 * prompt**0.5 * output**0.9


def point(concurrency: float, prompt: float, output: float, **figures: float) -> Point:
    return Point(
        deployment=ON,
        concurrency=concurrency,
        prompt_tokens=prompt,
        output_tokens=output,
        where=f"({concurrency}, {prompt}, {output})",
        **figures,
    )


def table(*, extrapolate: bool = False) -> ProfileTable:
    points = [point(*place, latency_s=power_law(*place)) for place in PLACES]
    return ProfileTable(points, extrapolate=extrapolate)


def test_a_measured_point_is_returned_as_it_is() -> None:
    for place in PLACES:
        assert table().figures(ON, *place)["latency_s"] == pytest.approx(power_law(*place))


@given(st.floats(1, 64), st.floats(128, 1024), st.floats(16, 256))
def test_a_power_law_is_met_between_points(b: float, h: float, f: float) -> None:
    assert table().figures(ON, b, h, f)["latency_s"] == pytest.approx(power_law(b, h, f))


@given(st.floats(1, 64), st.floats(128, 1024), st.floats(16, 256))
def test_between_points_no_figure_leaves_their_range(b: float, h: float, f: float) -> None:
    uneven = ProfileTable(
        [point(*place, tpot_s=0.01 + 0.001 * (i % 5)) for i, place in enumerate(PLACES)]
    )
    assert 0.01 - 1e-12 <= uneven.figures(ON, b, h, f)["tpot_s"] <= 0.014 + 1e-12


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((65.0, 128.0, 16.0), "65 sequences at once lie outside the measured 1 to 64"),
        ((1.0, 2000.0, 16.0), "2000 prompt tokens lie outside the measured 128 to 1024"),
        ((1.0, 128.0, 4.0), "4 output tokens lie outside the measured 16 to 256"),
    ],
)
def test_outside_is_refused_unless_asked_for(
    place: tuple[float, float, float], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        table().figures(ON, *place)
    far = table(extrapolate=True).figures(ON, *place)["latency_s"]
    assert far == pytest.approx(power_law(*place))


def test_a_single_point_cannot_be_extrapolated() -> None:
    lonely = ProfileTable([point(8.0, 100.0, 10.0, tpot_s=0.01)], extrapolate=True)
    assert lonely.figures(ON, 8.0, 100.0, 10.0) == {"tpot_s": pytest.approx(0.01)}
    with pytest.raises(InvalidInputError, match="one point cannot be extrapolated"):
        lonely.figures(ON, 8.0, 200.0, 10.0)


def test_lines_of_a_table_may_have_their_own_concurrencies() -> None:
    ragged = ProfileTable(
        [
            point(b, h, 100.0, tpot_s=b * h * 1e-6)
            for h, batches in ((100.0, (4.0, 64.0)), (400.0, (8.0, 32.0)))
            for b in batches
        ]
    )
    assert ragged.figures(ON, 16.0, 200.0, 100.0)["tpot_s"] == pytest.approx(16 * 200 * 1e-6)
    with pytest.raises(InvalidInputError, match=r"64 sequences at once .* 8 to 32"):
        ragged.figures(ON, 64.0, 200.0, 100.0)


def test_a_table_without_concurrency_holds_for_every_batch_limit() -> None:
    any_batch = ProfileTable([point(0.0, 100.0, 10.0, requests_per_s=4.0)])
    assert any_batch.figures(ON, 7.0, 100.0, 10.0)["requests_per_s"] == pytest.approx(4.0)


def test_only_what_was_measured_is_known() -> None:
    assert ON in table()
    assert OTHER not in table()
    with pytest.raises(InvalidInputError, match=r"nothing was measured of .* TP2 PP1"):
        table().figures(OTHER, 1.0, 128.0, 16.0)


def test_points_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"tpot_s 0\.02 of the same place"):
        ProfileTable([point(1.0, 10.0, 10.0, tpot_s=0.01), point(1.0, 10.0, 10.0, tpot_s=0.02)])
    both = ProfileTable([point(1.0, 10.0, 10.0, tpot_s=0.01), point(1.0, 10.0, 10.0, ttft_s=0.1)])
    assert set(both.figures(ON, 1.0, 10.0, 10.0)) == {"tpot_s", "ttft_s"}
