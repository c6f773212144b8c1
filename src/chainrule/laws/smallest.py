"""The smallest case that still shows that a derivative is wrong, and lines that show it without this library.

Rows are left out one half after another while the field stays wrong, and columns where there are no parameters that
they must fit. Then numbers are rounded to one digit.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.records import field_names
from chainrule.arrays.types import Array, is_any_tuple, is_numpy
from chainrule.encoder import Encoder
from chainrule.laws.copies import in_float64
from chainrule.laws.directions import Part, confirmed
from chainrule.laws.subjects import keys_of
from chainrule.laws.trial import Trial, couples_rows, draw, measured, rounding

MOST = 64
"""The most numbers that are written out."""


@frozen(eq=False)
class Case:
    """A layer at a point where an entry of a gradient is wrong."""

    part: Part
    index: tuple[int, ...]


def smallest(layer: Any, params: Any, x: Any, field: str, rng: np.random.Generator) -> str:
    """Lines of code that show an entry of a field that is wrong, for few rows and simple numbers; "" if none is found.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments that it was found wrong on.
    field
        The field that is wrong: `"dx"`, `"grads.W"`.
    rng
        The generator that draws `dout`.

    Returns
    -------
    str
        Python, in which `forward` and `backward` are the author's own.
    """
    if isinstance(layer, Encoder) or not is_numpy(x) or not x.ndim:
        return ""
    params, x = in_float64(params), in_float64(x)
    case = _wrong(layer, params, x, field, rng)
    if case is None:
        return ""
    axes = [] if couples_rows(layer, x) else [0]
    axes += [x.ndim - 1] if x.ndim > 1 and not tree.leaves(params) else []
    smaller = True
    while smaller:
        smaller = False
        for some in _halves(case.part.trial.x, axes):
            found = _wrong(layer, params, some, field, rng)
            if found is not None:
                case, smaller = found, True
                break
    simple = tree.map(_simple, (case.part.trial.params, case.part.trial.x))
    case = _wrong(layer, *simple, field, rng) or case
    sizes = sum(leaf.size for leaf in tree.leaves((case.part.trial.params, case.part.trial.x)))
    return "\n".join(_lines(case)) if sizes <= MOST else ""


def _halves(x: Array, axes: list[int]) -> Iterator[Array]:
    """The first and the second half of an array along each axis."""
    for axis in axes:
        half = x.shape[axis] // 2
        yield from np.split(x, [half], axis) if half else []


def _simple(leaf: Array) -> Array:
    """Numbers of one digit."""
    with np.errstate(all="ignore"):
        digit = 10.0 ** np.floor(np.log10(np.where(leaf == 0, 1.0, np.abs(leaf))))
    return np.asarray(np.round(leaf / digit) * digit)


def _wrong(layer: Any, params: Any, x: Any, field: str, rng: np.random.Generator) -> Case | None:
    """The worst entry of a field, if it is wrong at a point."""
    try:
        trial = measured(Trial.of(layer, params, x), rng)
        dout = np.round(draw(trial.out, rng), 1)
        part = Part(trial, field, dout, trial.back(dout)[field], rounding(trial, dout, rng)[field])
        if part.got.shape != part.leaf.shape or part.leaf.size > MOST:
            return None
        _, ratios = confirmed(part, np.arange(part.leaf.size))
    except Exception:  # noqa: BLE001  # it refuses so few rows, or such numbers
        return None
    if not np.any(ratios > 1):
        return None
    return Case(part, tuple(int(i) for i in np.unravel_index(int(np.nanargmax(ratios)), ratios.shape)))


def _lines(case: Case) -> Iterator[str]:
    part, place = case.part, ", ".join(map(str, case.index))
    params = part.trial.params
    leaves = tree.named_leaves(params)
    names = {f"grads{path}": f"p{i}" for i, (path, _) in enumerate(leaves)}
    moved = "x" if part.name == "dx" else names[part.name]
    yield "import numpy as np"
    for path, leaf in leaves:
        yield f"{names[f'grads{path}']} = {_written(leaf)}"
    yield f"x = {_written(part.trial.x)}"
    yield f"dout = {_written(part.dout)}"
    built = _built(params, list(names.values()))
    other = _built(params, ["moved" if name == part.name else each for name, each in names.items()])
    yield f"out, cache = forward({built}, x)"
    yield "dx, grads = backward(cache, dout)"
    at = {"dx": "dx", **dict(zip(names, _reached(params, "grads"), strict=True))}[part.name]
    yield f"def loss(step):  # {at}[{place}] is the derivative of this at 0"
    yield f"    moved = {moved}.copy(); moved[{place}] += step"
    yield f"    return (forward({f'{built}, moved' if part.name == 'dx' else f'{other}, x'})[0] * dout).sum()"
    yield f"h = {1e-5 * max(1.0, abs(float(part.leaf[case.index]))):.0e}"
    yield f"print({at}[{place}], (loss(h) - loss(-h)) / (2 * h))"


def _built(params: Any, names: list[str]) -> str:
    """The parameters as they are written in code, of arrays that have names."""
    rest = iter(names)

    def written(value: Any) -> str:
        if is_numpy(value):
            return next(rest)
        if is_any_tuple(value):
            return f"({', '.join(map(written, value))}{',' if len(value) == 1 else ''})"
        keys, fields = keys_of(value), field_names(value.__class__)
        if keys is not None:
            entries = zip(keys, fields, strict=True)
            return f"{{{', '.join(f'{key!r}: {written(getattr(value, name))}' for key, name in entries)}}}"
        given = ", ".join(f"{name}={written(getattr(value, name))}" for name in fields)
        return f"{value.__class__.__name__}({given})"

    return written(params)


def _reached(params: Any, at: str) -> Iterator[str]:
    """How each array of a tree is reached in code, in the order of its leaves."""
    if is_numpy(params):
        yield at
    elif is_any_tuple(params):
        for i, each in enumerate(params):
            yield from _reached(each, f"{at}[{i}]")
    else:
        names = field_names(params.__class__)
        keys = keys_of(params)
        steps = [f".{name}" for name in names] if keys is None else [f"[{key!r}]" for key in keys]
        for name, step in zip(names, steps, strict=True):
            yield from _reached(getattr(params, name), f"{at}{step}")


def _written(array: Array) -> str:
    return f"np.array({np.round(array, 12).tolist()})"
