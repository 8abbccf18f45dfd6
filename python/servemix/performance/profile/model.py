"""The performance model ``profile``: a measurement where there is one, the roofline elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from servemix._errors import InvalidInputError
from servemix.performance.profile.candidates import deployments_of
from servemix.performance.profile.carried import demand_notes
from servemix.performance.profile.curves import MeasuredCurves
from servemix.performance.profile.formats.llm_inferno import STABLE_UTILIZATION
from servemix.performance.profile.lookup import ProfileTable
from servemix.performance.profile.names import Names
from servemix.performance.profile.peak import Peaks
from servemix.performance.profile.places import NOTEWORTHY_SPREAD
from servemix.performance.profile.records import (
    Coefficients,
    Deployment,
    Place,
    Point,
    Profile,
    place_of,
)
from servemix.performance.profile.routes import Lookup
from servemix.performance.profile.sources import (
    AICONFIGURATOR,
    ProfileOptions,
    coefficients_of,
    read_options,
    read_sources,
)
from servemix.performance.profile.use import FileUse, MeasuredUse, file_use
from servemix.performance.roofline import configuration_curve
from servemix.performance.service_curve import ServiceCurve

if TYPE_CHECKING:
    from servemix.performance.configurations import Configurations
    from servemix.scenario import QueryType, ResolvedScenario, Scenario


def service_curves(resolved: ResolvedScenario, configurations: Configurations) -> MeasuredCurves:
    """Return one list of service curves per query type.

    Raises
    ------
    InvalidInputError
        An option or a file is not valid, or nothing of a file is used and ``optional`` is not set.
    """
    options = read_options(resolved.scenario.performance.options)
    query_types = resolved.scenario.query_types
    deployments = deployments_of(configurations)
    base = configuration_curve(configurations, options.roofline)
    read = read_sources(options.files, Names.of(resolved))
    points = [point for profile in read for point in profile.points]
    table = ProfileTable(points, extrapolate=options.extrapolate)
    fitted = coefficients_of(read)
    base = _with_coefficients(base, deployments, fitted)
    warnings = [warning for profile in read for warning in profile.warnings]
    warnings += [str(spread) for spread in table.spreads if spread.share >= NOTEWORTHY_SPREAD]
    asked: dict[Place, Point] = {}
    if any(file.path == AICONFIGURATOR for file in options.files):
        answers = _asked(query_types, base, deployments, table, options)
        asked = {place_of(point): point for point in answers.points}
        warnings += answers.warnings
    looked = Lookup(
        base=base,
        deployments=deployments,
        table=table,
        fitted=fitted,
        asked=asked,
        peaks=Peaks(configurations),
    )
    curves = MeasuredCurves(looked.curve(query_type) for query_type in query_types)
    files = tuple(file_use(profile, deployments, looked.sources) for profile in read)
    # a file of one point may be idle where another file of its deployment is used
    idle = [
        file
        for file, profile in zip(files, read, strict=True)
        if file.rows and not {row.deployment for row in profile.rows} & looked.used
    ]
    unused = _unused(idle, list(looked.outside))
    if unused and not options.optional:
        raise InvalidInputError(
            f"{'; '.join(unused)}. Change the scenario or `assume`, or plan without by "
            "`optional: true` in performance.options (--profile-optional)"
        )
    told = (file.sentence() for file in files if file.is_noteworthy and file not in idle)
    warnings += demand_notes(read, {entry.name for entry in query_types})
    curves.warnings = (*warnings, *unused, *looked.warnings(), *told)
    # llm-inferno plans no replica above this share of its throughput
    share = min(resolved.scenario.max_utilization, STABLE_UTILIZATION)
    if share < resolved.scenario.max_utilization:
        of_file = np.array([deployment in fitted for deployment in deployments])
        curves.max_utilization = np.where(of_file, share, 0.0)
    curves.no_route = np.array(looked.no_route)
    curves.use = _use(read, deployments, files, looked, options.optional)
    return curves


def _unused(files: Sequence[FileUse], outside: Sequence[str]) -> list[str]:
    """Say of files of which nothing is used why that is."""
    told = []
    for file in files:
        why = "; ".join(f"{n} × {reason}" for reason, n in file.unused.items())
        near = file.nearest or next(iter(outside), "")
        told.append(
            f"{file.file}: none of its {file.rows} measured rows is used: {why}"
            + (f"; {near}" if near else "")
        )
    return told


def _use(
    read: Sequence[Profile],
    deployments: Sequence[Deployment],
    files: tuple[FileUse, ...],
    looked: Lookup,
    optional: bool,
) -> MeasuredUse:
    covered: dict[tuple[str, str], dict[Deployment, tuple[float, float]]] = {}
    for row in (row for profile in read for row in profile.rows):
        on = row.deployment
        batch = row.concurrency if isinstance(row, Point) else float(row.max_batch_size)
        low, high = covered.setdefault((on.model, on.gpu), {}).get(on, (batch, batch))
        covered[on.model, on.gpu][on] = (min(low, batch), max(high, batch))
    limits = looked.base.max_num_seqs.astype(int).tolist()
    return MeasuredUse(
        files=files,
        optional=optional,
        measured=np.array(looked.measured),
        deployments=tuple(zip(deployments, limits, strict=True)),
        query_types=tuple(looked.query_types),
        covered=covered,
        why=np.array(looked.why, dtype=object),
    )


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


def with_profiles(
    scenario: Scenario,
    paths: Sequence[str] = (),
    assume: Mapping[str, Any] | None = None,
    *,
    optional: bool = False,
) -> Scenario:
    """Return a scenario whose performance comes from measured files before its own model.

    Parameters
    ----------
    scenario
        One with the performance model ``roofline`` or ``profile``.
    paths
        Files, or ``aiconfigurator`` to ask that package.
    assume
        What these files leave out, as in the scenario's ``assume``.
    optional
        Whether a plan may do without the files.

    Raises
    ------
    InvalidInputError
        The scenario has another performance model.
    """
    from servemix.scenario.entries import Performance

    written = scenario.performance
    if assume and not paths:
        raise InvalidInputError(
            "--assume says what the files of --profile leave out, and there is none; files that "
            "the scenario names have their own `assume` there"
        )
    if written.model == "roofline" and not paths:
        raise InvalidInputError("no measured file was given; add one with --profile")
    if written.model not in ("roofline", "profile"):
        raise InvalidInputError(
            f"performance.model: a profile cannot be combined with {written.model!r}"
        )
    options: dict[str, Any] = (
        dict(written.options) if written.model == "profile" else {"roofline": dict(written.options)}
    )
    further = [{"path": path, "assume": dict(assume or {})} for path in paths]
    options["files"] = [*options.get("files", ()), *further]
    if optional:
        options["optional"] = True
    performance = Performance(model="profile", options=options)
    return msgspec.structs.replace(scenario, performance=performance)


def _with_coefficients(
    base: ServiceCurve, deployments: list[Deployment], fitted: Mapping[Deployment, Coefficients]
) -> ServiceCurve:
    """Put a file's coefficients where it has them."""
    names = [f.name for f in fields(base) if f.name.endswith("_s")]
    columns = {name: getattr(base, name).copy() for name in names}
    for a, deployment in enumerate(deployments):
        row = fitted.get(deployment)
        if row is None:
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
