"""The laws of linearity: backward is linear in `dout`, also far from 1."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict, compare, index_of_largest
from chainrule.laws.trials.copies import in_dtype
from chainrule.laws.trials.rounding import rounding
from chainrule.laws.trials.trial import Checked, Trial, draw, measured

P = TypeVar("P")
C = TypeVar("C")

ROUNDING = 1e-11
"""For equalities that hold but for the order of sums, in float64: eps times a thousand terms, fifty times over."""


def linearity(layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """`backward` is linear in `dout`: `b(a u + c v) = a b(u) + c b(v)`, and `b(0) = 0` exactly.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `u` and `v`.

    Returns
    -------
    list[Verdict]
        For `dx` and each array of `grads`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.linearity(affine, params, x, rng))
    True
    """
    trial = measured(Trial.in_float64(layer, params, x), rng)
    u, v, a, c = draw(trial.out, rng), draw(trial.out, rng), 1024.0, -0.75  # large: clipping is not linear
    of_sum, of_u, of_v, of_zero = (trial.back(d) for d in (a * u + c * v, u, v, np.zeros_like(u)))
    least = least_of(list(of_sum.values()))
    units, of_other_dtypes = rounding(trial, u, rng), _dtypes_of_zeros(layer, params, trial.fewer)
    verdicts: list[Verdict] = []
    for name, got in of_sum.items():
        gu, gv = of_u[name], of_v[name]
        if name not in of_zero:
            verdicts.append(Verdict("linearity", name, ok=False, note="for dout = 0 it is missing"))
            continue
        known = np.isfinite(gu) & np.isfinite(gv)  # an infinite slope times 0 is no number
        if of_zero[name].shape != got.shape:
            note = f"for dout = 0 it has shape {of_zero[name].shape}, else {got.shape}"
            verdicts.append(Verdict("linearity", name, ok=False, note=note))
            continue
        g0 = of_zero[name][known]
        note = ""
        if got.size and np.array_equal(gu, gv) and gu.any():
            note = IGNORED
        elif g0.any():
            note = OF_ZEROS_NAN if np.isnan(g0).any() else OF_ZEROS
        room = float(64 * a * units[name].max(initial=0.0) / max(np.abs(got).max(initial=0.0), least, 1e-300))
        expected = np.where(known, a * gu + c * gv, np.nan)
        verdict = compare("linearity", name, got, expected, max(ROUNDING, room), least=least, note=note)
        note = note if g0.any() else of_other_dtypes.get(name, "")
        verdicts.append(Verdict("linearity", name, ok=False, note=note) if g0.any() or note else verdict)
    return verdicts


IGNORED = "it is the same for every dout: was dout ignored?"
"""The words for a result that does not depend on dout."""

OF_ZEROS = "it is not 0 for dout = 0: something is added that does not go with dout"
OF_ZEROS_NAN = "it is nan for dout = 0: is something divided by the size of dout?"
"""The words for what a dout of zeros gives."""


def ignores_dout(verdict: Verdict) -> bool:
    """Tell whether a verdict of `linearity` says that `dout` is not used: other laws that vary it fail for that."""
    return verdict.note == IGNORED


def _dtypes_of_zeros(layer: Checked[P, C], params: P, x: Any) -> dict[str, str]:
    """The results whose dtype for a `dout` of zeros is another than for ones, in words."""
    notes: dict[str, str] = {}
    for dtype in (np.float64, np.float32, np.float16):
        try:
            with np.errstate(all="ignore"):
                trial = Trial.of(layer, in_dtype(params, dtype), in_dtype(x, dtype))
                of_ones, of_zeros = trial.back(np.ones_like(trial.out)), trial.back(np.zeros_like(trial.out))
        except Exception:
            continue
        for name, leaf in of_zeros.items():
            if leaf.dtype != of_ones[name].dtype:
                note = f"for dout = 0 it comes as {leaf.dtype}, else as {of_ones[name].dtype}"
                notes.setdefault(name, f"in {np.dtype(dtype).name}, {note}")
    return notes


def scaled(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """A `dout` times a power of two gives the same times that power, for small and large ones: backward is linear.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on, in their own dtype; those of float64 in float32 too.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For each result of backward.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.scaled(affine, params, x, rng))
    True
    """
    own = Trial.of(layer, params, x)
    found = _scaled(measured(own, rng), rng)
    with suppress(Exception), np.errstate(all="ignore"):  # it takes no such dtype, which is an answer
        narrow = Trial.of(layer, in_dtype(params, np.float32), in_dtype(x, np.float32))
        if own.out.dtype == np.float64 and narrow.out.dtype == np.float32:
            more = _scaled(measured(narrow, rng), rng)
            fresh = [each for name, each in more.items() if not each.ok and found[name].ok]
            found |= {each.field: evolve(each, note=f"in float32, {each.note}") for each in fresh}
    return list(found.values())


def _scaled(trial: Trial, rng: np.random.Generator) -> dict[str, Verdict]:
    """The verdict on each result for scaled `dout`, whose squares are beyond the range of its dtype."""
    dout = draw(trial.out, rng)
    wide = dout.dtype.itemsize > 2
    most = 4 if not wide or trial.noise >= 1e-6 else 70 if dout.dtype.itemsize == 4 or trial.noise >= 1e-10 else 600
    right = trial.back(dout)
    found = {name: Verdict("scaled", name, ok=True) for name in right}
    for k in (-most, -most // 4, most // 4, most):
        with np.errstate(all="ignore"):
            for name, leaf in trial.back(np.ldexp(dout, k)).items():
                info = _narrower(dout, leaf)
                eps = max(float(info.eps), trial.noise)
                back = np.ldexp(leaf, -k)
                known = np.isfinite(right[name])
                size = float(np.abs(right[name][known]).max(initial=0.0))
                if wide and size > np.ldexp(float(info.max), -k - 20):
                    continue  # terms of it, or it, may be beyond the range of the dtype
                least = float(np.ldexp(float(info.smallest_normal), max(0, -k))) * 2**10
                off = ~(np.abs(back - right[name]) <= 1e3 * eps * size + least) & known
                if not wide:  # sums within may be beyond its range
                    off &= np.isfinite(leaf)
                if off.any() and found[name].ok:
                    index = index_of_largest(off)
                    got, expected = float(leaf[index]), float(np.ldexp(right[name][index], k))
                    note = f"for dout times 2**{k} it is not 2**{k} times what it was"
                    note += ": is dout clipped or something added?"
                    found[name] = Verdict("scaled", name, False, note, index=index, got=got, expected=expected)
    return found


def _narrower(dout: Array, leaf: Array) -> "np.finfo[Any]":
    """The range of `dout`, or of a result that is narrower, as the gradient of a parameter in float32 is."""
    dtypes = [each.dtype for each in (dout, leaf) if np.issubdtype(each.dtype, np.floating)]
    return min((np.finfo(dtype) for dtype in dtypes), key=lambda info: float(info.max))


def least_of(fields: Sequence[Array]) -> float:
    """The size of a field that counts for nothing beside the largest one: see `compare`."""
    return max((float(np.abs(leaf).max(initial=0)) for leaf in fields), default=0.0) / 128
