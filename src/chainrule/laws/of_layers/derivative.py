"""The law of the derivative, at the arguments that a layer is checked on."""

import math
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.bursts import slopes
from chainrule.checking.complex_step import STEP, lift
from chainrule.checking.numerical_gradient import derivatives
from chainrule.checking.perturbations import black_box
from chainrule.checking.verdict import Verdict, compare, entry, index_of_largest
from chainrule.encoder import Encoder
from chainrule.interop.graph import Function
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.directions import by_directions
from chainrule.laws.trials.entries import confirmed, only_at_kinks
from chainrule.laws.trials.finite import first_not_finite
from chainrule.laws.trials.hints import hint, where_beyond
from chainrule.laws.trials.part import FIRST, FIRST_IN_NOISE, NOISY, ROUNDINGS, SAFE, Part
from chainrule.laws.trials.rounding import units_of
from chainrule.laws.trials.sizes import sizes_of
from chainrule.laws.trials.trial import Checked, Trial, couples_rows, draw, fixed_fields, measured, value_of

P = TypeVar("P")
C = TypeVar("C")

WORK = 2**25
"""The most numbers that may be gone through for the entries of one array that are checked one by one."""

SAMPLE, SAMPLE_OF_LARGE = 4096, 32
"""The most such entries, of an array that has more; and of a large layer."""

FEW = 128
"""The most by bursts of differences, which take ten times as long."""

NOISIEST, COPIES, NEAR = 1e-5, 4, 2.0**-20
"""Up to what share of the largest entry the complex step may be off by its own rounding; at how many pairs of points
that is measured, and how far from x they are, where the mean of a pair is the derivative at x to twelve digits."""

TOLD = 0.25
"""By what share of a derivative differences may be off and still tell whether the complex step gives it."""

ANOTHER, FAR_OFF = 1e-9, 1e3
"""By how much two ways to compute a value may differ, of the largest entry, and in units of its noise."""

DIRECTIONS = 8
"""Along how many directions a large array is checked, each of which sees every entry."""

CANCELLED = 0.05
"""The share of the largest entry of a small gradient that rounding on the way may take from it."""

CANCELS = (
    "it is off by no more than numbers of the size of dout are rounded by: is 1 - y computed on the way for a y near "
    "1? Digits cancel there, which another form keeps, as with expm1 or log1p"
)
"""The words for that."""


