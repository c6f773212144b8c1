"""The file of the picture: its path is checked before training, and it is written whole or not at all."""

import errno
import os
from pathlib import Path

from chainrule.demo.errors import UsageError


def check(path: Path) -> None:
    """Make sure that a picture can be written to a path, by writing an empty file beside it.

    A file that is there stays. A UsageError says that the name does not fit, or that the folder takes no files.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"the picture will be a PNG file: --picture {path} must end in .png")
    part = _part(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        part.touch(exist_ok=False)
        part.unlink()
    except (OSError, ValueError) as error:
        raise _usage_error(path, error) from None


def write(path: Path, content: bytes) -> None:
    """Write a file so that it is never there in part; an older one is replaced."""
    part = _part(path)
    try:
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise _usage_error(path, error) from None


def _part(path: Path) -> Path:
    """A temporary name in the same folder: only within a file system is a replacement one step."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _usage_error(path: Path, error: OSError | ValueError) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(f"cannot write {path}: {reason}: choose another --picture, or --no-picture")
