"""What a problem rests on that nobody has checked or measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from servemix.catalog import Model, Tier
from servemix.performance.intervals import FigureIntervals, intervals_of_scenario
from servemix.performance.roofline import calibration_of, read_options
from servemix.scenario import ResolvedScenario

#: Peak rates by the format of arithmetic that they count for.
_RATES = {"bf16": "bf16_tflops", "fp8": "fp8_tflops", "int8": "int8_tops", "fp4": "fp4_tflops"}
#: Fields that are told to people and not computed with.
_TEXTS = ("interconnect",)


def caveats(resolved: ResolvedScenario) -> list[str]:
    """Say which numbers of a scenario are UNVERIFIED, and on which GPUs nothing was measured."""
    found = unverified_numbers(resolved.models, resolved.tiers)
    performance = resolved.scenario.performance
    if performance.model == "roofline":
        known = calibration_of(read_options(performance.options)).gpus
        names = [tier.gpu.name for tier in resolved.tiers if tier.gpu.compute_efficiency is None]
        unmeasured = [name for name in dict.fromkeys(names) if name not in known]
        if unmeasured:
            found.append(
                f"no measurements on {', '.join(unmeasured)}: predictions use default "
                "coefficients; expect errors as on unseen GPUs, or larger "
                "(docs/performance-models.md)"
            )
    return found


def intervals(resolved: ResolvedScenario) -> tuple[FigureIntervals, ...]:
    """Say how far the figures of a scenario's models and GPUs may be off (roofline)."""
    performance = resolved.scenario.performance
    if performance.model != "roofline":
        return ()
    return intervals_of_scenario(resolved, calibration_of(read_options(performance.options)))


def unverified_numbers(models: Iterable[Model], tiers: Sequence[Tier]) -> list[str]:
    """Say which numbers of models and tiers nobody has checked against their source.

    Of a GPU's peak rates those count in which one of its tiers computes.
    """
    found = [(model.name, model.unverified) for model in models if model.unverified]
    for gpu in dict.fromkeys(tier.gpu.name for tier in tiers):
        of_gpu = [tier for tier in tiers if tier.gpu.name == gpu]
        rates = {_RATES[tier.precision.compute] for tier in of_gpu}
        unused = {*_TEXTS, *(set(_RATES.values()) - rates)}
        names = tuple(name for name in of_gpu[0].gpu.unverified if name not in unused)
        if names:
            found.append((gpu, names))
    return [f"{name}: {', '.join(names)} UNVERIFIED in the catalog" for name, names in found]
