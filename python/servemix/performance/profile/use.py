"""What became of the rows of measured files: used, or not and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from servemix._errors import InvalidInputError
from servemix.performance.profile.records import Deployment, Profile

if TYPE_CHECKING:
    from servemix import Plan

#: Names of a kind that an error lists.
_MOST_NAMES = 4


@dataclass(frozen=True)
class FileUse:
    """What a scenario used of one measured file.

    Attributes
    ----------
    file, format
        The file and its format.
    rows
        Measured points and sets of coefficients in it, with those that were not read.
    matched
        Rows of a deployment that the scenario has.
    used
        Rows that a route's figures come from.
    unused
        Why the others were not used, with their number.
    nearest
        Of a file that matches nothing, the deployment nearest to one of the scenario's, and how
        they differ; empty if something matches.
    """

    file: str
    format: str
    rows: int
    matched: int
    used: int
    unused: dict[str, int] = field(default_factory=dict)
    nearest: str = ""

    @property
    def is_noteworthy(self) -> bool:
        """Whether rows are not used for another reason than that no route needs their place."""
        return any(why != ELSEWHERE for why in self.unused)

    def sentence(self) -> str:
        """Say it in one line."""
        text = f"{self.file}: {self.used} of {self.rows} measured rows used ({self.format})"
        if self.unused:
            text += "; " + "; ".join(f"{n} not: {why}" for why, n in self.unused.items())
        return text


@dataclass(frozen=True, eq=False)
class MeasuredUse:
    """What a problem rests on of the files that its scenario names.

    Attributes
    ----------
    files
        What was used of each.
    optional
        Whether a deployment may rest on the model although a file covers its model and GPU.
    measured
        Shape (query types, configurations): whether a file gives figures of the route.
    deployments
        Per configuration of the problem, what it is and its batch limit.
    query_types
        Names.
    covered
        (model, GPU) of which a file measures something: deployments, and of each the least and the
        largest concurrency (0 if it is not known).
    why
        Shape (query types, configurations): why a route is left to the model though its deployment
        was measured; empty elsewhere.
    """

    files: tuple[FileUse, ...]
    optional: bool
    measured: npt.NDArray[np.bool_]
    deployments: tuple[tuple[Deployment, int], ...]
    query_types: tuple[str, ...]
    covered: Mapping[tuple[str, str], Mapping[Deployment, tuple[float, float]]]
    why: npt.NDArray[np.object_]

    def take(self, configurations: npt.NDArray[np.int64]) -> MeasuredUse:
        """Return what holds for some of the configurations."""
        return replace(
            self,
            measured=self.measured[:, configurations],
            why=self.why[:, configurations],
            deployments=tuple(self.deployments[a] for a in configurations.tolist()),
        )

    def modelled(self, plan: Plan) -> list[str]:
        """Say what of a plan rests on the model though a file covers its model and GPU.

        Parameters
        ----------
        plan
            A plan of the problem.

        Returns
        -------
        list of str
            One sentence for each deployment, which names what was measured.
        """
        return [text for text, _ in self._modelled(plan)]

    def _modelled(self, plan: Plan) -> list[tuple[str, str]]:
        """Return these sentences, and the entry by which a measured deployment would serve that.

        It is empty where nothing was measured for these query types on that model and GPU.
        """
        of_types: dict[int, list[int]] = {}
        routing = plan.routing
        for i, a, share in zip(
            routing["query_type"].tolist(),
            routing["configuration"].tolist(),
            routing["fraction"].tolist(),
            strict=True,
        ):
            if share > 0.0 and not self.measured[i, a]:
                of_types.setdefault(a, []).append(i)
        told = []
        for a, types in sorted(of_types.items()):
            deployment, limit = self.deployments[a]
            near = self.covered.get((deployment.model, deployment.gpu))
            if not near:
                continue
            why = next((self.why[i, a] for i in types if self.why[i, a]), "")
            text = (
                f"{deployment} with {limit} sequences rests on the performance model for "
                f"{_some(self.query_types[i] for i in types)}, although the files measure that "
                f"model on that GPU" + (f" ({why})" if why else "") + "; nearest: "
                f"{_nearest_batches(deployment, near)}"
            )
            told.append(
                (text, next(filter(None, (self._measured(i, deployment) for i in types)), ""))
            )
        return told

    def _measured(self, query_type: int, wanted: Deployment) -> str:
        """Return the entry of a measured route's configuration on that model and GPU, if any."""
        found = [
            (_alike(one, wanted), limit, one)
            for (one, limit), measured in zip(
                self.deployments, self.measured[query_type].tolist(), strict=True
            )
            if measured and (one.model, one.gpu) == (wanted.model, wanted.gpu)
        ]
        if not found:
            return ""
        _, limit, one = max(found, key=lambda entry: entry[:2])
        precisions = "" if one.precision == wanted.precision else f"precisions: [{one.precision}], "
        return (
            f"{precisions}parallelism: {{tp: [{one.tp}], pp: [{one.pp}], max_num_seqs: [{limit}]}}"
        )

    def refuse_modelled(self, plan: Plan) -> list[str]:
        """Return what :meth:`modelled` says where that is allowed, and reject the plan elsewhere.

        A query type for which a file measures nothing is left to the model, with these words.

        Raises
        ------
        InvalidInputError
            A deployment rests on the model though a measured one of its model and GPU could serve
            the query type, and ``optional`` is not set.
        """
        told = self._modelled(plan)
        refused = [text for text, measured in told if measured]
        if refused and not self.optional:
            keep = next(measured for _, measured in told if measured)
            raise InvalidInputError(
                f"{'; '.join(refused)}. Measure there, keep the scenario to what was measured "
                f"({keep}), or plan with both by `optional: true` in "
                "performance.options (--profile-optional)"
            )
        return [text for text, _ in told]