def derivative(
    layer: Checked[P, C], params: P, x: Any, rng: np.random.Generator, *, most: int = SAMPLE
) -> list[Verdict]:
    """`backward(dout)` is the transposed derivative: the gradient of `<dout, forward>`, entry by entry.

    It is computed in float64 on copies, for a random `dout`: by complex step where the layer is analytic, which shows
    an entry that is wrong by one part in 10^9, and by bursts of differences elsewhere. Large arrays are checked along
    directions that see every entry, and a wrong one is then searched for. At a kink every number between the slopes to
    the left and to the right is right. The gradients of fixed parameters must be zeros.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.
    most
        The most entries of an array that are tried one by one.

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
    >>> all(verdict.ok for verdict in laws.derivative(affine, params, x, rng))
    True
    """
    trial = measured(Trial.in_float64(layer, params, x), rng)
    dout = draw(trial.out, rng)
    gots, units = trial.back(dout), units_of(trial, dout, rng)
    most = min(most, SAMPLE_OF_LARGE if trial.large else WORK // max(trial.size, 1))
    lifted = analytic(trial, rng)
    fixed = fixed_fields(trial)
    verdicts = _of_value(trial)
    for name, got in gots.items():
        if name in fixed:
            verdicts.append(noted(compare("derivative", name, got, np.zeros_like(got), 0.0), "the part is fixed"))
        else:
            verdicts.append(of_field(Part(trial, name, dout, got, units), rng, lifted=lifted, most=most))
    if not (trial.out.size and any(leaf.size for leaf in trial.arguments.values())):
        return [each if each.wrong else _nothing(each.field, trial) for each in verdicts]
    lost = first_not_finite({"out": trial.out})
    return [evolve(each, note=f"forward gives {lost}") if each.undecided and lost else each for each in verdicts]


def _of_value(trial: Trial) -> list[Verdict]:
    """The verdict on `out`, if a function of another library gives another where its derivative is asked for."""
    forward = trial.layer.forward
    if not isinstance(forward, Function) or forward.value is None:
        return []
    alone: NDArray[Any] = np.asarray(forward.value(trial.params, writable(trial.x)))
    note = "got where its derivative is asked for, expected what the function gives alone"
    verdict = compare("derivative", "out", trial.out, alone, max(ANOTHER, FAR_OFF * trial.noise), note=note)
    return [verdict] if verdict.wrong else []


def _nothing(field: str, trial: Trial) -> Verdict:
    """The verdict where there are no numbers to differentiate, or none with respect to which."""
    shapes = f"out has shape {trial.out.shape} for an x of shape {np.shape(trial.x)}"
    return Verdict("derivative", field, ok=False, undecided=True, note=f"{shapes}: nothing can be compared")


def analytic(trial: Trial, rng: np.random.Generator) -> bool:
    """Tell whether the complex step may be trusted: whether it agrees with differences, within their own error.

    It is not if the layer fails for complex arrays, drops the imaginary part, or gives a wrong derivative without an
    error, as `np.abs` does.
    """
    directions = {name: sizes_of(leaf) * rng.choice([-1.0, 1.0], leaf.shape) for name, leaf in trial.arguments.items()}
    weights = rng.standard_normal((3, trial.out.size))
    start = trial.arguments
    try:
        with _nothing_said():
            moved = {name: _lifted(leaf, directions[name]) for name, leaf in start.items()}
            params, x = trial.with_arguments(moved)
            value = np.asarray(value_of(trial.layer, params, writable(x)))
    except Exception:  # whatever a function does with complex numbers that it was not written for
        return False
    if not np.iscomplexobj(value) or value.size != trial.out.size:
        return False
    exact = weights @ (np.imag(value).reshape(-1) / STEP)
    found = slopes(trial.line(directions), weights, FIRST if trial.noise < NOISY else FIRST_IN_NOISE, trial.noise)
    size = np.abs(weights) @ np.abs(np.imag(value).reshape(-1) / STEP)
    told = SAFE * found.error <= TOLD * size  # differences that are off by as much agree with anything
    return bool(np.all(told & (found.miss(exact) <= SAFE * found.error + 1e-12 * size)))


def of_field(part: Part, rng: np.random.Generator, *, lifted: bool, most: int) -> Verdict:
    """The verdict on one field of the gradient, by its entries, of which `most` are tried, and along directions."""
    name, got, argument, rows = part.name, part.got, part.leaf, len(np.atleast_1d(part.trial.out))
    if got.shape != argument.shape:
        return right("derivative", name, got, argument, np.zeros(0), rows)
    if not argument.size:
        return Verdict("derivative", name, True, "nothing to compare", error=0.0)
    most = most if lifted else min(FEW, most)
    in_part = argument.size > most
    some = rng.choice(argument.size, most, replace=False) if in_part else np.arange(argument.size)
    if lifted and in_part:
        found = _by_complex_directions(part, rng)
        if found is not None:
            return found
    directions = DIRECTIONS if in_part and not lifted else 3
    along = by_directions("derivative", part.trial, [part.dout], rng, count=directions, only=name, units=part.units)
    expected, ratios = _by_complex_step(part, some) if lifted else confirmed(part, some)
    weights = [leaf for field, leaf in part.trial.arguments.items() if field != "dx"] if name == "dx" else []
    alone = _shown(right("derivative", name, got, expected, ratios, rows, weights), part, ratios)
    if alone.wrong and _may_be_rounding(part, expected):
        alone = evolve(alone, note=CANCELS)
    if alone.ok and in_part:
        note = f"{most} of {argument.size} entries were tried one by one, all along {DIRECTIONS} directions"
        alone = evolve(alone, note=note)
    return _weighed(alone, along[0] if along else None, _at_several_kinks(part, expected, ratios))


def _weighed(alone: Verdict, along: Verdict | None, at_kinks: Verdict | None) -> Verdict:
    """The verdict on a field, of those on its entries, along directions and at kinks.

    A wrong entry says most. If all are right that were tried, others may be wrong, which directions show, or at kinks
    where nothing can be told. If no entry could be judged, a direction that is right decides.
    """
    if alone.ok and along is not None and not along.ok:
        return along
    if alone.ok and at_kinks is not None:
        return at_kinks
    if alone.undecided and along is not None and along.ok and math.isfinite(along.power):
        return evolve(along, note=alone.note + "; a direction decides")
    power = alone.power if along is None or math.isnan(along.power) else min(alone.power, along.power)
    return evolve(alone, power=power)


def _shown(verdict: Verdict, part: Part, ratios: Array) -> Verdict:
    """The verdict with the point that shows it, if it is wrong, and the slopes that are right at a kink."""
    if not verdict.wrong:
        return verdict
    return evolve(verdict, point=part, note=only_at_kinks(part, ratios) or verdict.note)


def _may_be_rounding(part: Part, expected: Array) -> bool:
    """Tell whether a small gradient is off by no more than the rounding of numbers of the size of `dout`."""
    off = np.abs(part.got - expected)[~np.isnan(expected)]
    least, most = (float(np.abs(leaf).max(initial=0)) for leaf in (part.dout, expected[~np.isnan(expected)]))
    return bool((off <= 4 * 2.0**-52 * least).all() and (off <= CANCELLED * most).all())


def _at_several_kinks(part: Part, expected: Array, ratios: Array) -> Verdict | None:
    """The verdict where an entry has a derivative, and it can't be told whether the gradient may differ from it."""
    unclear = np.isnan(ratios) & ~np.isnan(expected)
    if not unclear.any():
        return None
    index = index_of_largest(unclear)
    note = f"of {entry(part.name, index)}: {part.kinks}"
    return Verdict("derivative", part.name, ok=False, undecided=True, index=index, note=note)


def _by_complex_directions(part: Part, rng: np.random.Generator) -> Verdict | None:
    """The verdict on a large field that is wrong along a direction, for the entry that is; None if none is found."""
    got = part.got

    def ratio(direction: Array) -> float:
        exact = _along(part, direction)
        allowed = 1e-11 * math.sqrt(float(np.sum(np.square(got * direction))))
        off = abs(float(np.sum(got * direction)) - exact)
        if not off <= allowed:
            allowed += ROUNDINGS * math.sqrt(float(np.sum(np.square(part.units()[part.name] * direction))))
        return off / max(allowed, 1e-300)

    for _ in range(DIRECTIONS):
        direction = sizes_of(part.leaf) * rng.choice([-1.0, 1.0], got.shape)
        if ratio(direction) <= 1:
            continue
        support = np.arange(got.size)
        while support.size > 1:
            halves = np.array_split(support, 2)
            support = max(halves, key=lambda half: ratio(_share(direction, half)))
        expected, ratios = _by_complex_step(part, support)
        if ratios.flat[support[0]] > 1:
            rows = len(np.atleast_1d(part.trial.out))
            return _shown(right("derivative", part.name, got, expected, ratios, rows), part, ratios)
    return None


def _share(direction: Array, support: NDArray[Any]) -> Array:
    """A direction at some of its places, and 0 elsewhere."""
    share = np.zeros(direction.shape)
    share.flat[support] = direction.flat[support]
    return share


@contextmanager
def _nothing_said() -> Generator[None]:
    """No warning of a layer that is given complex numbers, whose cast to real ones drops the imaginary part."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _along(part: Part, direction: Array) -> float:
    """The derivative along a direction, by complex step."""
    trial, name = part.trial, part.name
    moved = {each: _lifted(leaf, direction) if each == name else lift(leaf) for each, leaf in trial.arguments.items()}
    params, x = trial.with_arguments(moved)
    with _nothing_said():
        out: Any = value_of(trial.layer, params, x)
        imaginary: Array = out.imag
        return float(np.sum(imaginary * part.dout)) / STEP


def _by_complex_step(part: Part, which: NDArray[Any]) -> tuple[Array, Array]:
    """The derivative with respect to some entries, and by how much of what is allowed the gradient misses it.

    Where it misses by little, its own error is measured by what it is on either side: near 0 it cancels in sin(x) / x,
    where the derivative does not. Where it misses, differences decide whether there is a kink or a tie,
    of which the complex step sees one side.
    """
    stepped = _complex_steps(part.trial, part.name, part.dout)
    expected, ratios = np.full(part.leaf.shape, np.nan), np.full(part.leaf.shape, np.nan)
    found = stepped(which)
    known = np.isfinite(found)
    some, found = which[known], found[known]
    expected.flat[some] = found
    largest = float(np.abs(found).max(initial=0.0))
    with np.errstate(all="ignore"):
        off, allowed = np.abs(part.got.flat[some] - found), 256 * 2.0**-52 * largest + 1e-10 * np.abs(found)
        if not np.all(off <= allowed):
            allowed += ROUNDINGS * part.units()[part.name].flat[some]
        beyond = np.flatnonzero(~(off <= allowed))
        if 0 < beyond.size <= FEW and np.all(off[beyond] <= NOISIEST * largest):
            there = [
                np.mean([stepped(some[beyond], seed, way) for way in (NEAR, -NEAR)], axis=0) for seed in range(COPIES)
            ]
            allowed[beyond] += SAFE * np.max(np.abs(there - found[beyond]), axis=0)
    ratio = off / np.where(allowed > 0, allowed, 1e-300)
    ratio[np.isnan(ratio)] = np.inf
    ratios.flat[some] = ratio
    wrong = some[ratio > 1]
    if 0 < wrong.size <= FEW:
        again, others = confirmed(part, wrong)
        for i in map(int, wrong):
            kinked = abs(again.flat[i] - expected.flat[i]) > 1e-6 * abs(expected.flat[i])
            if kinked or math.isnan(others.flat[i]):
                expected.flat[i], ratios.flat[i] = again.flat[i], others.flat[i]
    return expected, ratios


def _complex_steps(trial: Trial, name: str, dout: Array) -> Callable[..., NDArray[Any]]:
    """The function from places in a field to the derivatives there, and to those beside the trial, by complex step."""
    x_moves = not isinstance(trial.layer, Encoder)
    start = (trial.params, trial.x if x_moves else ())
    names = [field for field in trial.arguments if field != "dx"] + (["dx"] if x_moves else [])

    def product(at: tuple[Any, Any]) -> Array:
        x = at[1].copy() if x_moves else writable(trial.x)  # np.copy would drop the complex step
        out: Any = value_of(trial.layer, at[0], x) * dout
        total: Array = out.sum()
        return total

    together = name == "dx" and not trial.large and _rows_are_apart(trial)  # of a large one few entries are tried

    def stepped(which: NDArray[Any], seed: int = 0, way: float = 0.0) -> NDArray[Any]:
        at: Any = tree.map(partial(_beside, np.random.default_rng(seed), way), start) if way else start
        place = names.index(name)
        with _nothing_said():
            if together:
                return _in_all_rows(trial.layer, tree.map(lift, at[0]), at[1], dout, which)
            return derivatives(black_box(product, at)[place], tree.leaves(at)[place], which, "complex")

    return stepped


def _rows_are_apart(trial: Trial) -> bool:
    """Tell whether no row of `out` moves with another row of x, so that all rows may move at once.

    Two rows differ in a digit of their numbers: of those with a digit, and of those without it, all are moved.
    """
    x: Array = trial.x
    rows = len(x) if x.ndim else 0
    if rows < 2 or couples_rows(trial.layer, x) or trial.out.shape[:1] != x.shape[:1]:
        return False
    params: Any = tree.map(lift, trial.params)
    direction: Array = np.random.default_rng(rows).standard_normal(x.shape)
    with _nothing_said():
        for digit in range((rows - 1).bit_length()):
            has_it: NDArray[np.bool_] = np.arange(rows) >> digit & 1 == 1
            for moves in (has_it, ~has_it):
                step = np.zeros(x.shape)
                step[moves] = direction[moves]
                out: Any = value_of(trial.layer, params, _lifted(x, step))
                if np.any(np.imag(out)[~moves] != 0):
                    return False
    return True


def _in_all_rows(layer: Any, params: Any, x: Array, dout: Array, which: NDArray[Any]) -> NDArray[Any]:
    """The derivatives at places of an x whose rows are apart: each of its columns is moved in all rows at once."""
    row, column = np.divmod(which, x[0].size)
    columns, place = np.unique(column, return_inverse=True)
    found = np.empty((columns.size, len(x)))
    for k, each in enumerate(columns):
        step = np.zeros(x.shape)
        step.reshape(len(x), -1)[:, each] = 1
        out: Any = value_of(layer, params, _lifted(x, step))
        imaginary: Array = np.imag(out)
        found[k] = (imaginary * dout).reshape(len(x), -1).sum(axis=1) / STEP
    return found[place, row]


def _beside(rng: np.random.Generator, way: float, leaf: Array) -> Array:
    return leaf * (1 + way * rng.uniform(-1, 1, leaf.shape)) if leaf.dtype.kind == "f" else leaf


def right(
    law: str, name: str, got: Array, expected: Array, ratios: Array, rows: int, weights: Sequence[Array] = ()
) -> Verdict:
    """The verdict on a derivative, of which `got` misses so many times what is allowed, with a hint if it is wrong."""
    if got.shape != expected.shape:
        note, found = f"has shape {got.shape}, expected {expected.shape}", hint(got, expected, rows)
        return Verdict(law, name, ok=False, note=f"{note}: {found}" if found else note)
    known = ~np.isnan(ratios)
    if not known.any():
        note = "nothing could be checked: the derivative is not finite, or at a kink, at every entry: choose another x"
        return Verdict(law, name, ok=False, undecided=True, note=note)
    index = index_of_largest(np.where(known, ratios, -1.0))
    scale = float(np.abs(expected[known]).max()) or 1.0
    error = float(abs(got[index] - expected[index])) / scale
    if ratios[index] <= 1:
        return Verdict(law, name, True, error=error, power=math.inf)
    note = hint(got, expected, rows, weights) or where_beyond(np.where(known, ratios, 0.0))
    return Verdict(
        law,
        name,
        False,
        note,
        error=error if math.isfinite(error) else math.inf,
        bound=error / float(ratios[index]),
        index=index,
        got=float(got[index]),
        expected=float(expected[index]),
    )


def _lifted(leaf: Array, direction: Array) -> Array:
    stepped: Any = lift(leaf) + 1j * STEP * direction
    lifted: Array = stepped
    return lifted


def noted(verdict: Verdict, note: str) -> Verdict:
    """The verdict with a note, if the law does not hold."""
    return verdict if verdict.ok else evolve(verdict, note=note)
