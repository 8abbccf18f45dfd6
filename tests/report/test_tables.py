from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from servemix.report.tables import Table, display_width, markdown_table, text_table

CELLS = st.text(st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="\x85\xa0"))


def test_numbers_are_aligned_to_the_right_and_texts_to_the_left() -> None:
    table = Table("GPUs", ["name", ">$/h"], [("h100", "2.50"), ("a", "10.00")], "per GPU")
    assert text_table(table) == (
        "GPUs\n  name    $/h\n  ────  ─────\n  h100   2.50\n  a     10.00\n  per GPU"
    )


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_the_last_column_ends_at_one_place_in_every_row(rows: list[tuple[str, str]]) -> None:
    lines = text_table(Table("", ["first", ">last"], [(a, b + ".") for a, b in rows])).split("\n")
    assert len({display_width(line) for line in lines}) == 1
    assert len(lines) == 2 + len(rows)


def test_markdown_aligns_numbers_and_keeps_bars_out_of_the_way() -> None:
    table = Table("Costs", ["method", ">USD"], [["a|b", "1.00"]], "In all.")
    assert markdown_table(table) == (
        "**Costs**\n\n| method | USD |\n| --- | ---: |\n| a\\|b | 1.00 |\n\nIn all."
    )
