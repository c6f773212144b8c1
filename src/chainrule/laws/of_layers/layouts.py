"""The law of layouts: wherever arrays lie in memory, results are the same."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict, index_of_largest, one_each
from chainrule.laws.trials.copies import in_dtype, writable
from chainrule.laws.trials.names import Names
from chainrule.laws.trials.rounding import Units, units_of
from chainrule.laws.trials.sizes import rms
from chainrule.laws.trials.trial import COARSE, Checked, Fields, Trial, draw, measured

P = TypeVar("P")

Layout: TypeAlias = Callable[[Array], Array]
"""The copy of an array that lies otherwise in memory."""

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

    Reversed are all axes, or one of them alone. So do parts of larger arrays, a dout of one number with strides of 0,
    and a dout or an x that is broadcast along any axis. Some layouts of x and dout are tried in float32 as well.

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
    right, names = trial.results(dout), trial.names
    verdicts: list[Verdict] = []
    axes = max(dout.ndim, *(leaf.ndim for leaf in tree.leaves((trial.x, trial.params))))
    for name, layout in layouts_of(axes).items():
        cases: dict[str, Callable[[], Fields]] = {
            "dout": partial(_with_dout, trial, layout, dout),
            "x": partial(_with_x, trial, layout, dout),
            "params": partial(_with_params, trial, layout, dout),
        }
        verdicts += [
            _tried(argument, run, right, units, f"{name} {names.of(argument)}", names)
            for argument, run in cases.items()
        ]
    ones = np.ones_like(trial.out)
    dense, of_ones = trial.back(ones), units_of(trial, ones, rng)
    run = partial(_with_dout, trial, broadcast, ones)
    verdicts.append(
        _tried("dout", run, dense, of_ones, f"a broadcast {names.dout}, of one number with strides of 0,", names)
    )
    for axis in range(dout.ndim):
        alike = _broadcast_along(axis, dout)
        run, usual = partial(_with_dout, trial, partial(_broadcast_along, axis), dout), trial.back(alike)
        words = f"a {names.dout} that is broadcast along axis {axis}"
        verdicts.append(_tried("dout", run, usual, units_of(trial, alike, rng), words, names))
    for axis in range(trial.x.ndim if is_numpy(trial.x) else 0):
        verdicts += _broadcast_x(trial, axis, rng)
    if all(each.ok for each in verdicts) and trial.noise <= COARSE:
        verdicts += _in_float32(trial, dout, units)
    return one_each(verdicts)


def _in_float32(trial: Trial, dout: Array, units: Units) -> list[Verdict]:
    """The verdicts on x and dout in other layouts in float32, for which low-level code may have other functions."""
    params, x, narrow = (in_dtype(each, np.float32) for each in (trial.params, trial.x, dout))
    try:
        usual = Trial.of(trial.layer, params, x)
        right = usual.results(narrow)
    except Exception:  # it refuses float32, or says more of it elsewhere
        return []
    if any(leaf.dtype != np.float32 for leaf in right.values()):
        return []  # as another law says
    verdicts, names = list[Verdict](), trial.names
    for words, layout in OF_FLOAT32.items():
        cases: dict[str, Callable[[], Fields]] = {
            "dout": partial(_with_dout, usual, layout, narrow),
            "x": partial(_with_x, usual, layout, narrow),
        }
        verdicts += [
            _tried(argument, run, right, lambda: _wider(units()), f"{words} {names.of(argument)} of float32", names)
            for argument, run in cases.items()
        ]
    return verdicts


def _wider(units: Fields) -> Fields:
    return {name: unit * (np.finfo(np.float32).eps / np.finfo(np.float64).eps) for name, unit in units.items()}


def _broadcast_x(trial: Trial, axis: int, rng: np.random.Generator) -> list[Verdict]:
    x = _broadcast_along(axis, trial.x)
    try:
        copied = Trial.of(trial.layer, trial.params, x).with_noise(trial.noise)
        dout = draw(copied.out, rng)
        got = _results(trial.layer, trial.params, x, dout)
    except Exception:  # it refuses equal numbers, or arrays that are read-only, as another law says
        return []
    right, rounded = copied.results(dout), units_of(copied, dout, rng)
    least = trial.noise * max(rms(copied.x), rms(dout))  # of equal numbers all may cancel
    if any(rms(leaf) > SINGULAR * max(rms(copied.x), rms(dout), 1.0) for leaf in right.values()):
        return []

    def units() -> Fields:
        return {name: unit + least for name, unit in rounded().items()}

    return [_same("x", got, right, units, f"an {trial.names.x} that is broadcast along axis {axis}", trial.names)]


def _tried(argument: str, run: Callable[[], Fields], right: Fields, units: Units, words: str, names: Names) -> Verdict:
    try:
        return _same(argument, run(), right, units, words, names)
    except Exception as error:
        note = f"{words} makes it raise {type(error).__name__}: {error}"
        return Verdict("any_layout", argument, ok=False, note=note)


def _with_dout(trial: Trial, layout: Layout, dout: Array) -> Fields:
    return trial.back_as_laid_out(layout(dout))


def _with_x(trial: Trial, layout: Layout, dout: Array) -> Fields:
    return _results(trial.layer, trial.params, _arranged(trial.x, layout), dout)


def _with_params(trial: Trial, layout: Layout, dout: Array) -> Fields:
    x = writable(trial.x)  # whoever writes to x is told so by other laws, and not that this layout is why
    return _results(trial.layer, tree.map(constant(layout), trial.params), x, dout)


def _results(layer: Checked[Any, Any], params: Any, x: Any, dout: Array) -> Fields:
    out, cache = layer.forward(params, x)
    return Trial(layer, params, x, np.asarray(out), cache).results(dout)


def _arranged(x: Any, layout: Layout) -> Any:
    """The input in another layout; `tree.map` would copy it into the usual one."""
    return layout(x) if is_numpy(x) else tree.map(constant(layout), x)


def constant(layout: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The layout of arrays that are read-only, as a record keeps it; of another library's, the layout alone."""

    def arranged(array: Any) -> Any:
        made = base = layout(array)
        while isinstance(base, np.ndarray):
            base.flags.writeable = False
            base = base.base
        return made

    return arranged


