"""What a page is made of, free of any markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from servemix.report.tables import Table

__all__ = [
    "Bar",
    "Bars",
    "Block",
    "Code",
    "Details",
    "Download",
    "Image",
    "Lines",
    "Page",
    "Part",
    "Picture",
    "Section",
    "Strip",
    "Strips",
    "TableBlock",
    "Tile",
    "Tiles",
    "Tone",
]

#: What a colour says: ``good``, ``bad``, ``warn``, nothing (``plain``).
Tone = Literal["good", "bad", "warn", "plain"]


@dataclass(frozen=True)
class Tile:
    """One figure that is seen first."""

    label: str
    value: str
    note: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True)
class Tiles:
    """Figures side by side."""

    kind: ClassVar[str] = "tiles"
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Lines:
    """Paragraphs, or a list with bullets."""

    kind: ClassVar[str] = "lines"
    lines: Sequence[str]
    bullets: bool = False


@dataclass(frozen=True)
class TableBlock:
    """A table."""

    kind: ClassVar[str] = "table"
    table: Table


@dataclass(frozen=True)
class Part:
    """A part of a bar: its share of the bar's width, its colour (1 to 8, or a tone), its name."""

    share: float
    colour: str
    name: str = ""


@dataclass(frozen=True)
class Bar:
    """A bar with its label on the left and its value on the right.

    ``mark`` is a share of the width at which a line stands, None for none.
    """

    label: str
    value: str
    parts: Sequence[Part]
    mark: float | None = None


@dataclass(frozen=True)
class Bars:
    """Bars one above the other, with what each colour and the line mean."""

    kind: ClassVar[str] = "bars"
    title: str
    bars: Sequence[Bar]
    legend: Sequence[Part] = ()
    note: str = ""


@dataclass(frozen=True)
class Strip:
    """A range on an axis: from ``low`` to ``high`` with ``mid``, all as shares of the axis.

    ``limit`` and ``planned`` are further marks; None for none.
    """

    label: str
    value: str
    low: float
    mid: float
    high: float
    limit: float | None = None
    planned: float | None = None
    tone: Tone = "plain"


@dataclass(frozen=True)
class Strips:
    """Ranges one above the other on axes of their own or, with ``ticks``, on one."""

    kind: ClassVar[str] = "strips"
    title: str
    strips: Sequence[Strip]
    note: str = ""
    ticks: Sequence[str] = ()


@dataclass(frozen=True)
class Picture:
    """A picture as SVG in two widths, with its text alternative and a caption."""

    kind: ClassVar[str] = "picture"
    title: str
    wide: str
    narrow: str
    text: str
    caption: str = ""


@dataclass(frozen=True)
class Image:
    """A picture as a file of pixels in base64."""

    kind: ClassVar[str] = "image"
    title: str
    png_base64: str
    text: str


@dataclass(frozen=True)
class Code:
    """Commands to copy."""

    kind: ClassVar[str] = "code"
    title: str
    text: str


@dataclass(frozen=True)
class Download:
    """A file that the page carries, in base64."""

    kind: ClassVar[str] = "download"
    label: str
    name: str
    content_base64: str
    note: str = ""


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: Sequence[Block]


Block = Tiles | Lines | TableBlock | Bars | Strips | Picture | Image | Code | Download | Details


@dataclass(frozen=True)
class Section:
    """A part of a page under a heading."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """Name of the section in links."""
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes
    ----------
    kind
        What kind of report it is, such as ``plan``.
    title
        Its heading.
    verdict, tone
        The outcome in a sentence, and whether that is good.
    facts
        Labels and values below the heading: date, method and the like.
    sections
        Its parts; those without blocks are left out.
    data
        JSON that the page carries in ``script#servemix-plan``; None for none.
    """

    kind: str
    title: str
    verdict: str
    tone: Tone
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section] = field(default_factory=list)
    data: str | None = None