#: Why a row of a deployment that the scenario has may not be used.
ELSEWHERE = "of lengths or batches that no route needs"


def _nearest_batches(wanted: Deployment, near: Mapping[Deployment, tuple[float, float]]) -> str:
    measured = max(near, key=lambda one: _alike(one, wanted))
    low, high = near[measured]
    span = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    return str(measured) + (f" with {span} sequences" if high else "")


def file_use(profile: Profile, deployments: Iterable[Deployment], used: frozenset[str]) -> FileUse:
    """Count what was used of a file.

    Parameters
    ----------
    profile
        The file.
    deployments
        The scenario's.
    used
        Rows that figures come from.
    """
    ours = tuple(dict.fromkeys(deployments))
    rows = profile.rows
    unused: Counter[str] = Counter(profile.left_out)
    matched = 0
    for row in rows:
        if row.deployment not in ours:
            unused[_difference(row.deployment, ours)] += 1
            continue
        matched += 1
        if row.where not in used:
            unused[ELSEWHERE] += 1
    near = "" if matched else _nearest([row.deployment for row in rows], ours)
    return FileUse(
        file=profile.where,
        format=profile.format,
        rows=len(rows) + sum(profile.left_out.values()),
        matched=matched,
        used=sum(row.where in used for row in rows),
        unused=dict(unused),
        nearest=near,
    )


def _difference(found: Deployment, ours: Sequence[Deployment]) -> str:
    """Say what a deployment has that none of the scenario's has."""
    same = [one for one in ours if one.model == found.model]
    if not same:
        return f"the scenario does not have the model {found.model!r}"
    same = [one for one in same if one.gpu == found.gpu]
    if not same:
        return f"the scenario does not have {found.model} on the GPU {found.gpu!r}"
    exact = [one for one in same if one.precision == found.precision]
    if not exact:
        has = _some(one.precision for one in same)
        return f"measured with {found.precision}, the scenario has {has}"
    has = _some(f"TP{one.tp} PP{one.pp}" for one in exact)
    return f"measured with TP{found.tp} PP{found.pp}, of what fits the scenario has {has}"


def _alike(one: Deployment, other: Deployment) -> tuple[bool, ...]:
    return (
        one.model == other.model,
        one.gpu == other.gpu,
        one.precision == other.precision,
        (one.tp, one.pp) == (other.tp, other.pp),
    )


def _nearest(found: Sequence[Deployment], ours: Sequence[Deployment]) -> str:
    pairs = [(_alike(a, b), -n, a, b) for n, a in enumerate(dict.fromkeys(found)) for b in ours]
    if not pairs:
        return ""
    _, _, measured, wanted = max(pairs, key=lambda pair: pair[:2])
    return f"nearest: the file measures {measured}, the scenario has {wanted}"


def _some(names: Iterable[str]) -> str:
    listed = list(dict.fromkeys(names))
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(listed[:_MOST_NAMES]) + more
