"""Where the engines of a plan are reached outside Kubernetes."""

from __future__ import annotations

from servemix._errors import InvalidInputError
from servemix.export.manifests import ExportOptions
from servemix.export.named import NamedPlan
from servemix.export.targets.vllm import FIRST_PORT

__all__ = ["addresses"]


def addresses(plan: NamedPlan, options: ExportOptions) -> dict[str, list[str]]:
    """Address of each replica per deployment, as the target vllm starts them.

    A pattern without ``{replica}`` and ``{port}`` gives each deployment one address, such as that
    of a Service.

    Raises
    ------
    InvalidInputError
        The pattern has another placeholder.
    """
    if options.engine_addresses is not None:
        given = options.engine_addresses
        return {engine.name: list(given.get(engine.name, ())) for engine in plan.engines}
    pattern = options.engine_address
    found: dict[str, list[str]] = {}
    port = FIRST_PORT
    for engine in plan.engines:
        places = []
        for replica in range(engine.row.replicas):
            try:
                place = pattern.format(name=engine.name, replica=replica, port=port)
            except (KeyError, IndexError, ValueError):
                raise InvalidInputError(
                    f"engine address {pattern!r}: has placeholders other than {{name}}, "
                    "{replica} and {port}"
                ) from None
            places.append(place)
            port += 1
        found[engine.name] = list(dict.fromkeys(places))
    return found
