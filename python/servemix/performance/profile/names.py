"""What the names in a measured file mean: the scenario's own first, then the catalog's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.catalog._names import gpu_names, model_names, name_key
from servemix.performance.profile.cells import count, said
from servemix.performance.profile.records import Assume, Deployment

if TYPE_CHECKING:
    from servemix.scenario import ResolvedScenario

Row = TypeVar("Row")

#: Names of formats in other projects that are ours under another name.
_PRECISIONS = {
    "bfloat16": "bf16",
    "int8_wo": "int8-w8a16",
    "int4_wo": "int4",
    "int4_wo_awq": "int4",
}
#: Formats that a checkpoint's own name tells.
_OF_CHECKPOINT = (
    (re.compile(r"[-_.](nvfp4|fp4)\b", re.IGNORECASE), "nvfp4"),
    (re.compile(r"[-_.]mxfp4\b", re.IGNORECASE), "mxfp4"),
    (re.compile(r"[-_.]fp8\b", re.IGNORECASE), "fp8"),
    (re.compile(r"[-_.](awq|gptq|w4a16|int4)\b", re.IGNORECASE), "int4"),
    (re.compile(r"[-_.](quantized\.)?w8a8\b", re.IGNORECASE), "int8"),
)


class LeftOutError(Exception):
    """A row that is sound but cannot be used; its text says why, and is counted."""


@dataclass(frozen=True)
class Names:
    """Names of a scenario and of the catalog.

    Attributes
    ----------
    models, gpus
        Ways to write a name, reduced to letters and digits, and the row of the scenario that each
        means.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    gpus: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(resolved: ResolvedScenario) -> Names:
        """Collect the names of a scenario's models and GPUs, as written and as resolved."""
        models: dict[str, str] = {}
        for entry, row in zip(resolved.model_entries, resolved.models, strict=True):
            given = entry.checkpoint or {}
            checkpoints = [given] if isinstance(given, str) else list(given.values())
            written = [entry.name, entry.model or "", row.name, *checkpoints]
            _add(models, (n for name in written if name for n in model_names(name)), row.name)
        gpus: dict[str, str] = {}
        at = 0
        for entry_or_name in resolved.scenario.gpus:
            if isinstance(entry_or_name, str):
                names, tiers = [entry_or_name], 1
            else:
                names = [entry_or_name.name, entry_or_name.gpu or entry_or_name.name]
                tiers = len(entry_or_name.precisions)
            gpu = resolved.tiers[at].gpu.name
            _add(gpus, (n for name in (*names, gpu) for n in gpu_names(name)), gpu)
            at += tiers
        return Names(models, gpus)

    def model(self, written: str) -> str | None:
        """Return the name of a model's row; None if neither scenario nor catalog has it."""
        keys = [name_key(name) for name in model_names(written)]
        ours = next((self.models[key] for key in keys if key in self.models), None)
        found = catalog.find_model(written)
        return ours or (found.name if found is not None else None)

    def gpu(self, written: str) -> str | None:
        """Return the name of a GPU's row; None if neither scenario nor catalog has it."""
        keys = [name_key(name) for name in gpu_names(written)]
        ours = next((self.gpus[key] for key in keys if key in self.gpus), None)
        return ours or _known(catalog.gpu, written)

    @staticmethod
    def precision(written: str) -> str | None:
        """Return the name of a precision; None if there is no such."""
        name = _PRECISIONS.get(written.casefold(), written)
        return _known(catalog.precision, name)


def _known(find: Callable[[str], Any], written: str) -> str | None:
    try:
        return str(find(written).name)
    except InvalidInputError:
        return None


def _add(table: dict[str, str], names: Iterable[str], row: str) -> None:
    for name in names:
        table.setdefault(name_key(name), row)


@dataclass
class Context:
    """What a reader knows beside the file: assumptions, names, and how wide an accelerator is.

    Attributes
    ----------
    assume
        What the file leaves out.
    names
        What names mean.
    in_scenario
        Whether rows of models and GPUs that the scenario does not have are left out.
    left_out
        Rows that were left out, by reason.
    accelerators
        GPUs of what llm-inferno calls an accelerator, by its name: type and multiplicity.
    """

    assume: Assume = field(default_factory=Assume)
    names: Names = field(default_factory=Names)
    in_scenario: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    accelerators: dict[str, tuple[str, int]] = field(default_factory=dict)

    def collect(
        self,
        rows: Iterable[tuple[str, Mapping[str, Any]]],
        read: Callable[[str, Mapping[str, Any]], Row],
    ) -> tuple[Row, ...]:
        """Read rows; those that cannot be used are counted by their reason."""
        found = []
        for label, row in rows:
            try:
                found.append(read(label, row))
            except LeftOutError as reason:
                self.left_out[str(reason)] += 1
        return tuple(found)

    def deployment(
        self,
        where: str,
        *,
        model: Any = None,
        gpu: Any = None,
        precision: Any = None,
        tp: Any = None,
        pp: Any = None,
    ) -> Deployment:
        """Look up what a row was measured on; what it does not say is assumed.

        Raises
        ------
        LeftOutError
            The scenario does not have the model or the GPU.
        InvalidInputError
            Neither the row nor ``assume`` says it, or ``assume`` has a name that nobody knows.
        """
        assume = self.assume
        written = str(model) if said(model) else ""
        if not said(precision) and assume.precision is None and written:
            precision = next((p for form, p in _OF_CHECKPOINT if form.search(written)), None)
        asked = {"model": model, "gpu": gpu, "precision": precision}
        unsaid = [key for key in asked if not said(asked[key]) and not getattr(assume, key)]
        if unsaid:
            keys = ", ".join(f"`assume.{key}`" for key in unsaid)
            options = " ".join(f"--assume {key}=…" for key in unsaid)
            raise InvalidInputError(
                f"{where}: {', '.join(unsaid)}: the file does not say; give {keys} ({options})"
            )
        name = self._name("model", model, assume.model, assume.models, where)
        on = self._name("gpu", gpu, assume.gpu, assume.gpus, where)
        if self.in_scenario:
            if name not in self.names.models.values():
                raise LeftOutError(f"the scenario does not have the model {name!r}")
            if on not in self.names.gpus.values():
                raise LeftOutError(f"the scenario does not have the GPU {on!r}")
        return Deployment(
            model=name,
            gpu=on,
            precision=self._name("precision", precision, assume.precision, {}, where),
            tp=count(tp if said(tp) else (assume.tp or 1), f"{where}: tp"),
            pp=count(pp if said(pp) else (assume.pp or 1), f"{where}: pp"),
        )

    def gpu_name(self, written: str) -> str:
        """Return the name of a GPU that a file prices, its own where nobody knows it."""
        meant = self.assume.gpus.get(written, written)
        return self.names.gpu(meant) or meant

    def _name(
        self, key: str, written: Any, assumed: str | None, names: Mapping[str, str], where: str
    ) -> str:
        text = str(written) if said(written) else ""
        look_up: Callable[[str], str | None] = getattr(self.names, key)
        if text and text not in names:
            found = look_up(text)
            return found if found is not None else text
        meant = names[text] if text else assumed or ""
        found = look_up(meant)
        if found is None:
            find: Callable[[str], Any] = getattr(catalog, key)
            try:
                find(meant)
            except InvalidInputError as error:
                raise InvalidInputError(f"{where}: {key}: {error}") from None
        return str(found)
