"""The laws of `check_against` about other columns than those of x, and about numbers at which formulas break."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve

from chainrule.arrays.arguments import describe
from chainrule.checking.verdict import Verdict
from chainrule.laws._of_kernels.backends import Backend, Real, is_float, values
from chainrule.laws._of_kernels.check import Check, rounded, truth_at, worst_judged
from chainrule.laws._of_kernels.kernels import Arguments, arrays_of, in_memory, lifted
from chainrule.laws._of_kernels.kinks import is_beyond, is_smooth
from chainrule.laws._of_kernels.yardstick import Judged, Truth, cancels, errors_of, numbers
from chainrule.laws.of_layers.layouts import MATRIX
from chainrule.laws.trials.wording import plural

COLUMNS = (31, 33, 65, 127, 130, 255, 257, 3, 1)
"""Numbers of columns: odd ones, a little more than blocks have and a little less; few, of which one counts for much."""

FEW_COLUMNS = (33, 130, 1)
"""The same where each is compiled anew."""

MANY = 3000
"""Columns that show sums in low precision: what is added one by one stops there, in bfloat16 and in float16."""

CORNER = 129
"""Rows and columns that both leave a rest of one in their last blocks: tiles have a corner."""

LENGTHS = (33, 65, 100, 129)
"""Lengths of the axes between rows and columns: one more than blocks have, and one that leaves much of a block over."""

FEW_LENGTHS = (33, 129)
"""The same where each is compiled anew."""

FAR, FARTHER = 20.0, 100.0
"""Numbers at which exponentials are lost beside 1, and at which they overflow."""

GROSS = 16.0
"""The multiple of what is allowed that an error far out must be."""


def columns(check: Check) -> Iterator[Verdict]:
    """Other numbers of columns, where the formula takes them. f may refuse them.

    Other arrays than x must broadcast to it: they have its columns, as the weight of a norm and a residual have, or one
    number for all of them, which stays.
    """
    x = check.args[0]
    if x.ndim < MATRIX or not math.prod(x.shape):
        return
    others = [each for each in arrays_of(check.args[1:]) if not _goes_along(x, each)]
    if others:
        yield Verdict("columns", "x", ok=True, note=f"left out: {describe(others[0])} does not go along with x")
        return
    n, taken = int(x.shape[-1]), 0
    most = check.most // math.prod(x.shape[:-1])
    found: list[Judged] = []
    tried = [*(COLUMNS if in_memory(check.backend) else FEW_COLUMNS), *([MANY] if check.first.format.is_low else [])]
    for count in tried:
        # Where the formula takes one column and no other number, it broadcasts it.
        if count > most or count == n or (count == 1 and not taken):
            continue
        which = check.rng.integers(0, n, count)
        known = _with_columns(check, check.args, which)
        if known is None:
            continue
        taken += 1
        words = f"with {plural(count, 'column')}"
        found += _where_taken(check, known, words)
        # A term along out is large for such a dout, and beside others it may be less than the rounding of 16 bits.
        if check.first.format.is_low and known.dout.shape == known.args[0].shape:
            out = rounded(known.right[check.names.out].copy(), check.args, check.backend)
            found += _where_taken(check, check.truth(known.args, out), f"{words} for dout that is out")
    if taken and in_memory(check.backend) and CORNER**2 * math.prod(x.shape[1:-1]) <= check.most:
        rows, which = (check.rng.integers(0, side, CORNER) for side in (x.shape[0], n))
        known = _with_columns(check, lifted(check.args, partial(_rows, check.backend, x, rows)), which)
        if known is not None:
            found += _where_taken(check, known, f"with {CORNER} rows and columns")
    yield from worst_judged(found)


def _with_columns(check: Check, args: Arguments, which: Real) -> Truth | None:
    n = int(check.args[0].shape[-1])
    drawn = check.backend.columns(args[0], which)
    beside = lifted(args[1:], partial(_columns, check.backend, n, which))
    return _finite_truth(check, (check.backend.like(_apart(values(drawn), check.rng), drawn), *beside))


def _finite_truth(check: Check, args: Arguments) -> Truth | None:
    """The right answers where the formula takes the arguments and gives numbers: a query without a key gives none."""
    known = truth_at(check, args)
    return known if known is not None and all(np.isfinite(leaf).all() for leaf in known.right.values()) else None


def _rows(backend: Backend, x: Any, which: Real, array: Any) -> Any:
    return backend.take(array, which) if array.ndim == x.ndim and array.shape[0] == x.shape[0] else backend.copy(array)


def _goes_along(x: Any, array: Any) -> bool:
    shape, of_x = tuple(array.shape), tuple(x.shape)
    wide = (*(1,) * (len(of_x) - len(shape)), *shape)
    fits = len(wide) == len(of_x) and all(n in {1, m} for n, m in zip(wide, of_x, strict=True))
    return math.prod(shape) == 1 or bool(fits and is_float(array))


def _columns(backend: Backend, n: int, which: Real, array: Any) -> Any:
    return backend.columns(array, which) if array.shape[-1:] == (n,) else backend.copy(array)


def lengths(check: Check) -> Iterator[Verdict]:
    """Other lengths of the axes between rows and columns, of all arrays that share them, where the formula takes them.

    They are those of steps, of heads or of pixels. So are other lengths of parameters that do not go along with x, as
    those of a product, with the columns of x that have the same. f may refuse them.
    """
    found: list[Judged] = []
    for n, length, words, made in _other_lengths(check):
        if length != n and math.prod(check.args[0].shape) * length <= check.most * n:
            known = _finite_truth(check, made(length))
            if known is not None:
                found += _where_taken(check, known, f"with {length} {words}", "lengths")
    yield from worst_judged(found)


def _other_lengths(check: Check) -> Iterator[tuple[int, int, str, Callable[[int], Arguments]]]:
    """A length, and others in place of it, in words, with what makes arguments of another."""
    x, few = check.args[0], not in_memory(check.backend)
    for axis in range(1, x.ndim - 1):
        n = int(x.shape[axis])
        for length in (n + 1, *FEW_LENGTHS) if few else (n + 1, 2 * n + 3, *LENGTHS):
            yield n, length, f"places on axis {axis}", partial(_along, check, axis)
    others = [each for each in arrays_of(check.args[1:]) if x.ndim >= MATRIX and not _goes_along(x, each)]
    for n in dict.fromkeys(int(n) for each in others for n in each.shape[-2:] if n > 1 and is_float(each)):
        for length in LENGTHS[-1:] if few else LENGTHS:
            yield n, length, f"in place of {n}", partial(_instead, check, n)


def _instead(check: Check, n: int, length: int) -> Arguments:
    """The arguments with another length of the columns of x, and of the last two axes of others, that are n long."""
    x = check.args[0]

    def take(axes: int, array: Any) -> Any:
        own = tuple(array.shape)
        shape = (*own[:-axes], *(length if each == n else each for each in own[-axes:]))
        if shape == own or not is_float(array):
            return check.backend.copy(array)
        summed = axes > 1 and len(own) > 1
        drawn = check.rng.choice(values(array).reshape(-1), shape)
        return check.backend.like(drawn * math.sqrt(min(1.0, n / length)) if summed else drawn, array)

    return (take(1, x), *lifted(check.args[1:], partial(take, 2)))


def _along(check: Check, axis: int, length: int) -> Arguments:
    """The arguments with another length of an axis of x, and of the arrays that are as long there and have its axes.

    Each number is one that stands on its line along the axis, drawn by itself: of places that were there before, none
    would be the largest in a later block.
    """
    x = check.args[0]

    def take(array: Any) -> Any:
        alike = array.ndim == x.ndim and array.shape[axis] == x.shape[axis] and is_float(array)
        if not alike:
            return check.backend.copy(array)
        shape = (*array.shape[:axis], length, *array.shape[axis + 1 :])
        which = check.rng.integers(0, array.shape[axis], shape)
        return check.backend.like(np.take_along_axis(values(array), which, axis), array)

    return lifted(check.args, take)


def _apart(x: Real, rng: np.random.Generator) -> Real:
    """Numbers within the bounds of x, in each row as far from each other as can be: at ties slopes are a choice."""
    if not np.isfinite(x).all():
        return x
    even: Real = np.linspace(float(x.min()), float(x.max()), x.shape[-1])
    return rng.permuted(np.broadcast_to(even, x.shape), axis=-1)


def _where_taken(check: Check, known: Truth, words: str, law: str = "columns") -> list[Judged]:
    try:
        results = numbers(check.f.run(check.copied(known.args), known.dout))
    except Exception:
        return []
    return check.compared(law, results, _not_cancelled(known), words)


def _not_cancelled(known: Truth) -> Truth:
    right = {name: leaf for name, leaf in known.right.items() if leaf.size and not cancels(known, name)}
    return evolve(known, right=right)


def extremes(check: Check) -> Iterator[Verdict]:
    """Zeros and equal numbers give what the formula gives, and no NaN; numbers far out give nothing wild."""
    x = values(check.args[0])
    if not x.ndim or not x.size or not np.isfinite(x).all():
        return
    words = "for x with zeros and equal numbers"
    found = _finite(check, _with_zeros(x), words)
    found += _but_at_kinks(check, _at(check, _with_zeros(x)), words)
    if check.has_backward:
        far = _at(check, _far_out(x))
        known = truth_at(check, far)
        words = f"for x with {FAR:g} and {FARTHER:g}"
        judged = [] if known is None else _where_taken(check, known, words, "extremes")
        # Far out, where a softmax saturates, right kernels differ from the formula by more than its own error.
        found += [each for each in judged if each.verdict.ok or each.share > GROSS]
    found += _finite(check, _with_last_far_out(x), f"for x with {FARTHER:g} in the last column")
    yield from worst_judged(found)


def _but_at_kinks(check: Check, args: Arguments, words: str) -> list[Judged]:
    """The verdicts at a point, but on what is not finite, and on slopes that a kink may account for."""
    known = _finite_truth(check, args)
    if known is None:
        return []

    def stands(verdict: Verdict, share: float) -> bool:
        if not verdict.wrong:
            return True
        if not math.isfinite(share):
            return False
        if not check.has_backward:  # slopes from differences look to both sides
            return verdict.field == check.names.out
        return is_smooth(check, known, verdict) or is_beyond(check, known, verdict)

    return [each for each in _where_taken(check, known, words, "extremes") if stands(each.verdict, each.share)]


def _with_zeros(x: Real) -> Real:
    changed = x.copy()
    if len(x) > 1:
        changed[1] = np.ravel(x[1])[0] if x.ndim > 1 else x[0]
    if x.min() <= 0:
        changed[0] = 0
        if len(x) > 2:
            changed[2] *= np.resize([0.0, 1.0], x.shape[1:])
    return changed


def _far_out(x: Real) -> Real:
    changed = x.copy()
    for step, size in ((5, FAR), (7, FARTHER)):
        changed.flat[::step] = np.where(changed.flat[::step] < 0, -size, size)
    return changed


def _with_last_far_out(x: Real) -> Real:
    changed = x.copy()
    last = changed[::2, ..., -1] if x.ndim > 1 else changed[-1:]
    last[...] = np.where(last < 0, -FARTHER, FARTHER)
    return changed


def _at(check: Check, x: Real) -> Arguments:
    return (check.backend.like(x, check.args[0]), *check.args[1:])


def _finite(check: Check, x: Real, words: str) -> list[Judged]:
    args, dout = _at(check, x), check.first.dout
    try:
        right = numbers(check.reference.run(lifted(args, check.backend.wide), dout))
        if not check.has_backward:  # numerical slopes are finite by accident where the right one is not
            right = {check.names.out: right[check.names.out]}
        off = errors_of(check.reference, args, dout, right, has_backward=check.has_backward)
    except Exception:
        return []
    try:
        got = numbers(check.f.run(check.copied(args), dout))
    except Exception:
        return []
    found: list[Judged] = []
    for name in [name for name in right if name in got and got[name].shape == right[name].shape]:
        fits = np.isfinite(right[name] + off.get(name, 0.0)) & (np.abs(right[name]) < check.first.format.largest / 2)
        lost = name not in check.wrong and bool((fits & ~np.isfinite(got[name])).any())
        note = f"{words}: it is NaN or infinite where that of the formula is finite" if lost else ""
        found.append(Judged(float(lost), Verdict("extremes", name, ok=not lost, note=note)))
    return found
