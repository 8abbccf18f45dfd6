"""YAML as people write it, bounded before anything is built of it."""

from __future__ import annotations

import re
from typing import Any

import yaml

from servemix._errors import InvalidInputError

#: A number such as 1e-6, which YAML 1.2 reads as a number and PyYAML alone does not.
_FLOAT = re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$")

# libyaml is ten times as fast; not every build of PyYAML has it.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Safe loader that reads 1e-6 as a number and rejects a key that comes twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            line = key_node.start_mark.line + 1
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                # {rate_per_h: 15,000} is a rate of 15 and a key 000 without a value
                split = isinstance(key, int) and getattr(value_node, "value", None) == ""
                hint = (
                    "; a number is written without separators: 15000, not 15,000" if split else ""
                )
                raise InvalidInputError(f"line {line}: {key!r} is not a valid key{hint}")
            if key in seen:
                raise InvalidInputError(
                    f"line {line}: the key {key!r} appears twice in one mapping"
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, InvalidInputError):
            raise
        # Constructors of tags raise whatever int(), float() and date() do with the value.
        except Exception:
            tag = node.tag.removeprefix("tag:yaml.org,2002:")
            value = node.value if isinstance(node.value, str) else "…"
            raise InvalidInputError(
                f"line {node.start_mark.line + 1}: {value[:50]!r} is no {tag}"
            ) from None


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def parse(text: str, max_depth: int, max_values: int) -> Any:
    """Read plain data from a text.

    Raises
    ------
    InvalidInputError, yaml.YAMLError, ValueError
        The text is not YAML, or goes beyond the limits.
    """
    _check_depth(text, max_depth)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node, max_values)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_depth(text: str, max_depth: int) -> None:
    """Look at the events alone: building the tree recurses, in C without a limit."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > max_depth:
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise InvalidInputError(
                    f"line {line}: is nested too deeply: over {max_depth} levels"
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_size(root: yaml.Node, max_values: int) -> None:
    """Count values with what aliases repeat, each node of the tree once."""
    size: dict[int, int] = {}

    def count(node: yaml.Node) -> int:
        key = id(node)
        if key in size:
            if size[key] < 0:
                raise InvalidInputError(f"line {node.start_mark.line + 1}: contains itself")
            return size[key]
        size[key] = -1
        total = 1
        if isinstance(node, yaml.SequenceNode):
            total += sum(map(count, node.value))
        elif isinstance(node, yaml.MappingNode):
            total += sum(count(part) for pair in node.value for part in pair)
        if total > max_values:
            raise InvalidInputError(
                f"line {node.start_mark.line + 1}: aliases repeat more than {max_values:,} values"
            )
        size[key] = total
        return total

    count(root)
