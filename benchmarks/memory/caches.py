"""All that a cache keeps: the memory that it alone holds, beside the parameters and the input.

Memory is counted, not arrays: views of one array are counted once, and a view of a part keeps the whole.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from catalogue import ENCODERS, LAYERS, PARTLY_FIXED, Subject
from chainrule import tree
from memory.typical import typical
from speed.page import ratio, table

SUBJECTS = (*LAYERS, *PARTLY_FIXED, *ENCODERS)


@frozen
class Kept:
    """A piece of memory that a cache keeps."""

    fields: tuple[str, ...]
    """The fields of the cache that hold it, without positions: `("value",)`."""
    bytes: int
    output: bool
    """True if it is the output itself, which the next layer may keep too."""


def kept(params: Any, x: Any, out: Any, cache: Any) -> list[Kept]:
    """All that a cache keeps beyond `params` and `x`, the largest first."""
    held = {id(owner(leaf)) for leaf in (x, *tree.leaves(params))}
    pieces = dict[int, tuple[NDArray[Any], list[str]]]()
    for path, leaf in tree.named_leaves(cache):
        piece = owner(leaf)
        if piece.nbytes and id(piece) not in held:
            pieces.setdefault(id(piece), (piece, []))[1].append(re.sub(r"\[\d+\]", "", path).lstrip("."))
    found = [Kept(tuple(fields), piece.nbytes, piece is owner(out)) for piece, fields in pieces.values()]
    return sorted(found, key=lambda each: -each.bytes)


def owner(array: Any) -> NDArray[Any]:
    """The array whose memory an array is a view of, or itself."""
    owning: Any = array
    while type(owning.base) is np.ndarray:
        owning = owning.base
    return np.asarray(owning)


def keeps(array: Any, cache: Any) -> bool:
    """Tell whether a cache holds an array, whole or in part."""
    return any(owner(leaf) is owner(array) for leaf in tree.leaves(cache))


def row(subject: Subject) -> list[str]:
    """A layer, the shape of its input, whether that is kept, and what is kept beyond it, in multiples of it."""
    params, x = typical(subject)
    out, cache = subject.layer.forward(params, x)
    pieces = kept(params, x, out, cache)
    total = sum(piece.bytes for piece in pieces) / x.nbytes
    return [subject.name, str(x.shape), "yes" if keeps(x, cache) else "no", ratio(total), _words(pieces, x.nbytes)]


def _words(pieces: Sequence[Kept], unit: int) -> str:
    """The pieces by their fields, with their sizes where there are several; those of less than 0.005 have none."""
    counts = Counter(
        (" = ".join(piece.fields) + (" (the output)" if piece.output else ""), piece.bytes) for piece in pieces
    )
    several = len(pieces) > 1
    return ", ".join(
        name
        + (f" {ratio(size / unit)}" if several and size >= 0.005 * unit else "")
        + (f", {count} times" if count > 1 else "")
        for (name, size), count in counts.items()
    )


def part() -> str:
    """The table of all layers."""
    head = ["layer", "input", "keeps it", "and beyond it, × input", "in these fields"]
    cells = [row(subject) for subject in SUBJECTS]
    return table(head, cells, text=len(head))
