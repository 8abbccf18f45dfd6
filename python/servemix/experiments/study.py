"""What every study is made of: cells that are measured one by one, kept, and put into tables."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from servemix import _core
from servemix._core import __version__
from servemix._errors import InvalidInputError
from servemix._extras import require
from servemix._files import write_whole
from servemix._frames import Framed
from servemix.experiments._record import record_of
from servemix.report.tables import Table, markdown_table

__all__ = ["Cell", "Row", "Study", "StudyResult"]

#: A row of a study: names and plain values.
Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One thing to measure.

    Attributes
    ----------
    key
        Its name, unique in the study; also that of its file.
    arguments
        Arguments of the study's ``measure``: texts, numbers, lists and None.
    weight
        How long it takes as against the others, for the time left.
    """

    key: str
    arguments: Mapping[str, Any]
    weight: float = 1.0


class Progress(Protocol):
    """Told of every cell: weight done, weight of all, and the cell that comes next."""

    def __call__(self, done: float, total: float, cell: str) -> None:
        """Hear that ``done`` of ``total`` is behind and ``cell`` (or nothing) is next."""


@dataclass(frozen=True)
class Study:
    """A study: what to measure, and how to show it.

    Attributes
    ----------
    name
        Its name, and that of its files.
    title
        What it shows.
    cells
        What is measured.
    measure
        Function of a module that measures one cell, given its arguments by name.
    tables
        Makes tables from all rows.
    draw
        Draws all rows into a matplotlib figure; None for no picture.
    settings
        What was requested, for the record.
    sequential
        Whether cells are timed and so must run alone, one after the other, in this process.
    size_inches
        Width and height of the picture.
    """

    name: str
    title: str
    cells: Sequence[Cell]
    measure: Callable[..., list[Row]]
    tables: Callable[[list[Row]], list[Table]]
    draw: Callable[[Any, list[Row]], None] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    sequential: bool = False
    size_inches: tuple[float, float] = (8.0, 4.5)

    def __post_init__(self) -> None:
        if not self.cells:
            raise InvalidInputError(f"{self.name}: nothing to measure: a list is empty")
        keys = [cell.key for cell in self.cells]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise InvalidInputError(f"{self.name}: asked for twice: {twice}")

    def run(
        self,
        output: str | os.PathLike[str] | None = None,
        *,
        executor: Executor | None = None,
        progress: Progress | None = None,
    ) -> StudyResult:
        """Measure every cell that is not there yet.

        Parameters
        ----------
        output
            Folder for the results, made if need be. Each cell's rows are kept there as soon as
            they are known, so that a run that was interrupted resumes where it stopped; so are
            the rows (``NAME.csv``), the tables (``NAME.md``), the picture (``NAME.png``, with the
            extra ``plot``), the record (``NAME.json``) and all of it as a page (``NAME.html``,
            with the extra ``report``). None keeps nothing.
        executor
            Where cells are measured, such as that of a Dask client; None for here, one by one.
            A study of times does not take one.
        progress
            Told of every cell.

        Returns
        -------
        StudyResult
            Rows and tables.

        Raises
        ------
        InvalidInputError
            A setting is out of range, or a study of times was given an executor.
        OSError
            The folder cannot be written to.
        """
        if executor is not None and self.sequential:
            raise InvalidInputError(
                f"executor: the study {self.name!r} measures times, which needs one process"
            )
        began = time.perf_counter()
        kept = _Kept(self, None if output is None else Path(output))
        rows: dict[str, list[Row]] = {}
        for cell in self.cells:
            found = kept.read(cell)
            if found is not None:
                rows[cell.key] = found
        num_resumed = len(rows)
        left = [cell for cell in self.cells if cell.key not in rows]
        total = sum(cell.weight for cell in left)
        tell = progress or _silent

        def begin(cell: str) -> None:
            tell(sum(one.weight for one in left if one.key in rows), total, cell)

        for cell, measured in self._measured(left, executor, begin):
            rows[cell.key] = measured
            kept.write(cell, measured)
        tell(total, total, "")
        ordered = [row for cell in self.cells for row in rows[cell.key]]
        record = record_of(self, time.perf_counter() - began, num_resumed)
        result = StudyResult(self, ordered, record)
        if output is not None:
            result.write(output)
        return result

    def _measured(
        self, cells: Sequence[Cell], executor: Executor | None, begin: Callable[[str], None]
    ) -> Iterator[tuple[Cell, list[Row]]]:
        if executor is None:
            for cell in cells:
                begin(cell.key)
                yield cell, self.measure(**cell.arguments)
            return
        futures = {executor.submit(self.measure, **cell.arguments): cell for cell in cells}
        try:
            for future in as_completed(futures):
                begin(f"{len(futures)} cells on workers")
                yield futures[future], future.result()
        finally:
            for future in futures:
                future.cancel()


