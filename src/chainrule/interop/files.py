"""Files: a tree to a file and back. Parameters, the state of an optimizer, statistics, a whole run.

    save(path, tree)
    tree = load(path, like)

**The file** is a safetensors file, which many programs read: arrays by name, and no code. The names are the paths of
the arrays, as Python would reach them: `[0].W` is `params[0].W`. What records carry along beside arrays (a step, a
rate, a name, None) stands in the file's metadata, by path too, and comes back exactly: integers of any size, and floats
by their hexadecimal digits.

**The form** is that of `like`, which a program has at hand: freshly drawn parameters, or the run before its first step.
Names, shapes and dtypes in the file are compared with it before an array is read, so that a file of another network
costs no memory, and the error lists all that differs.

**Whole or not at all.** `save` writes beside the file and then puts the new one in its place, in one step: whoever
reads gets the old file or the new one, also after a crash at any moment. What was written then may lie beside it, under
a name that begins with a dot. `load` compares a SHA-256 over everything in the file, where there is one, and returns
nothing of a damaged file. A file that another program wrote has no such sum, and is read without.

It needs `pip install 'chainrule[files]'`.
"""

import errno
import hashlib
import json
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.arguments import describe, is_a
from chainrule.arrays.extras import pip_install
from chainrule.arrays.ownership import own
from chainrule.interop._conversions import form, in_numpy, moved
from chainrule.interop._entries import TEXTS, Value, put_together, taken_apart
from chainrule.interop._misfits import check_fit, shown

P = TypeVar("P")

StrPath: TypeAlias = "str | os.PathLike[str]"
"""A path."""

FORMS = frozenset("bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64 c64".split())
"""The dtypes of the format that NumPy has, with ml_dtypes."""

VERSION, DIGEST, VALUES = "chainrule.version", "chainrule.sha256", "chainrule.values"
"""The names in the metadata of a file of ours. All of them are there, or none is: see `_opened_up`."""

FORMAT = "1"
"""The version of what stands under these names."""


def save(path: StrPath, tree: object) -> None:
    """Write a tree to a file.

    Parameters
    ----------
    path
        The file, which is replaced if it is there. Its folder must be there.
    tree
        Records and tuples of arrays, nested: parameters, the state of an optimizer, statistics, a run. Beside arrays
        records may hold integers, floats, complex numbers, strings, bytes, True, False and None, and mappings of names
        to all these. Arrays of booleans, integers, floats, bfloat16 and complex64, in any layout, of any library that
        gives its numbers to NumPy.

    Raises
    ------
    TypeError
        If the path is none, or the tree holds something else; the message says where.
    OSError
        If the file can't be written: there is no such folder, no permission, or no space. Then an older file is as it
        was, and nothing is left of the new one.
    ValueError
        If there is something at `path` that is no file, such as a device.
    ImportError
        If the package safetensors is not installed.

    Notes
    -----
    The sum in the metadata, `chainrule.sha256`, is the SHA-256 of, for each array in the order of their names, the line
    `["[0].W", "f32[3, 2]"]` in JSON and its bytes in C order, and then of the text `chainrule.values`.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from chainrule import Affine, load, save, tree
    >>> rng = np.random.default_rng(0)
    >>> params = (Affine.init(rng, 3, 2), ())
    >>> with TemporaryDirectory() as folder:
    ...     save(Path(folder) / "net.safetensors", params)
    ...     loaded = load(Path(folder) / "net.safetensors", like=(Affine.init(rng, 3, 2), ()))
    >>> tree.equal(loaded, params)
    True
    """
    safetensors: Any = _safetensors("save")
    target = file_at("save", path)
    found, values = taken_apart("save", tree)
    arrays = {name: _held(name, leaf) for name, leaf in found.items()}
    text = _text(values)
    metadata = {VERSION: FORMAT, DIGEST: _digest(arrays, text), VALUES: text}
    with replacing(target) as unfinished:
        try:
            safetensors.numpy.save_file(arrays, unfinished, metadata)
        except safetensors.SafetensorError as error:  # of the system, by number, in words of its own
            number = re.search(r"\(os error (\d+)\)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error


def load(path: StrPath, like: P) -> P:
    """Read a tree from a file.

    Parameters
    ----------
    path
        A file that `save` has written, or another safetensors file whose names are paths.
    like
        A tree of the same structure, shapes and dtypes. Its numbers do not matter, and neither do its values: of each,
        the type does, but that None may stand for a value, or a value for None.

    Returns
    -------
    P
        A tree like `like` with the arrays and the values of the file. NumPy's arrays are read-only; those of another
        library are on the device of those in `like`.

    Raises
    ------
    ValueError
        If the file is damaged, is no safetensors file, or does not fit `like`: the message lists what is missing, what
        is unexpected, and what has another shape, dtype or type.
    OSError
        If it can't be read.
    TypeError
        If the path is none, or `like` is nothing that a file can hold.
    ImportError
        If the package safetensors is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from chainrule import load, save
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.safetensors"
    ...     save(path, np.ones(2))
    ...     load(path, like=np.zeros(2))
    ...     load(path, like=np.zeros(3))
    Traceback (most recent call last):
    ValueError: load: a.safetensors does not fit like: different: the only array is f64[2], expected f64[3]
    """
    safetensors: Any = _safetensors("load")
    source = file_at("load", path)
    size = source.stat().st_size  # an OSError if it is not there
    leaves, values = taken_apart("load", like)
    wanted = {name: form(leaf) for name, leaf in leaves.items()} | {n: _kind(value) for n, value in values.items()}
    try:
        with safetensors.safe_open(source, "numpy", backend="pread") as file:
            metadata: dict[str, str] = file.metadata() or {}
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            found = {name: _form_in_file(each) for name, each in slices.items()}
            carried = _carried(source, metadata)
            kinds = {name: _kind(value) for name, value in carried.items()}
            check_fit(f"load: {source.name} does not fit like", found | kinds, wanted, _same)
            arrays = {name: own(file.get_tensor(name)) for name in leaves}
    except safetensors.SafetensorError as error:
        what = f"load: {source.name} is damaged, or no safetensors file, of {size} bytes"
        raise ValueError(f"{what}: {shown(str(error))}") from error
    if DIGEST in metadata and metadata[DIGEST] != _digest(arrays, metadata[VALUES]):
        raise _damaged(source, "its SHA-256 is not that of its contents")
    return put_together(like, {name: moved(array, leaves[name]) for name, array in arrays.items()} | carried)


def _safetensors(owner: str) -> Any:
    try:
        import_module("safetensors.numpy")
        return import_module("safetensors")
    except ImportError as missing:
        raise ImportError(f"{owner} needs the package safetensors: {pip_install('files')}") from missing


def file_at(owner: str, path: Any) -> Path:
    """The path of a file that is there or may be, behind symbolic links."""
    if not is_a(path, str, os.PathLike):
        raise TypeError(f"{owner}: path must be a str or a path, got {describe(path)}")
    found = Path(os.path.realpath(os.fsdecode(path)))
    if found.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(found))
    if found.exists() and not found.is_file():
        raise ValueError(f"{owner}: {found} is no file: it is a device, a pipe or a socket")
    return found


