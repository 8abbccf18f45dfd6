"""Page of a study."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING

from servemix.report.figures import count, seconds
from servemix.report.page.blocks import Block, Code, Details, Image, Page, Section, TableBlock
from servemix.report.page.render import made_facts, render

if TYPE_CHECKING:
    from servemix.experiments import StudyResult

__all__ = ["study_page"]


def study_page(found: StudyResult, *, made: datetime | None = None) -> str:
    """Return the report of a study as an HTML page that needs nothing beside it.

    Parameters
    ----------
    found
        The study's outcome.
    made
        Date of the report; None for the date of the study.

    Returns
    -------
    str
        The page.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed (extra ``report``).
    """
    study, record, tables = found.study, found.record, found.tables
    drawn: list[Block] = []
    if study.draw is not None and find_spec("matplotlib") is not None:
        text = f"{study.title}. The figures are in the tables below."
        content = base64.b64encode(found.picture()).decode()
        drawn.append(Image(study.title, content, text))
    settings = json.dumps(record["settings"], indent=1, ensure_ascii=False, default=str)
    machine = record["machine"]
    page = Page(
        kind="study",
        title=study.title,
        verdict=f"{study.name}: {count(len(found.rows))} rows of {count(record['num_cells'])}"
        f" measurements in {seconds(record['duration_s'])}.",
        tone="plain",
        facts=[
            *made_facts(made or datetime.fromisoformat(record["date"])),
            ("Machine", f"{machine['processor']}, {machine['num_cpus']} CPUs"),
        ],
        sections=[
            Section("Picture", drawn),
            Section("Tables", [TableBlock(table) for table in tables]),
            Section(
                "Settings and versions",
                [
                    Details("What was asked for", [Code("Settings", settings)]),
                    Details(
                        "Versions",
                        [Code("Versions", json.dumps(record["versions"], indent=1))],
                    ),
                ],
            ),
        ],
    )
    return render(page)
