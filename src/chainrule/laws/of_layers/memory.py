"""The laws of memory: layouts of arrays, what is written, and what results share."""

import contextlib
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict, one_each
from chainrule.encoder import Encoder
from chainrule.laws.of_layers.rows import rows_of
from chainrule.laws.trials.copies import in_dtype, writable
from chainrule.laws.trials.trial import (
    Checked,
    Fields,
    Trial,
    Units,
    arrays_in,
    backward_of,
    draw,
    measured,
    named,
    rms,
    run_forward,
    units_of,
)

ZEROS = 0.3
"""The share of zeros in an x that has some."""

SMALL = 2**13
"""So many numbers at most has an array of which memory is given out again soon."""

MATRIX = 2
"""The axes of a matrix."""

SINGULAR = 1e12
"""The times its arguments that a result is as large as at a singular matrix, where it is noise."""

NOISE = 1e-3
"""The units of rounding from which on a number is noise, as a share of it."""

CLOSE = 64.0
"""The units of rounding that results may differ by if sums are taken in another order."""


def any_layout(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Every memory layout of params, x and dout gives the same values: Fortran's, strided, reversed, misaligned.

    So do parts of larger arrays, a dout of one number with strides of 0, and a dout or an x that is broadcast along
    any axis.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on; copies are used.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For params, x and dout.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.any_layout(affine, params, x, rng))
    True
    """
    trial = measured(Trial.in_float64(layer, params, x), rng)
    dout = draw(trial.out, rng)
    units = units_of(trial, dout, rng)
    right = {"out": trial.out, **trial.back(dout)}
    verdicts: list[Verdict] = []
    axes = max(dout.ndim, *(leaf.ndim for leaf in tree.leaves((trial.x, trial.params))))
    for name, layout in layouts_of(axes).items():
        cases: dict[str, Callable[[], Fields]] = {
            "dout": partial(_with_dout, trial, layout, dout),
            "x": partial(_with_x, trial, layout, dout),
            "params": partial(_with_params, trial, layout, dout),
        }
        verdicts += [_tried(argument, run, right, units, f"{name} {argument}") for argument, run in cases.items()]
    ones = np.ones_like(trial.out)
    dense, of_ones = trial.back(ones), units_of(trial, ones, rng)
    run = partial(_with_dout, trial, broadcast, ones)
    verdicts.append(_tried("dout", run, dense, of_ones, "a broadcast dout, of one number with strides of 0,"))
    for axis in range(dout.ndim):
        alike = _broadcast_along(axis, dout)
        run, usual = partial(_with_dout, trial, partial(_broadcast_along, axis), dout), trial.back(alike)
        words = f"a dout that is broadcast along axis {axis}"
        verdicts.append(_tried("dout", run, usual, units_of(trial, alike, rng), words))
    for axis in range(trial.x.ndim if is_numpy(trial.x) else 0):
        verdicts += _broadcast_x(trial, axis, rng)
    return one_each(verdicts)


def _broadcast_x(trial: Trial, axis: int, rng: np.random.Generator) -> list[Verdict]:
    """The verdict on an x that is broadcast along an axis, beside a copy of it."""
    x = _broadcast_along(axis, trial.x)
    try:
        copied = Trial.of(trial.layer, trial.params, x).with_noise(trial.noise)
        dout = draw(copied.out, rng)
        got = _results(trial.layer, trial.params, x, dout)
    except Exception:  # noqa: BLE001  # it refuses equal numbers, or arrays that are read-only, as another law says
        return []
    right, units = {"out": copied.out, **copied.back(dout)}, units_of(copied, dout, rng)
    if any(rms(leaf) > SINGULAR * max(rms(copied.x), rms(dout), 1.0) for leaf in right.values()):
        return []
    return [_same("x", got, right, units, f"an x that is broadcast along axis {axis}")]


def _tried(argument: str, run: Callable[[], Fields], right: Fields, units: Units, words: str) -> Verdict:
    """The verdict on an argument in another layout."""
    try:
        return _same(argument, run(), right, units, words)
    except Exception as error:  # noqa: BLE001  # it is part of the report
        note = f"{words} makes it raise {type(error).__name__}: {error}"
        return Verdict("any_layout", argument, ok=False, note=note)


def _with_dout(trial: Trial, layout: Callable[[Array], Array], dout: Array) -> Fields:
    return trial_back(trial, layout(dout))


def _with_x(trial: Trial, layout: Callable[[Array], Array], dout: Array) -> Fields:
    return _results(trial.layer, trial.params, _arranged(trial.x, layout), dout)


def _with_params(trial: Trial, layout: Callable[[Array], Array], dout: Array) -> Fields:
    x = writable(trial.x)  # whoever writes to x is told so by other laws, and not that this layout is why
    return _results(trial.layer, _other(trial.params, layout), x, dout)


def trial_back(trial: Trial, dout: Array) -> Fields:
    """The results of backward for a `dout` in its own layout."""
    return named(backward_of(trial.layer, trial.cache, dout))


def _results(layer: Any, params: Any, x: Any, dout: Array) -> Fields:
    out, cache = layer.forward(params, x)
    return {"out": np.asarray(out), **Trial(layer, params, x, out, cache).back(dout)}


def _arranged(x: Any, layout: Callable[[Array], Array]) -> Any:
    """The input in another layout; `tree.map` would copy it into the usual one."""
    return layout(x) if is_numpy(x) else _other(x, layout)


def _other(params: Any, layout: Callable[[Array], Array]) -> Any:
    """Parameters in another layout: records keep the layout only of arrays that are read-only."""

    def constant(leaf: Array) -> Array:
        made = layout(leaf)
        made.flags.writeable = False
        base: Any = made.base
        while isinstance(base, np.ndarray):
            base.flags.writeable = False
            base = base.base
        return made

    return tree.map(constant, params)


def _fortran(a: Array) -> Array:
    return np.asfortranarray(a).copy("F") if a.ndim else a.copy()


def _strided(a: Array) -> Array:
    wide = np.zeros((*a.shape, 2), a.dtype)
    wide[..., 0] = a
    return wide[..., 0]


def _padded(a: Array) -> Array:
    """The first columns of a wider array, whose others are nan."""
    if not a.ndim:
        return a.copy()
    wide = np.full((*a.shape[:-1], a.shape[-1] + 3), np.nan if a.dtype.kind == "f" else 1, a.dtype)
    first = wide[..., : a.shape[-1]]
    first[...] = a
    return first


def _offset(a: Array) -> Array:
    """The end of a longer array, from an odd place on, before which all is nan."""
    longer = np.full(a.size + 5, np.nan if a.dtype.kind == "f" else 1, a.dtype)
    end = longer[5:].reshape(a.shape)
    end[...] = a
    return end


def _reversed(a: Array) -> Array:
    return np.flip(np.flip(a).copy()) if a.ndim else a.copy()


def _misaligned(a: Array) -> Array:
    memory = np.empty(a.nbytes + 1, np.uint8)
    made = memory[1:].view(a.dtype).reshape(a.shape)
    made[...] = a
    return made


def broadcast(a: Array) -> Array:
    """One number with strides of 0."""
    return np.broadcast_to(a[(0,) * a.ndim] if a.size else np.ones((), a.dtype), a.shape)


def _broadcast_along(axis: int, a: Array) -> Array:
    """Equal numbers along an axis, with a stride of 0."""
    return np.broadcast_to(a.take(np.zeros(1, int) if a.shape[axis] else [], axis), a.shape)


def _channels_last(a: Array) -> Array:
    """The second axis after all others, in memory."""
    return np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1) if a.ndim > MATRIX else a.copy()


def _channels_first(a: Array) -> Array:
    """The last axis before all others but the first, in memory."""
    return np.moveaxis(np.moveaxis(a, -1, 1).copy(), 1, -1) if a.ndim > MATRIX else a.copy()


def _second_first(a: Array) -> Array:
    """The second axis before the first, in memory, as of a series with its steps of time first."""
    return np.swapaxes(np.swapaxes(a, 0, 1).copy(), 0, 1) if a.ndim > MATRIX else a.copy()


def _swapped(a: Array) -> Array:
    """The second axis and the third in each other's place, in memory."""
    return np.swapaxes(np.swapaxes(a, 1, 2).copy(), 1, 2) if a.ndim > MATRIX else a.copy()


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "a Fortran-ordered": _fortran,
    "a strided": _strided,
    "a row-padded": _padded,
    "an offset": _offset,
    "a reversed": _reversed,
    "a misaligned": _misaligned,
}

