"""Files of an export in a folder: written whole, and those of an earlier plan found."""

from __future__ import annotations

import re
from pathlib import Path

from servemix._errors import InvalidInputError
from servemix._files import write_whole
from servemix.export.manifests import Export

__all__ = ["left_over", "write_files"]

_MADE = re.compile(r"^# Made by servemix export --to (\S+) from the plan of .*$", re.MULTILINE)
#: Where its heading is looked for in a file, bytes.
_HEAD = 4096


def write_files(made: Export, folder: Path) -> None:
    """Write all files, each whole or not at all; the folder is made where it is missing.

    Raises
    ------
    InvalidInputError
        A file of that name is of another target; nothing is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in made.files:
        found = _heading(folder / name)
        if found is not None and found[1] != made.target:
            raise InvalidInputError(
                f"{folder / name}: is of the target {found[1]}; give each target its own folder"
            )
    for name, content in made.files.items():
        write_whole(folder / name, content)


def left_over(made: Export, folder: Path) -> list[Path]:
    """Files that an earlier plan has left: what applies the whole folder would apply them too.

    They are known by their heading, so that those of others and of other targets stay.
    """
    found = []
    for path in sorted(folder.iterdir()):
        heading = None if path.name in made.files else _heading(path)
        if heading is not None and heading[1] == made.target:
            found.append(path)
    return found


def _heading(path: Path) -> re.Match[str] | None:
    if path.name.startswith(".") or not path.is_file():
        return None
    with path.open("rb") as file:
        return _MADE.search(file.read(_HEAD).decode("utf-8", "replace"))
