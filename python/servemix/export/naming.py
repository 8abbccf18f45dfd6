"""Names that Kubernetes and its kin accept, unique and the same from plan to plan."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from servemix._errors import InvalidInputError

__all__ = ["checked_label", "dns_labels"]

#: A DNS label has 63 characters; what targets append to a name (``-config``) has room beside it.
_MOST = 48
_HASH = 8


def checked_label(what: str, text: str) -> str:
    """Return a name that a person chose, which has to be a DNS label (RFC 1123) as it is.

    Parameters
    ----------
    what
        What it names, for the error.
    text
        The name.

    Raises
    ------
    InvalidInputError
        It is not a label.
    """
    if len(text) > 63 or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", text):
        raise InvalidInputError(
            f"{what}: must be lower-case letters, digits and '-', with a letter or digit at both "
            f"ends, at most 63 in all; got {text!r}"
        )
    return text


def dns_labels(names: Sequence[str]) -> list[str]:
    """Make DNS labels (RFC 1035, so also RFC 1123) of names, none twice.

    A name keeps its label whatever stands beside it, unless two of them differ only in what a label
    cannot hold: then both carry a hash of the name.

    Parameters
    ----------
    names
        Any texts, each at most once.

    Examples
    --------
    >>> dns_labels(["Llama 3.1", "8b"])
    ['llama-3-1', 'x-8b']
    """
    labels = [_label(name) for name in names]
    often = Counter(labels)
    return [
        label if often[label] == 1 else _hashed(label, name)
        for label, name in zip(labels, names, strict=True)
    ]


def _label(name: str) -> str:
    label = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")
    if not label or (not label.isascii()):
        label = "x"
    if not label[0].isalpha():
        label = f"x-{label}"
    # What is cut off, or is nothing but foreign letters, would no longer tell names apart.
    if len(label) > _MOST or label == "x":
        return _hashed(label, name)
    return label


def _hashed(label: str, name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{label[: _MOST - _HASH - 1].rstrip('-')}-{digest}"
