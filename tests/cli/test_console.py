"""Tables on terminals of any width: folded, but nothing of them lost."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from helpers import feasible_plan, two_types
from servemix.cli.console import print_table, progress
from servemix.report.plan_tables import plan_tables
from servemix.report.tables import Table


def shown(table: Table, width: int, *, terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    print_table(table, console)
    return file.getvalue()


def letters(text: str) -> str:
    return "".join(sorted(letter for letter in text if letter.isalnum()))


def all_tables() -> list[Table]:
    problem = two_types()
    tables = plan_tables(problem, feasible_plan(problem))
    return [*tables, Table("", ["[b]name", ">n"], [("[red]x", "1")], "[/] no markup")]


@pytest.mark.parametrize("width", [20, 60, 80, 200])
@pytest.mark.parametrize("terminal", [True, False])
def test_no_letter_is_lost_whatever_the_width(width: int, terminal: bool) -> None:
    for table in all_tables():
        said = [table.title, *table.headings, *(cell for row in table.rows for cell in row)]
        expected = letters("".join(said) + table.note)
        assert letters(shown(table, width, terminal=terminal)) == expected


def test_on_a_terminal_of_usual_width_numbers_stay_whole_and_lines_fit() -> None:
    for table in all_tables():
        lines = shown(table, 80, terminal=True).splitlines()
        assert max(map(len, lines)) <= 80
        words = " ".join(lines).split()
        for row in table.rows:
            for cell, right in zip(row, table.aligned_right, strict=True):
                assert not right or all(part in words for part in cell.split())


def test_progress_is_silent_where_stderr_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("working", total=2) as bar:
        bar.advance(bar.task_ids[0])
    assert capsys.readouterr() == ("", "")
