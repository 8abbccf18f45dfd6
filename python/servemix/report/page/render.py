"""Pages from blocks, by jinja2 (extra ``report``)."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from importlib import resources
from typing import Any

from servemix._extras import require
from servemix._text import shown
from servemix.report.html_tables import table_html
from servemix.report.page.blocks import Page

__all__ = ["made_facts", "render", "template"]


def render(page: Page) -> str:
    """Return a page as HTML.

    Parameters
    ----------
    page
        What is to be shown.

    Returns
    -------
    str
        The whole document.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed (extra ``report``).
    """
    sections = [section for section in page.sections if section.blocks]
    style = _read("style.css")
    text: str = template("page.html.jinja").render(
        page=page, sections=sections, style=style, script=_script(page)
    )
    return text


def template(name: str) -> Any:
    """Return a template of this package.

    Parameters
    ----------
    name
        Its file.

    Returns
    -------
    jinja2.Template
        The template; every text that it is given is escaped.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed (extra ``report``).
    """
    return _environment().get_template(name)


def made_facts(made: datetime | None) -> list[tuple[str, str]]:
    """Say when a report was made, and by which version.

    Parameters
    ----------
    made
        When; None for now.
    """
    from servemix._core import __version__

    when = (made or datetime.now(timezone.utc)).astimezone(timezone.utc)
    return [("Date", f"{when:%Y-%m-%d %H:%M} UTC"), ("Made by", f"servemix {__version__}")]


def _script(page: Page) -> str | None:
    """JSON of a page as it may stand in a script element."""
    if page.data is None:
        return None
    # "</" would end the element and "<!--" change how it is read; in JSON "<" is in strings only.
    return page.data.replace("<", "\\u003c")


@lru_cache(maxsize=8)
def _read(name: str) -> str:
    folder = resources.files("servemix.report.page") / "templates"
    return (folder / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> Any:
    jinja2 = require("jinja2", extra="report")
    markup = require("markupsafe", extra="report").Markup
    # Names come from files: every text is escaped, and none may steer what shows it.
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: shown(value, keep="\n") if type(value) is str else value,
    )
    environment.filters["table"] = lambda table: markup(table_html(table))
    environment.filters["trusted"] = markup
    environment.filters["at"] = lambda share: f"{100.0 * min(max(share, 0.0), 1.0):.2f}%"
    return environment
