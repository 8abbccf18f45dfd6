"""``vllm serve``: one command per replica, and the same settings as a file for ``--config``."""

from __future__ import annotations

import shlex

from servemix.export.engine import check_engine, engine_arguments, engine_settings
from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import NamedPlan

#: Port of the first replica; the others follow.
FIRST_PORT = 8000


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render a plan as commands; the command line goes before the file where both say something."""
    writer = Writer("vllm", plan)
    commands = ["# One command per replica; run each on a machine that has its GPUs."]
    port = FIRST_PORT
    for engine in plan.engines:
        check_engine(engine, writer)
        writer.yaml(f"{engine.name}.yaml", engine_settings(engine))
        row = engine.row
        # A name with a line break would end the comment.
        gpu = " ".join((row.gpu or "GPUs").split())
        commands.append(f"# {engine.name}: {row.replicas} × {row.tp * row.pp} {gpu}")
        if row.nodes_per_replica > 1:
            writer.note(
                f"{engine.name}: a replica spans {row.nodes_per_replica} nodes; start vLLM's "
                "multi-node mode (Ray, or --nnodes and --node-rank) around its command"
            )
        for _ in range(row.replicas):
            commands.append(
                shlex.join(["vllm", "serve", *engine_arguments(engine), "--port", str(port)])
            )
            port += 1
    writer.note(
        "vLLM does not route between engines: add the target nginx or litellm for the plan's "
        "routing"
    )
    writer.text("serve.sh", "\n".join(commands))
    return writer.done()
