"""The paper's synthetic model follows its formulas."""

from __future__ import annotations

import numpy as np
import pytest

from servemix._errors import InvalidInputError
from servemix.performance import build_arrays
from servemix.performance.capability import errors, service_curves
from servemix.performance.configurations import enumerate_configurations
from servemix.scenario import resolve
from small_scenarios import options, scenario


def curves_of(**changes: object):  # type: ignore[no-untyped-def]
    resolved = resolve(scenario(**options(**changes)))
    configurations, _ = enumerate_configurations(resolved)
    return configurations, service_curves(resolved, configurations)


def test_latency_per_token_is_base_times_multiplier_over_relative_flops() -> None:
    c, (chat, code) = curves_of(multiplier={"llama-3.1-8b": 1.5}, hop_s=0.002)
    one = (c.model == 0) & (c.tier == 0) & (c.tp == 1) & (c.pp == 1)
    assert chat.step_s(8, 1e4)[one] == pytest.approx(0.02 * 1.5 * 312 / 989)
    assert code.step_s(8, 1e4)[one] == pytest.approx(0.03 * 1.5 * 312 / 989)
    assert chat.prefill_s(1000)[one] == pytest.approx(10 * 0.02 * 1.5 * 312 / 989)


def test_tensor_parallelism_divides_with_a_share_of_communication_and_pipelines_add_hops() -> None:
    c, (chat, _) = curves_of(communication_share=0.2, hop_s=0.002)
    step_s = chat.step_s(8, 1e4)
    same = (c.model == 0) & (c.tier == 0) & (c.max_num_seqs == 8)
    one, four = (step_s[same & (c.tp == tp) & (c.pp == 1)][0] for tp in (1, 4))
    assert four == pytest.approx(one * 1.6 / 4)
    piped = step_s[same & (c.tp == 4) & (c.pp == 2)][0]
    assert piped == pytest.approx(four + 0.002)


def test_the_speed_of_a_precision_may_be_given() -> None:
    c, (chat, _) = curves_of(precision_speed={"int4": 4})
    step_s = chat.step_s(8, 1e4)
    same = (c.model == 0) & (c.tp == 1) & (c.pp == 1) & (c.max_num_seqs == 8)
    fp16, int4 = (step_s[same & (c.tier == k)][0] for k in (0, 1))
    assert int4 == pytest.approx(fp16 / 4)


def test_multiplier_is_by_default_the_size_of_the_model() -> None:
    c, (chat, _) = curves_of(hop_s=0)
    step_s = chat.step_s(8, 1e4)
    same = (c.tier == 1) & (c.tp == 1) & (c.pp == 1) & (c.max_num_seqs == 8)
    small, large = (step_s[same & (c.model == j)][0] for j in (0, 1))
    assert large / small == pytest.approx(70.6 / 8.03)


def test_error_is_base_over_capability_times_the_factor_of_the_precision() -> None:
    written = scenario(
        query_type={"error_slo": 0.9},
        **options(
            base_error={"chat": 0.04, "code": 0.8},
            capability={"llama-3.1-8b": 0.5, "llama-3.1-70b": 2.0},
        ),
    )
    found = errors(resolve(written))
    assert found[0, 0] == pytest.approx([0.08, 0.08 * 1.35, 0.08])
    assert found[0, 1] == pytest.approx([0.02, 0.02 * 1.35, 0.02])
    assert found[1, 0] == pytest.approx([1.0, 1.0, 1.0])
    assert build_arrays(written)[0]["routes"]["error"].max() == 1.0


def test_what_is_not_given_is_not_guessed() -> None:
    found = errors(resolve(scenario(**options(base_error={"chat": 0.1}))))
    assert np.isnan(found).all()
    with pytest.raises(
        InvalidInputError,
        match=r"give the query type's `error`, or its `benchmark` \(query_types\[0, 1\]\)",
    ):
        build_arrays(scenario(query_type={"error_slo": 0.9}, **options()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_s_per_token": {"chat": 0.1}}, r"options\.base_s_per_token\.code: is missing"),
        ({"capability": {"gpt": 1}}, r"options\.capability\.gpt: the scenario has no such model"),
        ({"base_error": {"talk": 1}}, r"options\.base_error\.talk: the scenario has no such query"),
        (
            {"precision_error": {"fp17": 1}},
            r"options\.precision_error\.fp17: 'fp17' is not a precis",
        ),
        ({"hop": 1}, r"performance\.options\.hop: unknown key; did you mean 'hop_s'\?"),
        ({"hop_s": -1}, r"performance\.options\.hop_s: expected a number >= 0"),
    ],
)
def test_options_are_checked_by_name(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        build_arrays(scenario(**options(**changes)))
