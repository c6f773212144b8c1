"""IDX, the file format of MNIST: a few bytes that say what follows, and then the numbers.

    00 00        every file begins with these
    type         one byte: uint8 08, int8 09, int16 0b, int32 0c, float32 0d, float64 0e
    dimensions   one byte: how many; then the size of each as a 4-byte number
    numbers      the last dimension runs fastest

All numbers have their most significant byte first. (The format's only description is at the end of
http://yann.lecun.com/exdb/mnist.) There is no checksum, and the declared sizes may be anything. So a reader has to
compare them with the size of the file before it allocates memory.
"""

import math
import os
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.arguments import describe, is_a
from chainrule.arrays.ownership import read_only

IdxArray: TypeAlias = NDArray[np.integer[Any] | np.floating[Any]]
"""An array of one of the six types that IDX has."""

_TYPES: dict[int, np.dtype[np.integer[Any] | np.floating[Any]]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
_GZIP = b"\x1f\x8b"
_EXPANSION = 1032  # Deflate makes at most 258 bytes of 2 bits.
_PIECE = 1 << 18  # Read at a time: memory follows what is in a file, not what the file declares.
_DIMENSIONS = 64  # of a NumPy array, at most


class IdxError(ValueError):
    """A file is not in IDX format, or not complete, or damaged.

    Examples
    --------
    >>> from chainrule.datasets import IdxError
    >>> issubclass(IdxError, ValueError)
    True
    """


def load_idx(path: str | os.PathLike[str]) -> IdxArray:
    """Read an IDX file, compressed by gzip or not.

    Memory is spent in proportion to what is in the file, whatever it declares.

    Parameters
    ----------
    path
        The file. Whether it is compressed is told from its first bytes, not from its name.

    Returns
    -------
    ndarray
        uint8, int8, int16, int32, float32 or float64 in the machine's byte order, of one dimension or more; read-only.

    Raises
    ------
    IdxError
        If the file does not hold exactly what it declares: another format, an unknown type, no dimensions or more than
        64, bytes missing or left over, damaged gzip data, or gzip data in more than one member. Also if it is no
        regular file, such as a folder or a pipe, which is told before it is opened.
    TypeError
        If the path is none.
    OSError
        If the file cannot be read; FileNotFoundError if there is none.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from chainrule.datasets import load_idx
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "three-numbers"
    ...     _ = path.write_bytes(bytes([0, 0, 0x08, 1, 0, 0, 0, 3, 7, 8, 9]))
    ...     load_idx(path)
    array([7, 8, 9], dtype=uint8)
    """
    if not is_a(path, str, os.PathLike):
        raise TypeError(f"load_idx: path must be a str or a path, got {describe(path)}")
    name = os.fspath(path)
    if not stat.S_ISREG(Path(name).stat().st_mode):  # opening a pipe would wait until somebody writes to it
        raise IdxError(f"{name}: is not a regular file")
    with Path(name).open("rb") as file:
        status = os.fstat(file.fileno())
        if file.peek(2)[:2] != _GZIP:
            return _load(name, file.read, status.st_size, packed=False)
        member = _Member(file)
        try:
            array = _load(name, member.read, status.st_size, packed=True)
            fault = member.fault()
        except zlib.error as error:
            raise IdxError(f"{name}: damaged gzip data ({error})") from error
        if fault:
            raise IdxError(f"{name}: {fault}")
        return array


class _Member:
    """A gzip file of one member, read in pieces of bounded size.

    By zlib itself: the gzip module follows any number of members and reads their headers byte by byte, in Python.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stream = zlib.decompressobj(wbits=31)  # 16 for gzip's header and checksum, 15 for the largest window

    def read(self, n: int) -> bytes:
        """At most n >= 1 bytes of the content; none only where it ends or breaks off."""
        while not self._stream.eof:
            packed = self._stream.unconsumed_tail or self._file.read(_PIECE)
            piece = self._stream.decompress(packed, n)
            if piece or not packed:
                return piece
        return b""

    def fault(self) -> str | None:
        """The fault in the end of the file, once `read` has given nothing; None if there is none."""
        if not self._stream.eof:
            return "has gzip data that breaks off"
        if self._stream.unused_data or self._file.read(1):
            return "has more after the end of its gzip data"
        return None


def _load(name: str, read: Callable[[int], bytes], size: int, *, packed: bool) -> IdxArray:
    """Read an array from a file of `size` bytes through `read`, comparing first and making room later."""
    dtype, shape = _header(name, read)
    header = 4 + 4 * len(shape)
    nbytes = math.prod(shape) * dtype.itemsize  # of Python's integers: NumPy's would wrap around
    sides = "x".join(str(side) for side in shape)
    kind = "" if dtype.itemsize == 1 else f" {dtype}"
    declared = f"{name}: declares {sides}{kind} = {nbytes} bytes"
    if packed and header + nbytes > size * _EXPANSION:
        raise IdxError(f"{declared}, more than {size} bytes of gzip data can hold")
    if not packed and header + nbytes != size:
        raise IdxError(f"{declared}, has {size - header}")
    if math.prod(side for side in shape if side) * dtype.itemsize > np.iinfo(np.intp).max:
        raise IdxError(f"{declared}, but NumPy has no arrays with such sides")
    data = _exactly(nbytes, read)
    if len(data) < nbytes:
        raise IdxError(f"{declared}, has {len(data)}")
    if read(1):
        raise IdxError(f"{declared}, has more")
    numbers = np.frombuffer(data, dtype.newbyteorder(">"))
    return read_only(numbers.astype(dtype, copy=False)).reshape(shape)


def _header(
    name: str, read: Callable[[int], bytes]
) -> tuple[np.dtype[np.integer[Any] | np.floating[Any]], tuple[int, ...]]:
    start = _exactly(4, read)
    if len(start) < 4:
        raise IdxError(f"{name}: has {len(start)} bytes, an IDX file begins with 4")
    if start[:2] != b"\0\0":
        raise IdxError(f"{name}: is no IDX file: begins with {start[:2].hex(' ')}, expected 00 00")
    code, ndim = start[2:]
    if code not in _TYPES:
        known = ", ".join(f"{number:02x} ({dtype})" for number, dtype in _TYPES.items())
        raise IdxError(f"{name}: declares type {code:02x}, expected one of {known}")
    if not 1 <= ndim <= _DIMENSIONS:
        raise IdxError(f"{name}: declares {ndim} dimensions, expected 1 to {_DIMENSIONS}")
    sides = _exactly(4 * ndim, read)
    if len(sides) < 4 * ndim:
        raise IdxError(f"{name}: declares {ndim} dimensions, whose sizes take {4 * ndim} bytes, has {len(sides)}")
    return _TYPES[code], tuple(int.from_bytes(sides[i : i + 4], "big") for i in range(0, 4 * ndim, 4))


def _exactly(n: int, read: Callable[[int], bytes]) -> bytearray:
    data = bytearray()
    while len(data) < n and (piece := read(min(n - len(data), _PIECE))):
        data += piece
    return data
