"""Writing of files: whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import os
import secrets
import shutil
import stat
from pathlib import Path

__all__ = ["write_whole"]


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
        The file cannot be written; the old one is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    if target.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    exists = target.exists()
    if exists and not stat.S_ISREG(target.stat().st_mode):
        target.write_bytes(data)
        return
    # Not tempfile: its files are private, whatever the umask says.
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}")
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
