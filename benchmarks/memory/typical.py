"""A layer of the catalogue at a size that is typical: a small case, such as its laws are tried on, enlarged.

So a layer has a typical case as soon as it has a line in the catalogue. What fixes a size, as a mask does, keeps it.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from catalogue import Subject
from chainrule import Array, read_only, tree

SHAPES = {2: (256, 64), 3: (8, 128, 256), 4: (8, 28, 28, 32)}
"""Rows, sequences and pictures, by their number of axes. Tokens have the shape of their embeddings without the last."""

DRAWS = 100


def typical(subject: Subject) -> tuple[Any, Any]:
    """The parameters and the input, in float32: the largest that the layer takes."""
    seeds = range(DRAWS)
    small = [subject.make(np.random.default_rng(seed), 2, np.float32) for seed in seeds]
    params, x = small[min(seeds, key=lambda seed: _oddity(subject, *small[seed]))]
    return next(case for case in _enlarged(params, x) if _fits(subject, *case))


def _oddity(subject: Subject, params: Any, x: Any) -> tuple[int, ...]:
    """The less, the more usual: as many features out as in, sizes that divide those of `SHAPES`, and few of them."""
    sizes = [x.shape[-1], *_sizes(params)] if _is_real(x) else _sizes(params)
    out = subject.layer.forward(params, x)[0]
    return (
        _axes(x) not in SHAPES,
        sum(size & (size - 1) != 0 for size in sizes),  # other than powers of two
        _is_real(x) and out.shape[-1] != x.shape[-1],
        len(set(sizes)),
        -x.ndim,
    )


def _enlarged(params: Any, x: Any) -> Iterator[tuple[Any, Any]]:
    """From the largest case to the small one itself, which the layer does take.

    What is as large as the features of `x` grows with them. What is not becomes about as large, or grows by the same
    factor, as four gates beside each other do.
    """
    width = x.shape[-1] if _is_real(x) else tree.leaves(params)[0].shape[-1]
    rows, *places, features = SHAPES.get(_axes(x), (*x.shape[: _axes(x) - 1], width))
    factor = max(1, features // width)
    others = [size for size in _sizes(params) if size != width]
    alike = max(1, features // min(others, default=width))
    small_places = x.shape[1 : 1 + len(places)]
    for (own, other), between in product(((factor, alike), (factor, factor), (1, 1)), (tuple(places), small_places)):
        shape = (rows, *between, own * width)[: x.ndim]
        yield tree.map(partial(_larger, width, own, other), params), _filled(x, shape)
    yield params, x


def _larger(width: int, own: int, other: int, leaf: Array) -> Array:
    """An array of parameters. Axes before the last two are those of windows."""
    ends = (size * (own if size == width else other) for size in leaf.shape[-2:])
    larger: Array = _filled(leaf, (*leaf.shape[:-2], *ends))
    return larger


def _filled(array: Any, shape: tuple[int, ...]) -> Any:
    return read_only(np.resize(array, shape))


def _fits(subject: Subject, params: Any, x: Any) -> bool:
    try:
        subject.layer.forward(params, x)
    except (TypeError, ValueError):
        return False
    return True


def _axes(x: Any) -> int:
    """The axes of the input, or of what an encoder makes of tokens."""
    return int(x.ndim if _is_real(x) else x.ndim + 1)


def _is_real(x: Any) -> bool:
    return bool(x.dtype.kind == "f")


def _sizes(params: Any) -> list[int]:
    return [size for leaf in tree.leaves(params) for size in leaf.shape[-2:]]
