"""Write the README's example as the command prints it now, and the pictures of its plan.

Usage: `python .ci/readme.py [--check]`. The pictures, docs/plan-light.svg and docs/plan-dark.svg,
are those of the report page. With `--check` nothing is written; the exit code is 1 if a file is out
of date. The time that the solve took does not count.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from servemix import Plan, Problem, load_plan, load_problem
from servemix.report.page.flow import flow_picture

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
STYLE = ROOT / "python" / "servemix" / "report" / "page" / "templates" / "style.css"
COMMAND = ["servemix", "plan", "azure-2023"]
#: The lines of the output that the README shows end before this one.
END = "\n  Up to "
TIME = re.compile(r"(?<= in )[\d.]+ m?s(?= \()")
FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"


def main() -> int:
    """Write the files, or compare them."""
    stale = 0
    for path, text in files().items():
        old = path.read_text() if path.exists() else ""
        if without_time(old) == without_time(text):
            continue
        stale = 1
        if "--check" in sys.argv:
            print(f"{path.relative_to(ROOT)} is out of date")
        else:
            path.write_text(text)
    return stale if "--check" in sys.argv else 0


def files() -> dict[Path, str]:
    """Return what each file should contain."""
    printed, problem, plan = planned()
    shown = printed.partition(END)[0]
    start, rest = README.read_text().split("```text\n", 1)
    before, _, end = rest.partition("\n```")
    shown = TIME.sub(TIME.findall(before)[0], shown)
    return {
        README: f"{start}```text\n{shown}\n```{end}",
        ROOT / "docs" / "plan-light.svg": picture(problem, plan, scheme(0)),
        ROOT / "docs" / "plan-dark.svg": picture(problem, plan, scheme(1)),
    }


def without_time(text: str) -> str:
    """Return text without the time that a solve took."""
    return TIME.sub("", text)


def planned() -> tuple[str, Problem, Plan]:
    """Return what the README's command prints, its problem and its plan."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"--save-problem": f"{folder}/problem.json", "-o": f"{folder}/plan.json"}
        options = [word for pair in files.items() for word in pair]
        command = [sys.executable, "-m", *COMMAND, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        problem = load_problem(files["--save-problem"])
        return done.stdout, problem, load_plan(files["-o"], problem)


def scheme(number: int) -> dict[str, str]:
    """Return the colours of the report page: 0 for light, 1 for dark."""
    blocks = re.findall(r":root\{(.*?)\}", STYLE.read_text(), re.DOTALL)
    return dict(re.findall(r"--([\w-]+):(#\w+)", blocks[number]))


def picture(problem: Problem, plan: Plan, colours: dict[str, str]) -> str:
    """Return the report's picture of a plan as a file that stands alone."""
    drawn = flow_picture(problem, plan)
    assert drawn is not None
    rules = "".join(
        f".fill-{name}{{fill:{colour}}}.stroke-{name}{{stroke:{colour}}}"
        for name, colour in ((key.removeprefix("c"), value) for key, value in colours.items())
        if name.isdigit() or name == "ink"
    )
    style = (
        f"<style>{rules}.link{{fill:none;stroke-opacity:.4}}"
        f".name,.sub{{font:600 13px {FONT};fill:{colours['ink']}}}"
        f".sub{{font-weight:400;font-size:12px;fill:{colours['muted']}}}</style>"
    )
    titled = f"<title>{drawn.text}</title>{style}"
    return re.sub(
        r'(<svg[^>]*?) aria-hidden="true" focusable="false">', rf"\1>{titled}", drawn.wide
    )


if __name__ == "__main__":
    sys.exit(main())
