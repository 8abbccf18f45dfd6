"""Reading and writing of files, whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import secrets
import shutil
import stat
import time
from pathlib import Path

from servemix._errors import InvalidInputError

__all__ = ["possible_path", "read_whole", "write_whole"]

#: A temporary file that nobody wrote to for so long has no writer any more, s.
_ABANDONED_S = 600.0


def possible_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that a file can have.

    Parameters
    ----------
    path
        The path.

    Raises
    ------
    InvalidInputError
        It holds a NUL, which no file system takes.
    """
    if "\0" in os.fspath(path):
        raise InvalidInputError(f"{os.fspath(path)!r}: no file name holds a NUL")
    return Path(path)


def read_whole(path: str | os.PathLike[str]) -> bytes:
    """Read a file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OSError
        It cannot be read.
    InvalidInputError
        No file can have this name.
    """
    return possible_path(path).read_bytes()


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file so that at every moment it is either the old one or the whole new one.

    The content goes to a temporary file in the same folder, which then takes the file's place. A
    link is followed, an existing file keeps its permissions, and what is no regular file (such as
    ``/dev/stdout``) is written to directly.

    Parameters
    ----------
    path
        The file. Where its name ends in ``.gz`` it is compressed, the same content always to the
        same bytes.
    content
        Text, written as UTF-8, or bytes.

    Raises
    ------
    OSError
        The file cannot be written, and the error names it; the old one is as it was.
    InvalidInputError
        No file can have this name.
    """
    possible_path(path)
    try:
        _write_whole(path, content)
    except OSError as error:
        # A full disk names no file, and nobody knows the temporary one.
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error


def _write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    if target.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    exists = target.exists()
    if exists and not stat.S_ISREG(target.stat().st_mode):
        target.write_bytes(data)
        return
    prefix = f".{target.name[:100]}."
    _remove_left_over(target.parent, prefix)
    # Not tempfile: its files are private, whatever the umask says.
    temporary = target.with_name(f"{prefix}{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if exists:
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def _remove_left_over(folder: Path, prefix: str) -> None:
    """Remove temporary files of this target whose writer was killed long ago."""
    pattern = re.compile(re.escape(prefix) + "[0-9a-f]{16}")
    before = time.time() - _ABANDONED_S
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and pattern.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < before:
                        os.unlink(entry.path)
