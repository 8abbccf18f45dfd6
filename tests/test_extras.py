"""What is missing is named, with the command that installs it."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from servemix._errors import MissingExtraError, ServemixError
from servemix._extras import require


def test_a_module_that_is_there_is_returned() -> None:
    assert require("math", extra="plot") is math


@pytest.mark.parametrize("module", ["no_such_module", "no_such_module.sub.module"])
def test_a_missing_module_names_the_extra_that_installs_it(module: str) -> None:
    with pytest.raises(MissingExtraError, match=r'pip install "servemix\[plot\]"') as caught:
        require(module, extra="plot")
    assert isinstance(caught.value, ServemixError)
    assert isinstance(caught.value, ImportError)


def test_a_module_that_misses_something_of_its_own_says_so_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency") as caught:
        require("half_installed", extra="plot")
    assert not isinstance(caught.value, MissingExtraError)
    assert "half_installed" not in sys.modules
