"""Codes of exceptions are part of the interface: they never change their meaning."""

from __future__ import annotations

import pytest

from servemix import InternalError, InvalidInputError, MissingExtraError
from servemix._core import _problem_from_json


def test_every_exception_has_its_code() -> None:
    assert (InvalidInputError.code, InternalError.code, MissingExtraError.code) == (1, 3, 4)


def test_exceptions_of_the_native_part_have_the_code_of_their_class() -> None:
    with pytest.raises(InvalidInputError) as caught:
        _problem_from_json(b"{}")
    assert caught.value.code == 1
