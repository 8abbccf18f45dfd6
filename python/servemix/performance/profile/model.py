"""The performance model ``profile``: a measurement where there is one, the roofline elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from servemix._errors import InvalidInputError
from servemix.performance.profile.lookup import ProfileTable
from servemix.performance.profile.reading import read_profile
from servemix.performance.profile.records import (
    Assume,
    Coefficients,
    Deployment,
    Place,
    Point,
    Profile,
    place_of,
)
from servemix.performance.roofline import RooflineOptions, configuration_curve
from servemix.performance.service_curve import ServiceCurve, Tokens

if TYPE_CHECKING:
    from servemix.performance.configurations import Configurations
    from servemix.scenario import QueryType, ResolvedScenario, Scenario

Floats = npt.NDArray[np.float64]

#: In place of a path: ask the package.
AICONFIGURATOR = "aiconfigurator"


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of measurements.

    Attributes
    ----------
    path
        The file; ``aiconfigurator`` asks the package of that name instead.
    format
        Its format; None finds out.
    assume
        What it leaves out.
    """

    path: str
    format: str | None = None
    assume: Assume = Assume()


class ProfileOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the model, as written under ``performance.options``.

    Attributes
    ----------
    files
        Files of measurements.
    extrapolate
        Whether figures beyond the measured points are wanted; an error otherwise.
    roofline
        Settings of the model for what was not measured at all.
    """

    files: tuple[Source, ...]
    extrapolate: bool = False
    roofline: RooflineOptions = RooflineOptions()


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredCurve(ServiceCurve):
    """A service curve of one query type, with measured figures in place of modelled ones.

    Attributes
    ----------
    measured_ttft_s, measured_tpot_s, measured_latency_s, measured_busy_s
        Figures of the query type, columns of shape ``(A,)``; 0 where nothing was measured.
    """

    measured_ttft_s: Floats
    measured_tpot_s: Floats
    measured_latency_s: Floats
    measured_busy_s: Floats

    def ttft_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Time to the first token, as measured where it was, s."""
        return _or(self.measured_ttft_s, super().ttft_s(prompt_tokens, output_tokens))

    def tpot_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Time per output token, as measured where it was, s."""
        return _or(self.measured_tpot_s, super().tpot_s(prompt_tokens, output_tokens))

    def latency_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """End-to-end latency, as measured where it was, s."""
        return _or(self.measured_latency_s, super().latency_s(prompt_tokens, output_tokens))

    def busy_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Time that a request takes of a replica, as measured where it was, replica·s."""
        return _or(self.measured_busy_s, super().busy_s(prompt_tokens, output_tokens))

    def kv_gb_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """KV cache times holding time, GB·s; no more than what the measured rate leaves room for.

        A measured latency may include a wait for memory, in which a request holds none of it.
        """
        modelled = super().kv_gb_s(prompt_tokens, output_tokens)
        most = np.where(self.measured_busy_s > 0.0, self.measured_busy_s * self.kv_cache_gb, np.inf)
        return np.asarray(np.minimum(modelled, most))


class MeasuredCurves(tuple[MeasuredCurve, ...]):
    """Service curves by query type, with what a reader must know before relying on them.

    Attributes
    ----------
    warnings
        As the profiles gave them.
    """

    warnings: tuple[str, ...] = ()


def _or(measured: Floats, modelled: Floats) -> Floats:
    return np.where(measured > 0.0, measured, modelled)


def service_curves(resolved: ResolvedScenario, configurations: Configurations) -> MeasuredCurves:
    """Return one list of service curves per query type.

    Raises
    ------
    InvalidInputError
        An option or a file is not valid, or a query type lies outside what was measured of a
        configuration and extrapolation was not asked for.
    """
    options = _options(resolved.scenario.performance.options)
    deployments = _deployments(configurations)
    base = configuration_curve(configurations, options.roofline)
    read = [
        read_profile(file.path, file.format, file.assume)
        for file in options.files
        if file.path != AICONFIGURATOR
    ]
    table = ProfileTable(
        (point for profile in read for point in profile.points), extrapolate=options.extrapolate
    )
    fitted = {row.deployment: row for profile in read for row in profile.coefficients}
    base = _with_coefficients(base, deployments, fitted)
    asked: dict[Place, Point] = {}
    if any(file.path == AICONFIGURATOR for file in options.files):
        answers = _asked(resolved.scenario.query_types, base, deployments, table, options)
        asked = {place_of(point): point for point in answers.points}
        read.append(answers)
    curves = MeasuredCurves(
        _measured(base, deployments, table, asked, query_type)
        for query_type in resolved.scenario.query_types
    )
    curves.warnings = tuple(warning for profile in read for warning in profile.warnings)
    return curves


def _asked(
    query_types: Sequence[QueryType],
    base: ServiceCurve,
    deployments: list[Deployment],
    table: ProfileTable,
    options: ProfileOptions,
) -> Profile:
    """Ask aiconfigurator for the point of every route that fits and that no file measured."""
    from servemix.performance.profile.aiconfigurator import ask_aiconfigurator

    places: dict[Place, None] = {}
    for entry in query_types:
        h, f = float(entry.input_tokens), float(entry.output_tokens)
        reached = base.batch(h, f) * base.pp
        for a in np.flatnonzero(base.fits(h, f)).tolist():
            if deployments[a] not in table:
                places[deployments[a], int(reached[a]), h, f] = None
    return ask_aiconfigurator(places, options.roofline.engine or "vllm")


