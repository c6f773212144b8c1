"""Kernels made of right layers: computed in float32 inside, in blocks, with a fault or without one."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from adversaries.bases import Base, Fault, Pull, layer_of, unlocked
from adversaries.case import Adversary, AgainstCase
from chainrule import tree

FREE: Any = np
"""NumPy, for values whose types nobody knows."""

Spans: TypeAlias = Callable[[int, int], list[slice]]
"""From the number of rows and the size of a block, the rows of each block."""


def lifted(value: Any) -> Any:
    """Arrays in float32 at least."""
    return tree.map(lambda leaf: leaf.astype(np.promote_types(leaf.dtype, np.float32)), value)


def lowered(value: Any, like: Any) -> Any:
    return tree.map(lambda leaf, other: np.asarray(leaf).astype(other.dtype), value, like)


def wide(base: Base) -> Base:
    """The same, computed in float32 where the arguments are in float16."""

    def out(params: Any, x: Any) -> Any:
        with np.errstate(over="ignore"):
            return base.out(lifted(params), lifted(x)).astype(x.dtype)

    def pull(params: Any, x: Any, dout: Any) -> tuple[Any, Any]:
        with np.errstate(over="ignore"):
            dx, grads = base.pull(lifted(params), lifted(x), lifted(dout))
            return dx.astype(x.dtype), lowered(grads, params)

    return base.but(out=out, pull=pull)


# Blocks of rows.


def whole(rows: int, n: int) -> list[slice]:
    return [slice(start, min(start + n, rows)) for start in range(0, rows, n)]


def full(rows: int, n: int) -> list[slice]:
    """Blocks that are full: the rest is forgotten."""
    return [slice(start, start + n) for start in range(0, rows - n + 1, n)]


def overlapping(rows: int, n: int) -> list[slice]:
    """The last block is moved back so that it is full."""
    return [slice(max(min(start, rows - n), 0), min(start + n, rows)) for start in range(0, rows, n)]


def short(rows: int, n: int) -> list[slice]:
    """The last row of each full block is forgotten."""
    return [slice(start, min(start + n - 1, rows)) for start in range(0, rows, n)]


def first(rows: int, n: int) -> list[slice]:
    return whole(rows, n)[:1]


def last(rows: int, n: int) -> list[slice]:
    return whole(rows, n)[-1:]


def backwards(rows: int, n: int) -> list[slice]:
    return whole(rows, n)[::-1]


def one_more(rows: int, n: int) -> list[slice]:
    """Each block takes the first row of the next."""
    return [slice(each.start, min(each.stop + 1, rows)) for each in whole(rows, n)]


def in_blocks(n: int, out: Spans = whole, dx: Spans = whole, grads: Spans = whole, empty: Any = np.zeros) -> Fault:
    """Computed in blocks of n rows; gradients are added up over the blocks, in float32."""

    def fault(base: Base) -> Any:
        inner = wide(base)

        def run(params: Any, x: Any) -> Any:
            shape = base.out(params, x[:1]).shape[1:]
            results: Any = empty((len(x), *shape), x.dtype)
            for rows in out(len(x), n):
                results[rows] = inner.out(params, x[rows])
            return results

        def pull(params: Any, x: Any, dout: Any) -> tuple[Any, Any]:
            results: Any = empty(x.shape, x.dtype)
            for rows in dx(len(x), n):
                results[rows] = inner.pull(params, x[rows], dout[rows])[0]
            high, total = lifted(params), tree.map(np.zeros_like, lifted(params))
            for rows in grads(len(x), n):
                of_block = base.pull(high, lifted(x[rows]), lifted(dout[rows]))[1]
                total = tree.map(np.add, total, of_block)
            return results, lowered(total, params)

        return layer_of(base.but(out=run, pull=pull))

    return fault


# Cases.


def arguments(base: Base, rows: int, dtype: Any, seed: int = 0) -> tuple[Any, Any]:
    params, x = base.draw(np.random.default_rng(seed), rows)
    params, x = tree.map(lambda leaf: leaf.astype(dtype), (params, x))
    return unlocked(params), unlocked(x)


def formula(base: Base, x: Any, params: Any = ()) -> Any:
    """The plain formula, as a function of x and parameters."""
    return base.out(params, x)


def kernel_case(
    base: Base,
    fault: Fault,
    rows: int = 16,
    dtype: Any = np.float32,
    *,
    plain: bool = False,
    frozen: tuple[int | str, ...] = (),
    deterministic: bool = True,
) -> AgainstCase:
    """A base with a fault against the base, or against its formula alone."""
    params, x = arguments(base, rows, dtype)
    reference: Any = partial(formula, base) if plain else layer_of(base)
    args: tuple[Any, ...] = (x, params) if tree.leaves(params) else (x,)
    return AgainstCase(fault(base), reference, args, frozen, deterministic)


def kernel(kind: str, base: Base, what: str, fault: Fault, *args: Any, **options: Any) -> Adversary:
    return Adversary(f"{base.name}: {what}", kind, partial(kernel_case, base, fault, *args, **options))


def widely(fault: Fault) -> Fault:
    """A fault at the end of a kernel that computes in float32."""
    return lambda base: fault(wide(base))


def inside(out: Callable[[Any, Any], Any] | None = None, pull: Pull | None = None) -> Fault:
    """Another forward or backward, which is computed in float32."""
    return lambda base: layer_of(wide(base.but(out=out, pull=pull)))