@contextmanager
def replacing(target: Path) -> Generator[Path, None, None]:
    """A path beside a file, for what is to take its place; it is gone afterwards."""
    unfinished = target.with_name(f".{os.urandom(8).hex()}.unfinished")
    try:
        unfinished.touch(exist_ok=False)
        try:
            mode = (target if target.exists() else unfinished).stat().st_mode
            yield unfinished
            unfinished.chmod(mode)
            with unfinished.open("r+b") as file:
                os.fsync(file.fileno())
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        if os.name == "posix":  # where the entry in the folder must reach the disk too
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


def _held(path: str, leaf: Any) -> NDArray[Any]:
    where = f"save: {path or 'the only array'}"
    array = in_numpy(where, leaf)
    if form(array).partition("[")[0] not in FORMS:
        text = ": give text as a tuple: tuple(names.tolist())" if array.dtype.kind in "OSTU" else ""
        raise TypeError(f"{where} is {describe(leaf)}: a safetensors file holds no such numbers{text}")
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")


def _form_in_file(entry: Any) -> str:
    return f"{entry.get_dtype().lower()}{entry.get_shape()}"


def _kind(value: object) -> str:
    return type(value).__name__


def _same(found: str, wanted: str) -> bool:
    return found == wanted or ("NoneType" in {found, wanted} and {found, wanted} <= TEXTS.keys())


def _text(values: dict[str, Value]) -> str:
    return json.dumps({name: [_kind(value), TEXTS[_kind(value)][0](value)] for name, value in values.items()})


def _carried(source: Path, metadata: dict[str, str]) -> dict[str, Value]:
    if not any(name.startswith("chainrule") for name in metadata):
        return {}
    if not {VERSION, DIGEST, VALUES} <= metadata.keys():
        raise _damaged(source, f"{VERSION}, {DIGEST} or {VALUES} is missing in its metadata")
    if metadata[VERSION] != FORMAT:
        what = f"load: {source.name} has version {shown(metadata[VERSION])} of this format, expected {FORMAT}"
        raise ValueError(f"{what}: it is damaged, or a later chainrule wrote it")
    try:
        return {name: TEXTS[kind][1](text) for name, (kind, text) in json.loads(metadata[VALUES]).items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise _damaged(source, f"its values can't be read: {shown(str(error))}") from error


def _damaged(source: Path, how: str) -> ValueError:
    return ValueError(f"load: {source.name} is damaged: {how}")


def _digest(arrays: dict[str, NDArray[Any]], text: str) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(f"{json.dumps([name, form(arrays[name])])}\n".encode())
        found.update(arrays[name].reshape(-1).view(np.uint8).data)
    found.update(text.encode())
    return found.hexdigest()