def with_profiles(scenario: Scenario, paths: Sequence[str]) -> Scenario:
    """Return a scenario whose performance comes from profiles before its own model.

    Parameters
    ----------
    scenario
        One with the performance model ``roofline`` or ``profile``.
    paths
        Files, or ``aiconfigurator`` to ask that package.

    Raises
    ------
    InvalidInputError
        The scenario has another performance model.
    """
    from servemix.scenario.entries import Performance

    written = scenario.performance
    if written.model not in ("roofline", "profile"):
        raise InvalidInputError(
            f"performance.model: a profile cannot be put before {written.model!r}"
        )
    options: dict[str, Any] = (
        dict(written.options) if written.model == "profile" else {"roofline": dict(written.options)}
    )
    files = [*options.get("files", ()), *({"path": path} for path in paths)]
    performance = Performance(model="profile", options={**options, "files": files})
    return msgspec.structs.replace(scenario, performance=performance)


def _deployments(c: Configurations) -> list[Deployment]:
    return [
        Deployment(
            model=c.models[model].name,
            gpu=c.tiers[tier].gpu.name,
            precision=c.tiers[tier].precision.name,
            tp=tp,
            pp=pp,
        )
        for model, tier, tp, pp in zip(
            c.model.tolist(), c.tier.tolist(), c.tp.tolist(), c.pp.tolist(), strict=True
        )
    ]


def _with_coefficients(
    base: ServiceCurve, deployments: list[Deployment], fitted: Mapping[Deployment, Coefficients]
) -> ServiceCurve:
    """Put a file's coefficients where it has them, up to the batch that they hold for."""
    names = [f.name for f in fields(base) if f.name.endswith("_s")]
    columns = {name: getattr(base, name).copy() for name in names}
    for a, deployment in enumerate(deployments):
        row = fitted.get(deployment)
        batch = int(base.max_num_seqs[a])
        if row is None or batch > row.max_batch_size:
            continue
        columns["prefill_fixed_s"][a] = row.prefill_fixed_s
        columns["prefill_per_token_s"][a] = row.prefill_per_token_s
        columns["prefill_per_token2_s"][a] = 0.0
        columns["weights_s"][a] = columns["experts_s"][a] = 0.0
        columns["per_sequence_s"][a] = 0.0
        columns["per_context_token_s"][a] = row.step_per_context_token_s
        columns["step_fixed_s"][a] = row.step_fixed_s
        columns["step_sequence_s"][a] = row.step_per_sequence_s
    return replace(base, **columns)


def _measured(
    base: ServiceCurve,
    deployments: list[Deployment],
    table: ProfileTable,
    asked: Mapping[Place, Point],
    query_type: QueryType,
) -> MeasuredCurve:
    measured = {name: np.zeros(len(base)) for name in ("ttft_s", "tpot_s", "latency_s", "busy_s")}
    prompts, outputs = float(query_type.input_tokens), float(query_type.output_tokens)
    reached = base.batch(prompts, outputs) * base.pp
    for a, deployment in enumerate(deployments):
        in_flight = int(base.max_num_seqs[a] * base.pp[a])
        if deployment in table:
            try:
                found = table.figures(deployment, in_flight, prompts, outputs)
            except InvalidInputError as error:
                raise InvalidInputError(f"query type {query_type.name!r}: {error}") from None
        elif (point := asked.get((deployment, int(reached[a]), prompts, outputs))) is not None:
            found, in_flight = point.figures, int(reached[a])
        else:
            continue
        for name, value in _route_figures(found, in_flight, outputs).items():
            measured[name][a] = value
    columns: dict[str, Any] = {f.name: getattr(base, f.name) for f in fields(base)}
    columns.update({f"measured_{name}": column for name, column in measured.items()})
    return MeasuredCurve(**columns)


def _route_figures(
    found: Mapping[str, float], in_flight: float, outputs: float
) -> dict[str, float]:
    """Turn a point's figures into those of a route; one that follows from others is derived."""
    figures = {name: found[name] for name in ("ttft_s", "tpot_s", "latency_s") if name in found}
    if "latency_s" not in figures and {"ttft_s", "tpot_s"} <= figures.keys():
        figures["latency_s"] = figures["ttft_s"] + max(outputs - 1.0, 0.0) * figures["tpot_s"]
    if "requests_per_s" in found:
        figures["busy_s"] = 1.0 / found["requests_per_s"]
    elif "latency_s" in figures:
        # Little's law: in_flight requests, each answered after latency_s
        figures["busy_s"] = figures["latency_s"] / in_flight
    return figures


def _options(written: Mapping[str, Any]) -> ProfileOptions:
    try:
        return msgspec.convert(dict(written), ProfileOptions)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"performance.options: {error}") from error
