"""What nobody has checked or measured is told with every problem that rests on it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from servemix import catalog
from servemix.catalog import Tier
from servemix.performance import build_problem
from servemix.performance.caveats import unverified_numbers
from small_scenarios import scenario


def tier(gpu: str, precision: str) -> Tier:
    found = catalog.precision(precision)
    return Tier(name=gpu, gpu=catalog.gpu(gpu), precision=found, usd_per_h=1.0)


def test_unverified_numbers_are_named() -> None:
    llama = catalog.model("codellama-34b")
    of_model, of_gpu = unverified_numbers([llama], [tier("a10g", "bf16"), tier("h100", "bf16")])
    assert of_model.startswith(f"{llama.name}: layers")
    assert "A10G: bf16_tflops, memory_gb_per_s UNVERIFIED" in of_gpu


@pytest.mark.parametrize(("precision", "told"), [("fp8", "fp8_tflops"), ("int8", "int8_tops")])
def test_only_the_rates_that_count_are_named(precision: str, told: str) -> None:
    (found,) = unverified_numbers([], [tier("mi300x", precision)])
    assert told in found
    assert found.count("_t") == 1


def test_text_that_is_not_computed_with_is_not_named() -> None:
    assert unverified_numbers([], [tier("rtx 4090", "bf16")]) == []


def test_the_screening_says_what_nothing_was_measured_on(tmp_path: Path) -> None:
    _, screening = build_problem(scenario(performance={"model": "roofline"}))
    assert any("no measurements on L40S:" in warning for warning in screening.warnings)
    assert not any("H100" in warning for warning in screening.warnings)
    own = msgspec.structs.replace(catalog.calibration(), gpus={"L40S": {}, "H100-80GB SXM": {}})
    path = tmp_path / "mine.json"
    path.write_bytes(msgspec.json.encode(own))
    written = {"model": "roofline", "options": {"calibration": str(path)}}
    _, screening = build_problem(scenario(performance=written))
    assert not any("measured" in warning for warning in screening.warnings)


def test_other_models_are_not_told_of_the_rooflines_calibration() -> None:
    _, screening = build_problem(scenario())
    assert not any("measured" in warning for warning in screening.warnings)
