"""What a target renders: files, and notes on what it cannot express."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from servemix.export.named import NamedPlan
from servemix.export.naming import checked_label

__all__ = ["Export", "ExportOptions", "Writer"]

#: libyaml's where PyYAML was built with it, which is ten times as fast.
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True)
class ExportOptions:
    """What a person may set for all targets.

    Attributes
    ----------
    namespace
        Namespace of objects; None leaves it to whoever applies them.
    image
        Container image of the engine; it has to serve the OpenAI API with vLLM's options.
    prometheus
        Address of the Prometheus server that autoscalers ask.
    gateway
        Name of the Gateway that routes hang on.
    engine_address
        Address of an engine outside Kubernetes, with ``{name}`` (the deployment), ``{replica}``
        (from 0) and ``{port}`` (8000 plus a running number).
    engine_addresses
        Addresses of each deployment by its name, instead of the pattern; a deployment that is left
        out takes no traffic now.
    listen
        Where the gateway nginx listens: a port, or an address and port.

    Raises
    ------
    InvalidInputError
        ``namespace`` or ``gateway`` is not a DNS label.
    """

    namespace: str | None = None
    image: str = "vllm/vllm-openai:latest"
    prometheus: str = "http://prometheus-operated.monitoring.svc:9090"
    gateway: str = "servemix-gateway"
    engine_address: str = "127.0.0.1:{port}"
    engine_addresses: Mapping[str, Sequence[str]] | None = None
    listen: str = "8080"

    def __post_init__(self) -> None:
        """Check names that Kubernetes would refuse."""
        if self.namespace is not None:
            checked_label("namespace", self.namespace)
        checked_label("gateway", self.gateway)


@dataclass(frozen=True)
class Export:
    """A plan in another project's terms.

    Attributes
    ----------
    target
        Name of the target.
    files
        Content by file name.
    notes
        What the target cannot express, and what was assumed; the files say it as well.
    """

    target: str
    files: dict[str, str]
    notes: tuple[str, ...]


@dataclass
class Writer:
    """Collects the files of one target, each with a heading that says which plan made it.

    Attributes
    ----------
    target
        Name of the target.
    plan
        The plan.
    files, notes
        What was collected: content by path, and what the target cannot express.
    """

    target: str
    plan: NamedPlan
    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say what the target cannot express; once, however often it comes up.

        Parameters
        ----------
        text
            One sentence.
        """
        if text not in self.notes:
            self.notes.append(text)

    def yaml(self, name: str, *documents: Any, about: Sequence[str] = ()) -> None:
        """Add a file of YAML documents.

        Parameters
        ----------
        name
            Path of the file below the export folder.
        *documents
            Data of each document.
        about
            Lines of comment at its head.
        """
        texts = [
            yaml.dump(document, Dumper=_DUMPER, sort_keys=False, width=1000, allow_unicode=True)
            for document in documents
        ]
        self.text(name, "---\n".join(texts), about=about)

    def text(self, name: str, content: str, *, about: Sequence[str] = ()) -> None:
        """Add a file whose comments begin with ``#``.

        Parameters
        ----------
        name
            Path of the file below the export folder.
        content
            What follows the comments.
        about
            Lines of comment at its head.
        """
        lines = [*self.plan.provenance(self.target), *about]
        heading = "".join(f"# {' '.join(line.split())}\n" for line in lines)
        self.files[name] = f"{heading}\n{content.rstrip()}\n"

    def done(self) -> Export:
        """Return the files; every note stands at the head of each.

        Returns
        -------
        Export
            The files of the target by path, and its notes.
        """
        files = {}
        for name, content in self.files.items():
            heading = "".join(f"# note: {' '.join(note.split())}\n" for note in self.notes)
            files[name] = heading + content
        return Export(self.target, files, tuple(self.notes))
