"""A plan with names that every target accepts: engines, and query types with where they go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import msgspec

from servemix._errors import InvalidInputError
from servemix.export.gpus import GpuNames, gpu_names
from servemix.export.naming import dns_labels
from servemix.export.plan_file import Deployment, PlanFile, QueryType
from servemix.export.weights import whole_weights

__all__ = ["ALL_MODELS", "HEADER", "Engine", "NamedPlan", "NamedType", "header_value"]

#: Request header by which a gateway knows a request's query type.
HEADER = "x-servemix-query-type"
#: Name under which every engine answers, whatever model it runs.
ALL_MODELS = "servemix"


@dataclass(frozen=True)
class Engine:
    """One deployment under a name that is a DNS label.

    Attributes
    ----------
    name
        Name of the deployment in every target.
    row
        The deployment as the plan file has it.
    served_names
        Names under which its engines answer: its own, the plan's and those of all query types, so
        that a request may name any of them. They do not depend on the routing, so that an engine
        need not restart where only the routing changes.
    """

    name: str
    row: Deployment
    served_names: tuple[str, ...]

    @property
    def checkpoint(self) -> str:
        """What to load; the model's name where the plan knows no checkpoint."""
        return self.row.checkpoint or self.row.model

    @property
    def gpu(self) -> GpuNames:
        """What schedulers call its GPU."""
        return gpu_names(self.row.gpu)


@dataclass(frozen=True)
class NamedType:
    """One query type and where its queries go.

    Attributes
    ----------
    name
        Value of the header, and served model name, of this type.
    row
        The query type as the plan file has it.
    parts
        Engines and the fraction of the type's queries that each serves, above zero.
    unmet
        Fraction that the plan leaves unserved.
    """

    name: str
    row: QueryType
    parts: tuple[tuple[Engine, float], ...]
    unmet: float

    def weights(self, total: int, most_parts: int | None = None) -> list[tuple[Engine, int]]:
        """Whole weights of its engines that add up to ``total``; those that come to 0 are left out.

        Parameters
        ----------
        total
            What they add up to; the larger, the nearer to the fractions.
        most_parts
            The most engines that the target takes; the largest fractions stay.
        """
        by_size = sorted(range(len(self.parts)), key=lambda n: (-self.parts[n][1], n))
        kept = [self.parts[n] for n in sorted(by_size[:most_parts])]
        weights = whole_weights([fraction for _, fraction in kept], total) if kept else []
        pairs = zip(kept, weights, strict=True)
        return [(engine, weight) for (engine, _), weight in pairs if weight > 0]


@dataclass(frozen=True)
class NamedPlan:
    """A plan file as targets see it.

    Attributes
    ----------
    file
        The plan.
    """

    file: PlanFile

    @cached_property
    def name(self) -> str:
        """Name of the plan: that of its problem, as a DNS label."""
        return dns_labels([self.file.problem])[0]

    @cached_property
    def digest(self) -> str:
        """What tells plans apart: a hash of the decisions, not of how they were found."""
        f = self.file
        decisions = (f.problem, f.deployments, f.query_types, f.routing, f.unmet)
        return hashlib.sha256(msgspec.json.encode(decisions)).hexdigest()[:16]

    @cached_property
    def engines(self) -> tuple[Engine, ...]:
        """Deployments in the plan's order."""
        rows = self.file.deployments
        labels = dns_labels([row.name for row in rows])
        types = self._type_labels
        shared = tuple(name for name in (ALL_MODELS, *types) if name not in labels)
        return tuple(
            Engine(label, row, (label, *shared)) for label, row in zip(labels, rows, strict=True)
        )

    @cached_property
    def _type_labels(self) -> tuple[str, ...]:
        return tuple(dns_labels([row.name for row in self.file.query_types]))

    @cached_property
    def query_types(self) -> tuple[NamedType, ...]:
        """Query types in the plan's order."""
        by_name = {engine.row.name: engine for engine in self.engines}
        return tuple(
            NamedType(
                label,
                row,
                tuple((by_name[deployment.name], fraction) for deployment, fraction in parts),
                unmet,
            )
            for label, (row, parts), unmet in zip(
                self._type_labels, self.file.routes(), self.file.unmet, strict=True
            )
        )

    def provenance(self, target: str) -> tuple[str, ...]:
        """Lines that say which plan made a file, for which target.

        Parameters
        ----------
        target
            Name of the target.

        Returns
        -------
        tuple of str
            The lines.
        """
        return (
            f"Made by servemix export --to {target} from the plan of {self.file.problem!r} "
            f"({self.file.method}, seed {self.file.seed}, plan {self.digest}).",
        )

    def labels(self, engine: Engine | None = None) -> dict[str, str]:
        """Labels of an object: which plan, and which deployment of it.

        Parameters
        ----------
        engine
            The deployment that the object belongs to; None for an object of the whole plan.

        Returns
        -------
        dict of str to str
            Labels and values that Kubernetes accepts.
        """
        labels = {
            "app.kubernetes.io/managed-by": "servemix",
            "app.kubernetes.io/part-of": self.name,
        }
        if engine is not None:
            labels["servemix.io/deployment"] = engine.name
        return labels

    def metadata(
        self, name: str, namespace: str | None, engine: Engine | None = None
    ) -> dict[str, object]:
        """``metadata`` of a Kubernetes object.

        Parameters
        ----------
        name
            Name of the object.
        namespace
            Namespace; None leaves it out.
        engine
            As in :meth:`labels`.

        Returns
        -------
        dict
            Name, namespace, labels and annotations.
        """
        return {
            "name": name,
            **({"namespace": namespace} if namespace else {}),
            "labels": self.labels(engine),
            "annotations": {"servemix.io/plan": self.digest},
        }


def header_value(plan: PlanFile, query_type: str) -> str:
    """Return what a request of a query type carries in the header, or names as its model.

    Parameters
    ----------
    plan
        The plan.
    query_type
        Name of one of its query types.

    Returns
    -------
    str
        Value of the header ``HEADER``.

    Raises
    ------
    InvalidInputError
        The plan has no such query type.
    """
    for entry in NamedPlan(plan).query_types:
        if entry.row.name == query_type:
            return entry.name
    names = ", ".join(row.name for row in plan.query_types)
    raise InvalidInputError(f"no query type {query_type!r}; available: {names}")
