"""Error rates are given, published, modelled or estimated; what is missing is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.catalog import published_retention
from servemix.performance import Reason, build_arrays
from servemix.performance.error_rates import ErrorRates, error_rates
from servemix.scenario import resolve
from small_scenarios import scenario

PAIRS = [(j, k) for j in range(2) for k in range(3)]
EIGHT, SEVENTY = 0, 1
FP16, INT4, L40S = 0, 1, 2


def rates(modelled: Any = None, query_type: Any = None, **changes: Any) -> ErrorRates:
    resolved = resolve(scenario(query_type={"error_slo": 0.5, **(query_type or {})}, **changes))
    return error_rates(resolved, PAIRS, modelled)


def test_one_number_holds_for_every_model_and_precision() -> None:
    assert (rates(query_type={"error": 0.07}).error == 0.07).all()


def test_numbers_per_model_and_precision_are_taken_under_any_name_of_the_precision() -> None:
    found = rates(
        query_type={
            "error": {"llama-3.1-8b": {"bf16": 0.1, "int4-w4a16": 0.2}, "llama-3.1-70b": 0.05}
        }
    )
    assert found.error[0, EIGHT].tolist() == [0.1, 0.2, 0.1]
    assert found.error[0, SEVENTY].tolist() == [0.05, 0.05, 0.05]


def test_published_scores_are_taken_with_their_warnings() -> None:
    found = rates(query_type={"benchmark": "GSM8K"})
    assert found.error[0, SEVENTY, FP16] == pytest.approx(0.049)
    assert found.error[0, SEVENTY, INT4] == pytest.approx(1 - 0.951 * 0.994)
    assert len(found.warnings) == len(set(found.warnings))
    assert any("OpenLLMv1" in warning for warning in found.warnings)


def test_a_model_of_the_same_shape_does_not_lend_its_scores() -> None:
    models = ["llama-3.1-8b", "meta-llama/Llama-3.3-70B-Instruct"]
    with pytest.raises(
        InvalidInputError, match=r"Llama-3\.3-70B-Instruct at bf16: no score on GSM8K"
    ):
        rates(query_type={"benchmark": "GSM8K"}, models=models)
    own = {"model": models[1], "benchmark": "GSM8K", "accuracy": 0.9, "precision": "bf16"}
    bf16 = [{"name": "h100", "precisions": ["fp16"]}]
    found = error_rates(
        resolve(
            scenario(
                query_type={"error_slo": 0.5, "benchmark": "GSM8K"},
                models=models,
                gpus=bf16,
                accuracy=[own],
            )
        ),
        [(0, FP16), (1, FP16)],
    )
    assert found.error[0, SEVENTY, FP16] == pytest.approx(0.1)


def test_what_is_given_goes_before_what_is_published() -> None:
    found = rates(query_type={"benchmark": "GSM8K", "error": {"llama-3.1-70b": 0.5}})
    assert found.error[0, SEVENTY].tolist() == [0.5, 0.5, 0.5]
    assert found.error[0, EIGHT, FP16] == pytest.approx(1 - 0.845)


def test_published_goes_before_modelled_and_modelled_before_nothing() -> None:
    modelled = np.full((2, 2, 3), 0.3)
    assert rates(modelled, {"benchmark": "GSM8K"}).error[0, SEVENTY, FP16] < 0.05
    assert (rates(modelled).error == 0.3).all()


def test_without_an_error_slo_an_unknown_error_does_not_matter() -> None:
    assert (error_rates(resolve(scenario()), PAIRS).error == 0).all()


#: Nothing is published of it at int8, and its scores on few tests.
THREE = {"models": ["llama-3.2-3b"], "gpus": [{"name": "h100", "precisions": ["bf16", "int8"]}]}


def three(missing_accuracy: str = "estimate", benchmark: str = "GSM8K", **changes: Any) -> Any:
    """Error rates of a model whose score at int8 is not published."""
    written = scenario(
        query_type={"error_slo": 0.5, "benchmark": benchmark},
        **{**THREE, "missing_accuracy": missing_accuracy, **changes},
    )
    return error_rates(resolve(written), [(0, 0), (0, 1)])


def test_missing_numbers_are_named_one_line_per_model_and_precision_the_remedy_first() -> None:
    with pytest.raises(InvalidInputError) as caught:
        three("refuse", "GSM8K")
    text = str(caught.value)
    assert text.startswith("error rates are not known: give scores under `accuracy` (`- {model:")
    assert "missing_accuracy: estimate" in text
    assert "missing_accuracy: no_route" in text
    assert text.endswith("llama-3.2-3b at int8: no score on GSM8K (query_types[0, 1])")
    with pytest.raises(InvalidInputError) as caught:
        rates(query_type={"error": {"llama-3.1-8b": 0.1}})
    need = "give the query type's `error`, or its `benchmark` (query_types[0, 1])"
    assert str(caught.value).splitlines()[1:] == [
        f"  llama-3.1-70b at bf16: {need}",
        f"  llama-3.1-70b at int4: {need}",
    ]


def test_a_missing_score_is_estimated_by_what_the_precision_keeps_elsewhere() -> None:
    found = three()
    kept = [0.958, 0.984, 0.988, 0.991, 0.993, 0.993, 0.997, 1.001, 1.003, 1.004, 1.015, 1.054]
    assert found.error[0, 0, 1] == pytest.approx(1 - (1 - found.error[0, 0, 0]) * np.median(kept))
    assert found.estimated.tolist() == [[[False, True]], [[False, True]]]
    (estimate,) = found.estimates
    assert (estimate.model, estimate.precision) == ("llama-3.2-3b", "int8")
    assert estimate.query_types == ("chat", "code")
    assert (estimate.retention.low, estimate.retention.high) == (0.958, 1.054)
    assert estimate.low[0] < estimate.error[0] < estimate.high[0]
    assert sum("ESTIMATED error of llama-3.2-3b at int8" in line for line in found.warnings) == 1


def test_an_estimate_starts_from_the_error_that_the_scenario_gives_at_16_bits() -> None:
    error = {"llama-3.2-3b": {"fp16": 0.2}}
    found = error_rates(
        resolve(scenario(query_type={"error_slo": 0.5, "error": error}, **THREE)), [(0, 0), (0, 1)]
    )
    assert found.error[0, 0, 0] == 0.2
    assert found.error[0, 0, 1] == pytest.approx(1 - 0.8 * found.estimates[0].retention.median)


def test_without_any_score_of_the_model_an_estimate_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no score on HumanEval"):
        three(benchmark="HumanEval")
    assert three("no_route", "HumanEval").missing.keys() == {
        (i, 0, k) for i in range(2) for k in range(2)
    }


def test_a_score_at_another_precision_stands_for_16_bits_over_what_that_one_keeps() -> None:
    own = {"model": "llama-3.2-3b", "precision": "fp8", "benchmark": "mine", "accuracy": 0.7}
    found = three(benchmark="mine", accuracy=[own])
    fp8, int8 = (published_retention(catalog.accuracy(), name) for name in ("fp8", "int8"))
    assert fp8 is not None
    assert int8 is not None
    assert found.error[0, 0, 0] == pytest.approx(1 - 0.7 / fp8.median)
    assert found.error[0, 0, 1] == pytest.approx(1 - 0.7 / fp8.median * int8.median)
    assert (found.error[np.isfinite(found.error)] >= 0).all()


def test_formats_of_the_same_bits_stand_in_for_each_other() -> None:
    for asked, neighbour in (("fp8-block", "fp8"), ("mxfp4", "nvfp4")):
        found = published_retention(catalog.accuracy(), asked)
        assert found is not None
        assert found.precision == neighbour
        assert found.low <= found.median <= found.high
    assert published_retention((), "int8") is None


def test_an_unknown_error_that_nothing_depends_on_is_marked_as_unknown() -> None:
    written = scenario(query_type={"benchmark": "HumanEval"}, **THREE)
    found = error_rates(resolve(written), [(0, 0), (0, 1)])
    assert (found.error == 0).all()
    assert found.unknown.all()
    assert not found.missing


def test_missing_numbers_leave_out_the_routes_where_the_scenario_says_so() -> None:
    written = scenario(
        query_type={"error_slo": 0.5, "benchmark": "GSM8K"},
        **{**THREE, "missing_accuracy": "no_route"},
    )
    arrays, screening = build_arrays(written)
    entry = screening.entry("code", "llama-3.2-3b", "h100-int8")
    assert entry is not None
    assert entry.reason is Reason.ERROR
    assert "Llama-3.2-3B at int8 on GSM8K" in entry.message
    assert not (arrays["configurations"]["tier"] == 1).any()
    assert np.isfinite(arrays["routes"]["error"]).all()


def test_scores_of_the_scenario_go_before_the_catalogs() -> None:
    own = {"model": "llama-3.1-8b", "precision": "fp16", "benchmark": "gsm8k", "accuracy": 0.9}
    found = rates(query_type={"benchmark": "GSM8K"}, accuracy=[own])
    assert found.error[0, EIGHT, FP16] == pytest.approx(0.1)
    assert found.error[0, EIGHT, INT4] == pytest.approx(1 - 0.9 * 0.989)


def test_a_model_of_ones_own_has_ones_own_scores() -> None:
    own = {"name": "tuned", "model": "llama-3.1-8b"}
    score = {"model": "tuned", "precision": "bf16", "benchmark": "mine", "accuracy": 0.8}
    found = error_rates(
        resolve(
            scenario(
                models=[own],
                gpus=["h100"],
                accuracy=[score],
                query_type={"benchmark": "mine", "error_slo": 0.3},
            )
        ),
        [(0, 0)],
    )
    assert found.error[0, 0, 0] == pytest.approx(0.2)


def test_several_methods_of_quantisation_are_told_apart_by_the_model() -> None:
    gpus = [{"name": "h100", "precisions": ["int4-w4a8"]}]
    query_type = {"benchmark": "MMLU", "error_slo": 0.9}
    plain: dict[str, Any] = {"models": ["llama-3.2-1b"], "gpus": gpus, "query_type": query_type}
    plain["missing_accuracy"] = "refuse"
    with pytest.raises(InvalidInputError, match="SpinQuant"):
        error_rates(resolve(scenario(**plain)), [(0, 0)])
    plain["models"] = [{"name": "llama-3.2-1b", "quantization": "SpinQuant"}]
    assert error_rates(resolve(scenario(**plain)), [(0, 0)]).error[0, 0, 0] == pytest.approx(0.527)
