"""The error that a result in low precision may have: at most twice as wrong as the plain formula in the same dtype.

    error(f) <= 2 error(formula) + floor

The errors are differences from the formula in float64, on the same numbers: their root mean square over a field, and
the largest. The floor is a few units of rounding: that of the result itself, and what the rounding of the arguments
does to it, which is measured by moving them. Where the formula has no backward in the dtype, the latter counts twice,
and for the largest entry four times.
"""

import math
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.checking.verdict import Verdict, index_of_largest
from chainrule.laws._of_kernels.backends import FORMATS, Backend, Format, Real, dtype_name, is_float, values
from chainrule.laws._of_kernels.kernels import Arguments, Kernel, Results, arrays_of, lifted
from chainrule.laws.trials.hints import mistake_of_all
from chainrule.laws.trials.wording import where_off

Fields: TypeAlias = dict[str, Real]

COPIES = 3
"""The number of times that the arguments are moved by their rounding."""

NEARBY = 16.0
"""The distance of the points nearby, in roundings, at which the formula is tried too."""

ROUNDINGS = 4.0
"""The multiple of the arguments' own rounding errors that is let pass."""

LOST = 2.0**-40
"""A result this far below its terms is 0 by cancellation: in float64, rounding alone is left of it."""

OF_TERMS = 32.0
"""The roundings of the terms that may be left in low precision where they cancel; the root of one if that is more.

Terms are larger than they look where they are divided by what has cancelled too, as in a layer norm of one column.
"""

SUMS = 0.5 * FORMATS["float32"].unit
"""Sums may be taken in float32, one number after another: the error grows as the root of how many there are."""

FLOAT16 = 65504
"""The largest number in float16."""


@frozen(eq=False)
class Truth:
    """The right answer at a point, and the distance of the formula in the dtype of f from it.

    `right` are the results in float64, and `formula` the errors of those in the dtype of f, there and nearby: (copies,
    ...), or nothing where it has none. `moves` says by how much each entry moves if the arguments are rounded, to their
    coarsest format; `terms` how many numbers a sum may have. The results have the typical size for a normal dout, and
    the natural one if nothing cancelled, for a dout of 1.
    """

    args: Arguments
    dout: Real
    right: Fields
    formula: Fields
    moves: Fields
    format: Format
    terms: int
    typical: dict[str, float]
    natural: dict[str, float]


def coarsest(args: Arguments) -> Format:
    formats = [FORMATS[dtype_name(array)] for array in arrays_of(args) if is_float(array)]
    return max(formats, key=lambda each: each.unit)


def numbers(results: Results) -> Fields:
    return {name: values(array) for name, array in results.items()}