OF_THREE_AXES: dict[str, Callable[[Array], Array]] = {
    "a channels-last": _channels_last,
    "a time-major": _second_first,
}
OF_FOUR_AXES = {"a channels-first": _channels_first, "an axis-swapped": _swapped}
"""Those of arrays with more axes; of three, they are all one."""


def layouts_of(axes: int) -> dict[str, Callable[[Array], Array]]:
    """The layouts, in words, of arrays with at most so many axes."""
    return LAYOUTS | (OF_THREE_AXES if axes > MATRIX else {}) | (OF_FOUR_AXES if axes > MATRIX + 1 else {})


def _same(argument: str, got: Fields, right: Fields, units: Units, words: str, law: str = "any_layout") -> Verdict:
    for name, leaf in got.items():
        expected = right[name]
        if leaf.shape != expected.shape:
            return Verdict(
                law, argument, ok=False, note=f"{words} gives {name} of shape {leaf.shape}, and not {expected.shape}"
            )
        if np.array_equal(leaf, expected, equal_nan=True):
            continue
        with np.errstate(all="ignore"):
            off = np.abs(leaf - expected) > CLOSE * units()[name]
            known = np.where(np.isfinite(leaf), leaf, expected)  # as at a singular matrix, it may be noise
            off |= np.isnan(leaf) != np.isnan(expected)
            off &= ~((np.isfinite(leaf) != np.isfinite(expected)) & ~(units()[name] <= NOISE * np.abs(known)))
        if off.any():
            index = tuple(int(i) for i in np.argwhere(off)[0])
            is_, right_ = float(leaf[index]), float(expected[index])
            note = f"{words} gives another {name}: at {list(index)} it is {is_:.6g}, and not {right_:.6g}"
            return Verdict(law, argument, ok=False, note=note)
    return Verdict(law, argument, ok=True)


