"""What a plan's problem used of measured files, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix.performance.profile import MeasuredUse

__all__ = ["measured_table"]


def measured_table(use: MeasuredUse) -> Table:
    """Say of each measured file how much of it is used, and why the rest is not.

    Parameters
    ----------
    use
        As ``Screening.measured`` has it.

    Returns
    -------
    Table
        One row per file.
    """
    rows = [
        [
            file.file,
            file.format,
            str(file.rows),
            str(file.matched),
            str(file.used),
            "; ".join(f"{count}: {why}" for why, count in file.unused.items()),
        ]
        for file in use.files
    ]
    columns = ["file", "format", ">rows", ">of the scenario", ">used", "not used"]
    return Table("Measured files", columns, rows)