def truth(
    reference: Kernel,
    args: Arguments,
    dout: Real,
    rng: np.random.Generator,
    *,
    has_backward: bool,
    typical: dict[str, float] | None = None,
) -> Truth:
    backend, unit, copies = reference.backend, coarsest(args).unit, COPIES if has_backward else 1
    wide = lifted(args, backend.wide)
    with np.errstate(all="ignore"):
        right = numbers(reference.run(wide, dout))
        near: list[Fields] = []
        for _ in range(copies):
            moved = lifted(wide, lambda array: _moved(backend, array, unit, rng))
            near.append(numbers(reference.run(moved, dout * (1 + unit * rng.uniform(-1, 1, dout.shape)))))
        moves = {
            name: np.sqrt(sum(np.square(each[name] - leaf) for each in near) / copies) for name, leaf in right.items()
        }
        errors = [errors_of(reference, args, dout, right, has_backward=has_backward)]
        for _ in range(copies if errors[0] and has_backward else 0):
            # Errors are a matter of luck where few entries count: others are rounded in other ways.
            args_there = lifted(args, lambda array: _moved(backend, array, NEARBY * unit, rng))
            dout_there = values(backend.like(dout * (1 + NEARBY * unit * rng.uniform(-1, 1, dout.shape)), args[0]))
            there = numbers(reference.run(lifted(args_there, backend.wide), dout_there))
            errors.append(errors_of(reference, args_there, dout_there, there, has_backward=True))
    formula = {name: np.stack([each[name] for each in errors if name in each]) for name in errors[0]}
    width = dout.shape[-1] if dout.ndim else 1
    terms = max(width, dout.size // max(width, 1), values(args[0]).size // max(dout.size, 1), 1)
    natural = _natural(reference, args, right)
    return Truth(args, dout, right, formula, moves, coarsest(args), terms, typical or {}, natural)


def _natural(reference: Kernel, args: Arguments, right: Fields) -> dict[str, float]:
    """The size of the terms of each result: that of x for out, and for gradients that of out over the argument's."""
    names = reference.names
    given = {"": args[0], **dict(tree.named_leaves(args[1:]))}
    sizes = {path: Size.of(_finite(values(given[path]))).root for path in ("", *names.gradients)}
    out = right[names.out]
    of_out = Size.of(_finite(out)).root
    of_out = max(of_out, sizes[""] if of_out <= LOST * sizes[""] else 0.0)
    found = {names.out: of_out}
    for path, name in names.gradients.items():
        # A parameter is used for many entries of out.
        uses = math.sqrt(out.size / max(right[name].size, 1))
        found[name] = of_out * uses / sizes[path] if sizes[path] else 0.0
    return found


def _finite(array: Real) -> Real:
    return array[np.isfinite(array)]


def errors_of(reference: Kernel, args: Arguments, dout: Real, right: Fields, *, has_backward: bool) -> Fields:
    """The errors of the formula in the dtype of the arguments; none where the library does not have it there."""
    try:
        out, cache = reference.forward(args)
        found = {reference.names.out: values(out)}
        if has_backward:
            found |= numbers(reference.backward(cache, reference.backend.like(dout, out)))
    except Exception:  # a library need not have every function in every dtype
        return {}
    return {name: leaf - right[name] for name, leaf in found.items() if leaf.shape == right[name].shape}


def _moved(backend: Backend, array: Any, size: float, rng: np.random.Generator) -> Any:
    if not is_float(array):
        return array
    plain = values(array)
    return backend.like(plain * (1 + size * rng.uniform(-1, 1, plain.shape)), array)


@frozen
class Size:
    """The size of errors: their root mean square, and the largest."""

    root: float
    largest: float

    @classmethod
    def of(cls, errors: Real) -> "Size":
        """Of all errors; nothing where there are none."""
        if not errors.size:
            return cls(0.0, 0.0)
        largest = float(np.abs(errors).max())
        if not 0 < largest < math.inf:
            return cls(largest, largest)
        return cls(largest * math.sqrt(float(np.mean(np.square(errors / largest)))), largest)


@frozen(eq=False)
class Judged:
    """A verdict on a result, and the error as a share of what is allowed.

    It is unsettled where nothing can settle it: the formula itself is of no use there, so that f may be as wrong as it
    likes, or the numbers may not be meant.
    """

    share: float
    verdict: Verdict
    unsettled: bool = False


def judge(law: str, name: str, got: Real, known: Truth, words: str = "") -> Judged:
    right, at = known.right[name], f"{words}: " if words else ""
    if not right.size and got.shape == right.shape:
        note = f"{at}it has no entries: nothing can be compared"
        return Judged(0.0, Verdict(law, name, ok=False, undecided=True, note=note))
    if got.shape != right.shape:
        note = f"{at}it is {describe(got)}, of the reference {describe(right)}"
        return Judged(math.inf, Verdict(law, name, ok=False, note=note))
    fits = _comparable(known, name)
    with np.errstate(all="ignore"):
        off = np.where(fits, got - right, 0.0)
    off[~np.isfinite(off)] = np.inf
    error, scale, yard = Size.of(off), Size.of(right[fits]), _of_formula(known, name, fits)
    allowed = _allowed(known, name, fits, yard)
    share = max(error.root / allowed.root, error.largest / allowed.largest)
    index = index_of_largest(np.abs(off))
    ok, size, typical = share <= 1, scale.largest or 1.0, scale.root or 1.0
    note = at + _figures(error, yard, allowed, scale)
    place = "" if ok else _pattern(got, known, name, fits, allowed) or where_off(np.abs(off) > allowed.largest)
    if not ok and np.isinf(off).any() and known.format.largest > FLOAT16 and scale.largest > FLOAT16:
        place = f"it overflows: does something inside have float16, whose largest number is {FLOAT16:,}?"
    made = Verdict(
        law,
        name,
        ok=ok,
        note=f"{note}; {place}" if place else note,
        error=error.largest / size,
        bound=allowed.largest / size,
        index=index,
        got=float(got[index]),
        expected=float(right[index]),
        power=allowed.largest / typical if scale.root else math.nan,
        point=None if ok else known,
    )
    # Where the formula itself is far off in this dtype, f may be as wrong as it likes.
    tenth = 0.1 * scale.root
    if ok and yard is not None and min(error.root, yard.root) > tenth > 0:
        left = cancels(known, name) or tenth <= _typical(known, name) / 80
        why = f"the formula itself is of no use in this dtype here{', where terms cancel' if left else ''}"
        return Judged(share, evolve(made, ok=False, undecided=True, note=f"{note}: {why}"), unsettled=not left)
    return Judged(share, made)


def _pattern(got: Real, known: Truth, name: str, fits: NDArray[np.bool_], allowed: Size) -> str:
    """The mistake that all entries of a wrong result have in common, such as a factor."""
    rows = len(known.dout) if known.dout.ndim else 1
    as_x = got.shape == values(known.args[0]).shape
    weights = [values(array) for array in arrays_of(known.args[1:]) if as_x and is_float(array)]
    right = np.where(fits, known.right[name], np.nan)
    return mistake_of_all(np.where(fits, got, 0.0), right, rows, weights, allowed.largest)


def _comparable(known: Truth, name: str) -> NDArray[np.bool_]:
    """Which entries can be right: none beyond the range of the dtype, nor where the formula itself overflows."""
    right, formula = known.right[name], known.formula.get(name)
    fits = np.isfinite(right) & (np.abs(right) < 0.5 * known.format.largest) & np.isfinite(known.moves[name])
    return fits if formula is None else fits & np.isfinite(formula).all(axis=0)


def _of_formula(known: Truth, name: str, fits: NDArray[np.bool_]) -> Size | None:
    """The errors of the formula in the same dtype, if it was run there."""
    return Size.of(known.formula[name][:, fits]) if name in known.formula else None


def _allowed(known: Truth, name: str, fits: NDArray[np.bool_], yard: Size | None) -> Size:
    """The errors that are let pass: twice those of the formula, and some units of rounding."""
    right, unit, least_of_all = known.right[name], known.format.unit, 4 * known.format.least
    scale, moves = Size.of(right[fits]), Size.of(known.moves[name][fits])
    few, few_largest = (1, 1) if yard else (2, 4)  # of many entries, one is off by more than the moves
    # Slopes may be small as differences of larger numbers: of a few entries by accident, or where a softmax saturates.
    typical = _typical(known, name)
    entry = typical if (known.dout == 0).any() or scale.root < typical / 8 else 0.0
    # So they are of the formula where part of the terms cancels, as for a dout of one sign before a softmax.
    missing = ROUNDINGS * unit * max(known.typical.get(name, 0.0) * Size.of(known.dout).root - scale.root, 0.0)
    root = max(least_of_all + unit * entry * _share(right), missing)
    largest = max(least_of_all + unit * entry, 4 * missing)
    # What cancels is larger, and so are its roundings.
    left = max(OF_TERMS * unit, math.sqrt(unit)) * _size_of_terms(known, name) if cancels(known, name) else 0.0
    summed = SUMS * math.sqrt(known.terms)
    root += (unit + summed) * scale.root + (few * ROUNDINGS + summed / unit) * moves.root + left
    largest += (2 * unit + summed) * scale.largest + (few_largest * ROUNDINGS + summed / unit) * moves.largest + left
    return Size(2 * yard.root + root, 2 * yard.largest + largest) if yard else Size(root, largest)


def _typical(known: Truth, name: str) -> float:
    """The size of a usual entry, for the largest number of this dout."""
    return known.typical.get(name, 0.0) * float(np.abs(known.dout).max(initial=0.0))


def cancels(known: Truth, name: str) -> bool:
    right = _finite(known.right[name])
    return float(np.abs(right).max(initial=0.0)) <= LOST * _size_of_terms(known, name)


def _size_of_terms(known: Truth, name: str) -> float:
    """The size of the terms of a result for this dout, with which gradients grow."""
    largest = float(np.abs(known.dout).max(initial=0.0))
    times = largest if name.startswith("d") else 1.0
    return max(known.natural.get(name, 0.0) * times, known.typical.get(name, 0.0) * largest)


def _share(right: Real) -> float:
    """The root of the share of entries that are not 0."""
    return math.sqrt(np.count_nonzero(right) / max(right.size, 1))


def _figures(error: Size, yard: Size | None, allowed: Size, scale: Size) -> str:
    """Both errors and what is allowed, relative to the field: by the root mean square, and by the largest entry."""
    rows = [("rms", error.root, yard.root if yard else None, allowed.root, scale.root)]
    rows += [("largest", error.largest, yard.largest if yard else None, allowed.largest, scale.largest)]
    texts: list[str] = []
    for name, off, formula, most, whole in rows:
        size = whole or 1.0
        own = f"2 * {formula / size:.1e} of the formula + " if formula is not None else ""
        floor = (most - 2 * (formula or 0.0)) / size
        texts.append(f"{name} error {off / size:.1e} (at most {own}{floor:.1e})")
    return ", ".join(texts)
