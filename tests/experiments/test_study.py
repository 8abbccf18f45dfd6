"""Cells are kept, resumed and put into files."""

from __future__ import annotations

import csv
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from servemix import InvalidInputError, __version__
from servemix.experiments import Cell, Study, studies
from servemix.experiments.problems import load, name_of
from servemix.report.tables import Table

measured = []


def measure(*, number, fail=False):
    measured.append(number)
    if fail:
        raise KeyboardInterrupt
    return [{"number": number, "square": number**2}]


def study_of(*numbers, fail_at=None, **more):
    cells = [
        Cell(f"n{one}", {"number": one} | ({"fail": True} if one == fail_at else {}))
        for one in numbers
    ]
    return Study(
        name="squares",
        title="Squares",
        cells=cells,
        measure=measure,
        tables=lambda rows: [Table("Squares", [">n²"], [[str(row["square"])] for row in rows])],
        draw=lambda figure, rows: figure.subplots().plot([row["square"] for row in rows]),
        settings={"numbers": numbers},
        **more,
    )


@pytest.fixture(autouse=True)
def _forget():
    measured.clear()


def test_an_interrupted_run_goes_on_where_it_ended(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        study_of(1, 2, 3, fail_at=3).run(tmp_path)
    assert measured == [1, 2, 3]
    result = study_of(1, 2, 3).run(tmp_path)
    assert measured == [1, 2, 3, 3]
    assert result.column("square") == [1, 4, 9]
    assert result.record["num_cells_kept_from_before"] == 2


def test_a_cell_with_other_arguments_or_a_broken_file_is_measured_again(tmp_path):
    study_of(1, 2).run(tmp_path)
    (tmp_path / "squares.cells" / "n1.json").write_text("{")
    kept = tmp_path / "squares.cells" / "n2.json"
    kept.write_text(kept.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    study_of(1, 2).run(tmp_path)
    assert measured == [1, 2, 1, 2]


def test_table_picture_and_record_are_written(tmp_path):
    study_of(1, 2).run(tmp_path)
    with (tmp_path / "squares.csv").open() as file:
        assert list(csv.DictReader(file)) == [
            {"number": "1", "square": "1"},
            {"number": "2", "square": "4"},
        ]
    assert (tmp_path / "squares.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((tmp_path / "squares.json").read_text())
    assert record["versions"]["servemix"] == __version__
    assert record["settings"] == {"numbers": [1, 2]}
    assert {"platform", "processor", "num_cpus"} <= set(record["machine"])


def test_progress_hears_of_every_cell_and_of_the_end():
    heard = []
    study_of(1, 2).run(progress=lambda done, total, cell: heard.append((done, total, cell)))
    assert heard == [(0, 2, "n1"), (1, 2, "n2"), (2, 2, "")]


def test_an_executor_gives_the_same_rows_in_the_same_order(tmp_path):
    alone = study_of(*range(6)).run()
    with ThreadPoolExecutor(3) as executor:
        spread = study_of(*range(6)).run(tmp_path, executor=executor)
        assert spread.rows == alone.rows
        with pytest.raises(InvalidInputError, match="executor"):
            study_of(1, sequential=True).run(executor=executor)


def test_a_problem_that_changed_is_measured_again(tmp_path):
    path = tmp_path / "problem.json"
    load(name_of(3, 3, 4, rate_scale=1.0, seed=1)).to_json(path)
    study = studies.ablation(problems=[str(path)])
    first = study.run(tmp_path / "out")
    again = study.run(tmp_path / "out")
    assert again.record["num_cells_kept_from_before"] == 2
    load(name_of(3, 3, 4, rate_scale=1.0, seed=2)).to_json(path)
    other = study.run(tmp_path / "out")
    assert other.record["num_cells_kept_from_before"] == 0
    assert other.rows[0]["objective_value"] != first.rows[0]["objective_value"]


@pytest.mark.parametrize("name", ["no-such-scenario", "odd-3-3-4-x1-s1", "plain-3-3-4-x1.1.1-s1"])
def test_a_problem_that_is_not_there_is_named(name):
    with pytest.raises(InvalidInputError):
        load(name)
