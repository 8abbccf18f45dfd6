"""Inside the measured points a figure is interpolated, outside it is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemix._errors import InvalidInputError
from servemix.performance.profile import Deployment, Point, ProfileTable
from servemix.performance.profile.lookup import NoRateError, OutsideError

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
        ((80.0, 128.0, 16.0), "80 sequences at once lie outside the measured 1 to 64"),
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


def test_lengths_within_a_few_per_cent_are_one_place() -> None:
    noisy = ProfileTable(
        [
            point(30.9, 999.0, 270.2, tpot_s=0.01),
            point(137.0, 999.0, 266.6, tpot_s=0.02),
            point(546.0, 999.0, 266.9, tpot_s=0.04),
        ]
    )
    assert noisy.figures(ON, 31.0, 1000.0, 268.0)["tpot_s"] == pytest.approx(0.01, rel=0.01)
    assert 0.01 < noisy.figures(ON, 64.0, 999.0, 268.0)["tpot_s"] < 0.02


@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=6), st.floats(0.0, 0.049))
def test_runs_of_one_place_are_averaged_with_their_spread(
    factors: list[float], wobble: float
) -> None:
    runs = [
        point(64.0, 1000.0 * (1.0 + wobble * (i % 2)), 200.0, requests_per_s=5.0 * factor)
        for i, factor in enumerate(factors)
    ]
    table = ProfileTable(runs)
    mean = 5.0 * sum(factors) / len(factors)
    assert table.figures(ON, 64.0, 1000.0, 200.0)["requests_per_s"] == pytest.approx(mean)
    (spread,) = table.spreads
    widest = max(abs(5.0 * factor / mean - 1.0) for factor in factors)
    assert (spread.runs, spread.share) == (len(factors), pytest.approx(widest))


def test_between_lengths_on_no_common_line_the_places_around_are_taken() -> None:
    diagonal = ProfileTable(
        [point(8.0, h, f, latency_s=power_law(8.0, h, f)) for h, f in ((512, 256), (4096, 512))]
    )
    between = diagonal.figures(ON, 8.0, 1448.0, 362.0)["latency_s"]
    assert between == pytest.approx(power_law(8.0, 1448.0, 362.0), rel=0.01)
    corners = [(512.0, 256.0), (4096.0, 512.0), (1024.0, 1024.0)]
    triangle = ProfileTable([point(8.0, h, f, latency_s=power_law(8.0, h, f)) for h, f in corners])
    inside = triangle.figures(ON, 8.0, 1200.0, 500.0)["latency_s"]
    assert inside == pytest.approx(power_law(8.0, 1200.0, 500.0))
    with pytest.raises(OutsideError):
        triangle.figures(ON, 8.0, 400.0, 1000.0)


def test_somewhat_fewer_sequences_are_not_slower() -> None:
    one = ProfileTable([point(10.0, 100.0, 100.0, latency_s=2.0, requests_per_s=5.0)])
    assert one.figures(ON, 9.0, 100.0, 100.0) == {
        "latency_s": pytest.approx(2.0),
        "requests_per_s": pytest.approx(4.5),
    }
    with pytest.raises(OutsideError, match="7 sequences at once"):
        one.figures(ON, 7.0, 100.0, 100.0)


def test_beside_a_place_without_a_rate_there_is_none() -> None:
    no_rate = Point(
        deployment=ON, concurrency=0.0, prompt_tokens=100.0, output_tokens=512.0, no_rate=True
    )
    table = ProfileTable([point(0.0, 100.0, 256.0, requests_per_s=3.0), no_rate])
    assert table.figures(ON, 8.0, 100.0, 256.0) == {"requests_per_s": pytest.approx(3.0)}
    for tokens in (300.0, 512.0):
        with pytest.raises(NoRateError, match="no rate meets the SLO at 100 prompt and 512 output"):
            table.figures(ON, 8.0, 100.0, tokens)
