"""Readers on generated and on broken files: nothing is lost, nothing is made up."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("polars")

from servemix._errors import InvalidInputError
from servemix.traces import FORMATS, read_trace
from servemix.traces.trace import BROKEN_KINDS

START = datetime(2024, 5, 10, tzinfo=timezone.utc)

good_rows = st.lists(
    st.tuples(
        st.integers(0, 10**9),  # microseconds after the row before
        st.integers(1, 10**6),
        st.integers(1, 10**6),
    ),
    min_size=1,
    max_size=40,
)

# A field that breaks its row, and the kind it breaks it by.
bad_fields = st.one_of(
    st.tuples(st.sampled_from(["", " ", "NaN", "null", "N/A"]), st.just("missing")),
    st.tuples(
        st.sampled_from(["ten", "1.5", "1e999", "0x10", "1 2", "--1", "inf", "1e300", '"'])
        | st.text(alphabet="abcxyz-+.", min_size=1).filter(lambda t: t.lower() not in ("na",)),
        st.just("unparsable"),
    ),
    st.tuples(st.integers(-(10**6), -1).map(str), st.just("negative")),
    st.tuples(st.sampled_from(["0", "0.0", "-0"]), st.just("zero")),
)


def azure_line(micros: int, *fields: object) -> str:
    time = (START + timedelta(microseconds=micros)).isoformat(" ", "microseconds")
    return ",".join([time, *map(str, fields)])


@given(
    good_rows,
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1), bad_fields), max_size=15),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=150, deadline=None)
def test_good_rows_survive_any_mixture_with_broken_ones(tmp_path_factory, rows, bad, packed, end):
    lines = []  # (text, kind of brokenness or None)
    micros = np.cumsum([row[0] for row in rows])
    for at, row in zip(micros, rows, strict=True):
        lines.append((azure_line(int(at), row[1], row[2]), None))
    for place, column, (text, kind) in bad:
        at = min(place, len(lines))
        lines.insert(at, (azure_line(0, *([7, text] if column else [text, 7])), kind))
    body = end.join(["TIMESTAMP,ContextTokens,GeneratedTokens", *(line for line, _ in lines)])
    content = (body + end).encode()
    path = tmp_path_factory.mktemp("trace") / "trace.csv"
    path.write_bytes(gzip.compress(content) if packed else content)
    trace = read_trace(path)
    np.testing.assert_array_equal(trace.input_tokens, [row[1] for row in rows])
    np.testing.assert_array_equal(trace.output_tokens, [row[2] for row in rows])
    np.testing.assert_allclose(trace.arrival_s, (micros - micros[0]) / 1e6, atol=1e-6)
    for kind in BROKEN_KINDS:
        expected = [number for number, (_, found) in enumerate(lines, start=2) if found == kind]
        assert list(trace.broken.lines[kind]) == expected
    assert trace.broken.num_rows == len(lines)


@given(good_rows, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_rows_in_any_order_make_the_same_trace(tmp_path_factory, rows, random):
    folder = tmp_path_factory.mktemp("trace")
    # Equal times would keep the order of the file, which is another one here.
    micros = np.cumsum([row[0] + 1 for row in rows])
    lines = [azure_line(int(at), *row[1:]) for at, row in zip(micros, rows, strict=True)]
    traces = []
    for name in ("sorted.csv", "shuffled.csv"):
        (folder / name).write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "\n".join(lines))
        traces.append(read_trace(folder / name))
        random.shuffle(lines)
    one, other = traces
    np.testing.assert_array_equal(one.arrival_s, other.arrival_s)
    np.testing.assert_array_equal(one.input_tokens, other.input_tokens)
    assert one.start == other.start
    assert not one.broken
    assert other.broken.num_dropped == 0


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["timestamp", "input_length", "output_length", "hash_ids"]),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([1]),
        ),
        max_size=10,
    )
)
@settings(max_examples=100, deadline=None)
def test_mooncake_accounts_for_every_line(tmp_path_factory, entries):
    first = {"timestamp": 0, "input_length": 5, "output_length": 6}
    path = tmp_path_factory.mktemp("trace") / "trace.jsonl"
    path.write_text("\n".join(json.dumps(entry) for entry in [first, *entries]))
    trace = read_trace(path)
    assert trace.num_requests + trace.broken.num_dropped == len(entries) + 1
    assert trace.broken.num_rows == len(entries) + 1


headers = st.sampled_from(
    [
        b"",
        b"TIMESTAMP,ContextTokens,GeneratedTokens\n",
        b"TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00,1,2,3\n",
        b"Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n1,a,2,3,5,x\n",
        b"arrived_at,num_prefill_tokens,num_decode_tokens\n0,1,1\n",
        b"timestamp,prompt_tokens,completion_tokens,model\n1700000000,1,1,a\n",
        b'{"timestamp": 0, "input_length": 1, "output_length": 1}\n',
    ]
)
csv_bytes = st.text(alphabet='0123456789,.-":eT \n\r\t\x00\x01#aZ+', max_size=300).map(str.encode)


@given(headers, st.binary(max_size=300) | csv_bytes, st.none() | st.sampled_from(FORMATS))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_trace_or_refused_by_the_file_name(tmp_path_factory, header, body, format):
    path = tmp_path_factory.mktemp("trace") / "trace.csv"
    path.write_bytes(header + body)
    refusal = None
    try:
        trace = read_trace(path, format)
    except InvalidInputError as error:
        refusal = str(error)
    if refusal is None:
        assert trace.num_requests == trace.broken.num_rows - trace.broken.num_dropped
        assert (trace.input_tokens > 0).all()
        assert (np.diff(trace.arrival_s) >= 0).all()
    else:
        assert str(path) in refusal