def laid(value: P, layout: Layout) -> P:
    """Copies of all arrays in a layout, that can be written to."""
    copies = tree.map(constant(layout), value)
    for leaf in tree.leaves(copies):
        memory, base = [leaf], leaf.base
        while is_numpy(base):
            memory.append(base)
            base = base.base
        for each in reversed(memory):
            each.flags.writeable = True
    return copies


def _same(argument: str, got: Fields, right: Fields, units: Units, words: str, names: Names) -> Verdict:
    for name, leaf in got.items():
        expected = right[name]
        if leaf.shape != expected.shape:
            note = f"{words} gives {names.of(name)} of shape {leaf.shape}, and not {expected.shape}"
            return Verdict("any_layout", argument, ok=False, note=note)
        if np.array_equal(leaf, expected, equal_nan=True):
            continue
        with np.errstate(all="ignore"):
            off = np.abs(leaf - expected) > CLOSE * units()[name]
            known = np.where(np.isfinite(leaf), leaf, expected)  # as at a singular matrix, it may be noise
            off |= np.isnan(leaf) != np.isnan(expected)
            off &= ~((np.isfinite(leaf) != np.isfinite(expected)) & ~(units()[name] <= NOISE * np.abs(known)))
        if off.any():
            index = index_of_largest(off)
            is_, right_ = float(leaf[index]), float(expected[index])
            shown = next((n for n in range(6, 17) if f"{is_:.{n}g}" != f"{right_:.{n}g}"), 17)
            values = f"at {list(index)} it is {is_:.{shown}g}, and not {right_:.{shown}g}"
            note = f"{words} gives another {names.of(name)}: {values}"
            return Verdict("any_layout", argument, ok=False, note=note)
    return Verdict("any_layout", argument, ok=True)


def _dense(a: Array) -> Array:
    return a.copy()


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


def _reversed_along(axis: int, least: int, a: Array) -> Array:
    """The array with one axis reversed in memory; with fewer axes than `least` it is as usual."""
    return np.flip(np.flip(a, axis).copy(), axis) if a.ndim >= least else a.copy()


def _misaligned(a: Array) -> Array:
    memory = np.empty(a.nbytes + 1, np.uint8)
    made = memory[1:].view(a.dtype).reshape(a.shape)
    made[...] = a
    return made


def broadcast(a: Array) -> Array:
    """One number with strides of 0."""
    return np.broadcast_to(a[(0,) * a.ndim] if a.size else np.ones((), a.dtype), a.shape)


def _broadcast_along(axis: int, a: Array) -> Array:
    return np.broadcast_to(a.take(np.zeros(1, int) if a.shape[axis] else [], axis), a.shape)


def _moved_in_memory(axis: int, place: int, a: Array) -> Array:
    """The array with an axis in another place in memory alone; a matrix is as usual."""
    return np.moveaxis(np.moveaxis(a, axis, place).copy(), place, axis) if a.ndim > MATRIX else a.copy()


LAYOUTS: dict[str, Layout] = {
    "a Fortran-ordered": _fortran,
    "a strided": _strided,
    "a row-padded": _padded,
    "an offset": _offset,
    "a reversed": _reversed,
    "a row-reversed": partial(_reversed_along, 0, MATRIX),
    "a column-reversed": partial(_reversed_along, -1, MATRIX),
    "a misaligned": _misaligned,
}

DENSE, FORTRAN, STRIDED = _dense, LAYOUTS["a Fortran-ordered"], LAYOUTS["a strided"]
"""The usual layout, and two by which functions tell that arrays do not lie in it."""

LAID_OUT: dict[str, Layout] = {
    "": DENSE,
    ", for arrays in Fortran's order": FORTRAN,
    ", for arrays with gaps in memory": STRIDED,
}
"""These, after the words for a verdict."""

OF_FLOAT32 = {words: LAYOUTS[words] for words in ("a Fortran-ordered", "a strided", "a row-padded")}
"""Those that are tried in float32 as well."""

OF_THREE_AXES: dict[str, Layout] = {
    "a channels-last": partial(_moved_in_memory, 1, -1),
    "a time-major": partial(_moved_in_memory, 0, 1),
    "a time-reversed": partial(_reversed_along, 1, MATRIX + 1),
}
"""Those of arrays with more axes than a matrix."""

OF_FOUR_AXES: dict[str, Layout] = {
    "a channels-first": partial(_moved_in_memory, -1, 1),
    "an axis-swapped": partial(_moved_in_memory, 1, 2),
}
"""Those of arrays with still more axes; of three, they are all a channels-last one."""


def layouts_of(axes: int) -> dict[str, Layout]:
    """The layouts, in words, of arrays with at most so many axes."""
    return LAYOUTS | (OF_THREE_AXES if axes > MATRIX else {}) | (OF_FOUR_AXES if axes > MATRIX + 1 else {})
