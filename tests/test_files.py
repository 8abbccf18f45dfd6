"""Files are written whole or not at all."""

from __future__ import annotations

import gzip
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from servemix import InvalidInputError, load_plan, load_problem
from servemix._files import read_whole, write_whole
from servemix.catalog.calibration import read_calibration
from servemix.export.plan_file import read_plan_file
from servemix.performance.measurements import read_measurements
from servemix.performance.profile import read_profile
from servemix.scenario import load_scenario
from servemix.traces import read_rate_series, read_trace


def test_text_and_bytes_are_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_whole(path, "größe")
    assert path.read_text(encoding="utf-8") == "größe"
    write_whole(str(path), b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert list(tmp_path.iterdir()) == [path]


def test_a_gz_name_compresses_the_same_content_to_the_same_bytes(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.json.gz", "content")
    write_whole(tmp_path / "b.json.gz", "content")
    assert gzip.decompress((tmp_path / "a.json.gz").read_bytes()) == b"content"
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match=r"No space left.*plan\.json'") as caught:
        write_whole(path, "new")
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_follow_the_old_file_or_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    umask = os.umask(0o027)
    try:
        write_whole(path, "new")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    write_whole(path, "newer")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link_and_a_device_a_device(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    write_whole("/dev/null", "new")
    assert not Path("/dev/null").is_file()


READERS = [
    read_whole,
    load_problem,
    load_plan,
    load_scenario,
    read_trace,
    read_rate_series,
    read_measurements,
    read_profile,
    read_calibration,
    read_plan_file,
]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("ending", ["json", "csv"])
def test_a_name_that_no_file_can_have_is_said_to_be_one(read: Any, ending: str) -> None:
    arguments = [None] if read is load_plan else []
    with pytest.raises(InvalidInputError, match=r"no file name holds a NUL"):
        read(f"a\0b.{ending}", *arguments)


def test_nothing_is_written_to_a_name_that_no_file_can_have() -> None:
    with pytest.raises(InvalidInputError, match=r"no file name holds a NUL"):
        write_whole("a\0b.json", "new")


def test_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "plan.json", "new")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_device_is_named() -> None:
    with pytest.raises(OSError, match=r"/dev/full"):
        write_whole("/dev/full", "x" * 10_000)


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    old = time.time() - 3600
    left = tmp_path / ".plan.json.0123456789abcdef"
    others = [
        tmp_path / ".plan.json.0123456789abcdeg",  # none of ours
        tmp_path / ".plan.json.fedcba9876543210",  # someone may still be writing it
        tmp_path / ".other.json.0123456789abcdef",
        tmp_path / "plan.json.0123456789abcdef",
    ]
    for file in (left, *others):
        file.write_text("half")
        if file != others[1]:
            os.utime(file, (old, old))
    write_whole(path, "whole")
    assert not left.exists()
    assert all(file.exists() for file in others)