@dataclass(frozen=True, eq=False)
class StudyResult(Framed):
    """Outcome of a study.

    Attributes
    ----------
    study
        The study.
    rows
        One dictionary per row, in the order of the cells.
    record
        Settings, versions, machine, date and duration.
    """

    study: Study
    rows: list[Row]
    record: dict[str, Any]

    @property
    def tables(self) -> list[Table]:
        """The tables for a person."""
        return self.study.tables(self.rows)

    @property
    def columns(self) -> list[str]:
        """Names of all entries of the rows, in order of appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def column(self, name: str) -> list[Any]:
        """One entry of every row; None in rows without it.

        Parameters
        ----------
        name
            Name of the entry.

        Returns
        -------
        list
            One value per row.
        """
        return [row.get(name) for row in self.rows]

    def to_csv(self) -> str:
        """Write every row as CSV; empty if there is no value.

        Returns
        -------
        str
            CSV with a header.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def _columns(self) -> dict[str, Any]:
        return {name: self.column(name) for name in self.columns}

    def _repr_html_(self) -> str:
        from servemix.report.notebook import study_html

        return study_html(self)

    def picture(self, suffix: str = "png") -> bytes:
        """Draw the study as ``png``, ``svg`` or ``pdf``.

        Parameters
        ----------
        suffix
            ``png``, ``svg`` or ``pdf``.

        Returns
        -------
        bytes
            Content of the image file.

        Raises
        ------
        MissingExtraError
            matplotlib is not installed (extra ``plot``).
        """
        # Figure without pyplot: no window, no global state, safe in any thread.
        figure = require("matplotlib.figure", extra="plot").Figure(
            figsize=self.study.size_inches, layout="constrained"
        )
        if self.study.draw is not None:
            self.study.draw(figure, self.rows)
        figure.suptitle(self.study.title)
        picture = io.BytesIO()
        figure.savefig(picture, format=suffix, dpi=110)
        return picture.getvalue()

    def to_html(self) -> str:
        """Return tables, picture and record as an HTML page that needs nothing beside it.

        Returns
        -------
        str
            The page.

        Raises
        ------
        MissingExtraError
            jinja2 is not installed (extra ``report``).
        """
        from servemix.report.page import study_page

        return study_page(self)

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``NAME.csv``, ``.md``, ``.json``, and ``.png`` and ``.html`` where extras allow.

        The record is in ``.json``; the picture needs the extra ``plot``, the page ``report``.


        Parameters
        ----------
        folder
            Folder to write to; made where it does not exist.

        Returns
        -------
        list of Path
            The files written.
        """
        path, name = Path(folder), self.study.name
        path.mkdir(parents=True, exist_ok=True)
        files: dict[str, str | bytes] = {
            f"{name}.csv": self.to_csv(),
            f"{name}.md": "\n\n".join(map(markdown_table, self.tables)) + "\n",
            f"{name}.json": _as_json(self.record),
        }
        if self.study.draw is not None and _is_installed("matplotlib"):
            files[f"{name}.png"] = self.picture()
        if _is_installed("jinja2"):
            files[f"{name}.html"] = self.to_html()
        for file, content in files.items():
            write_whole(path / file, content)
        return [path / file for file in files]


class _Kept:
    """Rows of cells in files, each with the fingerprint of what it is the answer to."""

    def __init__(self, study: Study, output: Path | None) -> None:
        self._folder = None if output is None else output / f"{study.name}.cells"
        self._study = study
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)

    def read(self, cell: Cell) -> list[Row] | None:
        if self._folder is None:
            return None
        try:
            kept = json.loads((self._folder / f"{cell.key}.json").read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        if not isinstance(kept, dict) or kept.get("fingerprint") != self._fingerprint(cell):
            return None
        rows = kept.get("rows")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return None
        return rows

    def write(self, cell: Cell, rows: list[Row]) -> None:
        if self._folder is not None:
            content = {"fingerprint": self._fingerprint(cell), "rows": rows}
            write_whole(self._folder / f"{cell.key}.json", _as_json(content))

    def _fingerprint(self, cell: Cell) -> str:
        from servemix.experiments.problems import fingerprint

        about = [self._study.name, _code(self._study.measure.__module__), dict(cell.arguments)]
        if "problem" in cell.arguments:
            about.append(fingerprint(cell.arguments["problem"]))
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=16)
def _code(module: str) -> str:
    """Digest of what figures depend on: version, core, methods, studies, module that measures."""
    digest = hashlib.sha256(__version__.encode())
    here = Path(__file__).parent
    files = [*sorted(here.parent.glob("*.py")), *sorted(here.glob("*.py"))]
    for part in (_core.__name__, "servemix.experiments.studies._common", module):
        files.append(Path(getattr(sys.modules.get(part), "__file__", None) or ""))
    for file in files:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _silent(done: float, total: float, cell: str) -> None:
    pass


def _is_installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
