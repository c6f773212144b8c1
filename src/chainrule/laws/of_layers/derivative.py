"""The law of the derivative, at the arguments that a layer is checked on."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict, compare, entry, index_of_largest
from chainrule.interop.graph import Function
from chainrule.laws.of_layers._by_complex_step import DIRECTIONS, FEW, analytic, by_complex_directions, by_complex_step
from chainrule.laws.trials.copies import writable
from chainrule.laws.trials.directions import UNSTEADY, Asked, by_directions
from chainrule.laws.trials.entries import around, confirmed, only_at_kinks
from chainrule.laws.trials.finite import first_not_finite
from chainrule.laws.trials.hints import FLAT, allowed_by, hint, mistake_of_all
from chainrule.laws.trials.lost import of_lost
from chainrule.laws.trials.names import OF_LAYERS, Names
from chainrule.laws.trials.part import NOISY, Part
from chainrule.laws.trials.rounding import units_of
from chainrule.laws.trials.trial import Checked, Trial, draw, fixed_fields, measured
from chainrule.laws.trials.wording import where_beyond

P = TypeVar("P")
C = TypeVar("C")

WORK = 2**25
"""The most numbers that may be gone through for the entries of one array that are checked one by one."""

SAMPLE, SAMPLE_OF_LARGE = 4096, 32
"""The most such entries, of an array that has more; and of a large layer."""

ANOTHER, FAR_OFF = 1e-9, 1e3
"""By how much two ways to compute a value may differ, of the largest entry, and in units of its noise."""

CANCELLED = 0.05
"""The share of the largest entry of a small gradient that rounding on the way may take from it."""

WIDTHS = (("float32", 4e-9, 1e-6), ("float16", 1e-5, 2e-3), ("bfloat16", 2e-3, 2e-2))
"""The noise of functions that compute in these dtypes."""

AT_LEAST = "at least"
"""The beginning of words where most entries are not known."""

BEYOND = 1e150
"""A number whose square overflows, so that any error is allowed."""

OUT_OF_RANGE = "nothing could be checked: numbers of this size are beyond what is compared: choose another x"
"""The words for a gradient of such numbers."""

CANCELS = (
    "it is off by no more than numbers of the size of {dout} are rounded by: is 1 - y computed on the way for a y near "
    "1? Digits cancel there, which another form keeps, as with expm1 or log1p"
)
"""The words for that, with the name of dout."""

SURROGATE = "If it is meant to differ, as a straight-through estimator's is, say check_layer(..., surrogate=True)"
"""The advice where a gradient should be 0."""


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
            verdicts.append(_of_field(Part(trial, name, dout, got, units), rng, lifted=lifted, most=most))
    if not (trial.out.size and any(leaf.size for leaf in trial.arguments.values())):
        return [each if each.wrong else _nothing(each.field, trial) for each in verdicts]
    verdicts = [_rough(each, trial) if each.ok else each for each in verdicts]
    verdicts = [evolve(each, advice=SURROGATE) if each.wrong and each.note == FLAT else each for each in verdicts]
    lost = first_not_finite({"out": trial.out})
    return [evolve(each, note=f"forward gives {lost}") if each.undecided and lost else each for each in verdicts]


def _rough(verdict: Verdict, trial: Trial) -> Verdict:
    if trial.noise < NOISY or math.isnan(verdict.error):
        return verdict
    like = next((f", as in {name}" for name, low, high in WIDTHS if low <= trial.noise < high), "")
    words = f"its values have about {-math.log10(trial.noise):.0f} digits{like}: smaller errors can't be seen"
    return evolve(verdict, note=f"{verdict.note}; {words}" if verdict.note else words)


def _of_value(trial: Trial) -> list[Verdict]:
    """The verdict on `out`, if a function of another library gives another where its derivative is asked for."""
    forward = trial.layer.forward
    if not isinstance(forward, Function) or forward.value is None:
        return []
    alone: NDArray[Any] = np.asarray(forward.value(trial.params, writable(trial.x)))
    note = "where its derivative is asked for, the function gives another value than alone, which is expected"
    verdict = compare("derivative", "out", trial.out, alone, max(ANOTHER, FAR_OFF * trial.noise), note=note)
    return [verdict] if verdict.wrong else []


def _nothing(field: str, trial: Trial) -> Verdict:
    shapes = f"out has shape {trial.out.shape} for an {trial.names.x} of shape {np.shape(trial.x)}"
    return Verdict("derivative", field, ok=False, undecided=True, note=f"{shapes}: nothing can be compared")


def _of_field(part: Part, rng: np.random.Generator, *, lifted: bool, most: int) -> Verdict:
    name, got, argument, names = part.name, part.got, part.leaf, part.trial.names
    hinted = partial(hint, rows=len(np.atleast_1d(part.trial.out)))
    if got.shape != argument.shape:
        return judged_by_ratios("derivative", name, got, argument, np.zeros(0), hinted)
    if not argument.size:
        return Verdict("derivative", name, True, "nothing to compare", error=0.0)
    most = most if lifted else min(FEW, most)
    in_part = argument.size > most
    some = rng.choice(argument.size, most, replace=False) if in_part else np.arange(argument.size)
    if lifted and in_part:
        found = by_complex_directions(part, rng)
        if found is not None:
            return _shown(judged_by_ratios("derivative", name, got, *found, hinted, names), part, found[1])
    directions = DIRECTIONS if in_part and not lifted else 3
    along = by_directions("derivative", part.trial, [part.dout], rng, Asked(directions, only=name, units=part.units))
    expected, ratios = by_complex_step(part, some) if lifted else confirmed(part, some)
    weights = [leaf for field, leaf in part.trial.arguments.items() if field != "dx"] if name == "dx" else []
    with_weights = partial(hinted, weights=weights)
    alone = _shown(judged_by_ratios("derivative", name, got, expected, ratios, with_weights, names), part, ratios)
    allowed = allowed_by(got, expected, ratios)
    if alone.wrong and not mistake_of_all(got, expected, 1, weights, allowed) and _may_be_rounding(part, expected):
        alone = evolve(alone, note=CANCELS.format(dout=part.trial.names.dout))
    if alone.ok and in_part:
        note = f"{most} of {argument.size} entries were tried one by one, all along {DIRECTIONS} directions"
        alone = evolve(alone, note=note)
    if lifted and not (in_part or np.isnan(ratios).any()):  # each entry is known
        along = [each for each in along if each.note != UNSTEADY]
    verdict = _weighed(alone, along[0] if along else None, _at_several_kinks(part, expected, ratios))
    if verdict.ok and math.isinf(verdict.power) and np.abs(got).max() > BEYOND:
        verdict = evolve(verdict, ok=False, undecided=True, power=math.nan, note=OUT_OF_RANGE)
    lost = None if verdict.wrong else of_lost("derivative", part, ~(ratios > 1))
    return lost if lost is not None and (lost.wrong or verdict.ok) else verdict


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
    if not verdict.wrong:
        return verdict
    place = int(np.ravel_multi_index(verdict.index, part.got.shape)) if verdict.index else 0
    pattern = around(part, place) if verdict.note.startswith(AT_LEAST) else ""
    return evolve(verdict, point=part, note=only_at_kinks(part, ratios) or pattern or verdict.note)


def _may_be_rounding(part: Part, expected: Array) -> bool:
    off = np.abs(part.got - expected)[~np.isnan(expected)]
    least, most = (float(np.abs(leaf).max(initial=0)) for leaf in (part.dout, expected[~np.isnan(expected)]))
    return bool((off <= 4 * 2.0**-52 * least).all() and (off <= CANCELLED * most).all())


def _at_several_kinks(part: Part, expected: Array, ratios: Array) -> Verdict | None:
    """The verdict where an entry has a derivative, and it can't be told whether the gradient may differ from it."""
    unclear = np.isnan(ratios) & ~np.isnan(expected)
    if not unclear.any():
        return None
    index = index_of_largest(unclear)
    note = f"of {entry(part.trial.names.of(part.name), index)}: {part.kinks}"
    return Verdict("derivative", part.name, ok=False, undecided=True, index=index, note=note)


