"""Error rates are given, published or modelled; what is missing is named and never guessed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from servemix._errors import InvalidInputError
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
    with pytest.raises(InvalidInputError, match=r"no score of Llama-3\.3-70B at bf16 on GSM8K"):
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


def test_missing_numbers_are_all_named() -> None:
    fp8 = [{"name": "h100", "precisions": ["fp16", "fp8", "int4"]}]
    with pytest.raises(InvalidInputError) as caught:
        rates(query_type={"benchmark": "HumanEval"}, gpus=fp8)
    text = str(caught.value)
    assert text.count("query_types[0, 1].error: accuracy of Llama-3.1-8B at fp8 on HumanEval") == 1
    assert "missing_accuracy: no_route" in text
    with pytest.raises(
        InvalidInputError, match=r"no error rate of llama-3\.1-70b at bf16 is given"
    ):
        rates(query_type={"error": {"llama-3.1-8b": 0.1}})


def test_missing_numbers_leave_out_the_routes_where_the_scenario_says_so() -> None:
    written = scenario(
        query_type={"error_slo": 0.3, "benchmark": "HumanEval"},
        gpus=[{"name": "h100", "precisions": ["fp16", "fp8"]}],
        missing_accuracy="no_route",
    )
    arrays, screening = build_arrays(written)
    entry = screening.entry("code", "llama-3.1-8b", "h100-fp8")
    assert entry is not None
    assert entry.reason is Reason.ERROR
    assert "Llama-3.1-8B at fp8 on HumanEval" in entry.message
    c = arrays["configurations"]
    assert not ((c["model"] == EIGHT) & (c["tier"] == 1)).any()
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
    plain = {"models": ["llama-3.2-1b"], "gpus": gpus, "query_type": {"benchmark": "MMLU"}}
    with pytest.raises(InvalidInputError, match="SpinQuant"):
        error_rates(resolve(scenario(**plain)), [(0, 0)])
    plain["models"] = [{"name": "llama-3.2-1b", "quantization": "SpinQuant"}]
    assert error_rates(resolve(scenario(**plain)), [(0, 0)]).error[0, 0, 0] == pytest.approx(0.527)
