"""What a file holds reaches a reader as plain data or as an InvalidInputError, whatever it is."""

import gzip
import json
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servemix import InvalidInputError, load_problem
from servemix._decode import MAX_DEPTH, load_json, load_yaml, unpack
from servemix._text import shown
from servemix.scenario import load_scenario
from servemix.traces import calibrate, read_trace

EXAMPLES = Path(__file__).parents[1] / "examples"

SCENARIO = (EXAMPLES / "scenarios" / "chat-and-code.yaml").read_text()


@pytest.mark.parametrize(
    "value",
    [
        "!!int ''",
        "!!bool maybe",
        "!!timestamp foo",
        "!!float x",
        "!!set [1]",
        "!!python/name:os",
        "!x y",
    ],
)
def test_a_tag_that_does_not_fit_its_value_is_named(value):
    with pytest.raises(InvalidInputError, match=r"^file: "):
        load_yaml(f"a: {value}", "file")


def test_aliases_are_counted_as_often_as_they_repeat():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(InvalidInputError, match="aliases repeat more than"):
        load_yaml("\n".join(lines), "file")
    assert load_yaml("a: &a [1, 2]\nb: *a", "file") == {"a": [1, 2], "b": [1, 2]}
    with pytest.raises(InvalidInputError, match="contains itself"):
        load_yaml("a: &a [*a]", "file")


@pytest.mark.parametrize("load", [load_json, load_yaml])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 1_000, 60_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a": ', "}")])
def test_nesting_is_limited(load, depth, left, right):
    with pytest.raises(InvalidInputError, match=r"^file: .*nested too deeply"):
        load(left * depth + "1" + right * depth, "file")


def test_blocks_of_yaml_are_limited_too():
    with pytest.raises(InvalidInputError, match="nested too deeply"):
        load_yaml("- " * 3_000 + "x", "file")


@pytest.mark.parametrize(
    "text", ['{"a": "\\ud800"}', '{"\\udfff": 1}', '{"a": ' + "9" * 5_000 + "}"]
)
def test_what_cannot_be_written_again_is_refused(text):
    with pytest.raises(InvalidInputError, match=r"^file: "):
        load_json(text, "file")


def test_gzip_may_not_unpack_to_far_more_than_its_size():
    bomb = gzip.compress(b"\0" * 2**24) * 8
    with pytest.raises(InvalidInputError, match=r"^file: unpacks to more than"):
        unpack(bomb, "file")
    # it is known by what it unpacked so far, not only at the end of a long file
    padded = bomb + gzip.compress(random.Random(0).randbytes(2**23))
    with pytest.raises(InvalidInputError, match="more than 30 times"):
        unpack(padded, "file")
    assert unpack(gzip.compress(b"text"), "file") == b"text"
    with pytest.raises(InvalidInputError, match="damaged gzip"):
        unpack(gzip.compress(b"text" * 100)[:-9], "file")


def test_scenarios_may_be_gzipped_or_begin_with_a_byte_order_mark(tmp_path):
    plain = load_scenario(EXAMPLES / "scenarios" / "chat-and-code.yaml")
    file = tmp_path / "s.yaml"
    for content in (gzip.compress(SCENARIO.encode()), b"\xef\xbb\xbf" + SCENARIO.encode()):
        file.write_bytes(content)
        assert load_scenario(file) == plain


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_mutated_scenarios_raise_nothing_but_invalid_input(data, tmp_path_factory):
    text = SCENARIO
    pieces = [
        "!!int ",
        "&a ",
        "*a",
        "[",
        "{",
        "\x1b",
        "9" * 400,
        "\n- ",
        "!!timestamp ",
        '"\\ud800"',
        "~",
    ]
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text)))
        text = (
            text[:place]
            + data.draw(st.sampled_from(pieces))
            + text[place + data.draw(st.integers(0, 5)) :]
        )
    file = tmp_path_factory.mktemp("mutated") / "s.yaml"
    file.write_text(text, encoding="utf-8")
    # Any other exception fails the test.
    with suppress(InvalidInputError):
        load_scenario(file)


def test_a_trace_of_centuries_is_refused(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n0,1,1\n14000000000,1,1\n")
    with pytest.raises(InvalidInputError, match="years apart"):
        calibrate(read_trace(file))


def test_names_are_shown_escaped():
    name = "x\x1b[31m\x1b]0;t\x07\r\n\u202e\0\x9b2J é 漢"
    assert shown(name) == "x\\x1b[31m\\x1b]0;t\\x07\\r\\n\\u202e\\x00\\x9b2J é 漢"


def test_reports_hold_no_control_characters_and_json_keeps_names(tmp_path):
    problem = json.loads((EXAMPLES / "problem.json").read_text())
    ugly = "x\x1b[31m\x1b]0;t\x07\r\nFAKE\u202e\0\x9b2J"
    problem["name"] = ugly
    for kind in ("query_types", "models", "tiers", "pools"):
        for index, row in enumerate(problem[kind]):
            row["name"] = f"{ugly}{index}"
    file = tmp_path / "p.json"
    file.write_text(json.dumps(problem))
    from servemix import solve

    plan = solve(load_problem(file), "gh")
    page = plan._repr_html_()
    for text in (plan.summary(), page):
        assert not set(text) & set("\x1b\x07\r\0\x9b\u202e")
        assert "\nFAKE" not in text
    assert json.loads(plan.to_json())["problem"] == ugly
    for command in ("solve", "explain", "compare"):
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "servemix",
                command,
                str(file),
                *(["-m", "gh"] if command != "explain" else []),
            ],
            capture_output=True,
            check=False,
        )
        out = (run.stdout + run.stderr).decode()
        assert not set(out) & set("\x1b\x07\r\0\x9b\u202e"), command
        assert "\nFAKE" not in out


def test_errors_of_a_problem_file_name_it(tmp_path):
    file = tmp_path / "p.json"
    file.write_text("[" * 100_000)
    with pytest.raises(InvalidInputError, match=r"recursion|object"):
        load_problem(file)
    with pytest.raises(InvalidInputError, match="load_scenario"):
        load_problem("x.yaml")