def judged_by_ratios(
    law: str,
    name: str,
    got: Array,
    expected: Array,
    ratios: Array,
    hinted: Callable[..., str],
    names: Names = OF_LAYERS,
) -> Verdict:
    """The verdict on a derivative, of which `got` misses so many times what is allowed, with a hint if it is wrong."""
    if got.shape != expected.shape:
        note, found = f"has shape {got.shape}, expected {expected.shape}", hinted(got, expected)
        return Verdict(law, name, ok=False, note=f"{note}: {found}" if found else note)
    known = ~np.isnan(ratios)
    if not known.any():
        note = "nothing could be checked: the derivative is not finite, or at a kink, at every entry: choose another"
        return Verdict(law, name, ok=False, undecided=True, note=f"{note} {names.x}")
    index = index_of_largest(np.where(known, ratios, -1.0))
    scale = float(np.abs(expected[known]).max()) or 1.0
    error = float(abs(got[index] - expected[index])) / scale
    if ratios[index] <= 1:
        return Verdict(law, name, True, error=error, power=math.inf)
    allowed = allowed_by(got, expected, ratios)
    note = hinted(got, expected, allowed=allowed)
    if not note and np.count_nonzero(known) <= known.size / 2:
        beyond = int(np.count_nonzero(ratios > 1))
        note = f"{AT_LEAST} {beyond} of {known.size} entries {'is' if beyond == 1 else 'are'} wrong"
    note = note or where_beyond(np.where(known, ratios, 0.0))
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


def noted(verdict: Verdict, note: str) -> Verdict:
    """The verdict with a note, if the law does not hold."""
    return verdict if verdict.ok else evolve(verdict, note=note)