def nothing_shared(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Writable results share no memory with each other, with arguments, the cache, or the results of another call.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on; copies are used.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For each result.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.nothing_shared(affine, params, x, rng))
    True
    """
    found: dict[str, str] = {}
    cases: list[tuple[Any, Any, bool]] = [
        (params, x, False),
        *((params, each, False) for each in rows_of(layer, x).values()),
        (params, _positive(layer, x), True),
        *((in_dtype(params, dtype), in_dtype(x, dtype), False) for dtype in (np.float32, np.float16)),
    ]
    for own, given, positive in cases:
        try:
            notes = _shared(layer, writable(own), writable(given), rng, positive=positive)
        except Exception:
            if given is x:
                raise
            continue  # it refuses this x, which is an answer
        for name, note in notes.items():
            if not found.get(name):
                found[name] = note
    return [Verdict("nothing_shared", name, ok=not note, note=note) for name, note in found.items()]


def _positive(layer: Checked[Any, Any], x: Any) -> Any:
    return x if isinstance(layer, Encoder) else tree.map(lambda leaf: np.abs(leaf) + leaf.dtype.type(0.5), x)


def _shared(
    layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator, *, positive: bool
) -> dict[str, str]:
    """The memory that each result shares, in words; nothing if it is alone."""
    out, cache = layer.forward(params, x)
    dout = np.ones_like(out) if positive else draw(np.asarray(out), rng)
    first = {"out": out, **trial_back(Trial(layer, params, x, out, cache), dout)}
    kept = {name: np.array(leaf) for name, leaf in first.items()}
    other_out, other_cache = layer.forward(params, writable(x))
    second = {"out": other_out, **trial_back(Trial(layer, params, x, other_out, other_cache), dout.copy())}
    third = trial_back(Trial(layer, params, x, out, cache), dout.copy())
    notes: dict[str, str] = {}
    for name, leaf in first.items():
        others: list[tuple[str, Any]] = [
            *((f"the result {each}", value) for each, value in first.items() if each != name),
            *((f"{each} of another call", value) for each, value in (*second.items(), *third.items())),
            *(("the cache", value) for value in arrays_in(cache)),
            ("dout", dout),
            *(("x", value) for value in tree.leaves(x)),
            *(("params", value) for value in tree.leaves(params)),
        ]
        note = ""
        if is_numpy(leaf) and leaf.flags.writeable and leaf.size:
            note = (
                "it is writable, and several of its entries share memory"
                if _overlaps(leaf)
                else next(
                    (
                        f"it is writable, and shares memory with {what}"
                        for what, value in others
                        if _shares(leaf, value)
                    ),
                    "",
                )
            )
        if not note and not np.array_equal(kept[name], leaf, equal_nan=True):
            note = "a later call changes it: is a buffer used again?"
        notes[name] = note
    return notes


def _overlaps(a: Array) -> bool:
    return any(step == 0 and length > 1 for step, length in zip(a.strides, a.shape, strict=True))


def _shares(a: Any, b: Any) -> bool:
    return is_numpy(b) and b.size > 0 and bool(np.may_share_memory(a, b)) and bool(np.shares_memory(a, b))


def all_written(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """Results do not depend on what was in memory before: nothing that `np.empty` gave is left as it was.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For each result.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.all_written(affine, params, x, rng))
    True
    """
    found = _unwritten(layer, params, x, rng)
    if not isinstance(layer, Encoder) and np.ndim(x) and np.size(x) > 1:
        zero = np.zeros((), np.asarray(x).dtype)
        some = {"zeros": np.where(rng.random(np.shape(x)) < ZEROS, zero, x), "a row of zeros": np.array(x)}
        some["a row of zeros"][0] = zero
        for words, with_zeros in some.items():
            with contextlib.suppress(Exception):  # it refuses zeros, which is an answer
                for name, note in _unwritten(layer, params, with_zeros, rng).items():
                    found[name] = found.get(name) or (note and f"for x with {words}: {note}")
    return [Verdict("all_written", name, ok=not note, note=note) for name, note in found.items()]


def _unwritten(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> dict[str, str]:
    """The fault of each result that depends on what was in memory before, in words; "" if it does not."""
    out, cache = run_forward(layer, params, x)
    dout = draw(out, rng)
    trial = Trial(layer, params, x, out, cache)
    right = {"out": out, **trial.back(dout)}
    shapes = {(leaf.shape, leaf.dtype) for leaf in (*right.values(), *arrays_in(cache), *tree.leaves(x))}
    bad: dict[str, str] = {}
    for junk in (np.nan, -1e4, 7.0):
        for _ in range(2):
            _fill(shapes, junk)
            again_out, again_cache = layer.forward(params, writable(x))
            _fill(shapes, junk)
            found = {"out": again_out, **trial_back(Trial(layer, params, x, again_out, again_cache), dout.copy())}
            for name, leaf in found.items():
                if not np.array_equal(leaf, right[name], equal_nan=True):
                    bad[name] = "it depends on what was in memory before: is an entry of np.empty not written?"
    clear(shapes)
    return {name: bad.get(name, "") for name in right}


def clear(shapes: set[tuple[tuple[int, ...], Any]]) -> None:
    """Leave no nan behind in free memory, for what comes next."""
    _fill({each for each in shapes if math.prod(each[0]) < SMALL}, 0.0, 64)


def _fill(shapes: set[tuple[tuple[int, ...], Any]], junk: float, arrays: int = 8) -> None:
    """Leave free memory behind that is full of a number."""
    held: list[Any] = []
    for shape, dtype in shapes:
        for _ in range(arrays):
            array = np.empty(shape, dtype)
            with contextlib.suppress(ValueError), np.errstate(all="ignore"):
                array[...] = junk if dtype.kind == "f" else 1
            held.append(array)
    held.clear()


class Watched(np.ndarray[Any, np.dtype[Any]]):
    """An array that notices that somebody writes to its memory, even if it is put back.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.laws.of_layers.memory import watched
    >>> array = watched(np.ones(2))
    >>> array[0] = 5.0
    >>> array.written
    ['written']
    """

    origin: Any
    written: list[str]

    def __array_finalize__(self, obj: Any) -> None:
        self.origin, self.written = getattr(obj, "origin", None), getattr(obj, "written", [])

    def notice(self) -> None:
        """Remember a write, unless this is a copy with memory of its own."""
        if self.origin is not None and np.may_share_memory(self, self.origin):
            self.written.append("written")

    def __setitem__(self, key: Any, value: Any) -> None:
        self.notice()
        super().__setitem__(key, value)

    def fill(self, value: Any) -> None:
        """As that of an array."""
        self.notice()
        super().fill(value)

    def sort(self, *arguments: Any, **options: Any) -> None:
        """As that of an array."""
        self.notice()
        super().sort(*arguments, **options)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        for each in (*out, *(inputs[:1] if method == "at" else ())):
            if isinstance(each, Watched):
                each.notice()
        if out:
            options["out"] = tuple(map(_plain, out))
        return getattr(ufunc, method)(*map(_plain, inputs), **options)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Watched) else value


def watched(a: Array) -> Watched:
    """A copy that notices writes."""
    made = a.copy().view(Watched)
    made.origin, made.written = made.view(np.ndarray), []
    return made


def lent(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> Iterator[str]:
    """Which arguments are written to while a call lasts, whatever is in them afterwards.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import relu
    >>> from chainrule.laws.of_layers.memory import lent
    >>> list(lent(relu, (), np.ones(3), np.random.default_rng(0)))
    []
    """
    out, cache = run_forward(layer, params, x)
    dout = draw(out, rng)
    with contextlib.suppress(Exception):
        given = watched(x) if is_numpy(x) else tree.map(watched, x)
        layer.forward(params, given)
        watching: list[Any] = list(tree.leaves(given))
        if any(leaf.written for leaf in watching):
            yield "x"
    with contextlib.suppress(Exception):
        slope = watched(dout)
        trial_back(Trial(layer, params, x, out, cache), slope)
        layer.grads(cache, slope)
        if slope.written:
            yield "dout"


__all__ = ["Watched", "all_written", "any_layout", "lent", "nothing_shared"]
